"""Audio that a page can play by itself: compressed, inline, word by word."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from markupsafe import Markup

from asr_helpers.audio.reading import SAMPLING_RATE, read_blocks
from asr_helpers.text.languages import language_of

from .fragments import direction, font, naskh
from .markup import element, render

__all__ = [
    "PLAYER_SECONDS",
    "audio_uri",
    "beside_player",
    "clip_button",
    "read_beginning",
    "read_player",
    "without_audio",
    "word_player",
    "word_span",
]

# MP3 is what Chromium, Firefox and Safari all play. At 0.8 libsndfile writes about 41 kbit/s, 5.2 kB for a
# second, and its frames are large enough for the header that tells a player how much of the start is
# padding; at the next rate below it they are not, and every time in the file is 69 ms late (1,105 samples
# at 16 kHz).
COMPRESSION = 0.8
MARGIN = 0.03  # seconds played before and after a word

PLAYER_SECONDS = 30  # a player holds no more of a recording: about 210 kB of page

BEGINNING = f"the first {PLAYER_SECONDS} s"


def audio_uri(samples: np.ndarray, sampling_rate: int = SAMPLING_RATE) -> str:
    """Compress a recording to an MP3 that a page holds as a ``data:`` address, about 7 kB for a second of it.

    Args:
        samples: Mono audio, float in [-1, 1], shape ``(samples,)``; what lies outside is clipped.
        sampling_rate: Samples per second; one that MP3 has (8, 11.025, 12, 16, 22.05, 24, 32, 44.1, 48 kHz).

    Returns:
        The address of a whole file at a constant bit rate, so that seeking to a word is exact.

    Raises:
        ValueError: The recording is empty or not one-dimensional.
    """
    samples = np.asarray(samples, dtype=np.float32)
    if samples.ndim != 1 or not samples.size:
        raise ValueError(f"audio of shape {samples.shape} cannot be played; give one channel with at least one sample")
    samples = np.clip(np.nan_to_num(samples), -1.0, 1.0)
    file = io.BytesIO()
    soundfile.write(file, samples, sampling_rate, format="MP3", compression_level=COMPRESSION, bitrate_mode="CONSTANT")
    return "data:audio/mpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def read_beginning(path: str | Path, *, seconds: float = PLAYER_SECONDS) -> np.ndarray:
    """Decode a recording at 16 kHz no further than a player needs, however long it is.

    Returns:
        Mono audio, float32, shape ``(samples,)``: more than so many seconds of it if there is more.

    Raises:
        AudioError: The file is missing, is not audio, or breaks off.
    """
    blocks: list[np.ndarray] = [np.zeros(0, dtype=np.int16)]
    for block in read_blocks(path):
        blocks.append(block)
        if sum(map(len, blocks)) > seconds * SAMPLING_RATE:
            break
    return np.concatenate(blocks).astype(np.float32) / 32768


def read_player(path: str | Path, *, follows: bool = False) -> Markup:
    """Make a player of a file; where it cannot be read, a remark, so that one bad file costs one row.

    Args:
        path: The recording.
        follows: The player stands beside its words, and shows which one is heard.
    """
    path = Path(path)
    try:
        return _audio(read_beginning(path), SAMPLING_RATE, label=f"recording {path.stem}", follows=follows)
    except (OSError, ValueError, soundfile.LibsndfileError) as error:
        return element("span", f"no audio: {error}", class_="note")


def _audio(samples: np.ndarray, sampling_rate: int, *, label: str, follows: bool, autoplay: bool = False) -> Markup:
    """A player, which says so where it holds the beginning only."""
    most = PLAYER_SECONDS * sampling_rate
    uri, cut = audio_uri(samples[:most], sampling_rate), len(samples) > most
    return render("audio", uri=uri, label=label, follows=follows, autoplay=autoplay, cut=BEGINNING if cut else "")


def beside_player(path: str | Path, content: object) -> Markup:
    """Put content beside the player of a file; what in it carries :func:`word_span` plays its part of the file."""
    return render("beside", audio=read_player(path, follows=True), content=content)


def word_span(start: float, end: float) -> dict[str, str]:
    """Say in attributes which part of a recording an element plays when it is clicked, in seconds.

    There are none for a word that lies behind what a player holds. CTC marks a letter where it peaks, not where it
    begins, so a little is played before and after.
    """
    if start >= PLAYER_SECONDS:
        return {}
    return {"data-start": f"{max(0.0, start - MARGIN):.3f}", "data-end": f"{end + MARGIN:.3f}"}


def word_player(
    samples: np.ndarray,
    words: Iterable[Mapping[str, Any]],
    sampling_rate: int = SAMPLING_RATE,
    *,
    label: str = "recording",
    language: str = "none",
    autoplay: bool = False,
) -> Markup:
    """Make a player with its waveform and its words; a click on a word plays just that word.

    Of a long recording it holds the first 30 s, and says so. The words stand twice: under the waveform where they
    were heard, left to right as time runs, and below as a sentence of buttons in reading order, which is the one that
    the keyboard and a screen reader reach.

    Args:
        samples: Mono audio, float in [-1, 1], shape ``(samples,)``.
        words: One mapping a word with ``word``, ``start`` and ``end`` in seconds, and ``confidence`` if known.
        sampling_rate: Samples per second.
        label: What a screen reader calls the recording.
        language: Code of the language of the words.
        autoplay: Play at once; only for a player that appears because somebody asked to hear it.

    Returns:
        Markup; it needs no script element, so it also works inside a widget and in a saved page.
    """
    heard = np.asarray(samples[: PLAYER_SECONDS * sampling_rate], dtype=np.float32)
    seconds = len(heard) / sampling_rate
    placed = [_placed(word, seconds) for word in words]
    text = " ".join(str(word["word"]) for word in placed)
    step = next(s for s in (0.5, 1, 2, 5, 10, 30, 60, 300, seconds + 300) if seconds / s <= 12)
    return render(
        "words",
        audio=_audio(samples, sampling_rate, label=label, follows=True, autoplay=autoplay),
        words=placed,
        ticks=[(f"{100 * t / seconds:.2f}", f"{t:g}") for t in np.arange(0, seconds * 0.97, step)],
        width=round(110 * seconds),
        way=direction(text),
        marked=naskh(text),
        font=font(text, language),
        tag=language_of(language).tag,
        **_wave(heard),
    )


def _placed(word: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """One word with its place on a timeline and what its button says and plays."""
    start, end, sure = float(word["start"]), float(word["end"]), word.get("confidence")
    return {
        "word": word["word"],
        "span": word_span(start, end),
        "title": f"{start:.2f} to {end:.2f} s" + ("" if sure is None else f", confidence {float(sure):.2f}"),
        "place": f"left:{100 * start / seconds:.2f}%;width:{100 * (end - start) / seconds:.2f}%",
    }


def _wave(samples: np.ndarray, bins: int = 600) -> dict[str, Any]:
    """Outline a recording for an SVG in the colour of the text, so that it suits a light and a dark page."""
    edges = np.linspace(0, len(samples), min(bins, len(samples)) + 1).astype(int)[:-1]
    top = 50 / max(float(np.abs(samples).max()), 1e-9)
    high, low = np.maximum.reduceat(samples, edges) * top, np.minimum.reduceat(samples, edges) * top
    there = [f"{i},{50 - h:.0f}" for i, h in enumerate(high)]
    back = [f"{i},{50 - v:.0f}" for i, v in reversed(list(enumerate(low)))]
    return {"outline": " ".join(there + back), "last": max(len(edges) - 1, 1)}


def clip_button(samples: np.ndarray, text: str, sampling_rate: int = SAMPLING_RATE, *, label: str) -> Markup:
    """Make one small button that plays a short recording, for tables that hold many.

    Args:
        samples: Mono audio, float in [-1, 1], shape ``(samples,)``.
        text: What the button says.
        sampling_rate: Samples per second.
        label: What a screen reader calls it, and the pointer's tip.
    """
    most = PLAYER_SECONDS * sampling_rate
    if len(samples) > most:
        samples, text, label = samples[:most], f"{text} ({BEGINNING})", f"{label}, {BEGINNING}"
    seconds = f"{len(samples) / sampling_rate:.3f}"
    return render("clip", uri=audio_uri(samples, sampling_rate), seconds=seconds, text=text, label=label)


def without_audio(markup: str) -> str:
    """Take the sound out of markup: what is committed holds no recordings."""
    return re.sub(r"<audio\b([^>]*)>.*?</audio>", _silent, markup, flags=re.DOTALL)


def _silent(audio: re.Match[str]) -> str:
    return '<span class="note">▶ run the notebook to listen</span>' if " controls" in audio[1] else ""

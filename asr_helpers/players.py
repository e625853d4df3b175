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

from .audio import SAMPLING_RATE, read_audio
from .fragments import direction, escape

__all__ = ["WORD_HANDLER", "audio_uri", "encode", "player", "read_player", "without_audio", "word_player"]

# MP3 is what Chromium, Firefox and Safari all play. At 0.8 libsndfile writes about 41 kbit/s, 5.2 kB for a
# second, and its frames are large enough for the header that tells a player how much of the start is
# padding; at the next rate below it they are not, and every time in the file is 69 ms late (1,105 samples
# at 16 kHz).
COMPRESSION = 0.8

# One handler, the same text everywhere, so that a page's security policy can name it by its hash. It plays
# the part of the recording that the clicked button names and stops at the part's end; a second click starts
# it again.
WORD_HANDLER = (
    "const b=event.target.closest('button[data-start]');if(b){"
    "const a=this.querySelector('audio'),e=+b.dataset.end,r=this.run=(this.run||0)+1;"
    "this.querySelectorAll('.on').forEach(x=>x.classList.remove('on'));b.classList.add('on');"
    "a.preload='auto';"
    "const go=()=>{a.currentTime=+b.dataset.start;a.play().then(()=>{const w=()=>{"
    "if(this.run!==r||a.paused){b.classList.remove('on');return}"
    "if(a.currentTime>=e){a.pause();b.classList.remove('on')}else requestAnimationFrame(w)};w()})};"
    "a.readyState>0?go():(a.addEventListener('loadedmetadata',go,{once:true}),a.load())}"
)


def encode(samples: np.ndarray, sampling_rate: int = SAMPLING_RATE) -> bytes:
    """Compress a recording to MP3 for listening on a page.

    Args:
        samples: Mono audio, float in [-1, 1], shape ``(samples,)``; what lies outside is clipped.
        sampling_rate: Samples per second; one that MP3 has (8, 11.025, 12, 16, 22.05, 24, 32, 44.1, 48 kHz).

    Returns:
        A whole MP3 file at a constant bit rate, so that seeking to a word is exact.

    Raises:
        ValueError: The recording is empty or not one-dimensional.
    """
    samples = np.asarray(samples, dtype=np.float32)
    if samples.ndim != 1 or not samples.size:
        raise ValueError(
            f"audio of shape {samples.shape} cannot be played; give one channel with at least one sample"
        )
    samples = np.clip(np.nan_to_num(samples), -1.0, 1.0)
    file = io.BytesIO()
    soundfile.write(
        file, samples, sampling_rate, format="MP3", compression_level=COMPRESSION, bitrate_mode="CONSTANT"
    )
    return file.getvalue()


def audio_uri(samples: np.ndarray, sampling_rate: int = SAMPLING_RATE) -> str:
    """Give a recording as a ``data:`` address, about 7 kB for a second of it."""
    return "data:audio/mpeg;base64," + base64.b64encode(encode(samples, sampling_rate)).decode("ascii")


def player(samples: np.ndarray, sampling_rate: int = SAMPLING_RATE, *, label: str = "recording") -> str:
    """Make an audio element that plays without Python and without the network.

    Args:
        samples: Mono audio, float in [-1, 1], shape ``(samples,)``.
        sampling_rate: Samples per second.
        label: What a screen reader calls it.

    Returns:
        Markup of one ``<audio>`` element.
    """
    uri = audio_uri(samples, sampling_rate)
    return f'<audio controls preload="none" aria-label="{escape(label)}" src="{uri}"></audio>'


def read_player(path: str | Path, *, label: str | None = None) -> str:
    """Make a player of a file; where it cannot be read, a remark, so that one bad file costs one row."""
    path = Path(path)
    try:
        samples, sampling_rate = read_audio(path, sampling_rate=SAMPLING_RATE)
        return player(samples, sampling_rate, label=label or f"recording {path.stem}")
    except (OSError, ValueError, soundfile.LibsndfileError) as error:
        return f'<span class="note">no audio: {escape(error)}</span>'


def word_player(
    samples: np.ndarray,
    words: Iterable[Mapping[str, Any]],
    sampling_rate: int = SAMPLING_RATE,
    *,
    label: str = "recording",
    lang: str = "ur",
    margin: float = 0.03,
) -> str:
    """Make a player whose words are buttons: each plays just that word.

    Args:
        samples: Mono audio, float in [-1, 1], shape ``(samples,)``.
        words: One mapping a word with ``word``, ``start`` and ``end`` in seconds, and ``confidence`` if
            known.
        sampling_rate: Samples per second.
        label: What a screen reader calls the recording.
        lang: Language of the words.
        margin: Seconds played before and after a word; CTC marks a letter where it peaks, not where it
            begins.

    Returns:
        Markup; it needs no script element, so it also works inside a widget and in a saved page.
    """
    words = list(words)
    seconds = len(samples) / sampling_rate
    buttons = " ".join(_word_button(word, seconds=seconds, margin=margin) for word in words)
    way = direction(" ".join(str(word["word"]) for word in words))
    group = f'dir="{way}" lang="{escape(lang)}" role="group" aria-label="play one word"'
    return (
        f'<div class="words" onclick="{escape(WORD_HANDLER)}">{player(samples, sampling_rate, label=label)}'
        f'<div class="ur" {group}>{buttons}</div></div>'
    )


def _word_button(word: Mapping[str, Any], *, seconds: float, margin: float) -> str:
    start, end = float(word["start"]), float(word["end"])
    confidence = word.get("confidence")
    sure = "" if confidence is None else f", confidence {float(confidence):.2f}"
    return (
        f'<button type="button" class="play" data-start="{max(0.0, start - margin):.3f}" '
        f'data-end="{min(seconds, end + margin):.3f}" title="{start:.2f} to {end:.2f} s{sure}">'
        f"{escape(word['word'])}</button>"
    )


def without_audio(markup: str) -> str:
    """Take the sound out of markup: what is committed holds no recordings."""
    remark = '<span class="note">▶ run the notebook to listen</span>'
    return re.sub(r"<audio\b[^>]*>.*?</audio>", remark, markup, flags=re.DOTALL)

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

from asr_helpers.audio.reading import SAMPLING_RATE, read_audio

from .fragments import direction, escape

__all__ = [
    "PLAY_HANDLER",
    "WORD_HANDLER",
    "audio_uri",
    "beside_player",
    "clip_button",
    "encode",
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

# Two handlers, the same text everywhere, so that a page's security policy can name them by their hashes. They
# are attributes and no script, because a widget runs the one and not the other. A click on a word starts the
# recording there; while it plays, every drawn frame moves the playhead, lights the word that is heard, and stops
# the recording at the word's end.
WORD_HANDLER = (
    "const b=event.target.closest('[data-start]');if(b){const a=this.querySelector('audio'),"
    "go=()=>{a.dataset.end=b.dataset.end;a.currentTime=+b.dataset.start;a.play()};"
    "a.readyState>0?go():(a.preload='auto',a.addEventListener('loadedmetadata',go,{once:true}),a.load())}"
)

PLAY_HANDLER = (
    "const a=this,w=a.closest('.words'),tick=()=>{const t=a.currentTime,end=+a.dataset.end;"
    "if(end&&t>=end)a.pause();const off=a.paused||a.ended;if(off)delete a.dataset.end;"
    "w.querySelectorAll('[data-start]').forEach(b=>"
    "b.classList.toggle('on',!off&&t>=+b.dataset.start&&t<+b.dataset.end));"
    "w.querySelectorAll('.head').forEach(h=>h.style.left=100*t/a.duration+'%');"
    "if(!off)requestAnimationFrame(tick)};tick()"
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
        raise ValueError(f"audio of shape {samples.shape} cannot be played; give one channel with at least one sample")
    samples = np.clip(np.nan_to_num(samples), -1.0, 1.0)
    file = io.BytesIO()
    soundfile.write(file, samples, sampling_rate, format="MP3", compression_level=COMPRESSION, bitrate_mode="CONSTANT")
    return file.getvalue()


def audio_uri(samples: np.ndarray, sampling_rate: int = SAMPLING_RATE) -> str:
    """Give a recording as a ``data:`` address, about 7 kB for a second of it."""
    return "data:audio/mpeg;base64," + base64.b64encode(encode(samples, sampling_rate)).decode("ascii")


def _audio(uri: str, label: str, more: str = "") -> str:
    return f'<audio controls preload="none" aria-label="{escape(label)}" {more} src="{uri}"></audio>'


def read_player(path: str | Path, *, label: str | None = None) -> str:
    """Make a player of a file; where it cannot be read, a remark, so that one bad file costs one row."""
    return _read(path, label, "")


def _read(path: str | Path, label: str | None, more: str) -> str:
    path = Path(path)
    try:
        samples, sampling_rate = read_audio(path, sampling_rate=SAMPLING_RATE)
        return _audio(audio_uri(samples, sampling_rate), label or f"recording {path.stem}", more)
    except (OSError, ValueError, soundfile.LibsndfileError) as error:
        return f'<span class="note">no audio: {escape(error)}</span>'


def beside_player(path: str | Path, markup: str, *, label: str | None = None) -> str:
    """Put markup beside the player of a file; what in it carries :func:`word_span` plays its part of the file."""
    audio = _read(path, label, f'onplay="{escape(PLAY_HANDLER)}"')
    return f'<div class="words beside" onclick="{escape(WORD_HANDLER)}">{audio}<div>{markup}</div></div>'


def word_span(start: float, end: float) -> str:
    """Say in attributes which part of a recording an element plays when it is clicked, in seconds.

    CTC marks a letter where it peaks, not where it begins, so a little is played before and after.
    """
    return f'data-start="{max(0.0, start - MARGIN):.3f}" data-end="{end + MARGIN:.3f}"'


def word_player(
    samples: np.ndarray,
    words: Iterable[Mapping[str, Any]],
    sampling_rate: int = SAMPLING_RATE,
    *,
    label: str = "recording",
    lang: str = "ur",
    autoplay: bool = False,
) -> str:
    """Make a player with its waveform and its words; a click on a word plays just that word.

    The words stand twice: under the waveform where they were heard, left to right as time runs, and below as a
    sentence of buttons in reading order, which is the one that the keyboard and a screen reader reach.

    Args:
        samples: Mono audio, float in [-1, 1], shape ``(samples,)``.
        words: One mapping a word with ``word``, ``start`` and ``end`` in seconds, and ``confidence`` if known.
        sampling_rate: Samples per second.
        label: What a screen reader calls the recording.
        lang: Language of the words.
        autoplay: Play at once; only for a player that appears because somebody asked to hear it.

    Returns:
        Markup; it needs no script element, so it also works inside a widget and in a saved page.
    """
    words = list(words)
    seconds = len(samples) / sampling_rate
    way = direction(" ".join(str(word["word"]) for word in words))
    spans = [word_span(float(word["start"]), float(word["end"])) for word in words]
    buttons = " ".join(_word_button(word, span) for word, span in zip(words, spans, strict=True))
    more = f'onplay="{escape(PLAY_HANDLER)}"' + (" autoplay" if autoplay else "")
    group = f'dir="{way}" lang="{escape(lang)}" role="group" aria-label="play one word"'
    return (
        f'<div class="words" onclick="{escape(WORD_HANDLER)}">'
        f"{_audio(audio_uri(samples, sampling_rate), label, more)}"
        f"{_timeline(samples, words, spans, seconds, way)}"
        f'<div class="ur read sentence" {group}>{buttons}</div></div>'
    )


def _word_button(word: Mapping[str, Any], span: str) -> str:
    sure = word.get("confidence")
    times = f"{float(word['start']):.2f} to {float(word['end']):.2f} s"
    title = times if sure is None else f"{times}, confidence {float(sure):.2f}"
    return f'<button type="button" class="play" {span} title="{title}">{escape(word["word"])}</button>'


def _timeline(samples: np.ndarray, words: list[Mapping[str, Any]], spans: list[str], seconds: float, way: str) -> str:
    """Draw the waveform with a band for every word, the word under its band, and a scale in seconds."""
    bands = "".join(_band(word, span, seconds, way) for word, span in zip(words, spans, strict=True))
    step = next(s for s in (0.5, 1, 2, 5, 10, 30, 60, 300, seconds + 300) if seconds / s <= 12)
    marks = "".join(
        f'<span class="tick" style="left:{100 * t / seconds:.2f}%">{t:g} s</span>'
        for t in np.arange(0, seconds * 0.97, step)
    )
    return (
        f'<div class="scroll" aria-hidden="true"><div class="timeline" style="min-width:{round(110 * seconds)}px">'
        f'{_wave(np.asarray(samples, dtype=np.float32))}{bands}<i class="head"></i>{marks}</div></div>'
    )


def _band(word: Mapping[str, Any], span: str, seconds: float, way: str) -> str:
    left, width = float(word["start"]) / seconds, (float(word["end"]) - float(word["start"])) / seconds
    place = f"left:{100 * left:.2f}%;width:{100 * width:.2f}%"
    name = f"<span>{escape(word['word'])}</span>"
    return f'<span class="band ur" dir="{way}" {span} style="{place}">{name}</span>'


def _wave(samples: np.ndarray, bins: int = 600) -> str:
    """Outline a recording as SVG in the colour of the text, so that it suits a light and a dark page."""
    edges = np.linspace(0, len(samples), min(bins, len(samples)) + 1).astype(int)[:-1]
    top = 50 / max(float(np.abs(samples).max()), 1e-9)
    high, low = np.maximum.reduceat(samples, edges) * top, np.minimum.reduceat(samples, edges) * top
    there = " ".join(f"{i},{50 - h:.0f}" for i, h in enumerate(high))
    back = " ".join(f"{i},{50 - v:.0f}" for i, v in reversed(list(enumerate(low))))
    box = f'viewBox="0 0 {max(len(edges) - 1, 1)} 100" preserveAspectRatio="none"'
    return f'<svg class="wave" {box}><polygon points="{there} {back}"/></svg>'


def clip_button(samples: np.ndarray, text: str, sampling_rate: int = SAMPLING_RATE, *, label: str) -> str:
    """Make one small button that plays a short recording, for tables that hold many.

    Args:
        samples: Mono audio, float in [-1, 1], shape ``(samples,)``.
        text: What the button says.
        sampling_rate: Samples per second.
        label: What a screen reader calls it, and the pointer's tip.
    """
    uri = audio_uri(samples, sampling_rate)
    span = f'data-start="0" data-end="{len(samples) / sampling_rate:.3f}"'
    name = f'title="{escape(label)}" aria-label="{escape(label)}"'
    return (
        f'<span class="words" onclick="{escape(WORD_HANDLER)}">'
        f'<audio preload="none" onplay="{escape(PLAY_HANDLER)}" src="{uri}"></audio>'
        f'<button type="button" class="play" {span} {name}>{escape(text)}</button></span>'
    )


def without_audio(markup: str) -> str:
    """Take the sound out of markup: what is committed holds no recordings."""
    return re.sub(r"<audio\b([^>]*)>.*?</audio>", _silent, markup, flags=re.DOTALL)


def _silent(audio: re.Match[str]) -> str:
    return '<span class="note">▶ run the notebook to listen</span>' if " controls" in audio[1] else ""

"""Words become subtitles: cut into lines that can be read, as SubRip (SRT) or WebVTT."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Span", "Timed", "cues", "to_srt", "to_vtt"]

LINE = 42  # letters in a subtitle, about what broadcasters allow a line
LONGEST = 6.0  # seconds that a subtitle's words may span
PAUSE = 0.6  # seconds without a word that end a subtitle
READABLE = 1.0  # seconds that a subtitle stays at least, where the next one leaves it the time


class Timed(Protocol):
    """What has a text and a place in the recording, in seconds: a word, a letter, a subtitle."""

    @property
    def text(self) -> str: ...

    @property
    def start(self) -> float: ...

    @property
    def end(self) -> float: ...


@dataclass(frozen=True)
class Span:
    """A stretch of the recording, in seconds, with a text."""

    text: str
    start: float
    end: float


def cues(words: Iterable[Timed], *, line: int = LINE, longest: float = LONGEST, pause: float = PAUSE) -> list[Span]:
    """Group words into subtitles, broken at pauses and where one would grow too long to read.

    A subtitle stays for ``READABLE`` seconds at least, unless the next one begins earlier.

    Args:
        words: In the order of time.
        line: Letters of a subtitle at most, spaces included.
        longest: Seconds from its first word to its last at most.
        pause: Seconds without a word that end a subtitle.
    """
    groups: list[list[Timed]] = []
    for word in words:
        if groups and _fits(groups[-1], word, line, longest, pause):
            groups[-1].append(word)
        else:
            groups.append([word])
    spans = []
    for i, group in enumerate(groups):
        start, end = group[0].start, group[-1].end
        free = groups[i + 1][0].start if i + 1 < len(groups) else float("inf")
        spans.append(Span(" ".join(word.text for word in group), start, max(end, min(start + READABLE, free))))
    return spans


def _fits(group: Sequence[Timed], word: Timed, line: int, longest: float, pause: float) -> bool:
    letters = sum(len(w.text) + 1 for w in group) + len(word.text)
    return letters <= line and word.end - group[0].start <= longest and word.start - group[-1].end < pause


def to_srt(spans: Iterable[Timed]) -> str:
    """Write subtitles as SubRip, numbered from 1, to the millisecond."""
    blocks = [
        f"{i}\n{_clock(span.start, ',')} --> {_clock(span.end, ',')}\n{span.text}\n"
        for i, span in enumerate(spans, start=1)
    ]
    return "\n".join(blocks)


def to_vtt(spans: Iterable[Timed]) -> str:
    """Write subtitles as WebVTT, as browsers take them beside a video; ``&``, ``<`` and ``>`` are markup there.

    Source: W3C, "WebVTT: The Web Video Text Tracks Format", section 4.
    """
    blocks = [
        f"{_clock(span.start, '.')} --> {_clock(span.end, '.')}\n{html.escape(span.text, quote=False)}\n"
        for span in spans
    ]
    return "\n".join(["WEBVTT\n", *blocks])


def _clock(seconds: float, point: str) -> str:
    """Hours, minutes, seconds and milliseconds; SubRip has a comma before these, WebVTT a point."""
    minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}{point}{milliseconds % 1000:03}"

"""Times of words and letters for other programs: Praat TextGrid, SRT subtitles, Audacity labels, JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from .hypotheses import Hypothesis

__all__ = ["Span", "Timed", "cues", "tiers_of", "to_audacity", "to_json", "to_srt", "to_textgrid"]

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


def tiers_of(hypothesis: Hypothesis, reference: Hypothesis | None = None) -> dict[str, Sequence[Timed]]:
    """Lay out words and letters as tiers, and the words of the aligned reference where there is one."""
    letters = [letter for word in hypothesis.words for letter in word.letters]
    tiers: dict[str, Sequence[Timed]] = {"words": hypothesis.words, "letters": letters}
    return tiers | ({"reference": reference.words} if reference else {})


def to_textgrid(tiers: Mapping[str, Sequence[Timed]], *, seconds: float) -> str:
    """Write tiers as a Praat TextGrid; the time between texts becomes empty intervals, as Praat expects.

    Args:
        tiers: Texts of each tier by its name, in the order of time and without overlap.
        seconds: Length of the recording; a text that ends later, by a rounding, ends with it.

    Raises:
        ImportError: praatio is not installed; says how to go on.
        ValueError: Texts overlap or lie outside the recording; names the tier and the text.
    """
    try:
        from praatio import textgrid
    except ImportError as error:
        raise ImportError("a TextGrid needs the package praatio: pip install praatio==6.2.2") from error
    grid = textgrid.Textgrid()
    for name, texts in tiers.items():
        _check(name, texts, seconds)
        entries = [(each.start, min(each.end, seconds), each.text) for each in texts]
        grid.addTier(textgrid.IntervalTier(name, entries, 0, seconds))
    with TemporaryDirectory() as folder:  # praatio writes to files only
        path = Path(folder) / "all.TextGrid"
        grid.save(str(path), format="long_textgrid", includeBlankSpaces=True, reportingMode="error")
        return path.read_text(encoding="utf-8")


def _check(name: str, texts: Sequence[Timed], seconds: float) -> None:
    """Refuse what a TextGrid cannot hold."""
    for each in texts:
        if not 0 <= each.start < min(each.end, seconds):
            raise ValueError(
                f"{each.text!r} in tier {name!r} lasts from {each.start:.3f} to {each.end:.3f} s, "
                f"in a recording of {seconds:.3f} s; check that both belong together"
            )
    for one, other in pairwise(texts):
        if other.start < one.end:
            raise ValueError(
                f"{one.text!r} and {other.text!r} in tier {name!r} overlap at {other.start:.3f} s; "
                "give texts in the order of time, one at a time"
            )


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
        f"{i}\n{_clock(span.start)} --> {_clock(span.end)}\n{span.text}\n" for i, span in enumerate(spans, start=1)
    ]
    return "\n".join(blocks)


def _clock(seconds: float) -> str:
    """Hours, minutes, seconds and milliseconds as SubRip writes them."""
    minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02},{milliseconds % 1000:03}"


def to_audacity(spans: Iterable[Timed]) -> str:
    """Write labels for Audacity (File, Import, Labels): start, end and text, one a line.

    Source: the Audacity manual, "Importing and Exporting Labels".
    """
    return "".join(f"{span.start:.6f}\t{span.end:.6f}\t{span.text}\n" for span in spans)


def to_json(hypothesis: Hypothesis, **more: object) -> str:
    """Write text, confidence and words (word, start, end, confidence) as JSON; ``more`` comes first."""
    content = {**more, "text": hypothesis.text, "confidence": hypothesis.confidence, "words": hypothesis.rows()}
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"

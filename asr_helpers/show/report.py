"""One HTML file that tells how good a model is: no Python, no network and no second file needed to open it."""

from __future__ import annotations

import math
import re
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib.pyplot as plt
from IPython.display import display
from markupsafe import Markup
from matplotlib.figure import Figure

from asr_helpers.analysis.compare import Comparison
from asr_helpers.storage import write_text
from asr_helpers.wording import counted, percent

from .figures import Picture, picture
from .fragments import Fragment, phrase
from .markup import element, escape, policy, render
from .tables import table

__all__ = ["LIMIT_BYTES", "Section", "comparison_sections", "report_html", "verdict", "write_report"]

LIMIT_BYTES = 10_000_000  # what still goes through mail
AUDIO = re.compile(r"<audio\b[^>]*>.*?</audio>", flags=re.DOTALL)

DIFFERENCE = (
    "a is {a}, b is {b}. The difference is b's rate less a's: where its interval holds no zero, more than chance lies "
    "between them."
)

FAILURE_LETTERS = 500  # of an error's text in the report

LEFT_OUT = '<span class="note">(sound left out to keep the file small)</span>'


@dataclass(frozen=True)
class Section:
    """One chapter of the report.

    Attributes:
        title: What it answers.
        content: In order: fragments of :mod:`asr_helpers.show`, figures, or sentences.
    """

    title: str
    content: list[Fragment | Figure | str] = field(default_factory=list)

    def show(self, *parts: Fragment | Figure | str) -> None:
        """Show parts in the cell of a notebook, and keep them for the report."""
        for part in map(_fragment, parts):
            display(part)
            self.content.append(part)


class Report:
    """The chapters of a report, as the cells of a notebook show them.

    Attributes:
        sections: What was shown so far, by chapter.
        failed: Titles of the chapters of which something could not be shown.
    """

    def __init__(self) -> None:
        self.sections: list[Section] = []
        self.failed: list[str] = []

    @contextmanager
    def section(self, title: str) -> Iterator[Section]:
        """Open a chapter, or open it again. What fails in it says so, here and in the report, and stops nothing else.

        What it is for is only to be shown: hours of training should not end without a report because of a picture. The
        traceback goes to the error output. A chapter in which nothing was kept is left out of the report.
        """
        section = next((s for s in self.sections if s.title == title), Section(title))
        try:
            yield section
        except Exception as error:
            traceback.print_exc()
            plt.close("all")  # a picture drawn by half
            self.failed.append(title)
            section.show(_failure(error))
        if section.content and section not in self.sections:
            self.sections.append(section)


def _failure(error: Exception) -> Fragment:
    text = f"{type(error).__name__}: {error}"[:FAILURE_LETTERS]
    mark = element("span", "✖ this could not be shown", class_="tag error")
    return Fragment(element("p", mark + " " + escape(text), class_="note"), f"this could not be shown: {text}")


def verdict(
    *, wer: float, low: float, high: float, utterances: int, data: str, unit: str = "word", level: float = 0.95
) -> str:
    """Say in one sentence how good the model is: rate, interval, on what.

    Args:
        wer: Word error rate, a fraction; of characters, where these are the unit.
        low: Lower end of its interval; NaN where too few utterances were measured for one.
        high: Upper end.
        utterances: How many it was measured on.
        data: What they are, e.g. ``"the sample corpus (synthetic speech)"``.
        unit: ``"word"``, or ``"character"`` for a script that leaves no space between words.
        level: Share of such intervals that hold the true rate.
    """
    rate = {"word": "WER", "character": "CER"}[unit]
    plainly = f"Of 100 {unit}s about {100 * wer:.0f} are wrong: " if wer < 1 else "Nothing usable yet: "
    if math.isnan(low):
        span = f"no interval: {counted(utterances, 'utterance')} cannot say how far others would be from it"
    else:
        span = f"{percent(level, 0)} interval {100 * low:.1f} to {percent(high)}"
    return f"{plainly}{rate} {percent(wer)} ({span}), measured on {counted(utterances, 'test utterance')} of {data}."


def comparison_sections(comparison: Comparison, *, language: str = "none") -> list[Section]:
    """Chapters of the report on two runs: how large the difference is, and on which utterances it lies."""
    shares = dict.fromkeys(("a", "b", "difference", "low", "high", "b_better"), percent)
    a, b = comparison.names
    changed = comparison.utterances[comparison.utterances["difference"] != 0]
    for_a, for_b, even = comparison.wins
    wins = f"{a} is better on {for_a} utterances, {b} on {for_b}, and {even} are even."
    return [
        Section("How large is the difference?", [DIFFERENCE.format(a=a, b=b), table(comparison.rates, formats=shares)]),
        Section("Who wins where?", [wins, table(changed, limit=50, language=language)]),
    ]


def write_report(
    path: str | Path,
    *,
    title: str,
    verdict: str,
    sections: Sequence[Section],
    facts: Mapping[str, object] | None = None,
    limit: int = LIMIT_BYTES,
) -> int:
    """Write a report that a person without Python can open, print and mail.

    Args:
        path: The file to write; whole or not at all.
        title: Name of the run.
        verdict: The first sentence; see :func:`verdict`.
        sections: What follows, in order.
        facts: The first screen under the verdict: other rates, data, model, parameters, date.
        limit: Bytes at most. Recordings are left out from the end of the report until it fits.

    Returns:
        Bytes written.

    Raises:
        ValueError: The report is too large even without sound; the text names the largest section.
    """
    markup = report_html(title=title, verdict=verdict, sections=sections, facts=facts, limit=limit)
    write_text(markup, path)
    return len(markup.encode("utf-8"))


def report_html(
    *,
    title: str,
    verdict: str,
    sections: Sequence[Section],
    facts: Mapping[str, object] | None = None,
    limit: int = LIMIT_BYTES,
) -> str:
    """Make the page that :func:`write_report` writes."""
    bodies = [Markup("").join(map(_held, section.content)) for section in sections]
    page = render(
        "report",
        title=title,
        verdict=phrase(verdict, language="none"),
        facts=facts or {},
        sections=[{"title": s.title, "body": body} for s, body in zip(sections, bodies, strict=True)],
        policy=policy(),
    )
    sizes = {s.title: len(AUDIO.sub("", body)) for s, body in zip(sections, bodies, strict=True)}
    return _within(str(page), limit, max(sizes, key=sizes.__getitem__, default=""))


def _held(part: Fragment | Figure | str) -> Markup:
    part = _fragment(part)
    return element("figure", part) if isinstance(part, Picture) else escape(part)


def _fragment(part: Fragment | Figure | str) -> Fragment:
    if isinstance(part, Figure):
        return picture(part)
    return Fragment(element("p", phrase(part, language="none")), part) if isinstance(part, str) else part


def _within(page: str, limit: int, largest: str) -> str:
    """Leave out recordings from the end until the page fits; the worst utterances come first and stay longest."""
    size = len(page.encode("utf-8"))
    players = list(AUDIO.finditer(page))
    while size > limit and players:
        last = players.pop()
        size += len(LEFT_OUT) - len(last[0].encode("utf-8"))
        page = page[: last.start()] + LEFT_OUT + page[last.end() :]
    if size > limit:
        raise ValueError(
            f"the report has {size:,} bytes without sound, more than {limit:,}; make the section {largest!r} smaller"
        )
    return page

"""One HTML file that tells how good a model is: no Python, no network and no second file needed to open it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup
from matplotlib.figure import Figure

from asr_helpers.analysis.compare import Comparison
from asr_helpers.storage import write_text

from .figures import picture
from .fragments import Fragment
from .markup import asset, element, escape, render
from .tables import table

__all__ = ["LIMIT_BYTES", "Section", "comparison_sections", "report_html", "verdict", "write_report"]

LIMIT_BYTES = 10_000_000  # what still goes through mail

AUDIO = re.compile(r"<audio\b[^>]*>.*?</audio>", flags=re.DOTALL)

LEFT_OUT = '<span class="note">(sound left out to keep the file small)</span>'


@dataclass(frozen=True)
class Section:
    """One chapter of the report.

    Attributes:
        title: What it answers.
        content: In order: fragments of :mod:`asr_helpers.show`, figures, or sentences.
    """

    title: str
    content: Sequence[Fragment | Figure | str]


def verdict(*, wer: float, low: float, high: float, utterances: int, data: str, level: float = 0.95) -> str:
    """Say in one sentence how good the model is: rate, interval, on what.

    Args:
        wer: Word error rate, a fraction.
        low: Lower end of its interval.
        high: Upper end.
        utterances: How many it was measured on.
        data: What they are, e.g. ``"the sample corpus (synthetic speech)"``.
        level: Share of such intervals that hold the true rate.
    """
    plainly = f"Of 100 words about {100 * wer:.0f} are wrong: " if wer < 1 else "Nothing usable yet: "
    sentence = (
        f"{plainly}WER {100 * wer:.1f} % ({100 * level:.0f} % interval {100 * low:.1f} to {100 * high:.1f} %), "
        f"measured on {utterances:,} test utterances of {data}."
    )
    return sentence.replace(" %", "\u00a0%")  # a number and its unit stay on one line


def comparison_sections(comparison: Comparison, *, language: str = "none") -> list[Section]:
    """Chapters of the report on two runs: how large the difference is, and on which utterances it lies."""
    percent = dict.fromkeys(("a", "b", "difference", "low", "high", "b_better"), "{:.1%}")
    a, b = comparison.names
    changed = comparison.utterances[comparison.utterances["difference"] != 0]
    for_a, for_b, even = comparison.wins
    wins = f"{a} is better on {for_a} utterances, {b} on {for_b}, and {even} are even."
    return [
        Section("How large is the difference?", [table(comparison.rates, formats=percent), f"a is {a}, b is {b}."]),
        Section("Who wins where?", [wins, table(changed, limit=50, language=language, cards=True)]),
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
        facts: Small print under the verdict: model, data, date.
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
    bodies = [Markup("").join(map(_markup, section.content)) for section in sections]
    page = render(
        "report",
        title=title,
        verdict=verdict,
        facts=facts or {},
        sections=[{"title": s.title, "body": body} for s, body in zip(sections, bodies, strict=True)],
        policy=_policy(),
    )
    sizes = {s.title: len(AUDIO.sub("", body)) for s, body in zip(sections, bodies, strict=True)}
    return _within(str(page), limit, max(sizes, key=sizes.__getitem__, default=""))


def _markup(part: Fragment | Figure | str) -> Markup:
    if isinstance(part, Figure):
        titles = [ax.get_title(loc="left") or ax.get_title() for ax in part.axes]
        return element("figure", picture(part, alt="; ".join(t for t in titles if t) or "plot"))
    return escape(part) if isinstance(part, Fragment) else element("p", part)


def _policy() -> str:
    """Allow what the page holds and nothing else: no request leaves it, and no script runs but the two handlers.

    Even a transcript that somehow got into the page as markup could neither run nor call out.
    """
    handlers = " ".join(_hash(handler) for handler in map(asset, ("play_word.js", "follow.js")))
    return (
        "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; "
        f"script-src 'unsafe-hashes' {handlers}; base-uri 'none'; form-action 'none'"
    )


def _hash(source: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode('utf-8')).digest()).decode('ascii')}'"


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

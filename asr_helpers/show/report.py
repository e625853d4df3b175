"""One HTML file that tells how good a model is: no Python, no network and no second file needed to open it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from asr_helpers.analysis.compare import Comparison
from asr_helpers.storage import write_text

from .figures import picture
from .fragments import STYLE, Fragment, escape
from .players import PLAY_HANDLER, WORD_HANDLER
from .tables import table

__all__ = ["LIMIT_BYTES", "Section", "comparison_sections", "report_html", "verdict", "write_report"]

LIMIT_BYTES = 10_000_000  # what still goes through mail

AUDIO = re.compile(r"<audio\b[^>]*>.*?</audio>", flags=re.DOTALL)

LEFT_OUT = '<span class="note">(sound left out to keep the file small)</span>'

PAGE_STYLE = """
:root { color-scheme: light dark }
body { margin: 0; background: #fff; color: #1b1f24; font: 16px/1.55 system-ui, "Segoe UI", "Noto Sans", sans-serif }
main { max-width: 68rem; margin: 0 auto; padding: 1.5rem 1.2rem 4rem }
h1 { font-size: 1.15rem; font-weight: 600; opacity: .75; margin: 0 0 .4rem }
h2 { font-size: 1.3rem; margin: 2.6rem 0 .6rem; padding-top: .6rem; border-top: 1px solid rgba(128,128,128,.3) }
.verdict { font-size: 1.7rem; line-height: 1.35; font-weight: 650; margin: .2rem 0 1rem; text-wrap: balance }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; font-size: .92rem; margin: 0 }
dt { opacity: .7 } dd { margin: 0; overflow-wrap: anywhere }
nav { margin: 1.2rem 0 0; font-size: .95rem } nav a { margin-inline-end: 1.1rem; white-space: nowrap }
a { color: #1f6fb8 }
@media (prefers-color-scheme: dark) { body { background: #14171a; color: #e3e6e8 } a { color: #7cb9ee } }
@media (max-width: 640px) { main { padding: 1rem .7rem 3rem } .verdict { font-size: 1.3rem } }
@media print { body { background: #fff; color: #000 } nav { display: none } h2 { break-after: avoid }
  main { max-width: none; padding: 0 } }
"""


@dataclass(frozen=True)
class Section:
    """One chapter of the report.

    Attributes:
        title: What it answers.
        content: In order: fragments of :mod:`asr_helpers.show.fragments`, figures, tables, or sentences.
    """

    title: str
    content: Sequence[Fragment | Figure | pd.DataFrame | str]


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


def comparison_sections(comparison: Comparison) -> list[Section]:
    """Chapters of the report on two runs: how large the difference is, and on which utterances it lies."""
    percent = dict.fromkeys(("a", "b", "difference", "low", "high", "b_better"), "{:.1%}")
    a, b = comparison.names
    changed = comparison.utterances[comparison.utterances["difference"] != 0]
    for_a, for_b, even = comparison.wins
    wins = f"{a} is better on {for_a} utterances, {b} on {for_b}, and {even} are even."
    return [
        Section("How large is the difference?", [table(comparison.rates, formats=percent), f"a is {a}, b is {b}."]),
        Section("Who wins where?", [wins, table(changed, limit=50, cards=True)]),
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
    bodies = ["".join(_html(part) for part in section.content) for section in sections]
    links = "".join(f'<a href="#part-{i}">{escape(s.title)}</a> ' for i, s in enumerate(sections, 1))
    small = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in (facts or {}).items())
    parts = "".join(
        f'<section><h2 id="part-{i}">{escape(s.title)}</h2>{body}</section>'
        for i, (s, body) in enumerate(zip(sections, bodies, strict=True), 1)
    )
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_policy())}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{PAGE_STYLE}{STYLE}</style></head>"
        f'<body><main class="asr-report"><header><h1>{escape(title)}</h1><p class="verdict">{escape(verdict)}</p>'
        f'<dl>{small}</dl><nav aria-label="sections">{links}</nav></header>'
        f'<div class="asr">{parts}</div></main></body></html>\n'
    )
    sizes = {s.title: len(AUDIO.sub("", body)) for s, body in zip(sections, bodies, strict=True)}
    return _within(page, limit, max(sizes, key=sizes.__getitem__, default=""))


def _html(part: Fragment | Figure | pd.DataFrame | str) -> str:
    if isinstance(part, Fragment):
        return part.html
    if isinstance(part, Figure):
        titles = [ax.get_title(loc="left") or ax.get_title() for ax in part.axes]
        return f"<figure>{picture(part, alt='; '.join(t for t in titles if t) or 'plot').html}</figure>"
    if isinstance(part, pd.DataFrame):
        return table(part).html
    return f"<p>{escape(part)}</p>"


def _policy() -> str:
    """Allow what the page holds and nothing else: no request leaves it, and no script runs but the two handlers.

    Even a transcript that somehow got into the page as markup could neither run nor call out.
    """
    handlers = " ".join(_hash(handler) for handler in (WORD_HANDLER, PLAY_HANDLER))
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

"""A prediction under its reference: word under word, differences marked down to the letter, words to click on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup
from rapidfuzz.distance import Levenshtein

from asr_helpers.analysis.edits import Edit, align_words
from asr_helpers.text.languages import language_of

from .fragments import Fragment, direction, naskh
from .markup import element, escape, render
from .players import word_span

__all__ = ["aligned", "legend", "letter_runs"]

LINE_LETTERS = 52  # an alignment breaks after this many letters, which fits half a notebook's width
Times = Sequence[Mapping[str, Any]]


def aligned(reference: str, hypothesis: str, *, times: Times = (), language: str = "none") -> Fragment:
    """Show a prediction under its reference, word under word, with the differences marked.

    Marks are lines and boxes as well as colours, so that they survive a colour-blind reader, a printer and a page that
    drops style sheets. A screen reader hears the reference, then the prediction, then the count.

    Args:
        reference: What was said.
        hypothesis: What was recognised.
        times: One mapping a word of the hypothesis with its ``start`` and ``end`` in seconds. Its words then are
            buttons, which play them where the alignment stands beside its player
            (:func:`asr_helpers.show.players.beside_player`).
        language: Code of the language of both.

    Returns:
        The alignment; :func:`legend` explains its marks.
    """
    edits = align_words(reference.split(), hypothesis.split())
    times = list(times)  # Parquet gives lists back as arrays
    times = times if len(times) == len(hypothesis.split()) else []
    said = " ".join(_marked(e, e.reference, "[-{}-]") for e in edits if e.reference) or "(nothing)"
    heard = " ".join(_marked(e, e.hypothesis, "{{+{}+}}") for e in edits if e.hypothesis) or "(nothing)"
    return Fragment(_html(edits, times, language), f"reference:  {said}\nprediction: {heard}")


def legend() -> Fragment:
    """Say what the marks of an alignment mean, with the marks themselves."""
    return Fragment(render("legend"), "[-missing-]  {+inserted+}  <misread>")


def _marked(edit: Edit, words: str, alone: str) -> str:
    if edit.kind == "equal":
        return words
    return alone.format(words) if edit.kind in ("deletion", "insertion") else f"<{words}>"


def _html(edits: list[Edit], times: Times, language: str) -> Markup:
    everything = " ".join(f"{e.reference} {e.hypothesis}" for e in edits)
    space = Markup(" ")
    return render(
        "aligned",
        kind=f"{naskh(everything)} pair".strip(),
        way=direction(everything),
        tag=language_of(language).tag,
        lines=[
            (
                space.join(_cell(e, e.reference, "del") for e in line),
                space.join(_cell(e, e.hypothesis, "ins", _times_of(e, times)) for e in line),
            )
            for line in _lines(edits)
        ],
        spoken=_spoken(edits),
    )


def _lines(edits: list[Edit]) -> list[list[Edit]]:
    """Break an alignment into lines, so that a long utterance does not run out of the page."""
    lines: list[list[Edit]] = [[]]
    width = 0
    for edit in edits:
        wide = max(len(edit.reference), len(edit.hypothesis)) + 1
        if lines[-1] and width + wide > LINE_LETTERS:
            lines.append([])
            width = 0
        lines[-1].append(edit)
        width += wide
    return lines


def _times_of(edit: Edit, times: Times) -> dict[str, str]:
    """Where an edit's words of the hypothesis are heard, as attributes; none if that is not known.

    The Tab key stops at the first of them only, and the arrow keys go on from there: twenty predictions have more words
    than anybody wants to tab through.
    """
    if not times or not edit.hypothesis:
        return {}
    first, last = times[edit.hypothesis_start], times[edit.hypothesis_stop - 1]
    span = word_span(float(first["start"]), float(last["end"]))
    return span and {**span, "tabindex": "-1" if edit.hypothesis_start else "0"}


def _cell(edit: Edit, words: str, tag: str, span: Mapping[str, str] | None = None) -> Markup:
    """One side of a column; an empty one keeps its place where the other side has a word alone."""
    if not words:
        return Markup('<span class="gap" aria-hidden="true"></span>')
    way = "ltr" if direction(words) == "ltr" else ""  # else the signs of a Latin word would be mirrored
    if edit.kind == "equal":
        return element("span", _button(words, span), class_="word", dir=way)
    if edit.kind in ("deletion", "insertion"):
        return element(tag, _button(words, span), class_="word", dir=way)
    runs = letter_runs(edit.reference, edit.hypothesis)[tag == "ins"]
    inner = Markup("").join(escape(text) if shared else element(tag, text) for text, shared in runs)
    return element("span", _button(inner, span), class_="word sub", title=edit.kind, dir=way)


def _button(content: str, span: Mapping[str, str] | None) -> str:
    return element("button", content, type="button", class_="say", **span) if span else content


def letter_runs(reference: str, hypothesis: str) -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
    """Part two words into runs of letters that they share and runs in which they differ.

    Returns:
        The runs of the reference and those of the hypothesis, each as letters and whether they are shared; joined,
        either gives its word back.
    """
    left: list[tuple[str, bool]] = []
    right: list[tuple[str, bool]] = []
    for op in Levenshtein.opcodes(reference, hypothesis):
        shared = op.tag == "equal"
        _extend(left, reference[op.src_start : op.src_end], shared)
        _extend(right, hypothesis[op.dest_start : op.dest_end], shared)
    return left, right


def _extend(runs: list[tuple[str, bool]], text: str, shared: bool) -> None:
    if not text:
        return
    if runs and runs[-1][1] == shared:
        text = runs.pop()[0] + text
    runs.append((text, shared))


def _spoken(edits: list[Edit]) -> str:
    counts = Counter(e.kind for e in edits)
    named = {
        "substitution": "misread", "deletion": "missing", "insertion": "inserted", "joined": "joined", "split": "split",
    }  # fmt: skip
    found = ", ".join(f"{counts[kind]} {name}" for kind, name in named.items() if counts[kind])
    return f"{found or 'no errors'}, {sum(len(e.reference.split()) for e in edits)} words said"

"""Tables that a reader can trust: escaped, right to left, with players and marked differences."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .differences import Pair, align_words, count_differences, letter_runs
from .fragments import Fragment, direction, escape, join, note, phrase
from .players import read_player, without_audio, word_player

__all__ = [
    "Fragment",
    "aligned",
    "aligned_html",
    "join",
    "legend",
    "note",
    "picked",
    "prediction_table",
    "problem_table",
    "table",
    "utterance_table",
    "without_audio",
    "word_player",
]

LINE_LETTERS = 52  # an alignment breaks after this many letters, which fits half a notebook's width
Format = str | Callable[[Any], str]


def table(
    frame: pd.DataFrame,
    *,
    caption: str = "",
    limit: int | None = None,
    formats: Mapping[str, Format] | None = None,
    lang: str = "ur",
) -> Fragment:
    """Show a table: numbers to the right, Urdu right to left, everything escaped.

    Args:
        frame: One row a line; a cell may be a :class:`Fragment`, which is shown as it is.
        caption: What the table says; shown above it.
        limit: Rows at most; a remark says how many are left out.
        formats: Column to format, as in ``{"wer": "{:.1%}"}`` or a function; for numbers and text alike.
        lang: Language of right-to-left text.

    Returns:
        The table as HTML and as text.
    """
    shown = frame if limit is None else frame.head(limit)
    formats = dict(formats or {})
    numeric = {c for c in shown.columns if pd.api.types.is_numeric_dtype(shown[c]) and shown[c].dtype != bool}
    head = "".join(f'<th scope="col"{_side_class(shown[c], c in numeric)}>{escape(c)}</th>' for c in shown)
    rows = [_row(values, shown.columns, numeric, formats, lang) for values in shown.itertuples(index=False, name=None)]
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    markup = (
        f'<div class="scroll"><table class="grid">{title}<thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )
    parts = [Fragment(markup, _as_text(shown, caption, formats))]
    if len(shown) < len(frame):
        parts.append(note(f"{len(shown):,} of {len(frame):,} rows"))
    return join(parts)


def _side_class(column: pd.Series, is_number: bool) -> str:
    """Set a heading over its column: to the right where most cells are."""
    if is_number:
        return ' class="num"'
    sample = " ".join(v for v in column.head(20) if isinstance(v, str))
    return ' class="rtl"' if direction(sample) == "rtl" else ""


def _row(values: Sequence[Any], columns: Sequence[str], numeric: set[str], formats: dict, lang: str) -> str:
    cells = (_cell(v, formats.get(c), c in numeric, lang) for v, c in zip(values, columns, strict=True))
    return f"<tr>{''.join(cells)}</tr>"


def _cell(value: Any, form: Format | None, is_number: bool, lang: str) -> str:
    if isinstance(value, Fragment):
        return f"<td>{value.html}</td>"
    text = _plain(value, form)
    if is_number:
        return f'<td class="num">{escape(text)}</td>'
    side = ' class="rtl"' if direction(text) == "rtl" else ""
    return f"<td{side}>{phrase(text, lang=lang)}</td>"


def _plain(value: Any, form: Format | None) -> str:
    """Write a value the way a person would: nothing as a dash, floats with two digits after the point."""
    if value is None or value is pd.NA or (isinstance(value, float | np.floating) and math.isnan(value)):
        return "–"
    if isinstance(value, Fragment):
        return " / ".join(value.text.splitlines())
    if form is not None:
        return form.format(value) if isinstance(form, str) else str(form(value))
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    if isinstance(value, float | np.floating):
        return f"{value:,.2f}"
    return str(value)


def _as_text(frame: pd.DataFrame, caption: str, formats: dict) -> str:
    plain = pd.DataFrame(
        {i: [_plain(v, formats.get(c)) for v in frame.iloc[:, i]] for i, c in enumerate(frame.columns)}
    ).set_axis(list(frame.columns), axis=1)
    body = plain.to_string(index=False, max_colwidth=80) if len(plain) else "no rows"
    return f"{caption}\n{body}" if caption else body


def legend() -> Fragment:
    """Say what the marks of an alignment mean, with the marks themselves."""
    markup = (
        '<p class="note">'
        '<del class="word">struck through</del>: said, but missing from the prediction · '
        '<ins class="word">doubly underlined</ins>: predicted, but not said · '
        '<span class="word sub">boxed</span>: misread; inside it '
        '<span class="sub"><del>dotted</del></span> letters were lost and '
        '<span class="sub"><ins>underlined</ins></span> letters came in their place</p>'
    )
    return Fragment(markup, "[-missing-]  {+inserted+}  <misread>")


def aligned(reference: str, hypothesis: str, *, lang: str = "ur") -> Fragment:
    """Show a prediction under its reference, word under word, with the differences marked.

    Marks are lines and boxes as well as colours, so that they survive a colour-blind reader, a printer and
    a page that drops style sheets. A screen reader hears the reference, then the prediction, then the count.

    Args:
        reference: What was said.
        hypothesis: What was recognised.
        lang: Language of both, as in ``lang="ur"``.

    Returns:
        The alignment; :func:`legend` explains its marks.
    """
    pairs = align_words(reference, hypothesis)
    said = " ".join(_marked(p, p.reference, "[-{}-]") for p in pairs if p.reference) or "(nothing)"
    heard = " ".join(_marked(p, p.hypothesis, "{{+{}+}}") for p in pairs if p.hypothesis) or "(nothing)"
    return Fragment(_pairs_html(pairs, lang), f"reference:  {said}\nprediction: {heard}")


def aligned_html(reference: str, hypothesis: str, *, lang: str = "ur") -> str:
    """The markup of :func:`aligned` alone."""
    return aligned(reference, hypothesis, lang=lang).html


def _marked(pair: Pair, word: str, alone: str) -> str:
    if pair.kind == "equal":
        return word
    return f"<{word}>" if pair.kind == "substitution" else alone.format(word)


def _pairs_html(pairs: list[Pair], lang: str) -> str:
    everything = " ".join(p.reference + " " + p.hypothesis for p in pairs)
    way = direction(everything)
    font = "ur " if any(unicodedata.bidirectional(c) == "AL" for c in everything) else ""
    blocks = []
    for line in _lines(pairs):
        said = " ".join(_side(p, p.reference, 0) for p in line)
        heard = " ".join(_side(p, p.hypothesis, 1) for p in line)
        blocks.append(
            f'<div class="{font}pair" dir="{way}" lang="{escape(lang)}">'
            f'<div class="line ref"><span class="key" lang="en">reference</span> {said}</div>'
            f'<div class="line hyp"><span class="key" lang="en">prediction</span> {heard}</div></div>'
        )
    return "".join(blocks) + f'<span class="hidden">{escape(_spoken(pairs))}</span>'


def _lines(pairs: list[Pair]) -> list[list[Pair]]:
    """Break an alignment into lines, so that a long utterance does not run out of the page."""
    lines: list[list[Pair]] = [[]]
    width = 0
    for pair in pairs:
        wide = max(len(pair.reference), len(pair.hypothesis)) + 1
        if lines[-1] and width + wide > LINE_LETTERS:
            lines.append([])
            width = 0
        lines[-1].append(pair)
        width += wide
    return lines


def _side(pair: Pair, word: str, side: int) -> str:
    """One word of one side; an empty cell keeps the column where the other side has a word alone."""
    if not word:
        return '<span class="gap" aria-hidden="true"></span>'
    if pair.kind == "equal":
        return f'<span class="word"{_way(word)}>{escape(word)}</span>'
    tag = "ins" if side else "del"
    if pair.kind != "substitution":
        return f'<{tag} class="word"{_way(word)}>{escape(word)}</{tag}>'
    runs = letter_runs(pair.reference, pair.hypothesis)[side]
    inner = "".join(escape(r.text) if r.shared else f"<{tag}>{escape(r.text)}</{tag}>" for r in runs)
    return f'<span class="word sub"{_way(word)}>{inner}</span>'


def _way(word: str) -> str:
    """Say the direction of a Latin word, whose signs would else be mirrored in an Urdu sentence."""
    return ' dir="ltr"' if any(unicodedata.bidirectional(c) == "L" for c in word) else ""


def _spoken(pairs: list[Pair]) -> str:
    counts = count_differences(pairs)
    return (
        f"{counts['substitution']} misread, {counts['deletion']} missing, {counts['insertion']} inserted "
        f"of {len(pairs) - counts['insertion']} words"
    )


def problem_table(problems: pd.DataFrame, *, limit: int | None = 200) -> Fragment:
    """Show what the data check found: how often each check fired, then each problem with its advice.

    Args:
        problems: Columns ``severity``, ``check``, ``utterance``, ``value``, ``advice``.
        limit: Problems listed at most; errors come first.

    Returns:
        Two tables, or one sentence if there is nothing to say.
    """
    if problems.empty:
        return note("The data check found nothing to mend.")
    ordered = problems.sort_values("severity", kind="stable", ignore_index=True)  # "error" < "warning"
    counts = ordered.groupby(["severity", "check"], sort=False).size().reset_index(name="times")
    marked = [f.assign(severity=[_severity(s) for s in f["severity"]]) for f in (counts, ordered)]
    errors = int((ordered["severity"] == "error").sum())
    title = f"{errors:,} errors and {len(ordered) - errors:,} warnings"
    return join([table(marked[0], caption=title), table(marked[1], caption="What to do about each", limit=limit)])


def _severity(name: str) -> Fragment:
    mark = {"error": "✖", "warning": "▲"}.get(name, "")
    return Fragment(f'<span class="tag {escape(name)}">{mark} {escape(name)}</span>', name)


def utterance_table(
    utterances: pd.DataFrame,
    *,
    corpus_root: str | Path | None = None,
    columns: Sequence[str] = ("id", "speaker", "split", "seconds", "transcript"),
    limit: int = 20,
    caption: str = "",
    lang: str = "ur",
) -> Fragment:
    """Show utterances, each with its player.

    Args:
        utterances: One row an utterance, with ``audio`` relative to the corpus folder.
        corpus_root: The corpus folder; without it there are no players.
        columns: Columns to show, in this order; one that the table lacks is skipped.
        limit: Utterances at most: every player carries its sound, about 7 kB a second.
        caption: What the table says.
        lang: Language of the transcripts.
    """
    rows = utterances.head(limit)
    shown = rows[[c for c in columns if c in rows.columns and not rows[c].isna().all()]].copy()
    if corpus_root is not None:
        shown.insert(min(1, shown.shape[1]), "listen", _players(rows, corpus_root))
    return table(shown, caption=caption, formats={"seconds": "{:.2f} s"}, lang=lang)


def picked(frame: pd.DataFrame, *, count: int, seed: int) -> pd.DataFrame:
    """Draw rows by a seed, never the same row twice, in the order of the table."""
    chosen = np.random.default_rng(seed).choice(len(frame), size=min(count, len(frame)), replace=False)
    return frame.iloc[np.sort(chosen)]


def prediction_table(
    predictions: pd.DataFrame,
    *,
    corpus_root: str | Path | None = None,
    limit: int = 20,
    worst_first: bool = True,
    caption: str = "",
    lang: str = "ur",
) -> Fragment:
    """Show predictions under their references, worst first, each with its player.

    Args:
        predictions: One row an utterance: ``id``, ``audio``, ``reference``, ``hypothesis``; ``speaker``,
            ``seconds`` and ``confidence`` are shown where known.
        corpus_root: The corpus folder; without it there are no players.
        limit: Rows at most.
        worst_first: Most word errors first, and among equals the larger share of wrong words; else as they
            come.
        caption: What the table says.
        lang: Language of the text.
    """
    pairs = [align_words(r, h) for r, h in zip(predictions["reference"], predictions["hypothesis"], strict=True)]
    rows = predictions.assign(
        errors=[sum(p.kind != "equal" for p in row) for row in pairs],
        said=[sum(p.kind != "insertion" for p in row) for row in pairs],
    )
    if worst_first:
        rate = rows["errors"] / rows["said"].clip(lower=1)
        rows = rows.assign(rate=rate).sort_values(["errors", "rate"], ascending=False, kind="stable")
    top = rows.head(limit)
    shown = top[["id"]].copy()
    if corpus_root is not None:
        shown["listen"] = _players(top, corpus_root)
    shown["wrong words"] = [f"{e} of {s}" for e, s in zip(top["errors"], top["said"], strict=True)]
    for column in ("confidence", "speaker"):
        if column in top and not top[column].isna().all():
            shown[column] = top[column]
    shown["reference over prediction"] = [
        aligned(r, h, lang=lang) for r, h in zip(top["reference"], top["hypothesis"], strict=True)
    ]
    return join([table(shown, caption=caption, lang=lang), legend()])


def _players(rows: pd.DataFrame, corpus_root: str | Path) -> list[Fragment]:
    root = Path(corpus_root)
    return [Fragment(read_player(root / audio), "▶") for i, audio in zip(rows["id"], rows["audio"], strict=True)]

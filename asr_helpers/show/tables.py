"""Tables that a reader can trust: escaped, right to left, with players and marked differences."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from rapidfuzz.distance import Levenshtein

from asr_helpers.audio.reading import SAMPLING_RATE
from asr_helpers.text.languages import language_of
from asr_helpers.wording import counted

from .aligned import aligned, legend
from .fragments import Fragment, direction, join, naskh, note, phrase, speech
from .markup import element, escape, render
from .players import PLAYER_SECONDS, beside_player, clip_button, read_beginning, read_player

__all__ = ["prediction_table", "problem_table", "table", "utterance_table", "with_players"]

Format = str | Callable[[Any], str]

NARROW = 14  # letters that a column of a card has room for


def table(
    frame: pd.DataFrame,
    *,
    caption: str = "",
    limit: int | None = None,
    formats: Mapping[str, Format] | None = None,
    language: str = "none",
    spoken: Collection[str] = (),
    below: str = "",
) -> Fragment:
    """Show a table: numbers to the right, Urdu right to left, everything escaped.

    On a narrow screen each row is a card, in which every value stands under the name of its column.

    Args:
        frame: One row a line; a cell may be a :class:`Fragment`, which is shown as it is.
        caption: What the table says; shown above it.
        limit: Rows at most; a remark says how many are left out.
        formats: Column to format, as in ``{"seconds": "{:.2f} s"}`` or a function; for numbers and text alike.
        language: Code of the language of what was said, where the table holds some of it.
        spoken: Columns that hold nothing but what was said; elsewhere only text in a right-to-left script is
            taken for it.
        below: A column of sentences, each of which stands under its row in the table's full width.

    Returns:
        The table as HTML and as text.
    """
    shown = frame if limit is None else frame.head(limit)
    formats = dict(formats or {})
    if shown.empty:
        return Fragment(note(f"{caption or 'table'}: nothing").html, _as_text(shown, caption, formats))
    numeric = {c for c in shown.columns if pd.api.types.is_numeric_dtype(shown[c]) and shown[c].dtype != bool}
    rows = []
    for values in shown.itertuples(index=False, name=None):
        row = dict(zip(shown.columns, values, strict=True))
        under = _plain(row.pop(below), None) if below else ""
        cells = [
            _cell(value, formats.get(name), name in numeric, speech if name in spoken else phrase, language)
            for name, value in row.items()
        ]
        rows.append((cells, phrase(under, language=language) if under else None))
    head = [(_side(shown[c], c in numeric), str(c).replace("_", " ")) for c in shown if c != below]
    markup = render("table", caption=caption, head=head, rows=rows)
    parts = [Fragment(markup, _as_text(shown, caption, formats))]
    if len(shown) < len(frame):
        parts.append(note(f"{len(shown):,} of {len(frame):,} rows"))
    return join(parts)


def _side(column: pd.Series, is_number: bool) -> str | None:
    """Set a heading over its column: to the right where most cells are."""
    if is_number:
        return "num"
    sample = " ".join(v for v in column.head(20) if isinstance(v, str))
    return "rtl" if direction(sample) == "rtl" else None


def _cell(
    value: Any, form: Format | None, is_number: bool, mark: Callable[..., Markup], language: str
) -> tuple[str | None, object]:
    """Of which kind a cell is (a number, right to left, too wide for a card's column), and what it holds."""
    if isinstance(value, Fragment):
        return "wide", value
    if isinstance(value, list) and naskh(_plain(value, form)):
        # Each text isolated: a number beside an Urdu word would change places with it, and a list run backwards.
        items = [map(str, item) if isinstance(item, tuple) else (_plain(item, form),) for item in value]
        parts = [Markup("\u00a0").join(element("bdi", part, class_=naskh(part)) for part in item) for item in items]
        return "wide", element("span", Markup(", ").join(parts), dir="ltr", lang=language_of(language).tag)
    text = _plain(value, form)
    if is_number:
        return "num", text
    kinds = ["rtl"] * (direction(text) == "rtl") + ["wide"] * (len(text) > NARROW)
    return " ".join(kinds) or None, mark(text, language=language)


def _plain(value: Any, form: Format | None) -> str:
    """Write a value the way a person would: nothing as a dash, floats with two digits after the point."""
    if value is None or value is pd.NA or (isinstance(value, float | np.floating) and math.isnan(value)):
        return "–"
    if isinstance(value, Fragment):
        return " / ".join(value.text.splitlines())
    if isinstance(value, tuple):
        return " ".join(_plain(item, form) for item in value)
    if isinstance(value, list | np.ndarray):
        return ", ".join(_plain(item, form) for item in value)
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


def problem_table(problems: pd.DataFrame, *, limit: int | None = 200, language: str = "none") -> Fragment:
    """Show what the data check found: how often each check fired, then each problem with its advice.

    Args:
        problems: Columns ``severity``, ``check``, ``utterance``, ``value``, ``advice``.
        limit: Problems listed at most; errors come first.
        language: Code of the language of the transcripts that they quote.

    Returns:
        Two tables, or one sentence if there is nothing to say.
    """
    if problems.empty:
        return note("The data check found nothing to mend.")
    ordered = problems.sort_values("severity", kind="stable", ignore_index=True)  # "error" < "warning"
    counts = ordered.groupby(["severity", "check"], sort=False).size().reset_index(name="times")
    marked = [f.assign(severity=[_severity(s) for s in f["severity"]]) for f in (counts, ordered)]
    errors = int((ordered["severity"] == "error").sum())
    title = f"{counted(errors, 'error')} and {counted(len(ordered) - errors, 'warning')}"
    if len(counts) == len(ordered):  # every check fired once: counting them says nothing more
        return table(marked[1], caption=title, limit=limit, language=language)
    each = table(marked[1], caption="What to do about each", limit=limit, language=language)
    return join([table(marked[0], caption=title), each])


def _severity(name: str) -> Fragment:
    mark = {"error": "✖", "warning": "▲"}.get(name, "")
    return Fragment(element("span", f"{mark} {name}", class_=f"tag {name}"), name)


def utterance_table(
    utterances: pd.DataFrame,
    *,
    corpus_root: str | Path | None = None,
    columns: Sequence[str] = ("id", "speaker", "split", "seconds", "transcript"),
    limit: int = 20,
    caption: str = "",
    language: str = "none",
) -> Fragment:
    """Show utterances, each with its player.

    Args:
        utterances: One row an utterance, with ``audio`` relative to the corpus folder.
        corpus_root: The corpus folder; without it there are no players.
        columns: Columns to show, in this order; one that the table lacks is skipped.
        limit: Utterances at most: every player carries its sound, about 7 kB a second.
        caption: What the table says.
        language: Code of the language of the transcripts.
    """
    rows = utterances.head(limit)
    shown = rows[[c for c in columns if c in rows.columns and not rows[c].isna().all()]].copy()
    if corpus_root is not None:
        shown.insert(min(1, shown.shape[1]), "listen", _players(rows, corpus_root))
    formats = {"seconds": "{:.2f} s"}
    return table(shown, caption=caption, formats=formats, language=language, spoken=["transcript"])


def prediction_table(
    predictions: pd.DataFrame,
    *,
    corpus_root: str | Path | None = None,
    limit: int = 20,
    worst_first: bool = True,
    caption: str = "",
    language: str = "none",
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
        language: Code of the language of the text.
    """
    pairs = list(zip(predictions["reference"], predictions["hypothesis"], strict=True))
    rows = predictions.assign(
        errors=[Levenshtein.distance(said.split(), heard.split()) for said, heard in pairs],
        said=[len(said.split()) for said, _ in pairs],
    )
    if worst_first:
        rate = rows["errors"] / rows["said"].clip(lower=1)
        rows = rows.assign(rate=rate).sort_values(["errors", "rate"], ascending=False, kind="stable")
    top = rows.head(limit)
    shown = top[["id"]].copy()
    shown["wrong words"] = [f"{e} of {s}" for e, s in zip(top["errors"], top["said"], strict=True)]
    for column in ("confidence", "speaker"):
        if column in top and not top[column].isna().all():
            shown[column] = top[column]
    shown["reference over prediction"] = [_compared(row, corpus_root, language) for row in top.to_dict("records")]
    return join([table(shown, caption=caption, language=language), legend()])


def _compared(row: Mapping[str, Any], corpus_root: str | Path | None, language: str) -> Fragment:
    """One prediction under its reference; with its player, where there is a corpus, each word plays itself."""
    if corpus_root is None:
        return aligned(row["reference"], row["hypothesis"], language=language)
    words = row.get("words")
    times = [] if words is None else words
    both = aligned(row["reference"], row["hypothesis"], times=times, language=language)
    return Fragment(beside_player(Path(corpus_root) / row["audio"], both), both.text)


def with_players(
    frame: pd.DataFrame,
    predictions: pd.DataFrame,
    corpus_root: str | Path,
    *,
    column: str = "examples",
    most: int = 3,
    margin: float = 0.25,
) -> pd.DataFrame:
    """Put a button that plays it in the place of every utterance id.

    Where the row says which words were predicted (``hypothesis``), and their times are known, only those words are
    played and carried, so that a table of many examples stays small.

    Args:
        frame: Any table with a column of ids, or of lists of ids.
        predictions: With ``id``, ``audio``, and ``words`` where known.
        corpus_root: The corpus folder.
        column: The column of ids.
        most: Buttons of a row at most.
        margin: Seconds played before and after the words.
    """
    known = predictions.drop_duplicates("id").set_index("id")
    rows = frame.to_dict("records")
    buttons = []
    for row in rows:
        ids = [row[column]] if isinstance(row[column], str) else list(row[column])[:most]
        parts = [_clip(i, known, Path(corpus_root), str(row.get("hypothesis") or ""), margin) for i in ids]
        buttons.append(Fragment(Markup(" ").join(parts), ", ".join(map(str, ids))))
    return frame.assign(**{column: pd.Series(buttons, index=frame.index, dtype=object)})


def _clip(name: str, known: pd.DataFrame, root: Path, wanted: str, margin: float) -> Markup:
    """A button for one utterance, or for the words wanted of it."""
    if name not in known.index:
        return escape(name)
    words = known.at[name, "words"] if "words" in known else None
    span = _find(wanted.split(), [] if words is None else list(words))
    first, last = (max(0, span[0] - margin), span[1] + margin) if span else (0, PLAYER_SECONDS)
    try:
        samples = read_beginning(root / known.at[name, "audio"], seconds=last)
    except (OSError, ValueError) as error:
        return element("span", f"{name}: no audio", class_="note", title=error)
    if span:
        samples = samples[round(first * SAMPLING_RATE) : round(last * SAMPLING_RATE)]
    return clip_button(samples, f"▶ {name}", label=f"{wanted or 'all'} in utterance {name}")


def _find(wanted: list[str], words: list[Mapping[str, Any]]) -> tuple[float, float] | None:
    """Seconds of the first place where the words stand beside one another."""
    spoken = [word["word"] for word in words]
    for i in range(len(spoken) - len(wanted) + 1 if wanted else 0):
        if spoken[i : i + len(wanted)] == wanted:
            return float(words[i]["start"]), float(words[i + len(wanted) - 1]["end"])
    return None


def _players(rows: pd.DataFrame, corpus_root: str | Path) -> list[Fragment]:
    return [Fragment(read_player(Path(corpus_root) / audio), "▶") for audio in rows["audio"]]

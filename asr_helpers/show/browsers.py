"""Widgets to look through a corpus, through predictions and through the frames of one utterance."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np
import pandas as pd
import soundfile
from matplotlib.figure import Figure

from asr_helpers.analysis.edits import Edit, align_words
from asr_helpers.audio.reading import SAMPLING_RATE, read_audio

from .aligned import aligned, legend
from .figures import picture
from .fragments import escape, phrase, styled
from .players import word_player
from .plots import spectrogram
from .tables import table

__all__ = ["ANY", "Browser", "equal_parts", "options_of", "prediction_browser", "sample_browser"]

Groups = Mapping[str, Mapping[str, Collection[str]]]

ANY = "all"  # the choice of a filter that keeps everything

Masks = Mapping[str, np.ndarray]  # name of a choice → which rows it keeps, shape (rows,)


def sample_browser(
    utterances: pd.DataFrame,
    corpus_root: str | Path,
    *,
    groups: Groups | None = None,
    page_rows: int = 8,
    lang: str = "ur",
) -> widgets.VBox:
    """Look through a corpus: filter, sort, search; a row's button plays it and shows its spectrogram.

    :func:`asr_helpers.show.tables.utterance_table` is the same without a kernel.

    Args:
        utterances: One row an utterance: ``id``, ``audio``, ``transcript``, ``seconds``; ``split``, ``speaker`` and
            the level measures are used where they are.
        corpus_root: The corpus folder.
        groups: More filters: label → choice → ids.
        page_rows: Utterances of a page.
        lang: Language of the transcripts.
    """
    rows = utterances.reset_index(drop=True)
    letters = rows["transcript"].fillna("").str.replace(r"\s", "", regex=True).str.len()
    pace = letters / rows["seconds"].clip(lower=1e-3)
    orders = {
        "as in the corpus": np.arange(len(rows)),
        "longest": _order(-rows["seconds"]),
        "shortest": _order(rows["seconds"]),
        "fastest speech": _order(-pace),
        "slowest speech": _order(pace),
        **({"noisiest": _order(rows["snr_db"])} if "snr_db" in rows else {}),
    }
    filters = {
        **_filters(rows, ("split", "speaker")),
        "duration": equal_parts(rows["seconds"], "s"),
        **_grouped(rows["id"], groups),
    }
    transcripts = rows["transcript"].fillna("").tolist()

    def row(i: int) -> str:
        facts = [
            f"{rows['seconds'].iat[i]:.2f} s",
            *(str(rows[c].iat[i]) for c in ("speaker", "split") if _has(rows, c, i)),
        ]
        return _listed([" · ".join(facts)], phrase(transcripts[i], lang=lang))

    def detail(i: int) -> str:
        return (
            f"<h4>utterance {escape(rows['id'].iat[i])}</h4><p>{phrase(transcripts[i], lang=lang)}</p>"
            f"{_heard(corpus_root, rows['audio'].iat[i], (), lang, with_spectrogram=True)}{_measures(rows, i)}"
        )

    return Browser(
        filters=filters,
        orders=orders,
        texts=_texts(rows["id"], rows["transcript"]),
        name=lambda i: str(rows["id"].iat[i]),
        row=row,
        detail=detail,
        page_rows=page_rows,
    ).widget


def prediction_browser(
    predictions: pd.DataFrame,
    corpus_root: str | Path,
    *,
    groups: Groups | None = None,
    page_rows: int = 8,
    lang: str = "ur",
) -> widgets.VBox:
    """Look through predictions under their references; a row's button plays it, with its words over its waveform.

    :func:`asr_helpers.show.tables.prediction_table` is the same without a kernel.

    Args:
        predictions: One row an utterance: ``id``, ``audio``, ``reference``, ``hypothesis``; ``words``,
            ``confidence``, ``speaker``, ``seconds`` and ``snr_db`` are used where they are.
        corpus_root: The corpus folder.
        groups: More filters: label → choice → ids, e.g. the slices and the kinds of error of notebook 05.
        page_rows: Utterances of a page.
        lang: Language of the texts.
    """
    rows = predictions.reset_index(drop=True)
    pairs = list(zip(rows["reference"], rows["hypothesis"], strict=True))
    found = [align_words(reference.split(), hypothesis.split()) for reference, hypothesis in pairs]
    wrong = np.array([sum(e.errors for e in edits) for edits in found], dtype=int)
    said = rows["reference"].str.split().str.len()
    rate = wrong / said.clip(lower=1)
    orders = {
        "most wrong words": np.lexsort((-rate, -wrong)),
        "largest share of wrong words": _order(-rate),
        "fewest wrong words": _order(wrong),
        **_orders_by(rows, wrong),
        "as in the test set": np.arange(len(rows)),
    }
    filters = {
        "errors": _kinds(found),
        **_filters(rows, ("speaker",)),
        **_number_filters(rows),
        **_grouped(rows["id"], groups),
    }

    def row(i: int) -> str:
        facts = [f"{wrong[i]} of {said[i]} words wrong"]
        if _has(rows, "confidence", i):
            facts.append(f"confidence {rows['confidence'].iat[i]:.2f}")
        facts += [str(rows["speaker"].iat[i])] if _has(rows, "speaker", i) else []
        return _listed(facts, aligned(*pairs[i], lang=lang).html)

    def detail(i: int) -> str:
        words = rows["words"].iat[i] if "words" in rows else ()
        words = [] if words is None else list(words)
        return (
            f"<h4>utterance {escape(rows['id'].iat[i])}</h4>{aligned(*pairs[i], lang=lang).html}"
            f"{_heard(corpus_root, rows['audio'].iat[i], words, lang)}{legend().html}{_measures(rows, i)}"
        )

    return Browser(
        filters=filters,
        orders=orders,
        texts=_texts(rows["id"], rows["reference"], rows["hypothesis"]),
        name=lambda i: str(rows["id"].iat[i]),
        row=row,
        detail=detail,
        page_rows=page_rows,
    ).widget


def _listed(facts: Sequence[str], text: str) -> str:
    """One row of a list: what is known at the left, the text at the right, where Urdu begins."""
    known = "<br>".join(escape(fact) for fact in facts)
    return f'<div class="listed"><div class="note">{known}</div><div class="said">{text}</div></div>'


def _order(values: Any) -> np.ndarray:
    """Rows by rising value, equal ones as they came, missing ones last."""
    return np.argsort(np.asarray(values, dtype=float), kind="stable")


def _orders_by(rows: pd.DataFrame, wrong: np.ndarray) -> dict[str, np.ndarray]:
    orders = {}
    if "confidence" in rows:
        sure = rows["confidence"].to_numpy(float)
        orders["least confident"] = _order(sure)
        orders["confident but wrong"] = _order(np.where(wrong > 0, -sure, np.inf))
    if "seconds" in rows:
        orders["longest"] = _order(-rows["seconds"])
    return orders


def _filters(rows: pd.DataFrame, columns: Sequence[str]) -> dict[str, dict[str, np.ndarray]]:
    """Filters by columns that are there and hold more than one value."""
    return {c: options_of(rows[c]) for c in columns if c in rows and rows[c].nunique() > 1}


def _number_filters(rows: pd.DataFrame) -> dict[str, dict[str, np.ndarray]]:
    kinds = {"duration": ("seconds", "s"), "noise": ("snr_db", "dB SNR"), "confidence": ("confidence", "")}
    return {label: equal_parts(rows[c], unit) for label, (c, unit) in kinds.items() if c in rows}


def _grouped(ids: pd.Series, groups: Groups | None) -> dict[str, dict[str, np.ndarray]]:
    return {
        label: {str(name): ids.isin(list(members)).to_numpy() for name, members in choices.items()}
        for label, choices in (groups or {}).items()
    }


def _texts(*columns: pd.Series) -> list[str]:
    return [" ".join("" if t is None else str(t) for t in row) for row in zip(*columns, strict=True)]


def _kinds(found: list[list[Edit]]) -> dict[str, np.ndarray]:
    """Which utterances have errors of a kind."""
    kinds = [{e.kind for e in edits if e.errors} for edits in found]
    names = {
        "substitution": "a misread word", "deletion": "a missing word", "insertion": "an inserted word",
        "joined": "words written as one", "split": "a word written as several",
    }  # fmt: skip
    some = np.array([bool(k) for k in kinds], dtype=bool)
    by_kind = {name: np.array([kind in k for k in kinds], dtype=bool) for kind, name in names.items()}
    return {"none": ~some, "at least one": some, **by_kind}


def _has(rows: pd.DataFrame, column: str, i: int) -> bool:
    return column in rows and pd.notna(rows[column].iat[i]) and rows[column].iat[i] != ""


def _measures(rows: pd.DataFrame, i: int) -> str:
    """What is known of one recording, as a one-row table."""
    formats = {
        "speaker": "{}", "split": "{}", "seconds": "{:.2f} s", "sampling_rate": "{:,} Hz", "channels": "{}",
        "peak": "{:.2f}", "rms_db": "{:.1f} dBFS", "clipped": "{:.2%}", "snr_db": "{:.1f} dB", "confidence": "{:.2f}",
    }  # fmt: skip
    known = {c: [form.format(rows[c].iat[i])] for c, form in formats.items() if _has(rows, c, i)}
    return table(pd.DataFrame(known)).html if known else ""


def _heard(
    root: str | Path,
    audio: str,
    words: Sequence[Mapping[str, Any]],
    lang: str,
    *,
    with_spectrogram: bool = False,
) -> str:
    """Read one recording and make its player; what cannot be read is said in its place."""
    try:
        samples, rate = read_audio(Path(root) / audio, sampling_rate=SAMPLING_RATE)
        markup = word_player(samples, words, rate, label=f"recording {Path(audio).stem}", lang=lang, autoplay=True)
    except (OSError, ValueError, soundfile.LibsndfileError) as error:
        return f'<p class="note">no audio: {escape(error)}</p>'
    return markup + (_spectrogram(samples, rate) if with_spectrogram else "")


def _spectrogram(samples: np.ndarray, rate: int) -> str:
    fig = Figure(figsize=(9, 2.4), dpi=80, layout="constrained", facecolor="white")
    spectrogram(samples, rate, fig.subplots())
    return picture(fig, alt="spectrogram of the recording").html


class Browser:
    """A page of rows, each with a button that opens it; filters, order and search above, the opened row below.

    Rows are built once and refilled, and only the page in view is rendered, so that the time of a click does not
    grow with the corpus. Sound is read when a row is opened, never before.

    Args:
        filters: Label of a filter to its choices; several filters all apply.
        orders: Name of an order to the rows in that order; the first is the one to begin with.
        texts: Text of each row that the search looks through.
        name: What a row's button says.
        row: Markup of a row of the list.
        detail: Markup of an opened row.
        page_rows: Rows of a page.
        noun: What is listed, in the plural.
    """

    def __init__(
        self,
        *,
        filters: Mapping[str, Masks],
        orders: Mapping[str, np.ndarray],
        texts: Sequence[str],
        name: Callable[[int], str],
        row: Callable[[int], str],
        detail: Callable[[int], str],
        page_rows: int = 8,
        noun: str = "utterances",
    ) -> None:
        self.filters, self.orders, self.noun = filters, orders, noun
        self.texts = pd.Series(list(texts), dtype=object)
        self.name, self.row, self.detail, self.page_rows = name, row, detail, page_rows
        self.page = 0
        self.rows = np.arange(len(self.texts))
        self.opened: int | None = None
        self._build()
        self.refresh()

    def _build(self) -> None:
        wide = {"description_width": "initial"}
        room = widgets.Layout(width="auto", max_width="24em")
        self.choices = {
            label: widgets.Dropdown(description=label, options=[ANY, *masks], style=wide, layout=room)
            for label, masks in self.filters.items()
        }
        self.order = widgets.Dropdown(description="order", options=list(self.orders), style=wide, layout=room)
        self.search = widgets.Text(description="search", placeholder="part of a text or an id", style=wide, layout=room)
        self.back = widgets.Button(description="◀ previous", tooltip="previous page")
        self.on = widgets.Button(description="next ▶", tooltip="next page")
        self.status = widgets.HTML()
        self.buttons = [
            widgets.Button(layout=widgets.Layout(width="9em", flex="0 0 auto")) for _ in range(self.page_rows)
        ]
        self.lines = [
            widgets.HTML(layout=widgets.Layout(flex="1 1 auto", min_width="0", max_width="60em"))
            for _ in range(self.page_rows)
        ]
        self.panel = widgets.HTML(
            styled('<p class="note">Choose a row to hear it.</p>'), layout=widgets.Layout(max_width="70em")
        )
        self._connect()

    def _connect(self) -> None:
        for control in (*self.choices.values(), self.order, self.search):
            control.observe(lambda _: self.refresh(), names="value")
        self.back.on_click(lambda _: self.turn(-1))
        self.on.on_click(lambda _: self.turn(+1))
        for place, button in enumerate(self.buttons):
            button.on_click(lambda _, place=place: self.open(int(self.rows[self.page * self.page_rows + place])))

    @property
    def widget(self) -> widgets.VBox:
        """The whole browser."""
        flow = widgets.Layout(flex_flow="row wrap", align_items="center")
        controls = widgets.HBox([*self.choices.values(), self.order, self.search], layout=flow)
        paging = widgets.HBox([self.back, self.on, self.status], layout=flow)
        middle = widgets.Layout(align_items="center")
        rows = [widgets.HBox(pair, layout=middle) for pair in zip(self.buttons, self.lines, strict=True)]
        box = widgets.VBox([controls, paging, *rows, self.panel])
        box.add_class("asr-browser")
        return box

    def refresh(self) -> None:
        """Apply filters, search and order, and go back to the first page."""
        keep = np.ones(len(self.texts), dtype=bool)
        for label, control in self.choices.items():
            if control.value != ANY:
                keep &= self.filters[label][control.value]
        if wanted := self.search.value.strip():
            keep &= self.texts.str.contains(wanted, case=False, regex=False).to_numpy(bool)
        order = self.orders[self.order.value]
        self.rows = order[keep[order]]
        self.page = 0
        self._show()

    def turn(self, pages: int) -> None:
        """Go on or back by pages, as far as there are some."""
        self.page = min(max(0, self.page + pages), self._last_page())
        self._show()

    def _last_page(self) -> int:
        return max(0, (len(self.rows) - 1) // self.page_rows)

    def _show(self) -> None:
        start = self.page * self.page_rows
        shown = self.rows[start : start + self.page_rows]
        for place, (button, line) in enumerate(zip(self.buttons, self.lines, strict=True)):
            there = place < len(shown)
            button.layout.display = line.layout.display = None if there else "none"
            if there:
                self._fill(button, line, int(shown[place]))
        self.back.disabled = self.page == 0
        self.on.disabled = self.page >= self._last_page()
        self.status.value = styled(
            f'<span role="status">{len(self.rows):,} of {len(self.texts):,} {escape(self.noun)}, '
            f"page {self.page + 1:,} of {self._last_page() + 1:,}</span>"
        )

    def _fill(self, button: widgets.Button, line: widgets.HTML, row: int) -> None:
        name = self.name(row)
        button.description, button.tooltip = f"▶ {name}", f"listen to {name}"
        line.value = styled(self.row(row))

    def open(self, row: int) -> None:
        """Show one row in full and play it."""
        self.opened = row
        self.panel.value = styled(f'<section aria-label="chosen utterance">{self.detail(row)}</section>')


def options_of(column: pd.Series) -> dict[str, np.ndarray]:
    """Make a choice of every value of a column, in sorted order; missing values get none."""
    values = column.astype(object).to_numpy()
    names = sorted({str(v) for v in column.dropna()})
    text = np.array([str(v) for v in values], dtype=object)
    return {name: text == name for name in names}


def equal_parts(column: pd.Series, unit: str, *, parts: int = 3) -> dict[str, np.ndarray]:
    """Part a column of numbers into groups of about equal size, named by their limits.

    Args:
        column: One number a row.
        unit: What the numbers are, as in ``"s"``; may be empty.
        parts: Groups at most; ties may leave fewer.
    """
    numbers = column.to_numpy(float)
    known = numbers[np.isfinite(numbers)]
    if not known.size:
        return {}
    limits = np.unique(np.quantile(known, np.linspace(0, 1, parts + 1)))
    inner = limits[1:-1]
    group = np.where(np.isfinite(numbers), np.searchsorted(inner, numbers, side="right"), -1)
    edges = [limits[0], *inner, limits[-1]]
    return {
        f"{edges[g]:.3g} to {edges[g + 1]:.3g} {unit}".strip(): group == g
        for g in range(len(edges) - 1)
        if (group == g).any()
    }

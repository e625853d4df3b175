"""The widget behind the browsers: filters, order and search above a page of rows, the opened row below."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import ipywidgets as widgets
import numpy as np
import pandas as pd

from .correcting import Correcting
from .fragments import note, styled
from .markup import element

__all__ = ["ANY", "Masks", "RowBrowser", "equal_parts", "options_of"]

ANY = "all"  # the choice of a filter that keeps everything
Masks = Mapping[str, np.ndarray]  # name of a choice → which rows it keeps, shape (rows,)


class RowBrowser:
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
        correcting: Controls to mark and correct the opened row with, below it; None: rows are only read.
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
        correcting: Correcting | None = None,
    ) -> None:
        self.filters, self.orders = filters, orders
        self.texts = pd.Series(list(texts), dtype=object)
        self.name, self.row, self.detail, self.page_rows = name, row, detail, page_rows
        self.correcting = correcting
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
        self.search = widgets.Text(
            description="search", placeholder="part of a text, id or speaker", style=wide, layout=room
        )
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
        self.panel = widgets.HTML(styled(note("Choose a row to hear it.")), layout=widgets.Layout(max_width="70em"))
        self._connect()

    def _connect(self) -> None:
        for control in (*self.choices.values(), self.order, self.search):
            control.observe(lambda _: self.refresh(), names="value")
        if self.correcting:
            self.correcting.on_change = self._show
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
        below = [self.correcting.widget] if self.correcting else []
        box = widgets.VBox([controls, paging, *rows, self.panel, *below])
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
        count = f"{len(self.rows):,} of {len(self.texts):,} utterances"
        place = f"{count}, page {self.page + 1:,} of {self._last_page() + 1:,}"
        self.status.value = styled(element("span", place, role="status"))

    def _fill(self, button: widgets.Button, line: widgets.HTML, row: int) -> None:
        name = self.name(row)
        button.description, button.tooltip = f"▶ {name}", f"listen to {name}"
        line.value = styled(self.row(row))

    def open(self, row: int) -> None:
        """Show one row in full and play it."""
        self.opened = row
        self.panel.value = styled(self.detail(row))
        if self.correcting:
            self.correcting.open(row)


def options_of(column: pd.Series) -> dict[str, np.ndarray]:
    """Make a choice of every value of a column, in sorted order; missing values get none."""
    codes, names = pd.factorize(column.dropna().map(str).reindex(column.index), sort=True)
    return {name: codes == code for code, name in enumerate(names)}


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

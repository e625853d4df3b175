"""The controls below an opened row with which a person marks an utterance and types what is really said."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import ipywidgets as widgets

from asr_helpers.corpus.corrections import MARKS, WRONG, Corrections

from .fragments import speech, styled
from .markup import element

__all__ = ["Correcting"]

NO_MARK = "no mark"


class Correcting:
    """A line to type the transcript in, and a button for each mark; what is pressed is kept in a file at once.

    Args:
        corrections: The file.
        ids: Of the utterances, one a row.
        transcripts: Those of the corpus, one a row.
        language: Code of their language.
    """

    def __init__(
        self, corrections: Corrections, ids: Sequence[str], transcripts: Sequence[str], *, language: str = "none"
    ) -> None:
        self.corrections, self.ids, self.transcripts, self.language = corrections, ids, transcripts, language
        self.opened = -1
        self.on_change: Callable[[], None] = lambda: None
        wide = widgets.Layout(width="auto", max_width="60em")
        self.text = widgets.Text(description="what is said", style={"description_width": "initial"}, layout=wide)
        self.text.add_class("asr-typed")
        self.status = widgets.HTML()
        buttons = [widgets.Button(description=mark) for mark in (*MARKS, NO_MARK)]
        for button in buttons:
            button.on_click(lambda pressed: self.press(pressed.description))
        flow = widgets.Layout(flex_flow="row wrap", align_items="center")
        self.widget = widgets.VBox([self.text, widgets.HBox(buttons, layout=flow), self.status])
        self.widget.layout.display = "none"  # until a row is opened

    def mark_of(self, row: int) -> str:
        """What is said of a row's utterance; empty where nothing is."""
        try:
            found = self.corrections.read().get(self.ids[row])
        except (ValueError, OSError) as error:
            return str(error)
        return found.mark if found else ""

    def open(self, row: int) -> None:
        """Show what is said of a row's utterance so far."""
        self.opened, self.widget.layout.display = row, None
        self._told(self._tell)

    def press(self, mark: str) -> None:
        """Keep a mark of the opened row's utterance, with what was typed where its transcript is wrong."""
        self._told(lambda: self._keep(mark))

    def _keep(self, mark: str) -> None:
        name, shown, typed = self.ids[self.opened], self.transcripts[self.opened], self.text.value.strip()
        before = self.corrections.read().get(name)
        if mark not in (WRONG, NO_MARK) and typed not in (shown.strip(), before and before.corrected, ""):
            raise ValueError(f"the text was changed: press “{WRONG}” for that, or put it back")
        self.corrections.mark(name, shown, "" if mark == NO_MARK else mark, typed)
        self._tell()
        self.on_change()

    def _tell(self) -> None:
        found = self.corrections.read().get(self.ids[self.opened])
        self.text.value = (found and found.corrected) or self.transcripts[self.opened]
        said = f"marked: {found.mark}, in {self.corrections.file.name}" if found else "not marked"
        if found and found.corrected:
            said = element("span", f"{said}: ") + speech(found.corrected, language=self.language)
        elif found and found.mark == WRONG:
            said += "; until you type what is said and press it again, the utterance is left out"
        self.status.value = styled(element("p", said, role="log"))

    def _told(self, act: Callable[[], None]) -> None:
        """Do something, and say where it fails: what a widget raises, nobody sees."""
        try:
            act()
        except (ValueError, OSError) as error:
            self.status.value = styled(element("p", f"not kept: {error}", class_="tag error", role="log"))

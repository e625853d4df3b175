"""Say something and see what is heard: a recording out of the browser, on any page that shows widgets."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import ipywidgets as widgets
import pandas as pd

from asr_helpers.audio.files import AUDIO_SUFFIXES
from asr_helpers.wording import visible

from .fragments import Fragment, join, note, speech, styled
from .markup import element, render
from .players import PLAYER_SECONDS, read_beginning, word_player
from .tables import table

__all__ = ["heard", "microphone"]

SAYS_WAV = "data:audio/wav;base64,"


class Hypothesis(Protocol):
    """What of a hypothesis is shown."""

    text: str
    confidence: float

    def rows(self) -> Sequence[Mapping[str, Any]]:
        """Words as rows: word, start, end, confidence."""


def heard(file: str | Path, hypothesis: Hypothesis, *, name: str = "recording", language: str = "none") -> Fragment:
    """Show what was recognised: the text, the recording with its words, and a table of their times and confidences.

    Args:
        file: The recording; its player holds the first half minute.
        hypothesis: What was recognised.
        name: What a person calls the recording.
        language: Code of the language of the text.
    """
    rows = list(hypothesis.rows())
    if not rows:
        return note(f"In {name} no word was recognised.")
    said = element("p", speech(hypothesis.text, language=language), class_="heard")
    early = [row for row in rows if row["end"] <= PLAYER_SECONDS]
    player = word_player(read_beginning(file), early, label=name, language=language)
    words = pd.DataFrame(rows)[["word", "start", "end", "confidence"]]
    times = table(
        words,
        caption=f"{name}: confidence {hypothesis.confidence:.2f}",
        formats=dict.fromkeys(("start", "end"), "{:.2f} s"),
        language=language,
        spoken=["word"],
    )
    return join([Fragment(said, hypothesis.text), Fragment(player, name), times])


def microphone(recognise: Callable[[Path], Hypothesis], *, language: str = "none") -> widgets.VBox:
    """Record in the browser, or take a file, and show what is recognised. It waits for a person and stops nothing.

    The browser hands its recording over in a hidden text field, which every frontend of ipywidgets 7 and 8 has
    (JupyterLab, Notebook, VS Code, Colab): none needs an extension for it.

    Args:
        recognise: Given a recording, says what is said in it.
        language: Code of the language of the text.
    """
    button = widgets.HTML(styled(render("microphone")))
    box = widgets.Textarea(continuous_update=False, layout=widgets.Layout(display="none"))
    upload = widgets.FileUpload(accept=",".join(AUDIO_SUFFIXES), multiple=False, description="or a file")
    result = widgets.HTML()

    def hear(sound: bytes) -> None:
        result.value = styled(note("listening …"))
        with TemporaryDirectory() as folder:
            file = Path(folder) / "recording"
            file.write_bytes(sound)
            try:
                result.value = styled(heard(file, recognise(file), language=language))
            except Exception as error:  # what a widget raises, nobody sees
                result.value = styled(note(visible(str(error).replace(str(file), "the recording"))))

    def recorded(change: Mapping[str, Any]) -> None:
        if change["new"].startswith(SAYS_WAV):
            box.value = ""
            hear(base64.b64decode(change["new"].removeprefix(SAYS_WAV)))

    def uploaded(change: Mapping[str, Any]) -> None:
        files = change["new"].values() if isinstance(change["new"], dict) else change["new"]  # ipywidgets 7, and 8
        for file in files:
            hear(bytes(file["content"]))

    box.observe(recorded, names="value")
    upload.observe(uploaded, names="value")
    whole = widgets.VBox([widgets.HBox([button, upload, box]), result])
    whole.add_class("asr-microphone")
    return whole

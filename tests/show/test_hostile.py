"""Names out of a corpus in every picture: drawn as they stand, whatever they mean to matplotlib."""

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from asr_helpers.analysis.power_law import PowerLaw
from asr_helpers.decoding.hypotheses import FrameClock
from asr_helpers.model.vocabulary import Alphabet
from asr_helpers.show import figures, frames, plots
from asr_helpers.show.figures import LABEL_LETTERS, axis_label

NAMES = {
    "formula": "$x^{$", "two dollars": "a $ and $_$", "broken command": r"$\frac{1}$", "backslash": "\\",
    "mark-up": "<b>&", "underscore": "_a_b", "percent": "100 %s %(x)s", "braces": "{0} {x}", "newline": "one\ntwo",
    "control": "a\x00b\x1b", "right-to-left marks": "\u200fسلام\u202e abc", "emoji": "🎙️👩‍🔬",
    "300 letters": "ا" * 300, "blank": " ", "empty": "",
}  # fmt: skip
CLOCK = FrameClock(hop=320, field=400)
TONE = np.sin(np.arange(800) / 5)
LOG_PROBS = np.log(np.eye(4)[[0, 3, 0, 2]] * 0.9 + 0.025)


def curves(name, ax):
    log = pd.DataFrame({"step": [1, 2], "split": name, "name": name, "value": [3.0, 2.0]})
    return plots.training_curves(log, ax, names=(name,), title=name)


def slices(name, ax):
    part = pd.DataFrame({"slice": [name, "b"], "value": 0.2, "low": 0.1, "high": 0.3, "utterances": 5})
    return plots.slices(part, ax, overall=0.2, title=name)


def confusions(name, ax):
    counts = pd.DataFrame([[1, 0]], index=[name], columns=[name, "ے"])
    return plots.confusions(counts, ax, title=name)


POINTS = pd.DataFrame({"hours": [0.5, 1.0], "value": [0.4, 0.3], "low": [0.3, 0.2], "high": [0.5, 0.4]})
LAW = PowerLaw("word", 0.3, 0.4, 2.0, 0.3, 0.23, 0.05, 0.1, 0.95, "")
DRAWN = {
    "waveform": lambda name, ax: plots.waveform(TONE, 800, ax, title=name),
    "spectrogram": lambda name, ax: plots.spectrogram(TONE, 800, ax, title=name),
    "histogram": lambda name, ax: plots.histogram([1.5, 2.5], ax, xlabel=name, title=name),
    "training_curves": curves,
    "slices": slices,
    "calibration": lambda name, ax: plots.calibration([0.9, 0.1], [True, False], ax, title=name),
    "ctc_frames": lambda name, ax: frames.ctc_frames(LOG_PROBS, Alphabet(("[PAD]", "|", "ک", name), 0, 1), CLOCK, ax),
    "confusions": confusions,
    "learning_curve": lambda name, ax: plots.learning_curve(POINTS, LAW, ax, title=name),
}


def test_every_plot_is_tried():
    assert set(DRAWN) == {*plots.__all__, "ctc_frames"}


@pytest.mark.filterwarnings("ignore:Glyph .* missing")
@pytest.mark.filterwarnings("error:.*layout not applied")  # a label that leaves its picture no room
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)
def test_any_name_can_be_drawn(draw, name):
    fig = Figure(figsize=(6, 3), dpi=40, layout="constrained")
    draw(name, fig.subplots())
    fig.savefig(io.BytesIO(), format="png")  # as a reader may who does not use `picture`


def test_what_a_notebook_adds_later_is_no_formula_either():
    fig = Figure(layout="constrained")
    slices("a", fig.subplots()).text(0.1, 0.1, "$x^{$")
    fig.suptitle(r"$\frac{1}$")
    assert figures.png(fig).startswith(b"\x89PNG")


def test_names_reach_the_picture_unchanged_or_shortened():
    ax = Figure().subplots()
    slices("$x^{$", ax)
    assert ax.get_yticklabels()[0].get_text() == "\u200e$x^{$  (n = 5)"
    assert len(axis_label("ا" * 300)) == LABEL_LETTERS and axis_label("ا" * 300).endswith("ا…")
    assert axis_label("one\ntwo\u202e") == "one two⟨U+202E⟩"


def test_a_winner_that_is_never_probable_has_its_row():
    tokens = tuple(f"t{i}" for i in range(100))
    shares = np.full((3, 100), 0.009)
    shares[:, 0], shares[1, 90] = 0.011, 0.0119  # the best of its frame, far below the threshold of 5 %
    ax = Figure().subplots()
    frames.ctc_frames(np.log(shares), Alphabet(tokens, 0, 1), CLOCK, ax)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["t0", "t90"] and [t.get_text() for t in ax.texts] == ["t90"]

"""Pictures: helpers return the axes they drew on, with units, the numbers asked for, and files of a bounded size."""

import base64
import io
import re

import numpy as np
import pandas as pd
import pytest
from matplotlib import ft2font
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

from asr_helpers.analysis.power_law import PowerLaw
from asr_helpers.decoding.hypotheses import FrameClock, frame_table
from asr_helpers.model.vocabulary import Alphabet
from asr_helpers.show import figures, plots
from asr_helpers.show.frames import collapse_steps, ctc_frames, top_tokens

RATE = 16_000
TOKENS = ("[PAD]", "[UNK]", "|", "ک", "ہ", "ے")
CLOCK = FrameClock(hop=320, field=400)
ALPHABET = Alphabet(TOKENS, 0, 2)


def figure(rows: int = 1):
    return plt.subplots(rows, figsize=(9, 2.8 * rows), dpi=100, layout="constrained")


@pytest.fixture
def ax():
    fig, axes = plt.subplots(layout="constrained")
    yield axes
    plt.close(fig)


def path_probs(path: list[int], share: float = 0.9) -> np.ndarray:
    """Log-probabilities whose best path is ``path``."""
    shares = np.full((len(path), len(TOKENS)), (1 - share) / (len(TOKENS) - 1))
    shares[np.arange(len(path)), path] = share
    return np.log(shares)


def test_every_helper_returns_its_axes_with_a_title_and_units(ax):
    tone = np.sin(np.arange(RATE) * 2 * np.pi * 1_000 / RATE).astype(np.float32)
    log = pd.DataFrame({"step": [1, 2], "split": "train", "name": "loss", "value": [3.0, 2.0]})
    part = pd.DataFrame({"slice": ["a"], "value": [0.2], "low": [0.1], "high": [0.3], "utterances": [5]})
    points = pd.DataFrame({"hours": [0.5, 1.0], "value": [0.4, 0.3], "low": [0.3, 0.2], "high": [0.5, 0.4]})
    law = PowerLaw("word", 0.3, 0.4, 2.0, 0.3, 0.23, 0.05, 0.1, 0.95, "")
    drawn = {
        "amplitude": plots.waveform(tone, RATE, ax, title="t"),
        "kHz": plots.spectrogram(tone, RATE, ax, title="t"),
        "utterances": plots.histogram([1.5, 2.5], ax, xlabel="duration (s)", title="t"),
        "loss": plots.training_curves(log, ax, title="t"),
        "WER (%)": plots.slices(part, ax, title="t"),
        "right": plots.calibration([0.9, 0.1], [True, False], ax, title="t"),
        "error rate (%)": plots.learning_curve(points, law, ax, title="t"),
        "token": ctc_frames(path_probs([0, 3, 0]), ALPHABET, CLOCK, ax, title="t"),
        "hypothesis": plots.confusions(pd.DataFrame([[1, 0]], index=["ک"], columns=["ہ", "ے"]), ax, title="t"),
    }
    assert all(axes is ax for axes in drawn.values())


def test_a_title_that_is_wider_than_its_axes_goes_on_below():
    fig, ax = plt.subplots(figsize=(4, 2), layout="constrained")
    part = pd.DataFrame({"slice": ["a part with a long name"], "value": 0.2, "low": 0.1, "high": 0.3, "utterances": 5})
    plots.slices(part, ax, title="Hardest: word heard in training: 10 times or more")
    fig.draw_without_rendering()
    title = ax._left_title.get_window_extent()
    assert title.x1 <= fig.bbox.x1 and title.height > 20
    plt.close(fig)


def test_axes_say_their_units():
    tone = np.sin(np.arange(RATE) / 5).astype(np.float32)
    fig, (one, two) = plt.subplots(2)
    plots.waveform(tone, RATE, one)
    plots.spectrogram(tone, RATE, two, title="س is taken for ص")
    assert (one.get_xlabel(), two.get_ylabel()) == ("time (s)", "frequency (kHz)")
    assert two.get_xlabel() == "time (s); 16 ms windows every 2 ms"
    assert one.get_xlim() == two.get_xlim() == (0, 1)
    assert two.get_title(loc="left") == "\u200eس is taken for ص"  # else the sentence would be set right to left
    plt.close(fig)


def test_waveform_keeps_every_peak(ax):
    samples = np.zeros(160_000, dtype=np.float32)
    samples[77_777] = 0.8
    plots.waveform(samples, RATE, ax)
    assert ax.collections[0].get_paths()[0].vertices[:, 1].max() == pytest.approx(0.8)


def test_spectrogram_is_loudest_at_the_frequency_of_a_tone(ax):
    tone = np.sin(np.arange(2 * RATE) * 2 * np.pi * 2_500 / RATE)
    plots.spectrogram(tone, RATE, ax)
    picture = ax.images[0].get_array()
    row = int(np.argmax(picture.mean(axis=1)))
    assert row / (picture.shape[0] - 1) * 8 == pytest.approx(2.5, abs=0.05)
    assert picture.max() == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("samples", [1, 10, 300, RATE * 40])
def test_recordings_of_any_length_can_be_drawn(samples):
    fig, (one, two) = plt.subplots(2)
    plots.waveform(np.zeros(samples), RATE, one)
    plots.spectrogram(np.zeros(samples), RATE, two)
    assert two.images[0].get_array().shape[1] <= 1_100
    assert two.images[0].get_array().max() <= plots.RANGE_DB, "silence is black"
    plt.close(fig)


def test_histogram_counts_every_finite_value_and_marks_the_median(ax):
    plots.histogram([1, 2, 2, 3, np.nan], ax, xlabel="words")
    assert [p.get_height() for p in ax.patches] == [1, 2, 1]
    assert ax.lines[0].get_xdata()[0] == 2


@pytest.mark.parametrize(
    "values",
    [[], [np.nan], [3.0], [1.0] * 5, [0.1] * 1_000 + [1e6], [0.3, 0.1 + 0.2], [12.5, np.nextafter(12.5, 13)] * 9],
)
def test_awkward_histograms(ax, values):
    plots.histogram(values, ax, xlabel="x")
    assert len(ax.patches) <= 61


def test_training_curves_mark_the_best_validation_step(ax):
    log = pd.DataFrame(
        {
            "step": [10, 20, 30, 30],
            "split": ["validation"] * 3 + ["train"],
            "name": "wer",
            "value": [0.5, 0.2, 0.3, 0.1],
        }
    )
    plots.training_curves(log, ax, names=("wer",))
    stars = [line.get_xydata()[0].tolist() for line in ax.lines if line.get_marker() == "*"]
    assert stars == [[20, 0.2]]


def test_curves_that_end_alike_keep_readable_labels(ax):
    ends = [("train", "empty", 0.0), ("validation", "empty", 0.0), ("train", "unknown", 0.001), ("train", "blank", 0.7)]
    log = pd.DataFrame([(step, *end) for end in ends for step in (1, 2)], columns=["step", "split", "name", "value"])
    plots.training_curves(log, ax, names=("empty", "unknown", "blank"))
    places = sorted(text.xy[1] for text in ax.texts)
    assert len(places) == 4 and min(np.diff(places)) == pytest.approx(plots.LABEL_GAP)
    ends = [place * ax.get_ylim()[1] for place in places]
    assert (ends[0], ends[-1]) == pytest.approx((0.0, 0.7))  # who has room stays at the end of its curve


def test_calibration_points_are_means_of_their_bins(ax):
    plots.calibration([0.05, 0.15, 0.95, 0.97], [False, True, True, False], ax, bins=10)
    points = ax.collections[0].get_offsets()
    assert np.allclose(points, [[0.05, 0], [0.15, 1], [0.96, 0.5]])


def test_slices_show_value_interval_and_count(ax):
    part = pd.DataFrame(
        {"slice": ["a", "b"], "value": [0.2, 0.4], "low": [0.1, np.nan], "high": [0.5, np.nan], "utterances": [5, 1200]}
    )
    plots.slices(part, ax, overall=0.3)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["\u200ea  (n = 5)", "\u200eb  (n = 1,200)"]
    segments = ax.collections[0].get_segments()
    assert np.allclose(segments[0][:, 0], [10, 50])
    assert not np.isfinite(segments[1]).any(), "no interval is no bar, not one of no length"


@pytest.mark.parametrize("clock", [FrameClock(320, 400), FrameClock(320, 880), FrameClock(160, 400)])
def test_a_frame_has_one_time_in_every_picture_and_table(ax, clock):
    """The frames of a token, as the decoding's table times them, are where the picture and the steps have them."""
    log_probs = path_probs([0, 0, 0, 0, 0, 3, 3, 0])
    rows = frame_table(log_probs, ALPHABET, clock).set_index("frame")
    ctc_frames(log_probs, ALPHABET, clock, ax)
    left, right, _, _ = ax.images[0].get_extent()
    edges = np.linspace(left, right, len(log_probs) + 1)
    assert np.allclose(edges[:-1], rows["start"]) and np.allclose(edges[1:], rows["end"])
    assert ax.texts[0].get_position()[0] == pytest.approx((rows.at[5, "start"] + rows.at[6, "end"]) / 2)
    steps = collapse_steps(log_probs, ALPHABET, clock).html.split("1. best token")[0]
    assert re.findall(r"<small>([\d.]+)</small>", steps) == [f"{rows.at[f, 'start']:.2f}" for f in (0, 5)]


def test_frames_made_up_by_hand_run_from_left_to_right():
    by_hand = Alphabet(("[PAD]", "م", "ک", "ن"), 0)
    shown = collapse_steps([1, 1, 0, 1, 2, 3], by_hand)
    cells = re.findall(r'class="token[^"]*">(.)<', shown.html.split("2. equal")[0])
    assert cells == ["م", "م", "∅", "م", "ک", "ن"] and 'class="frames" dir="ltr"' in shown.html
    assert shown.text.endswith("4. text:        " + "مم" + "کن")
    apart = shown.text.splitlines()[0].removeprefix("1. best tokens: ")
    assert all(token.startswith("\u200e") for token in apart.split(" ")[1:])  # else they would run backwards


def test_ctc_frames_write_what_collapsing_keeps(ax):
    ctc_frames(path_probs([0, 3, 3, 0, 3, 2, 4, 5, 5]), ALPHABET, CLOCK, ax)
    letters = [figures.letter_label(TOKENS[t]) for t in (3, 3, 2, 4, 5)]
    assert [t.get_text() for t in ax.texts] == letters


@pytest.mark.filterwarnings("error:Glyph .* missing")
@pytest.mark.parametrize(
    "letters", ["ابپتٹثجچحخدڈذرڑزژسشصضطظعغفقکگلمنں", "وہۂۃھءیےۓآأؤئ", "يكىهة", "۰۱۲۳۴۵۶۷۸۹", "ۍېٻڄںڻ"]
)
def test_every_letter_of_arabic_script_is_drawn_by_the_font_of_the_package(letters, ax):
    assert figures.letter_label(letters) == letters
    ax.set_xticks(range(len(letters)), list(letters))
    assert len(figures.png(ax.figure)) > 1_000


@pytest.mark.skipif(not hasattr(ft2font, "__libraqm_version__"), reason="matplotlib shapes text from 3.11 on")
@pytest.mark.parametrize(("word", "letters"), [("کہاں", "ک ہ ا ں"), ("سلام", "س ل ا م")])
def test_the_letters_of_a_word_join(word, letters):
    """Joined forms are narrower than the isolated ones; each is drawn from right to left."""
    fig = Figure()
    fig.text(0, 0, word), fig.text(0, 0.5, letters.replace(" ", "\u200c"))
    figures.png(fig)
    joined, apart = (text.get_window_extent().width for text in fig.texts)
    assert joined < 0.9 * apart


def test_a_rise_at_the_end_of_the_loss_is_seen(ax):
    """From 0.20 to 0.30 after a loss of 300: a tenth of the height at least."""
    log = pd.DataFrame({"step": [1, 2, 3], "split": "validation", "name": "loss", "value": [300.0, 0.2, 0.3]})
    plots.training_curves(log, ax, names=("loss",))
    heights = ax.transAxes.inverted().transform(ax.transData.transform([(2, 0.2), (3, 0.3)]))[:, 1]
    assert np.diff(heights) > 0.04


def test_letters_without_a_glyph_are_named(monkeypatch):
    monkeypatch.setattr(figures, "_has", lambda font, letter: letter not in "ہے")
    assert [figures.letter_label(t) for t in ("ک", "ہ", "ے", "[PAD]", "|")] == ["ک", "heh goal", "yeh barree", "∅", "␣"]


def test_pictures_stay_below_their_limit_and_shrink_only_if_they_must():
    fig, ax = plt.subplots(figsize=(9, 2.8), dpi=figures.DPI)
    ax.plot([1, 2])
    assert Image.open(io.BytesIO(figures.png(fig))).size == (900, 280)
    ax.imshow(np.random.default_rng(0).random((300, 900)), aspect="auto")
    assert len(figures.png(fig)) <= 100_000
    plt.close(fig)


def test_an_inline_picture_names_itself_and_closes():
    before = plt.get_fignums()
    fig, _ = plt.subplots(figsize=(9, 2.8), dpi=figures.DPI)
    shown = figures.picture(fig, alt='what "it" shows')
    assert 'alt="what &#34;it&#34; shows"' in shown.html and 'width="900"' in shown.html
    assert plt.get_fignums() == before
    bundle = shown._repr_mimebundle_()
    assert Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))).size == (900, 280)
    assert bundle["text/plain"] == '[picture: what "it" shows]' and "text/html" not in bundle


WORDS = [
    ("speaker: بلال (n = 5)", "speaker: \ufedd\ufe8e\ufee0\ufe91 (n = 5)"),  # seen from the left
    ("کل ۱۵", "۱۵ \ufede\ufb90"),  # a number runs to the right within words that run to the left
    ("آمِنہ", "\ufba7\ufee8\ufee3\u0650\ufe81"),  # a mark stays with its letter; nothing joins alef on its left
    ("ع taken for ا", "\ufec9 taken for \ufe8d"),
    ("Bilal", "Bilal"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "drawn"), WORDS)
def test_a_matplotlib_that_does_not_join_letters_is_given_their_shapes(text, drawn):
    assert figures.joined(text, shapes=False) == drawn and figures.joined(text, shapes=True) == text
    assert figures.joined(drawn, shapes=False) == drawn  # nothing is turned twice
    assert all(figures.letter_label(letter) == letter for letter in drawn if letter.isalpha())  # the font has them


def test_the_name_of_a_picture_holds_no_mark_that_a_screen_reader_spells_out():
    fig, (one, two) = plt.subplots(2)
    figures.finish(one, "س is taken for ص")
    two.set_title(f"{figures.MARK}ز is taken for {figures.MARK}ذ", loc="left")
    assert 'alt="س is taken for ص; ز is taken for ذ"' in figures.picture(fig).html


def test_a_spectrogram_of_noise_stays_below_the_limit():
    noise = np.random.default_rng(0).normal(0, 0.1, 4 * 22_050)
    fig, (one, two) = plt.subplots(2)
    plots.waveform(noise, 22_050, one)
    plots.spectrogram(noise, 22_050, two)
    assert len(figures.picture(fig, alt="noise").png) <= 100_000


def test_pictures_need_no_pyplot():
    fig = Figure()
    assert plots.waveform(np.ones(5), 5, fig.subplots()) in fig.axes


@pytest.mark.parametrize(
    ("path", "text"),
    [([0, 0], ""), ([3, 3, 0, 3], "کک"), ([2, 3, 2, 2, 0, 2, 4, 2], "ک ہ"), ([3, 0, 0, 2, 5, 5], "ک ے")],
)
def test_the_steps_end_in_the_text_that_the_frames_give(path, text):
    assert collapse_steps(path_probs(path), ALPHABET, CLOCK).text.endswith(f"4. text:        {text}")


def test_the_blank_may_be_any_output(ax):
    alphabet = Alphabet(("ک", "|", "ہ", "<pad>"), 3, 1)
    log_probs = np.log(np.full((4, 4), 0.01) + 0.96 * np.eye(4)[[0, 3, 0, 2]])
    assert collapse_steps(log_probs, alphabet, CLOCK).text.endswith("کک" + "ہ")
    ctc_frames(log_probs, alphabet, CLOCK, ax)
    assert ax.get_yticklabels()[0].get_text() == "∅" and len(ax.texts) == 3


def test_steps_have_one_column_a_frame_in_every_row():
    path = [0, 3, 3, 0, 3, 2, 4, 5, 5, 0]
    markup = collapse_steps(path_probs(path), ALPHABET, CLOCK, span=(2, 9), chosen=4).html
    for row in markup.split("<tr>")[1:]:
        spans = [int(part.split('"')[0]) for part in row.split('colspan="')[1:]]
        assert sum(spans) + row.count("<td") - len(spans) == 7
    assert "کک ہے" in markup  # the text is that of all frames, not of the window


def test_a_run_that_began_before_the_window_is_counted_where_it_began():
    path = [3, 3, 3, 0, 4]
    kept = [collapse_steps(path_probs(path), ALPHABET, CLOCK, span=(first, 5)).html for first in (0, 1)]
    last_rows = [markup.split("3. blanks dropped")[1].split("</tr>")[0] for markup in kept]
    assert [row.count("ک") for row in last_rows] == [1, 0] and all(row.count("ہ") == 1 for row in last_rows)


def test_top_tokens_are_sorted_shares():
    shown = top_tokens(np.log([[0.1, 0.0001, 0.2, 0.6, 0.05, 0.0499]]), 0, TOKENS, count=3)
    assert shown.text.split()[2:] == ["0.600", "ک", "0.200", "␣", "0.100", "∅"]


@pytest.mark.parametrize(("why", "ticks"), [("", ["0.5", "1", "2"]), ("too few", ["0.5", "1"])])
def test_a_learning_curve_goes_on_only_where_the_data_say_so(ax, why, ticks):
    points = pd.DataFrame({"hours": [0.5, 1.0], "value": [0.4, 0.3], "low": [0.3, 0.2], "high": [0.5, 0.4]})
    law = PowerLaw("word", 0.3, 0.4, 2.0, 0.3, 0.23, 0.05, 0.1, 0.95, why)
    plots.learning_curve(points, law, ax, title="t")
    assert ax.get_xscale() == "log" and [tick.get_text() for tick in ax.get_xticklabels()] == ticks
    ends = [container.lines[2][0].get_segments() for container in ax.containers]
    assert ends[0] == [pytest.approx(np.array([[h, low], [h, high]])) for h, low, high in ((0.5, 30, 50), (1, 20, 40))]
    if not why:  # 5 to 10 points below the 30 % of the last point
        assert ends[1] == [pytest.approx(np.array([[2.0, 20.0], [2.0, 25.0]]))]
        line = next(line for line in ax.lines if line.get_linestyle() == ":")
        assert line.get_ydata() == pytest.approx(30 * line.get_xdata() ** -0.4)
    assert len(ends) == (1 if why else 2)

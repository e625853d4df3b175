"""Browsers without a browser: what their controls do to what they show."""

import html
import re
import time

import ipywidgets as widgets
import numpy as np
import pandas as pd
import pytest
import soundfile

from asr_helpers.corpus.corrections import Correction, Corrections
from asr_helpers.decoding.hypotheses import FrameClock
from asr_helpers.model.vocabulary import Alphabet
from asr_helpers.show.browsers import prediction_browser, sample_browser
from asr_helpers.show.frames import frame_inspector
from asr_helpers.show.row_browser import equal_parts, options_of

CLOCK = FrameClock(hop=320, field=400)
TEXTS = ["کتاب میز پر ہے", "صبح بارش ہوئی", "گرامو فون کی آواز", "وہ سکول گیا", "<img src=x onerror=alert(1)>"]
HEARD = ["کتاب میز پر ہے", "صبح بارش تھی", "گراموفون کی آواز", "وہ گیا", "<b>"]


@pytest.fixture
def corpus(tmp_path):
    time_axis = np.arange(8_000) / 16_000
    for i in range(5):
        soundfile.write(tmp_path / f"{i + 1}.wav", 0.3 * np.sin(2 * np.pi * 200 * (i + 1) * time_axis), 16_000)
    return tmp_path


@pytest.fixture
def predictions():
    words = [[{"word": w, "start": 0.1 * i, "end": 0.1 * i + 0.08} for i, w in enumerate(h.split())] for h in HEARD]
    return pd.DataFrame(
        {
            "id": list("12345"), "audio": [f"{i}.wav" for i in range(1, 6)], "speaker": ["a", "b", "a", None, "b"],
            "seconds": [0.5, 1.0, 1.5, 2.0, 2.5], "reference": TEXTS, "hypothesis": HEARD,
            "confidence": [0.9, 0.8, 0.7, 0.6, 0.5], "words": words,
        }
    )  # fmt: skip


def parts(box):
    """Controls by label, paging buttons, rows in view (button, html) and the panel."""
    controls = {c.description: c for c in box.children[0].children}
    back, on, status = box.children[1].children
    rows = [row.children for row in box.children[2:] if isinstance(row, widgets.HBox)]
    return controls, (back, on, status), rows, box.children[2 + len(rows)]


def shown(box) -> list[str]:
    return [b.description.removeprefix("▶ ") for b, _ in parts(box)[2] if b.layout.display != "none"]


def test_predictions_begin_with_the_worst(predictions, corpus):
    box = prediction_browser(predictions, corpus, page_rows=3)
    _controls, (back, on, status), _, _ = parts(box)
    assert shown(box) == ["5", "3", "2"] and "5 of 5 utterances, page 1 of 2" in status.value
    assert back.disabled and not on.disabled
    on.click()
    assert shown(box) == ["4", "1"] and on.disabled and not back.disabled


@pytest.mark.parametrize(
    ("label", "value", "expected"),
    [
        ("errors", "none", {"1"}),
        ("errors", "at least one", {"2", "3", "4", "5"}),
        ("errors", "a missing word", {"4", "5"}),
        ("errors", "words written as one", {"3"}),
        ("speaker", "a", {"1", "3"}),
        ("search", "بارش", {"2"}),
        ("search", "گراموفون", {"3"}),  # stands in the prediction only
        ("search", "ONERROR", {"5"}),
        ("search", "nan", set()),  # a speaker who is not known
        ("search", "(", {"5"}),  # a search is not a pattern
        ("mine", "chosen", {"2", "4"}),
    ],
)
def test_filters(predictions, corpus, label, value, expected):
    box = prediction_browser(predictions, corpus, groups={"mine": {"chosen": ["2", "4", "none such"]}})
    parts(box)[0][label].value = value
    assert set(shown(box)) == expected


def test_filters_apply_together_and_may_leave_nothing(predictions, corpus):
    box = prediction_browser(predictions, corpus)
    controls, (_, on, status), _, _ = parts(box)
    controls["speaker"].value = "b"
    controls["errors"].value = "a missing word"
    assert shown(box) == ["5"]
    controls["search"].value = "nothing holds this"
    assert shown(box) == [] and on.disabled and "0 of 5" in status.value
    controls["search"].value = ""
    assert shown(box) == ["5"]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("as in the test set", list("12345")),
        ("least confident", list("54321")),
        ("confident but wrong", list("23451")),
        ("longest", list("54321")),
        ("fewest wrong words", list("12435")),
    ],
)
def test_orders(predictions, corpus, order, expected):
    box = prediction_browser(predictions, corpus)
    parts(box)[0]["order"].value = order
    assert shown(box)[0] == expected[0] and sorted(shown(box)) == sorted(expected)
    if order != "fewest wrong words":
        assert shown(box) == expected


def test_sound_is_read_when_a_row_is_opened(predictions, corpus):
    box = prediction_browser(predictions, corpus)
    _, _, rows, panel = parts(box)
    assert "data:audio" not in "".join(line.value for _, line in rows) + panel.value
    sources = []
    for button, _ in rows[:2]:
        button.click()
        sources.append(re.search(r'src="(data:audio[^"]*)"', panel.value)[1])
    assert sources[0] != sources[1]
    rows[1][0].click()
    assert re.search(r'src="(data:audio[^"]*)"', panel.value)[1] == sources[1]
    assert 'class="timeline"' in panel.value and panel.value.count('data-start="') == 2 * len(HEARD[2].split())


def test_a_button_opens_the_row_beside_it_after_filter_and_page(predictions, corpus):
    box = prediction_browser(predictions, corpus, page_rows=2)
    controls, (_, on, _), rows, panel = parts(box)
    controls["order"].value = "longest"
    on.click()
    rows[1][0].click()
    assert "utterance 2<" in panel.value


def test_transcripts_are_escaped_in_rows_and_panel(predictions, corpus):
    for box in (
        prediction_browser(predictions, corpus),
        sample_browser(predictions.rename(columns={"reference": "transcript"}), corpus),
    ):
        _, _, rows, panel = parts(box)
        index = shown(box).index("5")
        rows[index][0].click()
        for markup in (rows[index][1].value, panel.value):
            seen = html.unescape(re.sub(r"<[^>]*>", "", markup))
            assert "<img src=x onerror" in " ".join(seen.split()) and "<img src=x" not in markup


def test_rows_are_right_to_left(predictions, corpus):
    box = prediction_browser(predictions, corpus, language="ur")
    lines = {name: line.value for (_, line), name in zip(parts(box)[2], shown(box), strict=False)}
    assert all('dir="rtl" lang="ur"' in lines[name] for name in "1234")


def test_a_missing_recording_is_said_and_the_browser_goes_on(predictions, corpus):
    (corpus / "5.wav").unlink()
    box = prediction_browser(predictions, corpus)
    _, _, rows, panel = parts(box)
    rows[0][0].click()
    assert "no audio" in panel.value
    rows[1][0].click()
    assert "data:audio" in panel.value


def test_samples_show_measures_and_a_spectrogram(predictions, corpus):
    utterances = predictions.rename(columns={"reference": "transcript"}).assign(
        split=["train", "test", "train", "train", "validation"], snr_db=[10.0, 20, 30, 5, 15], clipped=0.015
    )
    box = sample_browser(utterances, corpus)
    controls, _, rows, panel = parts(box)
    controls["split"].value = "train"
    assert shown(box) == ["1", "3", "4"]
    controls["order"].value = "noisiest"
    assert shown(box) == ["4", "1", "3"]
    rows[0][0].click()
    assert "5.0 dB" in panel.value and "1.50 %" in panel.value and "data:image/png" in panel.value


def test_samples_need_only_the_columns_of_a_transcript(predictions, corpus):
    box = sample_browser(
        pd.DataFrame({"id": ["1"], "audio": ["1.wav"], "transcript": [None], "seconds": [0.5]}), corpus
    )
    assert shown(box) == ["1"]


def test_speakers_too_many_to_choose_from_are_searched_for(corpus):
    rows = pd.DataFrame({"id": [f"{i}" for i in range(400)], "speaker": [f"client {i}" for i in range(400)]})
    box = sample_browser(rows.assign(audio="1.wav", transcript=TEXTS[0], seconds=1.0, split="train"), corpus)
    controls = parts(box)[0]
    assert "speaker" not in controls
    controls["search"].value = "client 39"
    assert shown(box) == ["39", *map(str, range(390, 397))]


def test_equal_parts_cover_each_row_once():
    numbers = pd.Series([1, 2, 3, 4, 5, 6, np.nan], dtype=float)
    masks = equal_parts(numbers, "s")
    assert np.array_equal(sum(m.astype(int) for m in masks.values()), [1] * 6 + [0])
    assert list(masks) == ["1 to 2.67 s", "2.67 to 4.33 s", "4.33 to 6 s"]
    assert len(equal_parts(pd.Series([2.0, 2.0]), "s")) <= 1 and equal_parts(pd.Series([np.nan]), "") == {}


def test_options_leave_out_what_is_missing():
    masks = options_of(pd.Series(["b", None, "a", "b"]))
    assert {k: v.tolist() for k, v in masks.items()} == {
        "a": [False, False, True, False], "b": [True, False, False, True]
    }  # fmt: skip


def test_the_frame_inspector_walks_through_frames():
    alphabet = Alphabet(("[PAD]", "[UNK]", "|", "ک", "ہ"), 0, 2)
    shares = np.full((60, 5), 0.02)
    shares[np.arange(60), [0] * 10 + [3] * 2 + [0] * 38 + [4] * 10] = 0.92
    image, frame, steps, best = frame_inspector(np.log(shares), alphabet, CLOCK).children
    assert frame.value == 10 and "کہ" in steps.value and "data:image/png" in image.value
    frame.value = 55
    assert "frame 55" in best.value and "frame 59:" in steps.value and "frame 5:" not in steps.value
    assert frame.max == 59


@pytest.mark.parametrize("shape", [(0, 3), (5, 4), (5,)])
def test_the_frame_inspector_refuses_what_does_not_fit(shape):
    with pytest.raises(ValueError, match="give \\(frames, 3\\)"):
        frame_inspector(np.zeros(shape), Alphabet(("[PAD]", "|", "ک"), 0, 1), CLOCK)


@pytest.fixture
def correcting(predictions, corpus, tmp_path):
    """A browser that corrects: row 3 of it opened, what it keeps, its line, its buttons by name and what it says."""
    kept = Corrections(tmp_path / "run" / "corrections.csv")
    box = prediction_browser(predictions, corpus, corrections=kept, first=["3", "1"], language="ur")
    *_, below = box.children
    line, marks, status = below.children
    box.children[0].children[-2].value = "to correct first"
    assert below.layout.display == "none" and shown(box) == ["3", "1", "2", "4", "5"]
    box.children[2].children[0].click()
    assert below.layout.display is None and line.value == TEXTS[2] and "not marked" in status.value
    return box, kept, line, {button.description: button for button in marks.children}, status


def test_a_correction_is_kept_and_shown(correcting):
    box, kept, line, marks, status = correcting
    line.value = f" {HEARD[2]} "
    marks["wrong transcript"].click()
    assert kept.read() == {"3": Correction("3", TEXTS[2], "wrong transcript", HEARD[2])}
    assert HEARD[2] in status.value and "✎ wrong transcript" in box.children[2].children[1].value
    box.children[3].children[0].click()
    assert "not marked" in status.value
    marks["bad audio"].click()
    box.children[2].children[0].click()
    assert line.value == HEARD[2] and kept.read()["1"].mark == "bad audio"
    marks["no mark"].click()
    assert list(kept.read()) == ["1"] and line.value == TEXTS[2] and "✎" not in box.children[2].children[1].value


def test_what_was_typed_is_not_lost_to_another_mark(correcting):
    _, kept, line, marks, status = correcting
    line.value = "گراموفون"
    marks["fine"].click()
    assert kept.read() == {} and "press “wrong transcript”" in status.value and line.value == "گراموفون"
    line.value = TEXTS[2]
    marks["wrong transcript"].click()
    assert kept.read()["3"].corrected == "" and "until you type what is said" in status.value


def test_a_mark_that_cannot_be_kept_is_said(correcting):
    box, kept, _, marks, status = correcting
    kept.file.parent.mkdir(exist_ok=True)
    kept.file.write_text("<script>,")
    marks["fine"].click()
    assert "not kept: corrections.csv has the columns &#39;&lt;script&gt;&#39;" in status.value
    box.children[0].children[-2].value = "longest"
    assert "has the columns" in box.children[2].children[1].value and shown(box) == list("54321")


def test_a_corpus_is_corrected_from_its_browser_too(predictions, corpus, tmp_path):
    kept = Corrections(tmp_path / "corrections.csv")
    box = sample_browser(predictions.rename(columns={"reference": "transcript"}), corpus, corrections=kept)
    parts(box)[2][4][0].click()
    line, marks, _ = box.children[-1].children
    assert line.value == TEXTS[4] == TEXTS[-1]
    marks.children[1].click()
    assert kept.read() == {"5": Correction("5", TEXTS[4], "bad audio")}


def test_what_is_corrected_is_the_transcript_and_not_its_normalised_form(predictions, corpus, tmp_path):
    kept = Corrections(tmp_path / "corrections.csv")
    raw = predictions.assign(raw_reference=predictions["reference"] + "۔")
    box = prediction_browser(raw, corpus, corrections=kept)
    box.children[2].children[0].click()
    box.children[-1].children[1].children[2].click()
    assert kept.read() == {"5": Correction("5", f"{TEXTS[4]}۔", "fine")}


def test_twenty_thousand_utterances_stay_quick(predictions, corpus):
    many = pd.concat([predictions] * 4_000, ignore_index=True).assign(id=[str(i) for i in range(20_000)])
    begun = time.process_time()
    box = prediction_browser(many, corpus)
    built = time.process_time() - begun
    controls = parts(box)[0]
    begun = time.process_time()
    controls["errors"].value = "a missing word"
    controls["search"].value = "سکول"
    filtered = time.process_time() - begun
    assert "4,000 of 20,000" in parts(box)[1][2].value
    assert built < 10 and filtered < 1  # measured: 1.3 s and 0.04 s of processor time


def test_an_opened_row_holds_the_first_half_minute_of_a_long_recording(predictions, corpus):
    soundfile.write(corpus / "1.wav", np.full(31 * 8_000, 0.1), 8_000)
    box = sample_browser(predictions.rename(columns={"reference": "transcript"}), corpus)
    _, _, rows, panel = parts(box)
    rows[0][0].click()
    assert "the first 30 s" in panel.value and len(panel.value) < 400_000

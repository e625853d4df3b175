"""Kinds of error and their causes: tables that add up, and causes found where they were planted."""

import random

import numpy as np
import pandas as pd
import pytest

from asr_helpers.analysis.causes import NOISY, RARE, errors_by_cause, ids_by_cause
from asr_helpers.analysis.confusions import (
    confused_words,
    confusion_matrix,
    ids_by_kind,
    kind_table,
    letter_audio,
    letter_table,
)
from asr_helpers.analysis.edits import letter_edits, word_edits
from asr_helpers.analysis.label_errors import correct_first, possible_label_errors
from asr_helpers.analysis.metrics import count_errors


def table(*rows: tuple[str, str]) -> pd.DataFrame:
    frame = pd.DataFrame([(f"u{i}", *row) for i, row in enumerate(rows)], columns=["id", "reference", "hypothesis"])
    return frame.assign(seconds=3.0, snr_db=40.0, confidence=0.5, speaker="")


PREDICTIONS = table(
    ("یہ گرامو فون ہے", "یہ گراموفون ہے"),
    ("وہ کتاب ہے", "وہ کتب ہے"),
    ("وہ کتاب یہاں ہے", "وہ کتب ہے"),
    ("گھر میں", "گھر کے اندر میں"),
    ("خوبصورت", "خوب صورت"),
)


def test_kinds_add_up_to_the_wer():
    found = kind_table(word_edits(PREDICTIONS)).set_index("kind")
    assert found["count"].to_dict() == {"substitution": 2, "deletion": 1, "insertion": 2, "joined": 1, "split": 1}
    assert found.errors.sum() == count_errors(PREDICTIONS.reference, PREDICTIONS.hypothesis).errors.sum() == 9
    assert found.share.sum() == pytest.approx(1)
    assert found.examples["joined"] == ["u0"] and found.errors["joined"] == 2
    assert ids_by_kind(word_edits(PREDICTIONS))["substitution"] == ["u1", "u2"]


def test_confused_words():
    found = confused_words(word_edits(PREDICTIONS), top=3)
    assert found.iloc[0, :5].tolist() == ["joined", "گرامو فون", "گراموفون", 1, 2]
    assert found[found.reference == "کتاب"].iloc[0].tolist() == ["substitution", "کتاب", "کتب", 2, 2, ["u1", "u2"]]
    assert len(found) == 3


def test_confusion_matrix_counts_what_the_edits_count():
    matrix = confusion_matrix(PREDICTIONS, top=100)
    errors = count_errors(PREDICTIONS.reference, PREDICTIONS.hypothesis, unit="character").errors.sum()
    assert matrix.to_numpy().sum() == len(letter_edits(PREDICTIONS)) == errors
    assert matrix.loc["ا", "–"] >= 2
    assert max(confusion_matrix(PREDICTIONS, top=3).shape) <= 3


def test_letter_audio_shares_out_every_second():
    training = pd.DataFrame({"text": ["اب", "ب ب"], "seconds": [2.0, 3.0]})
    found = letter_audio(training)
    assert found["count"].to_dict() == {"ا": 1, "ب": 3}
    assert found.seconds.to_dict() == pytest.approx({"ا": 1.0, "ب": 3.0})  # the third second is the space's


def test_letter_table():
    training = pd.DataFrame({"text": ["کتاب ہے"], "seconds": [3.5]})
    found = letter_table(table(("کتاب ژ", "کتب ز"), ("کتاب", "کتاب")), training).set_index("letter")
    assert found.loc["ژ", ["count", "errors", "training_count", "taken_for"]].tolist() == [1, 1, 0, [("ز", 1)]]
    assert found.loc["ا", ["count", "errors", "training_count", "taken_for"]].tolist() == [2, 1, 1, [("nothing", 1)]]
    assert found.loc["ا", "training_seconds"] == pytest.approx(0.5)
    assert list(found.index)[:2] == ["ژ", "ا"] and found.examples["ا"] == ["u0"]


def test_nothing_wrong_gives_empty_tables():
    right = table(("یہ ہے", "یہ ہے"))
    edits = word_edits(right)
    assert kind_table(edits).errors.sum() == 0
    assert confused_words(edits).empty and confusion_matrix(right).empty


COMMON = ["ہے", "یہ", "گھر", "میں", "بات", "نظر", "کتاب"]


def world(size: int = 120) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training and test in which every word of COMMON is recognised; each test below plants one cause."""
    rng = random.Random(0)
    texts = [" ".join(rng.sample(COMMON, 5)) for _ in range(2 * size)]
    utterances = pd.DataFrame({"id": [f"u{i}" for i in range(2 * size)], "text": texts}).assign(
        split=["train", "test"] * size, seconds=4.0, clipped=0.0, snr_db=40.0
    )
    test = utterances[utterances.split == "test"]
    predictions = test[["id", "seconds", "snr_db"]].assign(
        reference=test.text, hypothesis=test.text, confidence=0.5, speaker=""
    )
    return predictions.reset_index(drop=True), utterances


def spoil(predictions: pd.DataFrame, rows: list[int], old: str, new: str) -> pd.DataFrame:
    hypothesis = predictions.hypothesis.copy()
    hypothesis[rows] = [text.replace(old, new) for text in hypothesis[rows]]
    return predictions.assign(hypothesis=hypothesis)


def said(predictions: pd.DataFrame, rows: list[int], word: str) -> pd.DataFrame:
    """Put a word into some references, and what a model that lacks it would write into the hypotheses."""
    reference, hypothesis = predictions.reference.copy(), predictions.hypothesis.copy()
    reference[rows] += f" {word}"
    hypothesis[rows] += " کا"
    return predictions.assign(reference=reference, hypothesis=hypothesis)


def causes(predictions: pd.DataFrame, utterances: pd.DataFrame) -> pd.DataFrame:
    return errors_by_cause(predictions, utterances, seed=0, language="ur", resamples=200).set_index("cause")


def test_unknown_letter():
    predictions, utterances = world()
    found = causes(said(predictions, [3, 4], "ژالہ"), utterances).loc["letter never in training"]
    assert (found.utterances, found.words, found.errors, found.share) == (2, 2, 2, 1.0)
    assert "ژ" in found.advice and found.examples == ["u7", "u9"]


def test_rare_letter_and_how_often_training_has_it():
    predictions, utterances = world()
    utterances.loc[utterances.id == "u0", "text"] += " سچ"
    found = causes(said(predictions, [3, 4, 5], "سچ"), utterances)
    assert found.errors["letter rare in training"] == 3
    assert "س (1 times, 0." in found.advice["letter rare in training"] and f"{RARE} times" in found.advice.iloc[0]
    assert "letter never in training" not in found.index and "word never in training" not in found.index


def test_unseen_word():
    predictions, utterances = world()
    found = causes(said(predictions, list(range(8)), "کتابیں"), utterances).loc["word never in training"]
    assert (found.words, found.errors, found.wer, found.wer_elsewhere) == (8, 8, 1.0, 0.0)
    assert found.advice.startswith("Training has 7 different words") and found.clear


def test_two_utterances_are_not_enough_to_be_clear():
    predictions, utterances = world()
    found = causes(said(predictions, [1, 2], "کتابیں"), utterances).loc["word never in training"]
    assert found.excess == 2 and not found.clear


def test_spelling():
    predictions, utterances = world()
    found = causes(spoil(predictions, list(range(20)), "نظر", "نزر"), utterances)
    assert found.errors["spelt otherwise, sounds the same"] == predictions.reference[:20].str.contains("نظر").sum()
    assert found.share["spelt otherwise, sounds the same"] == 1.0 and "none of these" not in found.index


def test_spaces():
    predictions, utterances = world()
    found = causes(spoil(predictions, [0, 1, 2, 3], "کتاب", "کت اب"), utterances).loc["space between words"]
    assert "کتاب ← کت اب" in found.advice and found.errors == 2 * found.words


@pytest.mark.parametrize(
    "cause, column, value",
    [("noisy recording", "snr_db", NOISY - 1), ("clipped recording", "clipped", 0.01), ("fast speech", "seconds", 2.0)],
)
def test_recordings(cause, column, value):
    predictions, utterances = world()
    predictions = spoil(predictions, list(range(30)), "بات", "کان")
    bad = predictions.id[:30]
    utterances.loc[utterances.id.isin(bad), column] = value
    if column in predictions:
        predictions.loc[:29, column] = value
    found = causes(predictions, utterances).loc[cause]
    assert 30 <= found.utterances <= 36  # some are among the fastest 5 % as they are
    assert found.words == 5 * found.utterances
    assert found.share == 1.0 and found.wer > 0 and found.wer_elsewhere == 0 and found.clear


def test_a_cause_that_does_no_harm_is_not_clear():
    predictions, utterances = world()
    predictions = spoil(predictions, list(range(0, 120, 3)), "بات", "کان")  # spread evenly
    predictions.loc[:29, "snr_db"] = NOISY - 1
    found = causes(predictions, utterances).loc["noisy recording"]
    assert not found.clear and found.advice.startswith("Perhaps chance")
    assert found.excess <= 4


def test_nothing_recognised():
    predictions, utterances = world()
    predictions.loc[[2, 5], "hypothesis"] = ""
    found = causes(predictions, utterances).loc["nothing recognised"]
    assert (found.utterances, found.errors) == (2, 10)


def test_every_error_has_a_row_and_shares_are_of_all_errors():
    predictions, utterances = world()
    predictions = spoil(predictions, list(range(10)), "بات", "کان")
    predictions = said(spoil(predictions, [50, 51], "نظر", "نزر"), [60], "ژالہ")
    found = errors_by_cause(predictions, utterances, seed=0, language="ur", resamples=50)
    total = count_errors(predictions.reference, predictions.hypothesis).errors.sum()
    assert np.allclose(found.share * total, found.errors)
    assert found.cause.iloc[-1] == "none of these"
    assert found.errors.iloc[-1] == predictions.reference[:10].str.contains("بات").sum()
    assert found.excess[:-1].is_monotonic_decreasing
    groups = ids_by_cause(predictions, utterances, language="ur")
    assert groups["letter never in training"] == ["u121"]


def test_no_errors_no_rows():
    predictions, utterances = world()
    found = errors_by_cause(predictions, utterances, seed=0, language="ur", resamples=50)
    assert found.errors.sum() == 0


def words(text: str, confidence: float, surer: dict[str, float] | None = None) -> list[dict]:
    surer = surer or {}
    return [{"word": w, "start": 0.0, "end": 0.1, "confidence": surer.get(w, confidence)} for w in text.split()]


def test_possible_label_errors_are_sure_words_that_the_reference_denies():
    predictions = table(
        ("یہ بات ہے", "یہ بات ہے"),
        ("یہ بات ہے", "یہ کتاب ہے"),  # sure of کتاب: suspect
        ("یہ بات ہے", "یہ گھر ہے"),  # unsure of گھر
        ("یہ نظر ہے", "یہ نزر ہے"),  # sounds the same
        ("گرامو فون", "گراموفون"),  # only the space
    ).assign(confidence=0.9)
    sure = {"کتاب": 0.99, "گھر": 0.3, "نزر": 0.99, "گراموفون": 0.99}
    predictions["words"] = [words(text, 0.9, sure) for text in predictions.hypothesis]
    found = possible_label_errors(predictions, language="ur")
    assert found.id.tolist() == ["u1"]
    assert found.iloc[0][["disagreement", "confidence", "threshold", "errors"]].tolist() == ["بات ← کتاب", 0.99, 0.9, 1]


def test_what_may_be_wrong_is_corrected_first_and_then_what_the_model_is_least_sure_of():
    predictions = table(("یہ بات", "یہ بات"), ("یہ بات", "یہ کتاب"), ("وہ", "وہ"), ("ہے", "ہے"))
    predictions = predictions.assign(confidence=[0.7, 0.9, 0.2, 0.4])
    suspicious = possible_label_errors(predictions, language="ur")
    found = correct_first(predictions, suspicious)
    assert found["id"].tolist() == ["u1", "u2", "u3", "u0"]
    assert found["why"].tolist() == ["sure of another word: بات ← کتاب", *["not sure"] * 3]
    assert correct_first(predictions, suspicious, done={"u1": "fine", "u3": "fine"})["id"].tolist() == ["u2", "u0"]
    assert correct_first(predictions.head(0), suspicious.head(0)).empty


def test_label_errors_without_words_use_the_utterance():
    predictions = table(("یہ بات", "یہ بات"), ("یہ بات", "یہ کتاب")).assign(confidence=[0.7, 0.9])
    assert possible_label_errors(predictions, language="ur").id.tolist() == ["u1"]
    assert possible_label_errors(predictions.assign(confidence=[0.9, 0.7]), language="ur").empty
    assert possible_label_errors(table(("یہ", "وہ")), language="ur").empty  # no right word to compare with

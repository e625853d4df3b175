"""Confidences with known truth: which words are right, how often, and how far that lies from what was promised."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from asr_helpers.analysis.calibration import calibration_error, reliability, word_outcomes


def outcomes(words: int) -> pd.DataFrame:
    """Words that are right as often as their confidence says."""
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.02, 0.98, words)
    return pd.DataFrame({"confidence": confidence, "correct": rng.uniform(size=words) < confidence})


@pytest.mark.parametrize(
    ("reference", "heard", "correct"),
    [
        ("یہ نئی کتاب ہے", "یہ نئی کتاب ہے", [True] * 4),
        ("یہ نئی کتاب ہے", "یہ کتاب ہے", [True] * 3),
        ("یہ کتاب ہے", "یہ کی کتاب تھی", [True, False, True, False]),
        ("گراموفون ہے", "گرامو فون ہے", [False, False, True]),
        ("", "ہے", [False]),
        ("ہے", "", []),
    ],
)
def test_a_word_is_right_when_the_alignment_finds_it_in_the_reference(reference, heard, correct):
    table = word_outcomes([reference], [[{"word": w, "confidence": 0.5} for w in heard.split()]])
    assert table.correct.tolist() == correct


def test_outcomes_keep_the_utterance_and_the_confidence_of_each_word():
    table = word_outcomes(["آ", "جا"], [[], [{"word": "جا", "confidence": 0.25, "start": 0.0}]])
    assert table.to_dict("records") == [{"utterance": 1, "word": "جا", "confidence": 0.25, "correct": True}]


def test_reliability_counts_each_word_once_and_its_interval_is_wilsons():
    table = reliability(outcomes(500))
    assert table.words.sum() == 500
    for row in table.itertuples():
        assert row.low <= row.confidence <= row.high
        expected = binomtest(round(row.correct * row.words), row.words).proportion_ci(method="wilson")
        assert (row.correct_low, row.correct_high) == pytest.approx((expected.low, expected.high), abs=1e-4)


def test_full_confidence_falls_into_the_last_group():
    table = reliability(pd.DataFrame({"confidence": [0.0, 1.0], "correct": [False, True]}))
    assert table.high.tolist() == [0.1, 1.0]
    assert calibration_error(table) == 0


def test_calibration_error_is_the_mean_gap_by_hand():
    table = reliability(pd.DataFrame({"confidence": [0.95, 0.95, 0.95, 0.15], "correct": [True, True, False, False]}))
    assert calibration_error(table) == pytest.approx(0.75 * (0.95 - 2 / 3) + 0.25 * 0.15)


def test_no_words_have_no_error():
    assert calibration_error(reliability(word_outcomes([], []))) == 0

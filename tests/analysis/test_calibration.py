"""Confidences with known truth: what is calibrated stays, what is too sure is corrected."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.stats import binomtest

from asr_helpers.analysis.calibration import Calibration, calibration_error, fit_calibration, reliability, word_outcomes


def outcomes(words: int, truth: Calibration, seed: int = 0) -> pd.DataFrame:
    """Words that are right as often as ``truth`` makes of their confidence."""
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0.02, 0.98, words)
    return pd.DataFrame({"confidence": confidence, "correct": rng.uniform(size=words) < truth(confidence)})


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
    table = reliability(outcomes(500, Calibration()))
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


def test_the_correction_that_made_the_outcomes_is_found_again():
    truth = Calibration(0.5, -0.7)
    found = fit_calibration(outcomes(20_000, truth))
    assert (found.slope, found.offset) == pytest.approx((0.5, -0.7), abs=0.06)
    fresh = outcomes(20_000, truth, seed=1)
    before = calibration_error(reliability(fresh))
    after = calibration_error(reliability(fresh.assign(confidence=found(fresh.confidence))))
    assert before > 0.1
    assert after < 0.02


def test_the_fit_is_the_likeliest_one_by_another_optimiser():
    table = outcomes(200, Calibration(2, 1))
    hits = table.correct.sum()
    target = np.where(table.correct, (hits + 1) / (hits + 2), 1 / (200 - hits + 2))

    def surprise(x):
        p = Calibration(*x)(table.confidence)
        return -(target * np.log(p) + (1 - target) * np.log(1 - p)).sum()

    found = fit_calibration(table)
    assert (found.slope, found.offset) == pytest.approx(minimize(surprise, [1, 0]).x, abs=1e-3)


@pytest.mark.parametrize("correct", [True, False])
def test_outcomes_all_alike_give_a_finite_correction(correct):
    table = pd.DataFrame({"confidence": [0.9, 0.99, 1.0], "correct": correct})
    found = fit_calibration(table)
    assert np.isfinite([found.slope, found.offset]).all()
    assert (found(table.confidence).mean() > 0.5) == correct


def test_no_words_give_no_correction():
    empty = word_outcomes([], [])
    assert fit_calibration(empty) == Calibration()
    assert calibration_error(reliability(empty)) == 0

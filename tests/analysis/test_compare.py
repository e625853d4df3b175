"""Comparing two runs: the interval against scipy, refusals that say how the tests differ."""

import random

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from asr_helpers.analysis.compare import DifferentTests, compare_runs, how_tests_differ
from asr_helpers.analysis.metrics import count_errors, wer

WORDS = ["کتاب", "ہے", "یہ", "میں", "لوگ", "بہت", "گھر", "آم"]


def run(seed: int, share: float, size: int = 80) -> pd.DataFrame:
    """A predictions table in which about ``share`` of the words are wrong; the references depend on nothing."""
    texts, noise = random.Random(0), random.Random(seed)
    rows = []
    for i in range(size):
        words = [texts.choice(WORDS) for _ in range(texts.randint(3, 8))]
        heard = [w if noise.random() > share else noise.choice(WORDS) for w in words]
        rows.append((f"u{i}", f"s{i % 4}", " ".join(words), f"{' '.join(words)}۔", " ".join(heard)))
    return pd.DataFrame(rows, columns=["id", "speaker", "reference", "raw_reference", "hypothesis"])


A, B = run(1, 0.3), run(2, 0.1)


def test_interval_of_the_difference_is_scipys():
    a, b = (count_errors(t.reference, t.hypothesis) for t in (A, B))
    further_out = stats.norm.sf(stats.t(len(A) - 1).ppf(0.975) * np.sqrt(len(A) / (len(A) - 1)))
    theirs = stats.bootstrap(
        (a.errors.to_numpy(float), b.errors.to_numpy(float), a.length.to_numpy(float)),
        lambda x, y, n, axis=-1: (y.sum(axis) - x.sum(axis)) / n.sum(axis),
        paired=True, vectorized=True, n_resamples=800, method="percentile", rng=np.random.default_rng(3),
        confidence_level=1 - 2 * further_out,
    )  # fmt: skip
    ours = compare_runs(A, B, seed=3, resamples=800).rates.iloc[0]
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs.confidence_interval), abs=0, rel=1e-12)
    assert ours.a == pytest.approx(wer(A.reference, A.hypothesis))
    assert ours.difference == pytest.approx(wer(B.reference, B.hypothesis) - wer(A.reference, A.hypothesis))


def test_better_run_is_named():
    found = compare_runs(A, B, seed=0, names=("old", "new"))
    assert "new is better" in found.verdict and "old" in found.verdict
    assert found.rates.b_better.iloc[0] > 0.99
    mirrored = compare_runs(B, A, seed=0, names=("new", "old"))
    assert "new is better" in mirrored.verdict
    assert mirrored.rates.difference.tolist() == pytest.approx((-found.rates.difference).tolist())
    assert mirrored.wins == (found.wins[1], found.wins[0], found.wins[2])


def test_same_predictions_do_not_differ():
    found = compare_runs(A, A.sample(frac=1, random_state=0), seed=0)  # the order of rows does not matter
    assert found.rates[["difference", "low", "high", "b_better"]].eq(0).all(axis=None)
    assert "do not tell which is better" in found.verdict
    assert found.wins == (0, 0, len(A))


def test_rates_over_utterances_and_speakers():
    assert compare_runs(A, B, seed=0).rates[["unit", "by", "groups"]].values.tolist() == [
        ["word", "utterance", 80], ["word", "speaker", 4], ["character", "utterance", 80], ["character", "speaker", 4],
    ]  # fmt: skip
    alone = compare_runs(A.assign(speaker=""), B, seed=0).rates
    assert set(alone.by) == {"utterance"}


def test_utterances_largest_change_first():
    found = compare_runs(A, B, seed=0).utterances
    assert found.difference.abs().is_monotonic_decreasing
    assert (found.errors_b - found.errors_a).equals(found.difference)
    assert found.better.map({"a": 1, "b": -1, "": 0}).tolist() == np.sign(found.difference).tolist()


def test_one_utterance_cannot_tell():
    found = compare_runs(A[:1], B[:1], seed=0)
    assert np.isnan(found.rates.low).all() and "cannot tell" in found.verdict


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda b: b[5:], "5 utterances are only in the first run (u0, u1, u2, u3, u4)"),
        (lambda b: pd.concat([b, b[:1].assign(id="new")]), "1 utterances are only in the second run (new)"),
        (
            lambda b: b.assign(
                reference=b.reference.where(b.id != "u3", "کچھ اور"), raw_reference=b.raw_reference + "!"
            ),
            f"1 of 80 shared utterances have other references (u3; u3: '{A.reference[3]}' and 'کچھ اور')",
        ),
        (
            lambda b: b.assign(reference=b.reference.str.replace("ہے", "ھے")),
            "the transcripts are the same, so the runs normalise differently",
        ),
    ],
)
def test_different_tests_are_refused_with_the_difference(change, says):
    other = change(B)
    with pytest.raises(DifferentTests) as error:
        compare_runs(A, other, seed=0, names=("old", "new"))
    assert says in str(error.value) and "old and new were not tested on the same references" in str(error.value)
    assert how_tests_differ(A, other)


def test_shared_utterances_on_request():
    other = B[5:].assign(reference=B.reference.where(B.id != "u9", "کچھ اور"))
    found = compare_runs(A, other, seed=0, shared=True)
    assert set(found.utterances.id) == set(A.id[5:]) - {"u9"}
    with pytest.raises(DifferentTests, match="share no test utterance"):
        compare_runs(A, B.assign(id="x" + B.id), seed=0, shared=True)


def test_utterance_twice_in_one_run():
    with pytest.raises(ValueError, match="predictions of new hold utterance u0 twice"):
        compare_runs(A, pd.concat([B, B[:1]]), seed=0, names=("old", "new"))

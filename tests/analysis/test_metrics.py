"""Error rates against jiwer and a hand-written edit distance, intervals against scipy."""

import random

import jiwer
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from asr_helpers.analysis.metrics import (
    bootstrap_interval,
    bootstrap_rates,
    cer,
    count_errors,
    error_counts,
    score,
    score_table,
    tokens_of,
    wer,
)

WORDS = ["کتاب", "کتب", "ہے", "یہ", "میں", "گراموفون", "لوگ", "بہت", "ممکن", "آم"]


def corpus(seed: int, size: int, *, empty: bool = False) -> tuple[list[str], list[str]]:
    """Random references and hypotheses with words dropped, doubled, changed and, on request, empty ones."""
    rng = random.Random(seed)
    references, hypotheses = [], []
    for _ in range(size):
        words = [rng.choice(WORDS) for _ in range(rng.randint(0 if empty else 1, 8))]
        heard = [
            w
            for word in words
            for w in rng.choices([[word], [rng.choice(WORDS)], [], [word, rng.choice(WORDS)]], [6, 2, 1, 1])[0]
        ]
        references.append(" ".join(words))
        hypotheses.append("" if empty and rng.random() < 0.1 else " ".join(heard))
    return references, hypotheses


def distance(a: list[str], b: list[str]) -> int:
    """Edit distance as the definition has it, cell by cell."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (x != y))
    return row[-1]


@pytest.mark.parametrize(
    "reference, hypothesis, words, characters",
    [
        # hits, substitutions, deletions, insertions
        ("یہ کتاب ہے", "یہ کتاب ہے", (3, 0, 0, 0), (10, 0, 0, 0)),
        ("یہ کتاب ہے", "یہ کتب ہے", (2, 1, 0, 0), (9, 0, 1, 0)),
        ("گرامو فون", "گراموفون", (0, 1, 1, 0), (8, 0, 1, 0)),
        ("یہ", "", (0, 0, 1, 0), (0, 0, 2, 0)),
        ("", "یہ ہے", (0, 0, 0, 2), (0, 0, 0, 5)),
        ("", "", (0, 0, 0, 0), (0, 0, 0, 0)),
        (" یہ  ہے ", "یہ ہے", (2, 0, 0, 0), (5, 0, 0, 0)),
    ],
)
def test_error_counts(reference, hypothesis, words, characters):
    found = error_counts(reference, hypothesis)
    assert tuple(vars(found[0]).values()) == words
    assert tuple(vars(found[1]).values()) == characters


@pytest.mark.parametrize("unit, process", [("word", jiwer.process_words), ("character", jiwer.process_characters)])
def test_every_count_is_jiwers(unit, process):
    references, hypotheses = corpus(1, 300, empty=True)
    table = count_errors(references, hypotheses, unit=unit)
    for row, (reference, hypothesis) in enumerate(zip(references, hypotheses, strict=True)):
        theirs = process(reference, hypothesis)
        names = ["hits", "substitutions", "deletions", "insertions"]
        assert table.loc[row, names].tolist() == [getattr(theirs, name) for name in names]
        assert table.rate[row] == pytest.approx(theirs.wer if unit == "word" else theirs.cer)


def test_corpus_rates_are_jiwers():
    references, hypotheses = corpus(2, 500, empty=True)
    assert wer(references, hypotheses) == pytest.approx(jiwer.wer(references, hypotheses), abs=0, rel=1e-15)
    assert cer(references, hypotheses) == pytest.approx(jiwer.cer(references, hypotheses), abs=0, rel=1e-15)


def test_errors_are_the_edit_distance():
    references, hypotheses = corpus(3, 150, empty=True)
    for unit in ("word", "character"):
        table = count_errors(references, hypotheses, unit=unit)
        pairs = zip(references, hypotheses, strict=True)
        assert table.errors.tolist() == [distance(tokens_of(r, unit), tokens_of(h, unit)) for r, h in pairs]


def test_empty_reference_counts_insertions_and_stays_finite():
    table = count_errors(["", "", "یہ ہے"], ["یہ ہے کتاب", "", "یہ ہے"])
    assert table.rate.tolist() == [3.0, 0.0, 0.0]
    assert wer(["", "یہ ہے"], ["یہ ہے کتاب", "یہ ہے"]) == 3 / 2  # its insertions count, its length is none
    assert wer([""], ["یہ ہے"]) == jiwer.wer("", "یہ ہے") == 2.0
    assert wer([], []) == wer([""], [""]) == 0.0


def test_lengths_must_match():
    with pytest.raises(ValueError, match="2 references but 1 hypotheses"):
        wer(["یہ", "ہے"], ["یہ"])


def test_unknown_unit():
    with pytest.raises(ValueError, match="unit is 'phoneme'"):
        count_errors(["یہ"], ["یہ"], unit="phoneme")


def ratio(errors, lengths, axis=-1):
    return errors.sum(axis) / lengths.sum(axis)


def expanded(units, level=0.95):
    """The level of the plain percentiles that few units ask for: a t interval's width, by a normal's measure."""
    t = stats.t(units - 1).ppf((1 + level) / 2)
    return 1 - 2 * stats.norm.sf(t * np.sqrt(units / (units - 1)))


@pytest.mark.parametrize("size, resamples, seed", [(4, 700, 1), (60, 500, 0), (3_000, 1_500, 7)])
def test_interval_is_scipys_on_the_same_resamples(size, resamples, seed):
    counts = count_errors(*corpus(4, size))
    theirs = stats.bootstrap(
        (counts.errors.to_numpy(float), counts.length.to_numpy(float)),
        ratio, paired=True, vectorized=True, n_resamples=resamples, method="percentile",
        rng=np.random.default_rng(seed), confidence_level=expanded(size),
    )  # fmt: skip
    ours = bootstrap_interval(counts, seed=seed, resamples=resamples)
    assert ours == pytest.approx(tuple(theirs.confidence_interval), abs=0, rel=1e-12)


def test_interval_over_speakers_is_scipys_over_their_totals():
    counts = count_errors(*corpus(5, 400))
    speakers = [f"s{i % 7}" for i in range(400)]
    totals = counts.groupby(pd.Series(speakers), sort=False)[["errors", "length"]].sum()
    theirs = stats.bootstrap(
        (totals.errors.to_numpy(float), totals.length.to_numpy(float)),
        ratio, paired=True, vectorized=True, n_resamples=999, method="percentile", rng=np.random.default_rng(1),
        confidence_level=expanded(7),
    )  # fmt: skip
    ours = bootstrap_interval(counts, seed=1, resamples=999, groups=speakers)
    assert ours == pytest.approx(tuple(theirs.confidence_interval), abs=0, rel=1e-12)


@pytest.mark.parametrize(("utterances", "least"), [(4, 0.83), (7, 0.90), (20, 0.92), (120, 0.92)])
def test_interval_covers_the_truth_as_often_as_it_says(utterances, least):
    """Utterances drawn from a known error rate: a 95 % interval misses it about once in twenty, of four once in ten."""
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(400):
        lengths = rng.integers(4, 10, utterances)
        table = pd.DataFrame({"errors": rng.binomial(lengths, 0.4), "length": lengths})
        low, high = bootstrap_interval(table, seed=trial, resamples=400)
        covered += low <= 0.4 <= high
    assert least <= covered / 400 <= 0.98


def test_speakers_who_differ_widen_the_interval():
    counts = pd.DataFrame({"errors": [9] * 100 + [1] * 100, "length": [10] * 200})
    over_utterances = bootstrap_interval(counts, seed=0)
    over_speakers = bootstrap_interval(counts, seed=0, groups=[speaker for speaker in "abcd" for _ in range(50)])
    assert over_speakers == (0.1, 0.9)
    assert over_utterances[1] - over_utterances[0] < 0.2


def test_too_few_utterances_or_speakers_give_no_interval():
    counts = count_errors(["یہ ہے", "یہ"] * 4, ["یہ", "یہ"] * 4)
    for few in range(4):
        assert np.isnan(bootstrap_interval(counts[:few], seed=0)).all()
    assert np.isnan(bootstrap_interval(counts, seed=0, groups=list("aabbccaa"))).all()
    assert not np.isnan(bootstrap_interval(counts[:4], seed=0)).any()
    assert not np.isnan(bootstrap_interval(counts, seed=0, groups=list("aabbccdd"))).any()


def test_resamples_do_not_depend_on_the_block_they_are_drawn_in():
    values = np.arange(30_000.0)  # 2,000,000 // 30,000 = 66 resamples a block
    in_blocks = bootstrap_rates([values], seed=3, resamples=150)[0]
    at_once = values[np.random.default_rng(3).integers(0, 30_000, (150, 30_000))].sum(1)
    assert np.array_equal(in_blocks, at_once)


def test_score_adds_up():
    references, hypotheses = corpus(6, 80)
    found = score(references, hypotheses, seed=0)
    theirs = jiwer.process_words(references, hypotheses)
    assert (found.insertions, found.deletions, found.substitutions) == (
        theirs.insertions, theirs.deletions, theirs.substitutions,
    )  # fmt: skip
    assert found.value == pytest.approx(theirs.wer) and found.low < found.value < found.high
    assert found.utterances == found.groups == 80 and found.by == "utterance"
    assert str(found).startswith(f"{100 * found.value:.1f} % ({100 * found.low:.1f} to ")
    assert str(score(["یہ"], ["ہے"], seed=0)) == "100.0 %"


def predictions(speakers) -> pd.DataFrame:
    references, hypotheses = corpus(8, 40)
    return pd.DataFrame(
        {"reference": references, "raw_reference": [f"{r}۔" for r in references], "hypothesis": hypotheses}
    ).assign(speaker=speakers)


def test_score_table_has_raw_and_normalised_over_utterances_and_speakers():
    table = score_table(predictions(["a", "b"] * 20), seed=0, resamples=100)
    assert len(table) == 8
    raw, normalised = (table[table.text == t].set_index(["unit", "by"]).value for t in ("raw", "normalised"))
    assert (raw > normalised).all()
    assert table.groupby(["text", "unit"]).value.nunique().eq(1).all()


@pytest.mark.parametrize("speakers", ["", None, "only one", ["a", None] * 20])
def test_score_table_without_at_least_two_known_speakers(speakers):
    assert set(score_table(predictions(speakers), seed=0, resamples=50).by) == {"utterance"}

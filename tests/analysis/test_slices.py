"""Slices: every utterance once, rates that are those of a filtered table."""

import random

import numpy as np
import pandas as pd
import pytest

from asr_helpers.analysis.metrics import bootstrap_interval, count_errors, wer
from asr_helpers.analysis.slices import cut, ids_by_slice, slice_labels, slice_table, word_slices

SEEN = {"ہے": 12, "یہ": 5, "میں": 2, "گھر": 1}
TRAINING = [word for word, times in SEEN.items() for _ in range(times)]


def predictions(size: int = 200) -> pd.DataFrame:
    rng = random.Random(0)
    words = [*SEEN, "کتاب", "گراموفون"]
    rows = []
    for i in range(size):
        said = [rng.choice(words) for _ in range(rng.randint(2, 7))]
        heard = [w if w in SEEN or rng.random() < 0.5 else "غلط" for w in said]
        seconds, snr = rng.uniform(1, 6), rng.gauss(25, 8)
        rows.append((f"u{i}", f"s{i % 3}", seconds, snr, " ".join(said), " ".join(heard)))
    return pd.DataFrame(rows, columns=["id", "speaker", "seconds", "snr_db", "reference", "hypothesis"])


TABLE = predictions()


def test_every_slicing_holds_every_utterance_once():
    found = slice_table(TABLE, TRAINING, seed=0, resamples=50)
    totals = found.groupby("by", sort=False)[["utterances", "words", "errors"]].sum()
    counts = count_errors(TABLE.reference, TABLE.hypothesis)
    assert list(totals.index) == ["duration", "speaking rate", "signal to noise", "speaker", "word heard in training"]
    assert (totals.utterances[:-1] == len(TABLE)).all()
    assert (totals.words == counts.length.sum()).all()
    assert (totals.errors[:-1] == counts.errors.sum()).all()
    assert (found.low <= found.value).all() and (found.value <= found.high).all()


def test_rate_and_interval_are_those_of_the_part():
    found = slice_table(TABLE, TRAINING, seed=4, resamples=200)
    part = TABLE[TABLE.speaker == "s1"]
    row = found[(found.by == "speaker") & (found.slice == "s1")].iloc[0]
    assert row.value == pytest.approx(wer(part.reference, part.hypothesis))
    assert (row.low, row.high) == bootstrap_interval(
        count_errors(part.reference, part.hypothesis), seed=4, resamples=200
    )


def test_numbers_are_cut_into_parts_of_like_size():
    labels = slice_labels(TABLE)
    for by in ("duration", "speaking rate", "signal to noise"):
        sizes = labels[by].value_counts()
        assert len(sizes) == 4 and sizes.min() > 0.15 * len(TABLE)


@pytest.mark.parametrize(
    "values, names",
    [
        ([1, 2, 3, 4], ["under 1.8 s", "1.8 to 2.5 s", "2.5 to 3.2 s", "3.2 s or more"]),
        ([2.0, 2.0, 2.0], ["all, about 2.0 s"]),
        ([1, 1, 1, 1, 5], ["all, about 1.0 s"]),
        ([1, 1, 5, 5], ["under 3.0 s", "5.0 s or more"]),
        ([np.nan, np.nan], []),
    ],
)
def test_cut(values, names):
    found = cut(pd.Series(values, dtype=float), "s", 1, 4)
    assert list(found.cat.categories) == names
    assert found.isna().sum() == np.isnan(values).sum()


def test_value_on_an_edge_is_in_the_slice_that_begins_there():
    found = cut(pd.Series([1.0, 1, 5, 5]), "s", 1, 4)
    assert found.tolist() == ["under 3.0 s", "under 3.0 s", "5.0 s or more", "5.0 s or more"]


def test_words_by_how_often_training_has_them():
    found = word_slices(TABLE, TRAINING, seed=0, resamples=50).set_index("slice")
    said = " ".join(TABLE.reference).split()
    assert found.words.to_dict() == {
        "never": sum(w not in SEEN for w in said),
        "1 or 2 times": sum(w in ("میں", "گھر") for w in said),
        "3 to 9 times": said.count("یہ"),
        "10 times or more": said.count("ہے"),
    }
    assert found.value["never"] == pytest.approx(0.5, abs=0.1)
    assert found.value.drop("never").eq(0).all()


def test_joined_words_are_wrong_words():
    one = pd.DataFrame({"id": ["u"], "reference": ["گرامو فون ہے"], "hypothesis": ["گراموفون ہے"]})
    found = word_slices(one, ["ہے"], seed=0).set_index("slice")
    assert (found.errors["never"], found.words["never"]) == (2, 2)
    assert (found.errors["1 or 2 times"], found.words["1 or 2 times"]) == (0, 1)


def test_ids_by_slice_are_a_partition():
    groups = ids_by_slice(TABLE)
    for choices in groups.values():
        assert sorted(i for ids in choices.values() for i in ids) == sorted(TABLE.id)


@pytest.mark.parametrize("speaker", ["", None, "one"])
def test_unknown_speakers_make_no_slices(speaker):
    assert "speaker" not in slice_labels(TABLE.assign(speaker=speaker))


def test_missing_noise_estimates_are_left_out():
    found = slice_table(TABLE.assign(snr_db=np.nan), TRAINING, seed=0, resamples=10)
    assert "signal to noise" not in set(found.by)


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["ب", "ا"] * 100, ["ا", "ب"]),
        (["m", None] * 100, None),
        (["m", "f", None, None] * 50, ["f", "m"]),
        ([f"r{i % 13}" for i in range(200)], None),
        ([f"r{i}" for i in range(200)], None),
        (["x" * 61, "y"] * 100, None),
        (list(range(200)), None),
        ([1900.0 + i // 2 for i in range(200)], ["under 1925", "1925 to 1950", "1950 to 1974", "1974 or more"]),
        ([i / 100 + 0.005 for i in range(200)], ["under 0.5", "0.5 to 1.0", "1.0 to 1.5", "1.5 or more"]),
        ([1.0, 2.5] * 100, ["1", "2.5"]),
        ([10.0, 9.0] * 100, ["9", "10"]),
        ([np.nan] * 200, None),
    ],
)
def test_a_further_column_makes_slices_where_it_tells_groups_apart(values, names):
    table = TABLE.assign(further=pd.Series(values, dtype="float64" if isinstance(values[0], (int, float)) else "str"))
    groups = ids_by_slice(table, further=["further"])
    assert (list(groups["further"]) if "further" in groups else None) == names
    if names:
        known = table.id[table.further.notna()]
        assert sorted(i for ids in groups["further"].values() for i in ids) == sorted(known)
        found = slice_table(table, TRAINING, seed=0, further=["further"], resamples=10)
        assert found[found.by == "further"].utterances.sum() == len(known)


def test_a_further_column_with_the_name_of_a_slicing_keeps_both():
    table = TABLE.assign(duration=["kurz", "lang"] * 100)
    assert {"duration", "corpus_duration"} <= set(ids_by_slice(table, further=["duration"]))

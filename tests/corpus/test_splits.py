"""Splits share nothing, come close to their sizes, and are the same everywhere."""

import itertools
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from conftest import sentences

from asr_helpers.corpus.problems import CorpusError
from asr_helpers.corpus.splits import SPLITS, _choose, refuse_shared_texts, shared_between_splits, split_utterances
from asr_helpers.text.normaliser import Normaliser
from asr_helpers.text.sentences import sentence_key

URDU = Normaliser("ur")


def table(transcripts, speakers=None, **more):
    speakers = pd.Series([None] * len(transcripts) if speakers is None else speakers, dtype="str")
    ids = [str(i) for i in range(1, len(transcripts) + 1)]
    texts = [URDU(transcript) for transcript in transcripts]
    keys = [sentence_key(text) for text in texts]
    return pd.DataFrame({"id": ids, "text": texts, "sentence_key": keys, "speaker": speakers, **more})


def with_split(utterances, **options):
    return utterances.assign(split=split_utterances(utterances, **options))


def sizes(split):
    return {name: int((split == name).sum()) for name in ("train", "validation", "test")}


@pytest.mark.parametrize("count", [10, 97, 320])
@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_single_sentences_hit_the_shares_exactly(count, seed):
    split = split_utterances(table(sentences(count)), seed=seed)
    tenth = round(0.1 * count)
    assert sizes(split) == {"train": count - 2 * tenth, "validation": tenth, "test": tenth}


def test_a_sentence_stays_in_one_split_however_it_is_written():
    base = sentences(60)
    variants = [text for line in base for text in (line, f"{line}۔", line.replace("ی", "ي"), f"  {line}؟")]
    utterances = with_split(table(variants), seed=3, validation=0.2, test=0.2)
    assert utterances.groupby(np.arange(240) // 4)["split"].nunique().max() == 1
    shared = shared_between_splits(utterances).set_index("what")
    assert shared.loc["sentences"].tolist() == [60, 0, 0, 0]
    assert sizes(utterances["split"]) == {"train": 144, "validation": 48, "test": 48}


TWINS = [("ھے", "ہے"), ("5", "پانچ"), ("أب", "اب"), ("ہوۓ", "ہوئے"), ("۵۰٪", "پچاس فیصد")]  # one text after 02


@pytest.mark.parametrize("seed", range(6))
def test_no_normalised_sentence_is_in_two_splits_however_it_is_written(seed):
    base = sentences(20)
    pairs = [[f"{line} {twin}" for twin in TWINS[i % len(TWINS)]] for i, line in enumerate(base)]
    utterances = with_split(table([text for pair in pairs for text in pair]), seed=seed, test=0.2)
    assert utterances["text"].nunique() == 20
    assert utterances.groupby("text")["split"].nunique().max() == 1
    assert set(utterances["split"]) == set(SPLITS)
    assert shared_between_splits(utterances).set_index("what").loc["sentences"].tolist() == [20, 0, 0, 0]
    refuse_shared_texts(utterances)


@pytest.mark.parametrize(
    ("splits", "says"),
    [
        (["train", "test", "train"], r"normalised: 1 \(«پانچ لوگ» in train 1, test 2\)\. Run notebook 01"),
        (["train", "validation", "train"], r"«پانچ لوگ» in train 1, validation 2\)"),
        (["validation", "test", "train"], r"«پانچ لوگ» in validation 1, test 2\)"),
    ],
)
def test_a_normalised_sentence_in_two_splits_is_refused_with_its_rows_and_the_fix(splits, says):
    utterances = table(["5 لوگ", "پانچ لوگ", "کتاب", "؟", "۔"]).assign(split=[*splits, "train", "test"])
    with pytest.raises(CorpusError, match=says):
        refuse_shared_texts(utterances)
    refuse_shared_texts(utterances.assign(split="train"))


def test_of_many_shared_sentences_the_first_are_named():
    utterances = pd.concat([table(sentences(9)).assign(split=split) for split in ("train", "test")])
    with pytest.raises(CorpusError, match=r"normalised: 9 \(.* in train 3, test 3 and 6 more\). Run notebook 01"):
        refuse_shared_texts(utterances)


def test_other_seeds_split_otherwise():
    utterances = table(sentences(100))
    tests = {tuple(np.flatnonzero(split_utterances(utterances, seed=seed) == "test")) for seed in range(20)}
    assert len(tests) == 20


def test_every_utterance_is_as_likely_to_be_tested():
    utterances = table(sentences(40))
    counts = sum((split_utterances(utterances, seed=seed, test=0.25) == "test").astype(int) for seed in range(400))
    assert counts.between(60, 140).all(), "100 expected, standard deviation 8.7"


def test_the_order_of_rows_and_the_index_do_not_matter():
    rng = np.random.default_rng(0)
    utterances = table([*sentences(50), *sentences(30)], [f"s{i % 50 // 5}" for i in range(80)])
    for options in ({}, {"by_speaker": True}):
        split = split_utterances(utterances, seed=7, **options)
        shuffled = utterances.sample(frac=1, random_state=rng.integers(1 << 30))
        again = split_utterances(shuffled, seed=7, **options)
        pd.testing.assert_series_equal(again.sort_index(), split)
        renamed = split_utterances(utterances.assign(id=[f"{i:04d}" for i in range(80)]), seed=7, **options)
        pd.testing.assert_series_equal(renamed, split)


def test_the_hash_seed_of_the_process_does_not_matter(tmp_path):
    program = (
        "import pandas as pd; from asr_helpers.corpus.splits import split_utterances\n"
        "rows = [(str(i), f'جملہ {i % 45}', f's{i % 15}') for i in range(90)]\n"
        "u = pd.DataFrame(rows, columns=['id', 'sentence_key', 'speaker'])\n"
        "print(list(split_utterances(u, seed=5)))\n"
        "print(list(split_utterances(u, seed=5, by_speaker=True)))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("0", "1")
    }
    assert len(outputs) == 1


def test_speakers_are_kept_apart_on_request():
    rng = np.random.default_rng(1)
    speakers = [f"s{k}" for k, n in enumerate(rng.integers(5, 60, 30)) for _ in range(n)]
    utterances = with_split(table(sentences(len(speakers)), speakers), seed=0, by_speaker=True)
    shared = shared_between_splits(utterances).set_index("what")
    assert shared.loc["speakers"].tolist() == [30, 0, 0, 0]
    assert shared.loc["sentences"].tolist() == [len(speakers), 0, 0, 0]
    target = round(0.1 * len(speakers))
    assert sizes(utterances["split"])["test"] == target, "thirty sizes sum up to any number near"
    assert sizes(utterances["split"])["validation"] == target


def test_without_the_request_speakers_may_meet():
    utterances = with_split(table(sentences(100), ["a", "b"] * 50), seed=0)
    assert shared_between_splits(utterances).set_index("what").loc["speakers"].tolist() == [2, 2, 2, 2]


def test_speakers_who_share_sentences_are_one_group():
    lines = sentences(90)
    speakers = [f"s{i // 10}" for i in range(90)]
    utterances = table(lines, speakers)
    utterances.loc[15, "sentence_key"] = utterances.loc[5, "sentence_key"]  # s1 reads a sentence of s0
    split = split_utterances(utterances, seed=2, by_speaker=True, validation=0.2, test=0.2)
    assert split[:20].nunique() == 1
    assert utterances.assign(split=split).groupby("speaker")["split"].nunique().max() == 1


def test_copies_of_a_recording_stay_together():
    utterances = table(sentences(50), recording=[f"d{i % 25}" for i in range(50)])
    utterances = with_split(utterances, seed=0, validation=0.2, test=0.2)
    shared = shared_between_splits(utterances).set_index("what")
    assert shared.loc["recordings"].tolist() == [25, 0, 0, 0]
    unknown = split_utterances(table(sentences(50), recording=[None] * 50), seed=0)
    assert sizes(unknown) == {"train": 40, "validation": 5, "test": 5}


def test_unknown_speakers_count_as_one():
    speakers = [None] * 20 + [f"s{i // 10}" for i in range(80)]
    split = split_utterances(table(sentences(100), speakers), seed=0, by_speaker=True)
    assert split[:20].nunique() == 1


def test_utterances_without_a_letter_are_not_one_sentence():
    split = split_utterances(table(["؟"] * 40), seed=0)
    assert sizes(split) == {"train": 32, "validation": 4, "test": 4}


def test_no_split_is_empty_where_there_are_groups_enough():
    for speakers in (["a"] * 98 + ["b", "c"], ["a"] * 34 + ["b"] * 33 + ["c"] * 33):
        split = split_utterances(table(sentences(100), speakers), seed=0, by_speaker=True)
        assert min(sizes(split).values()) > 0
    dominant = split_utterances(table(sentences(100), ["a"] * 98 + ["b", "c"]), seed=0, by_speaker=True)
    assert sizes(dominant) == {"train": 98, "validation": 1, "test": 1}


@pytest.mark.parametrize(
    ("utterances", "options", "says"),
    [
        (
            table(sentences(2)),
            {},
            r"2 different sentences cannot fill the 3 splits train, validation, test; record more",
        ),
        (table(["ایک"] * 50), {}, r"1 different sentence cannot fill the 3 splits"),
        (table([]), {}, r"0 different sentences"),
        (
            table(sentences(5), recording=["x"] * 4 + ["y"]),
            {},
            r"5 different sentences share recordings, so that only 2 of the 3 groups needed stand apart; record more",
        ),
        (table(sentences(50)), {"by_speaker": True}, r"no speaker is known"),
        (
            table(sentences(50), ["آمنہ"] * 30 + ["بلال"] * 20),
            {"by_speaker": True},
            r"2 speakers \(آمنہ: 30, بلال: 20\) cannot fill the 3 splits .*; set split_by_speaker to false$",
        ),
        (
            table(sentences(10) * 5, [f"s{i // 10}" for i in range(50)]),
            {"by_speaker": True},
            r"5 speakers \(s0: 10.*share sentences or recordings, so that only 1 .*; set split_by_speaker to false$",
        ),
    ],
)
def test_too_few_groups_are_an_error_with_counts_and_a_fix(utterances, options, says):
    with pytest.raises(CorpusError, match=says):
        split_utterances(utterances, seed=0, **options)


@pytest.mark.parametrize(
    ("shares", "says"),
    [
        ((0.5, 0.5), "leave nothing for train; lower them"),
        ((0.1, 1.0), "leave nothing for train"),
        ((0, 0.1), "validation_share is 0 and test_share 0.1; give each more than 0: the checkpoint is chosen by"),
        ((0.1, 0.0), "test_share 0; give each more than 0"),
        ((-0.1, 0.1), "give each more than 0"),
    ],
)
def test_shares_must_leave_something_to_choose_to_measure_and_to_train_on(shares, says):
    with pytest.raises(ValueError, match=says):
        split_utterances(table(sentences(10)), seed=0, validation=shares[0], test=shares[1])


@pytest.mark.parametrize("count", [3, 4, 10, 11, 40])
@pytest.mark.parametrize("shares", [(0.001, 0.001), (0.1, 0.2), (0.45, 0.5)])
def test_no_split_is_empty_however_small_corpus_and_shares(count, shares):
    split = split_utterances(table(sentences(count)), seed=1, validation=shares[0], test=shares[1])
    assert set(split) == set(SPLITS)


def test_chosen_sizes_are_the_closest_there_are():
    """Against every subset of up to ten groups."""
    rng = np.random.default_rng(4)
    for _ in range(300):
        count = int(rng.integers(2, 9))
        group_sizes = rng.integers(1, 40, count).tolist()
        most, target = int(rng.integers(1, count + 1)), int(rng.integers(0, 60))
        chosen = _choose(group_sizes, target, most)
        assert 1 <= len(set(chosen)) == len(chosen) <= most
        best = min(
            abs(sum(subset) - target)
            for length in range(1, most + 1)
            for subset in itertools.combinations(group_sizes, length)
        )
        assert abs(sum(group_sizes[i] for i in chosen) - target) == best


def test_the_table_of_what_is_shared_counts_by_hand():
    utterances = table(["ا", "ا۔", "ب", "پ", "پ"], ["s", "t", "t", None, "t"], recording=list("xxyzz"))
    utterances["split"] = ["train", "test", "train", "validation", "test"]
    shared = shared_between_splits(utterances)
    assert shared.columns.tolist() == ["what", "distinct", "train & validation", "train & test", "validation & test"]
    assert shared.to_numpy().tolist() == [
        ["sentences", 3, 0, 1, 1],
        ["speakers", 2, 0, 1, 0],
        ["recordings", 3, 0, 1, 1],
    ]

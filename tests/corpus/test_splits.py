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
from asr_helpers.corpus.splits import _choose, shared_between_splits, split_utterances


def table(transcripts, speakers=None, **more):
    speakers = [None] * len(transcripts) if speakers is None else speakers
    ids = [str(i) for i in range(1, len(transcripts) + 1)]
    return pd.DataFrame({"id": ids, "transcript": transcripts, "speaker": pd.Series(speakers, dtype="str"), **more})


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
    utterances = table([*sentences(50), *sentences(30)], list("abcdefgh") * 10)
    for options in ({}, {"by_speaker": True, "by_sentence": False}):
        split = split_utterances(utterances, seed=7, **options)
        shuffled = utterances.sample(frac=1, random_state=rng.integers(1 << 30))
        again = split_utterances(shuffled, seed=7, **options)
        pd.testing.assert_series_equal(again.sort_index(), split)
        renamed = split_utterances(utterances.assign(id=[f"{i:04d}" for i in range(80)]), seed=7, **options)
        pd.testing.assert_series_equal(renamed, split)


def test_the_hash_seed_of_the_process_does_not_matter(tmp_path):
    program = (
        "import pandas as pd; from asr_helpers.corpus.splits import split_utterances\n"
        "rows = [(str(i), f'جملہ {i % 37}', f's{i % 9}') for i in range(90)]\n"
        "u = pd.DataFrame(rows, columns=['id', 'transcript', 'speaker'])\n"
        "print(list(split_utterances(u, seed=5)))\n"
        "print(list(split_utterances(u, seed=5, by_speaker=True, by_sentence=False)))"
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
    utterances.loc[15, "transcript"] = utterances.loc[5, "transcript"]  # s1 reads a sentence of s0
    split = split_utterances(utterances, seed=2, by_speaker=True, validation=0.2, test=0.2)
    assert split[:20].nunique() == 1
    assert utterances.assign(split=split).groupby("speaker")["split"].nunique().max() == 1


def test_copies_of_a_recording_stay_together():
    utterances = table(sentences(50), digest=[f"d{i % 25}" for i in range(50)])
    utterances = with_split(utterances, seed=0, validation=0.2, test=0.2)
    shared = shared_between_splits(utterances).set_index("what")
    assert shared.loc["recordings"].tolist() == [25, 0, 0, 0]
    unknown = split_utterances(table(sentences(50), digest=[None] * 50), seed=0)
    assert sizes(unknown) == {"train": 40, "validation": 5, "test": 5}


def test_a_column_can_say_which_sentences_are_the_same():
    utterances = with_split(table(sentences(40), prompt=[f"p{i // 4}" for i in range(40)]), seed=0, key="prompt")
    assert shared_between_splits(utterances, key="prompt").set_index("what").loc["sentences"].tolist() == [10, 0, 0, 0]
    assert utterances.groupby("prompt")["split"].nunique().max() == 1


def test_unknown_speakers_count_as_one():
    speakers = [None] * 20 + [f"s{i // 10}" for i in range(80)]
    split = split_utterances(table(sentences(100), speakers), seed=0, by_speaker=True)
    assert split[:20].nunique() == 1


def test_utterances_without_a_letter_are_not_one_sentence():
    split = split_utterances(table(["؟"] * 40), seed=0)
    assert sizes(split) == {"train": 32, "validation": 4, "test": 4}


@pytest.mark.parametrize(("validation", "test"), [(0, 0.1), (0.1, 0), (0, 0)])
def test_a_split_can_be_left_empty(validation, test):
    split = split_utterances(table(sentences(50)), seed=0, validation=validation, test=test)
    held_out = {"validation": 5 * bool(validation), "test": 5 * bool(test)}
    assert sizes(split) == {"train": 50 - sum(held_out.values()), **held_out}


def test_no_split_is_empty_where_there_are_groups_enough():
    for speakers in (["a"] * 98 + ["b", "c"], ["a"] * 34 + ["b"] * 33 + ["c"] * 33):
        split = split_utterances(table(sentences(100), speakers), seed=0, by_speaker=True)
        assert min(sizes(split).values()) > 0
    dominant = split_utterances(table(sentences(100), ["a"] * 98 + ["b", "c"]), seed=0, by_speaker=True)
    assert sizes(dominant) == {"train": 98, "validation": 1, "test": 1}


@pytest.mark.parametrize(
    ("utterances", "options", "says"),
    [
        (table(sentences(2)), {}, r"2 different sentences cannot fill 3 splits"),
        (table(["ایک"] * 50), {}, r"1 different sentences cannot fill 3 splits"),
        (table([]), {}, r"0 different sentences"),
        (table(sentences(50)), {"by_speaker": True}, r"no speaker is known"),
        (
            table(sentences(50), ["آمنہ"] * 30 + ["بلال"] * 20),
            {"by_speaker": True},
            r"2 speakers \(آمنہ: 30, بلال: 20\) cannot fill 3 splits; set by_speaker=False",
        ),
        (
            table(sentences(10) * 5, [f"s{i // 10}" for i in range(50)]),
            {"by_speaker": True},
            r"5 speakers \(s0: 10.*share sentences, so that only 1 of the 3 groups .* by_sentence=False",
        ),
    ],
)
def test_too_few_groups_are_an_error_with_counts_and_a_fix(utterances, options, says):
    with pytest.raises(CorpusError, match=says):
        split_utterances(utterances, seed=0, **options)


def test_speakers_of_the_same_sentences_can_be_split_by_speaker_alone():
    utterances = table(sentences(10) * 5, [f"s{i // 10}" for i in range(50)])
    utterances = with_split(utterances, seed=0, by_speaker=True, by_sentence=False, validation=0.2, test=0.2)
    shared = shared_between_splits(utterances).set_index("what")
    assert shared.loc["speakers"].tolist() == [5, 0, 0, 0]
    assert shared.loc["sentences"].tolist() == [10, 10, 10, 10], "and the table says what that costs"


@pytest.mark.parametrize("shares", [(0.5, 0.5), (-0.1, 0.1), (0.1, 1.0)])
def test_shares_must_leave_something_to_train_on(shares):
    with pytest.raises(ValueError, match="leave nothing for train"):
        split_utterances(table(sentences(10)), seed=0, validation=shares[0], test=shares[1])


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
    utterances = table(["ا", "ا۔", "ب", "پ", "پ"], ["s", "t", "t", None, "t"], digest=list("xxyzz"))
    utterances["split"] = ["train", "test", "train", "validation", "test"]
    shared = shared_between_splits(utterances)
    assert shared.columns.tolist() == ["what", "distinct", "train & validation", "train & test", "validation & test"]
    assert shared.to_numpy().tolist() == [
        ["sentences", 3, 0, 1, 1],
        ["speakers", 2, 0, 1, 0],
        ["recordings", 3, 0, 1, 1],
    ]

"""Nested parts of a split: of every voice its share, the same whatever the share, and a dataset like the whole."""

from itertools import pairwise

import numpy as np
import pytest
from tiny_run import SPLITS, tiny_run

from asr_helpers.dataset.reading import load_prepared
from asr_helpers.dataset.subsets import nested_subset, write_subset
from asr_helpers.storage import read_json

RNG = np.random.default_rng(5)
VOICES = {
    "one voice": [""] * 80,
    "four voices, one much more active": ["a"] * 50 + ["b"] * 20 + ["c"] * 20 + ["d"] * 10,
    "everybody once": [f"s{i}" for i in range(60)],
}


@pytest.mark.parametrize("speakers", VOICES.values(), ids=VOICES)
@pytest.mark.parametrize("seed", [1, 2])
def test_parts_lie_in_one_another_and_have_their_share_of_speech_and_of_every_voice(speakers, seed):
    seconds = RNG.uniform(1, 6, len(speakers))
    parts = [nested_subset(speakers, seconds, share, seed=seed) for share in (0.125, 0.25, 0.5, 1.0)]
    for small, large in pairwise(parts):
        assert set(small) < set(large)
    assert parts[-1].tolist() == list(range(len(speakers)))
    for share, rows in zip((0.125, 0.25, 0.5), parts[:-1], strict=True):
        assert share * seconds.sum() - 6 < seconds[rows].sum() <= share * seconds.sum()
        for voice in {s for s in speakers if speakers.count(s) > 1}:
            own = np.array([s == voice for s in speakers])
            assert abs(seconds[rows][own[rows]].sum() - share * seconds[own].sum()) < 2 * 6
    assert np.all(np.diff(parts[0]) > 0)


def test_the_seed_decides_and_nothing_else_does():
    seconds = np.full(40, 2.0)
    ours = nested_subset(["a"] * 40, seconds, 0.5, seed=1)
    assert ours.tolist() == nested_subset(["a"] * 40, seconds, 0.5, seed=1).tolist()
    assert ours.tolist() != nested_subset(["a"] * 40, seconds, 0.5, seed=2).tolist()


def test_the_smallest_part_is_an_utterance():
    assert len(nested_subset(["a"] * 3, [5.0, 5.0, 5.0], 0.01, seed=1)) == 1


def test_a_part_is_written_as_a_dataset_of_the_same_kind(tmp_path, capfd):
    run = tiny_run(tmp_path / "tiny")["run_folder"]
    write_subset(f"{run}/dataset", tmp_path / "part", [1, 4, 20])
    whole, part = load_prepared(f"{run}/dataset"), load_prepared(tmp_path / "part")
    assert part["train"][:] == whole["train"].select([1, 4, 20])[:]
    assert set(part) == {"train", "validation"}
    assert part["validation"][:] == whole["validation"][:] and len(part["validation"]) == SPLITS["validation"]
    assert part["train"].features == whole["train"].features
    made_for = [
        read_json(f"{folder}/dataset_dict.json")["made_for"] for folder in (f"{run}/dataset", tmp_path / "part")
    ]
    assert made_for[0] == made_for[1]
    assert "Saving" not in capfd.readouterr().err

"""Which utterances a step sees must not depend on how many processes or passes compute it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from tiny import collate, tiny_rows

from asr_helpers.audio import Augmentation
from asr_helpers.training.pieces import Pieces, halves
from asr_helpers.training.sampling import Item, UpdateSampler, Weighted

LAYERS = ((16, 10), (8, 8), (6, 4))


def steps_of(seconds: np.ndarray, *, processes: int, accumulation: int, epoch: int = 0, batch_size: int = 8) -> list:
    """For every step: the rows with weight 1 over all processes and micro-batches."""
    streams = []
    for process in range(processes):
        sampler = UpdateSampler(
            seconds,
            batch_size=batch_size,
            accumulation=accumulation,
            processes=processes,
            process=process,
            seed=5,
        )
        sampler.set_epoch(epoch)
        pieces = list(sampler)
        assert len(pieces) == len(sampler) == sampler.steps * accumulation
        streams.append([pieces[i : i + accumulation] for i in range(0, len(pieces), accumulation)])
    return [
        sorted(row for stream in streams for piece in stream[step] for row, weight, _ in piece if weight)
        for step in range(len(streams[0]))
    ]


@pytest.mark.parametrize("count", [1, 7, 8, 9, 61])
@pytest.mark.parametrize(("processes", "accumulation"), [(1, 1), (1, 4), (2, 1), (2, 2), (3, 5)])
def test_steps_are_the_same_however_they_are_shared_out(count: int, processes: int, accumulation: int) -> None:
    seconds = np.random.default_rng(0).uniform(1, 9, count)
    for epoch in (0, 1):
        alone = steps_of(seconds, processes=1, accumulation=1, epoch=epoch)
        assert steps_of(seconds, processes=processes, accumulation=accumulation, epoch=epoch) == alone
        assert Counter(row for step in alone for row in step) == Counter(range(count))
        assert len(alone) == -(-count // 8)


def test_epochs_differ_and_the_seed_decides() -> None:
    seconds = np.random.default_rng(0).uniform(1, 9, 64)
    first, second = (steps_of(seconds, processes=1, accumulation=1, epoch=epoch) for epoch in (0, 1))
    assert first != second
    assert first == steps_of(seconds, processes=1, accumulation=1, epoch=0)


def test_processes_have_about_equally_much_to_do() -> None:
    seconds = np.random.default_rng(0).uniform(1, 9, 640)
    loads = []
    for process in (0, 1):
        sampler = UpdateSampler(seconds, batch_size=16, processes=2, process=process, seed=1)
        loads.append(np.array([sum(seconds[item.row] for item in piece) for piece in sampler]))
    assert np.abs(loads[0] - loads[1]).max() / np.mean(loads) < 0.2


def test_nothing_to_train_on_is_said() -> None:
    with pytest.raises(ValueError, match="no utterance to train on"):
        UpdateSampler([], batch_size=8)


def test_a_budget_cuts_the_micro_batch_and_loses_nobody() -> None:
    rows = [{**row, "weight": 1.0} for row in tiny_rows(13)]
    whole, cut = Pieces(collate, LAYERS)(rows)["pieces"], Pieces(collate, LAYERS, seconds=2.0)(rows)["pieces"]
    assert len(whole) == 1 and len(cut) > 2
    for piece in cut:
        assert len(piece["ids"]) * max(piece["seconds"]) <= 2.0 or len(piece["ids"]) == 1
    assert sorted(name for piece in cut for name in piece["ids"]) == sorted(row["id"] for row in rows)


def test_halves_equal_what_the_collator_gives_for_them() -> None:
    rows = sorted(tiny_rows(5), key=lambda row: -row["seconds"])
    pieces = Pieces(collate, LAYERS)
    for half, part in zip(halves(pieces.collate(rows)), (rows[:3], rows[3:]), strict=True):
        expected = pieces.collate(part)
        assert half.keys() == expected.keys()
        for name, value in expected.items():
            if isinstance(value, torch.Tensor):
                torch.testing.assert_close(half[name], value)
            else:
                assert half[name] == value, name


def test_a_single_utterance_cannot_be_halved() -> None:
    with pytest.raises(ValueError, match="one utterance already"):
        halves(Pieces(collate, LAYERS).collate(tiny_rows(1)))


def test_frames_are_those_of_the_convolutions() -> None:
    (piece,) = Pieces(collate, LAYERS)(tiny_rows(4))["pieces"]
    values = piece["input_values"]
    for i, samples in enumerate(piece["attention_mask"].sum(-1).tolist()):
        wave = values[i : i + 1, None, :samples]
        for kernel, stride in LAYERS:
            wave = torch.nn.functional.conv1d(wave, torch.ones(1, 1, kernel), stride=stride)
        assert piece["frames"][i] == wave.shape[-1]


def test_rows_carry_their_weight() -> None:
    rows = Weighted(tiny_rows(3))
    assert [row["weight"] for row in rows.__getitems__([Item(2), Item(0, 0.0)])] == [1.0, 0.0]
    assert rows[Item(1)]["id"] == "0-1" and len(rows) == 3


def test_what_is_trained_on_is_augmented_once_an_epoch_with_frames_for_its_label() -> None:
    rows = [{**row, "labels": row["labels"] * 2} for row in tiny_rows(8)]  # crowded: two labels every 80 ms
    pieces = Pieces(collate, LAYERS, seconds=2.0, augmentation=Augmentation(0.5, 0.5, seed=1))
    heard = [pieces({**row, "epoch": epoch} for row in rows)["pieces"] for epoch in (0, 0, 1)]
    first, again, other = ({name: p["seconds"][i] for p in found for i, name in enumerate(p["ids"])} for found in heard)
    assert first == again and set(first) == set(other) and not set(first.values()) & set(other.values())
    for piece in heard[0]:
        assert all(np.array(piece["frames"]) >= piece["label_lengths"])
        assert piece["attention_mask"].sum(1).tolist() == [round(16_000 * seconds) for seconds in piece["seconds"]]
        assert len(piece["ids"]) * max(piece["seconds"]) <= 2.0 or len(piece["ids"]) == 1
    kept = pieces({**row, "epoch": None} for row in rows)["pieces"]
    assert {name: p["seconds"][i] for p in kept for i, name in enumerate(p["ids"])} == {
        row["id"]: row["seconds"] for row in rows
    }

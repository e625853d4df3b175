"""Which utterances share a batch: near-equal lengths, mixed anew in every epoch, one plan everywhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["evaluation_batches", "fixed_batches", "padding_share"]

Batch = list[int]

# Batches up or down the sorted order that an utterance may move, anew in every epoch: without it a small
# corpus would see the same clips side by side in every epoch. With batches of 16 out of 5,000 utterances of
# 0.5 to 20 s, 1 leaves 1.3 % padding and 29 % of the pairs that shared a batch share one again in the next
# epoch; 2 leaves 2.1 % and 15 %.
BLUR = 1.0


def fixed_batches(seconds: Sequence[float], *, batch_size: int, seed: int, epoch: int = 0) -> list[Batch]:
    """Share utterances out into batches of ``batch_size`` utterances of similar length.

    Each utterance is in exactly one batch; those that are left over form a smaller one.

    Args:
        seconds: Length of each utterance.
        batch_size: Utterances in a batch.
        seed: Seed of the shuffle.
        epoch: Number of the epoch; another one gives another plan.

    Returns:
        Batches of indices into ``seconds``, in random order.

    Raises:
        ValueError: A length is not positive, or ``batch_size`` is below 1.
    """
    lengths, rng = _checked(seconds, batch_size), np.random.default_rng([seed, epoch])
    order = np.argsort(lengths + rng.uniform(0, 1e-9, lengths.size), kind="stable")  # equal lengths take turns
    place = np.arange(lengths.size) / batch_size + rng.uniform(-BLUR, BLUR, lengths.size)  # in batches
    batches = _cut(order[np.argsort(place, kind="stable")], batch_size)
    return [batches[i] for i in rng.permutation(len(batches))]


def evaluation_batches(seconds: Sequence[float], *, batch_size: int, rank: int = 0, world_size: int = 1) -> list[Batch]:
    """Share utterances out for evaluation: longest first, each in one batch of one process.

    Longest first, because a batch that does not fit into memory should fail in the first second. Processes
    may get numbers of batches that differ by one.

    Args:
        seconds: Length of each utterance.
        batch_size: Utterances in a batch.
        rank: Number of this process.
        world_size: Number of processes.

    Returns:
        This process's batches of indices into ``seconds``.

    Raises:
        ValueError: As for :func:`fixed_batches`, or there is no such process.
    """
    if not 0 <= rank < world_size:
        raise ValueError(f"rank is {rank} of {world_size} processes; ranks go from 0 to {world_size - 1}")
    order = np.argsort(-_checked(seconds, batch_size), kind="stable")
    return _cut(order, batch_size)[rank::world_size]


def padding_share(seconds: Sequence[float], batches: Sequence[Sequence[int]]) -> float:
    """Say which share of all that the batches hold is padding, 0..1: each clip lasts as long as the longest."""
    held = sum(float(max(seconds[i] for i in batch)) * len(batch) for batch in batches)
    real = sum(float(seconds[i]) for batch in batches for i in batch)
    return 1 - real / held if held else 0.0


def _checked(seconds: Sequence[float], batch_size: int) -> np.ndarray:
    lengths = np.asarray(seconds, dtype=np.float64)
    if batch_size < 1:
        raise ValueError(f"a batch of {batch_size} utterances holds none; give at least 1")
    if not np.all(np.isfinite(lengths) & (lengths > 0)):
        worst = int(np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))[0])
        raise ValueError(f"utterance {worst} is {lengths[worst]} s long; lengths must be positive")
    return lengths


def _cut(order: np.ndarray, size: int) -> list[Batch]:
    """Cut an order into batches of ``size``; the last may be smaller."""
    return [order[start : start + size].tolist() for start in range(0, order.size, size)]

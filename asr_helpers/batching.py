"""Which utterances share a batch: near-equal lengths, a budget of padded seconds, one plan everywhere."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

__all__ = [
    "LengthBatchSampler",
    "budget_batches",
    "evaluation_batches",
    "fixed_batches",
    "padded_seconds",
    "padding_share",
]

Batch = list[int]

# Batches up or down the sorted order that an utterance may move, anew in every epoch: without it a small
# corpus would see the same clips side by side in every epoch. With batches of 16 out of 5,000 utterances of
# 0.5 to 20 s, 1 leaves 1.3 % padding and 29 % of the pairs that shared a batch share one again in the next
# epoch; 2 leaves 2.1 % and 15 %.
BLUR = 1.0


def budget_batches(
    seconds: Sequence[float],
    *,
    budget_seconds: float,
    seed: int,
    epoch: int = 0,
    max_batch: int | None = None,
    multiple: int = 1,
    blur: float = BLUR,
) -> list[Batch]:
    """Share utterances out into batches of at most ``budget_seconds``, padding included.

    What a batch costs is its longest clip times its clips; with that held nearly constant, memory is filled
    by short clips as well as by long ones. Each utterance is in exactly one batch.

    Args:
        seconds: Length of each utterance; any unit, as long as the budget has the same.
        budget_seconds: Most padded seconds in a batch. A single clip above it is a batch of its own.
        seed: Seed of the shuffle.
        epoch: Number of the epoch; another one gives another plan.
        max_batch: Most utterances in a batch.
        multiple: The number of batches is a multiple of this (processes, or processes times accumulation);
            batches ``k * multiple`` to ``(k + 1) * multiple - 1`` are of similar lengths, so no process waits
            for another.
        blur: How many batches up or down the order of lengths an utterance may move.

    Returns:
        Batches of indices into ``seconds``, in random order.

    Raises:
        ValueError: There are fewer utterances than ``multiple``, or a number is out of its range.
    """
    if budget_seconds <= 0:
        raise ValueError(f"budget_seconds is {budget_seconds}; a batch needs more than 0 s")
    lengths, rng = _checked(seconds, multiple, max_batch), _rng(seed, epoch)
    order = _blurred_order(lengths, rng, blur, budget_seconds, max_batch)
    return _shuffled(_cut(lengths, order, budget_seconds, max_batch), lengths, multiple, rng)


def fixed_batches(
    seconds: Sequence[float],
    *,
    batch_size: int,
    seed: int,
    epoch: int = 0,
    multiple: int = 1,
    blur: float = BLUR,
) -> list[Batch]:
    """Share utterances out into batches of ``batch_size`` utterances of similar length.

    The number of utterances that are left over form smaller batches; so does a number of batches that is no
    multiple of ``multiple``. Each utterance is in exactly one batch. Arguments and errors as in
    :func:`budget_batches`.
    """
    lengths, rng = _checked(seconds, multiple, batch_size), _rng(seed, epoch)
    order = _blurred_order(lengths, rng, blur, np.inf, batch_size)
    return _shuffled(_cut(lengths, order, np.inf, batch_size), lengths, multiple, rng)


def evaluation_batches(
    seconds: Sequence[float],
    *,
    budget_seconds: float = np.inf,
    max_batch: int | None = None,
    rank: int = 0,
    world_size: int = 1,
) -> list[Batch]:
    """Share utterances out for evaluation: longest first, each in one batch of one process.

    Longest first, because a batch that does not fit into memory should fail in the first second. Processes
    may get numbers of batches that differ by one.

    Args:
        seconds: Length of each utterance.
        budget_seconds: Most padded seconds in a batch.
        max_batch: Most utterances in a batch.
        rank: Number of this process.
        world_size: Number of processes.

    Returns:
        This process's batches of indices into ``seconds``.
    """
    if not 0 <= rank < world_size:
        raise ValueError(f"rank is {rank} of {world_size} processes; ranks go from 0 to {world_size - 1}")
    lengths = _checked(seconds, 1, max_batch)
    order = np.argsort(-lengths, kind="stable")
    return _cut(lengths, order, budget_seconds, max_batch)[rank::world_size]


def padded_seconds(seconds: Sequence[float], batch: Sequence[int]) -> float:
    """Say what a batch costs: its longest clip times its clips."""
    return float(max(seconds[i] for i in batch)) * len(batch)


def padding_share(seconds: Sequence[float], batches: Sequence[Sequence[int]]) -> float:
    """Say which share of all that the batches hold is padding, 0..1."""
    held = sum(padded_seconds(seconds, batch) for batch in batches)
    real = sum(float(seconds[i]) for batch in batches for i in batch)
    return 1 - real / held if held else 0.0


class LengthBatchSampler:
    """The batches of one process, epoch after epoch, for ``DataLoader(batch_sampler=...)``.

    Every process gets as many batches as every other, and batches of similar length at the same step. The
    plan follows from seed and epoch alone, so a run that was stopped goes on with the very batch that came
    next.

    Args:
        seconds: Length of each utterance.
        budget_seconds: Most padded seconds in a batch; or give ``batch_size``.
        batch_size: Utterances in every batch; or, with ``budget_seconds``, at most.
        seed: Seed of the shuffle.
        rank: Number of this process.
        world_size: Number of processes.
        accumulation: Batches that one optimiser step takes; the number of batches is a multiple of it, and
            the batches of one step are of similar length.
        blur: As in :func:`budget_batches`.

    Raises:
        ValueError: Neither ``budget_seconds`` nor ``batch_size`` is given, or a number is out of its range.
    """

    def __init__(
        self,
        seconds: Sequence[float],
        *,
        budget_seconds: float | None = None,
        batch_size: int | None = None,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        accumulation: int = 1,
        blur: float = BLUR,
    ) -> None:
        if budget_seconds is None and batch_size is None:
            raise ValueError("give budget_seconds, or batch_size, or both")
        if not 0 <= rank < world_size:
            raise ValueError(f"rank is {rank} of {world_size} processes; ranks go from 0 to {world_size - 1}")
        if accumulation < 1:
            raise ValueError(f"accumulation is {accumulation}; an optimiser step takes at least 1 batch")
        self.seconds = np.asarray(seconds, dtype=np.float64)
        self.settings = {"seed": seed, "budget_seconds": budget_seconds, "batch_size": batch_size, "blur": blur}
        self.settings |= {"world_size": world_size, "accumulation": accumulation}
        self.rank = rank
        self.epoch = 0
        self.position = 0  # batches of this epoch that have been handed out, counted by the one who trains
        self._cached: tuple[int, list[Batch]] | None = None

    def plan(self, epoch: int | None = None) -> list[Batch]:
        """Lay out the batches of all processes for an epoch (this one, unless said otherwise)."""
        epoch = self.epoch if epoch is None else epoch
        if self._cached is None or self._cached[0] != epoch:
            self._cached = (epoch, self._batches(epoch))
        return self._cached[1]

    def _batches(self, epoch: int) -> list[Batch]:
        s = self.settings
        common = {"seed": s["seed"], "epoch": epoch, "blur": s["blur"]}
        common["multiple"] = s["world_size"] * s["accumulation"]
        if s["budget_seconds"] is None:
            return fixed_batches(self.seconds, batch_size=s["batch_size"], **common)
        return budget_batches(self.seconds, budget_seconds=s["budget_seconds"], max_batch=s["batch_size"], **common)

    def __iter__(self) -> Iterator[Batch]:
        yield from self.plan()[self.rank :: self.settings["world_size"]][self.position :]

    def __len__(self) -> int:
        """Count this process's batches in the whole epoch, wherever it stands."""
        return len(self.plan()) // self.settings["world_size"]

    def set_epoch(self, epoch: int) -> None:
        """Go to the start of an epoch; staying in the same one keeps the position."""
        if epoch != self.epoch:
            self.epoch, self.position = epoch, 0

    def state_dict(self, *, position: int | None = None) -> dict[str, Any]:
        """Say where training stands.

        Args:
            position: Batches of this epoch that training has used. A DataLoader with workers takes batches
                ahead of it, so only the one who trains knows.

        Returns:
            Plain data for a checkpoint: epoch, position, and a fingerprint of lengths and settings.
        """
        position = self.position if position is None else position
        return {"epoch": self.epoch, "position": position, "fingerprint": self.fingerprint()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken.

        Raises:
            ValueError: The data, the seed or the batch settings are others, so the plan is another one.
        """
        if state["fingerprint"] != self.fingerprint():
            raise ValueError(
                "the checkpoint was made with other data, seed or batch settings, so its place in the epoch means "
                "nothing here; restore them, or start anew (resume=False)"
            )
        self.epoch, self.position = int(state["epoch"]), int(state["position"])

    def fingerprint(self) -> str:
        """Name the plan by what it follows from."""
        text = repr(sorted(self.settings.items())).encode()
        return hashlib.sha256(text + self.seconds.tobytes()).hexdigest()[:16]


def _checked(seconds: Sequence[float], multiple: int, max_batch: int | None) -> np.ndarray:
    lengths = np.asarray(seconds, dtype=np.float64)
    if max_batch is not None and max_batch < 1:
        raise ValueError(f"a batch of at most {max_batch} utterances holds none; give at least 1")
    if multiple < 1:
        raise ValueError(f"multiple is {multiple}; the number of batches is a multiple of at least 1")
    if 0 < lengths.size < multiple:
        raise ValueError(
            f"{lengths.size} utterances cannot fill {multiple} batches, one for every process and accumulation "
            "step; use fewer processes or less accumulation"
        )
    if not np.all(np.isfinite(lengths) & (lengths > 0)):
        worst = int(np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))[0])
        raise ValueError(f"utterance {worst} is {lengths[worst]} s long; lengths must be positive")
    return lengths


def _rng(seed: int, epoch: int) -> np.random.Generator:
    return np.random.default_rng([seed, epoch])


def _blurred_order(
    lengths: np.ndarray, rng: np.random.Generator, blur: float, budget: float, max_batch: int | None
) -> np.ndarray:
    """Sort by length, each utterance then moved by up to ``blur`` batches."""
    order = np.argsort(lengths + rng.uniform(0, 1e-9, lengths.size), kind="stable")  # equal lengths take turns
    share = np.maximum(lengths[order] / budget, 0 if max_batch is None else 1 / max_batch)  # of its batch
    place = np.cumsum(share) + rng.uniform(-blur, blur, lengths.size)
    return order[np.argsort(place, kind="stable")]


def _cut(lengths: np.ndarray, order: np.ndarray, budget: float, max_batch: int | None) -> list[Batch]:
    """Cut an order into batches, each as long as budget and size allow."""
    batches: list[Batch] = []
    batch: Batch = []
    longest = 0.0
    for i in order.tolist():
        grown = max(longest, lengths[i])
        if batch and (grown * (len(batch) + 1) > budget or len(batch) == max_batch):
            batches.append(batch)
            batch, grown = [], lengths[i]
        batch.append(i)
        longest = grown
    return [*batches, batch] if batch else batches


def _shuffled(batches: list[Batch], lengths: np.ndarray, multiple: int, rng: np.random.Generator) -> list[Batch]:
    """Shuffle groups of ``multiple`` neighbouring batches, some split before so that the groups are whole."""
    batches = _split_to_multiple(batches, lengths, multiple)
    groups = [batches[i : i + multiple] for i in range(0, len(batches), multiple)]
    return [batch for g in rng.permutation(len(groups)) for batch in groups[g]]


def _split_to_multiple(batches: list[Batch], lengths: np.ndarray, multiple: int) -> list[Batch]:
    """Halve the costliest batches until their number is a multiple; nothing is dropped or repeated."""
    missing = -len(batches) % multiple
    if not missing:
        return batches
    heap = [(-_cost(batch, lengths), batch) for batch in batches]
    heapq.heapify(heap)
    for _ in range(missing):
        _, batch = heapq.heappop(heap)
        half = len(batch) // 2
        for part in (batch[:half], batch[half:]):
            heapq.heappush(heap, (-_cost(part, lengths), part))
    return sorted((batch for _, batch in heap), key=lambda batch: (lengths[batch].max(), batch))


def _cost(batch: Batch, lengths: np.ndarray) -> float:
    """Say what a batch costs; single clips come last, because they cannot be split."""
    return float(lengths[batch].max()) * len(batch) if len(batch) > 1 else 0.0

"""Which utterances one optimiser step sees, planned before they are shared out to processes and passes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler
from transformers import TrainingArguments

from asr_helpers.dataset.reading import Utterances

from .config import TrainingConfig
from .pieces import Pieces

__all__ = [
    "Item",
    "StreamedUpdates",
    "UpdateSampler",
    "Weighted",
    "evaluation_batches",
    "fixed_batches",
    "train_loader",
    "validation_loader",
]

Batch = list[int]

# Batches up or down the sorted order that an utterance may move, anew in every epoch: without it a small
# corpus would see the same clips side by side in every epoch. With batches of 16 out of 5,000 utterances of
# 0.5 to 20 s, 1 leaves 1.3 % padding and 29 % of the pairs that shared a batch share one again in the next
# epoch; 2 leaves 2.1 % and 15 %.
BLUR = 1.0

POOL = 256  # streamed rows that are sorted by length together; of 10 s each they take 80 MB


class Item(NamedTuple):
    """A row of a split that is asked for.

    Attributes:
        row: Its number.
        weight: In the loss: 1, or 0 for a stand-in.
        epoch: Of which epoch's augmentation it gets; ``None``: it is heard as recorded.
    """

    row: int
    weight: float = 1.0
    epoch: int | None = None


class UpdateSampler(Sampler[list[Item]]):
    """Give one process its pieces of every step of the epoch, in order.

    The steps follow from the data, the seed and the epoch alone (``batching.fixed_batches``), not from the
    number of processes or passes: a run on two GPUs, or one that ran out of memory and went on in smaller
    pieces, takes the same steps. A step of ``batch_size`` utterances is cut, longest first, into ``processes
    * accumulation`` pieces; neighbouring pieces go to different processes, which then have about equally much
    to do. Where a step has fewer utterances than pieces, a piece is a stand-in of weight 0: every process
    then takes part in every exchange of gradients, and the sum stays that of the real utterances.
    """

    def __init__(
        self,
        seconds: Sequence[float],
        *,
        batch_size: int,
        accumulation: int = 1,
        processes: int = 1,
        process: int = 0,
        seed: int = 0,
    ) -> None:
        self.seconds = np.asarray(seconds, dtype=np.float64)
        if len(self.seconds) == 0:
            raise ValueError("there is no utterance to train on; see the table of what preprocessing left out")
        self.batch_size, self.accumulation = batch_size, accumulation
        self.processes, self.process = processes, process
        self.seed, self.epoch = seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Deal the utterances of ``epoch`` when the sampler is next iterated over."""
        self.epoch = epoch

    @property
    def steps(self) -> int:
        """Optimiser steps in an epoch."""
        return -(-len(self.seconds) // self.batch_size)

    def __len__(self) -> int:
        return self.steps * self.accumulation

    def __iter__(self) -> Iterator[list[Item]]:
        steps = fixed_batches(self.seconds, batch_size=self.batch_size, seed=self.seed, epoch=self.epoch)
        for rows in steps:
            rows = sorted(rows, key=lambda row: (-self.seconds[row], row))
            pieces = np.array_split(rows, self.processes * self.accumulation)
            for piece in pieces[self.process :: self.processes]:
                yield [Item(int(row), 1.0, self.epoch) for row in piece] or [Item(int(rows[-1]), 0.0, self.epoch)]


class Weighted(Dataset):
    """Look rows up together with the weight and the epoch that the sampler gave them."""

    def __init__(self, rows: Utterances) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, item: Item) -> dict[str, Any]:
        return {**self.rows[item.row], "weight": item.weight, "epoch": item.epoch}

    def __getitems__(self, items: list[Item]) -> list[dict[str, Any]]:
        return [self[item] for item in items]


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


def train_loader(rows: Utterances, pieces: Pieces, *, config: TrainingConfig, args: TrainingArguments) -> DataLoader:
    """Load this process's pieces of every step, in the order of ``UpdateSampler`` or as a stream brings them.

    Args:
        rows: The training split; or a stream of this process's own share.
        pieces: How rows are collated.
        config: The recipe: utterances a step.
        args: The Trainer's arguments: processes, accumulation, workers, seed.

    Raises:
        ValueError: A stream is not this process's share: utterances would be seen twice, or never.
    """
    accumulation = args.gradient_accumulation_steps
    if rows.length is None:
        mine = (args.process_index, args.world_size)
        if rows.share != mine:
            raise ValueError(f"the stream is share {rows.share} of its rows; give stream_prepared share={mine}")
        size = -(-config.batch_size // (accumulation * args.world_size))
        batches = StreamedUpdates(rows, micro_batch=size, accumulation=accumulation, seed=args.seed)
        one = min(1, args.dataloader_num_workers)  # a second worker would read the stream a second time
        return _loader(batches, pieces, args, workers=one, batch_size=None)
    sampler = UpdateSampler(
        rows.seconds,
        batch_size=config.batch_size,
        accumulation=accumulation,
        processes=args.world_size,
        process=args.process_index,
        seed=args.seed,
    )
    return _loader(Weighted(rows), pieces, args, batch_sampler=sampler)


def validation_loader(rows: Any, pieces: Pieces, *, args: TrainingArguments) -> DataLoader:
    """Load this process's share of a split, longest first, every utterance once over all processes."""
    rows = Utterances.of(rows)
    seconds = rows.seconds
    share = max(1, -(-len(seconds) // args.world_size))  # a small split must not be one process's batch alone
    batches = evaluation_batches(
        seconds,
        batch_size=min(args.per_device_eval_batch_size, share),
        rank=args.process_index,
        world_size=args.world_size,
    )
    items = [[Item(row) for row in batch] for batch in batches]
    return _loader(Weighted(rows), pieces, args, batch_sampler=items)


def _loader(
    rows: Any, pieces: Pieces, args: TrainingArguments, *, workers: int | None = None, **batching: Any
) -> DataLoader:
    return DataLoader(
        rows,
        **batching,
        collate_fn=pieces,
        num_workers=args.dataloader_num_workers if workers is None else workers,
        pin_memory=args.dataloader_pin_memory,
        persistent_workers=args.dataloader_persistent_workers,
        generator=torch.Generator().manual_seed(args.seed),  # else it would draw from the dropout's stream
    )


class StreamedUpdates(IterableDataset):
    """Give one process its micro-batches from a stream, epoch after epoch without end.

    For corpora that no disk holds. A pool of rows is read ahead, sorted by length and cut, so padding stays
    small and memory bounded; a rest that fills no micro-batch is carried into the next epoch.

    Args:
        stream: This process's own share of the rows (``stream_prepared(share=)``).
        micro_batch: Utterances a micro-batch.
        accumulation: Micro-batches a step; those of one step are of like lengths.
        seed: Seed of the order of the steps within a pool.
    """

    def __init__(self, stream: Utterances, *, micro_batch: int, accumulation: int, seed: int) -> None:
        self.stream, self.size, self.accumulation, self.seed = stream, micro_batch, accumulation, seed

    def __iter__(self) -> Iterator[list[dict[str, Any]]]:
        pool: list[dict[str, Any]] = []
        step = self.size * self.accumulation
        for number, row in enumerate(self._rows()):
            pool.append(row)
            if len(pool) == step * max(1, POOL // step):
                rng = np.random.default_rng([self.seed, number])
                pool.sort(key=lambda row: -float(row["seconds"]))
                for first in rng.permutation(len(pool) // step) * step:
                    for start in range(first, first + step, self.size):
                        yield pool[start : start + self.size]
                pool = []

    def _rows(self) -> Iterator[dict[str, Any]]:
        for epoch in count():
            self.stream.set_epoch(epoch)
            empty = True
            for row in self.stream:
                empty = False
                yield {**row, "weight": 1.0, "epoch": epoch}
            if empty:
                raise ValueError("the stream has no utterance; there must be at least one shard for each process")

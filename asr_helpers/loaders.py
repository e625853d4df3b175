"""The loaders behind training and validation: from a split, or a stream, to this process's collated pieces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset
from transformers import TrainingArguments

from asr_helpers.batching import evaluation_batches
from asr_helpers.dataset import with_arrays
from asr_helpers.recipe import TrainingConfig
from asr_helpers.updates import Pieces, UpdateSampler, Weighted, durations

__all__ = ["StreamedUpdates", "train_loader", "validation_loader"]

POOL = 256  # streamed rows that are sorted by length together; of 10 s each they take 80 MB


def train_loader(rows: Any, pieces: Pieces, *, config: TrainingConfig, args: TrainingArguments) -> DataLoader:
    """Load this process's pieces of every step, in the order of ``UpdateSampler`` or as a stream brings them.

    Args:
        rows: The training split; or a stream, anything without a length, of this process's own share.
        pieces: How rows are collated.
        config: The recipe: utterances a step.
        args: The Trainer's arguments: processes, accumulation, workers, seed.
    """
    accumulation = args.gradient_accumulation_steps
    if not hasattr(rows, "__len__"):
        size = -(-config.batch_size // (accumulation * args.world_size))
        batches = StreamedUpdates(rows, micro_batch=size, accumulation=accumulation, seed=args.seed)
        one = min(1, args.dataloader_num_workers)  # a second worker would read the stream a second time
        return _loader(batches, pieces, args, workers=one, batch_size=None)
    sampler = UpdateSampler(
        durations(rows),
        batch_size=config.batch_size,
        accumulation=accumulation,
        processes=args.world_size,
        process=args.process_index,
        seed=args.seed,
    )
    return _loader(Weighted(with_arrays(rows)), pieces, args, batch_sampler=sampler)


def validation_loader(rows: Any, pieces: Pieces, *, args: TrainingArguments) -> DataLoader:
    """Load this process's share of a split, longest first, every utterance once over all processes."""
    seconds = durations(rows)
    share = max(1, -(-len(seconds) // args.world_size))  # a small split must not be one process's batch alone
    batches = evaluation_batches(
        seconds,
        batch_size=min(args.per_device_eval_batch_size, share),
        rank=args.process_index,
        world_size=args.world_size,
    )
    items = [[(row, 1.0) for row in batch] for batch in batches]
    return _loader(Weighted(with_arrays(rows)), pieces, args, batch_sampler=items)


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
        stream: This process's own share of the rows, e.g. ``dataset.stream_prepared(rank=, world_size=)``.
        micro_batch: Utterances a micro-batch.
        accumulation: Micro-batches a step; those of one step are of like lengths.
        seed: Seed of the order of the steps within a pool.
    """

    def __init__(self, stream: Iterable[dict[str, Any]], *, micro_batch: int, accumulation: int, seed: int) -> None:
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
            if hasattr(self.stream, "set_epoch"):
                self.stream.set_epoch(epoch)
            empty = True
            for row in self.stream:
                empty = False
                yield {**row, "weight": 1.0}
            if empty:
                raise ValueError("the stream has no utterance; there must be at least one shard for each process")

"""Which utterances one optimiser step sees, planned before they are shared out to processes and passes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from asr_helpers.batching import fixed_batches
from asr_helpers.frames import output_frames

__all__ = [
    "Pieces",
    "UpdateSampler",
    "Weighted",
    "durations",
    "fingerprint",
    "halves",
]

Item = tuple[int, float]  # row of the dataset, weight in the loss: 1, or 0 for a stand-in


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
                yield [(int(row), 1.0) for row in piece] or [(int(rows[-1]), 0.0)]


class Weighted(Dataset):
    """Look rows up together with the weight that the sampler gave them."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, item: Item) -> dict[str, Any]:
        row, weight = item
        return {**self.rows[row], "weight": weight}

    def __getitems__(self, items: list[Item]) -> list[dict[str, Any]]:
        return [self[item] for item in items]


@dataclass(frozen=True)
class Pieces:
    """Collate the rows of one micro-batch, in pieces of at most so many padded seconds.

    Attributes:
        collator: Rows to ``input_values``, ``attention_mask``, ``labels``.
        layers: (kernel, stride) of the layers that shorten time (``frames.conv_layers``).
        seconds: Padded seconds that one forward pass may hold; ``None``: the whole micro-batch at once.
    """

    collator: Callable[[list[dict[str, Any]]], dict[str, torch.Tensor]]
    layers: tuple[tuple[int, int], ...]
    seconds: float | None = None

    def __call__(self, rows: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
        rows = sorted(rows, key=lambda row: -float(row["seconds"]))
        return {"pieces": [self.collate(piece) for piece in self._cut(rows)]}

    def collate(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Collate ``rows`` and add what the loss and the messages need, as plain Python values.

        Returns:
            The collator's tensors, and one entry an utterance in ``ids``, ``frames``, ``label_lengths``,
            ``seconds``, ``text`` and (a tensor) ``weights``.
        """
        return {
            **self.collator(rows),
            "ids": [str(row["id"]) for row in rows],
            "text": [row.get("text", "") for row in rows],
            "frames": [int(output_frames(self.layers, len(row["audio"]))) for row in rows],
            "label_lengths": [len(row["labels"]) for row in rows],
            "seconds": [float(row["seconds"]) for row in rows],
            "weights": torch.tensor([float(row.get("weight", 1.0)) for row in rows]),
        }

    def _cut(self, rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
        """Cut rows (longest first) so that no piece, padded to its first, exceeds ``self.seconds``."""
        while rows:
            size = len(rows)
            if self.seconds is not None:
                size = max(1, min(size, int(self.seconds // max(float(rows[0]["seconds"]), 1e-3))))
            yield rows[:size]
            rows = rows[size:]


def fingerprint(rows: Any) -> str:
    """Name a split by its utterances and their lengths; ``"stream"`` for one that has no length."""
    if not hasattr(rows, "__len__"):
        return "stream"
    ids = rows["id"] if hasattr(rows, "with_format") else [row["id"] for row in rows]
    text = "\n".join(f"{name} {seconds:.3f}" for name, seconds in zip(ids, durations(rows), strict=True))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def durations(rows: Any) -> list[float]:
    """Read the durations, in seconds, of all utterances of a split."""
    column = rows["seconds"] if hasattr(rows, "with_format") else [row["seconds"] for row in rows]
    return [float(seconds) for seconds in column]


def halves(piece: dict[str, Any]) -> list[dict[str, Any]]:
    """Cut a collated piece into two of half as many utterances, each padded no further than it needs.

    Raises:
        ValueError: The piece holds a single utterance and cannot be made smaller.
    """
    size = len(piece["ids"])
    if size < 2:
        raise ValueError(f"the batch is one utterance already ({piece['ids'][0]})")
    middle = (size + 1) // 2
    return [_part(piece, slice(0, middle)), _part(piece, slice(middle, size))]


def _part(piece: dict[str, Any], rows: slice) -> dict[str, Any]:
    """Take some rows of a collated piece and drop padding that only the others needed."""
    part = {name: value[rows] for name, value in piece.items()}
    part["labels"] = part["labels"][:, : max(1, *part["label_lengths"], 1)]
    if part.get("attention_mask") is not None:
        longest = int(part["attention_mask"].sum(-1).max())
        for name in ("input_values", "attention_mask"):
            part[name] = part[name][:, :longest]
    return part

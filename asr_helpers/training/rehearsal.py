"""A training step before the training: how long it takes, how much memory, and whether cut batches agree."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import torch

from .pieces import halves
from .sampling import train_loader, validation_loader

if TYPE_CHECKING:
    from .trainer import CTCTrainer

__all__ = ["MOMENTS", "PeakMemory", "Rehearsal", "accumulation_gap", "rehearse", "wer_before_training"]

SAMPLE = 16  # validation utterances that are transcribed before training
MOMENTS = 8  # bytes AdamW keeps for each trained parameter: two fp32 moments, made at the first step


@dataclass(frozen=True)
class Rehearsal:
    """What one process measured.

    Attributes:
        step_seconds: Time of a step of median length, s.
        longest_audio: Padded seconds of audio that this step's largest forward pass holds.
        validation_seconds: Expected time of one validation, s.
        memory: Most bytes that the longest batch, and the optimiser's state after it, take beyond the model.
        free: Bytes that were free on the device before.
        halvings: How often the pieces had to be halved to fit.
    """

    step_seconds: float
    longest_audio: float
    validation_seconds: float
    memory: int
    free: int
    halvings: int


def rehearse(trainer: CTCTrainer) -> Rehearsal:
    """Compute the median and the longest step of the first epoch, without taking them.

    Weights, random numbers and counters are afterwards as they were. A batch that does not fit is halved for
    the training too.

    Raises:
        MemoryError: Not even one utterance fits.
        FloatingPointError: The loss is not finite; the utterances are named.
    """
    with _untouched(trainer):
        free = _free(trainer.args.device)
        loaded = sorted(_steps(trainer), key=lambda step: _padded(step[0]))
        steps, loading = zip(*loaded, strict=True)
        typical, longest = steps[len(steps) // 2], steps[-1]
        with PeakMemory(trainer.args.device) as peak:
            _time(trainer, steps[0])  # the first pass pays, in time and memory, for what is loaded once
            longest_seconds = _time(trainer, longest)
        step_seconds = longest_seconds if typical is longest else _time(trainer, typical)
        pieces = trainer.halvings.cut([piece for batch in longest for piece in batch["pieces"]])
        trained = sum(p.numel() for p in trainer.model.parameters() if p.requires_grad)
        return Rehearsal(
            step_seconds=step_seconds + loading[len(steps) // 2],
            longest_audio=max(max(piece["seconds"]) * len(piece["ids"]) for piece in pieces),
            validation_seconds=_validation_seconds(trainer),
            memory=peak.most + MOMENTS * trained,
            free=free,
            halvings=trainer.halvings.count,
        )


def accumulation_gap(trainer: CTCTrainer) -> float:
    """Compute the gradient of four utterances as one batch and in pieces; give the relative difference.

    In full fp32 and without dropout, so that only the scaling of the loss and the padding can tell the two apart:
    about 1e-6 where both are right, far above 1e-3 where one is not.
    """
    with _untouched(trainer), _full_fp32():
        trainer.model.eval()
        rows = sorted(trainer.train_dataset.first(64), key=lambda row: float(row["seconds"]))[:4]
        piece = trainer.pieces.collate(rows[::-1])
        parts = halves(piece) if len(piece["ids"]) > 1 else [piece]
        parts = [single for part in parts for single in (halves(part) if len(part["ids"]) > 1 else [part])]
        whole, cut = (_gradient(trainer, pieces) for pieces in ([piece], parts))
        apart = _norm(a - b for a, b in zip(whole, cut, strict=True))
        return (apart / _norm(whole).clamp(min=1e-30)).item()


def wer_before_training(trainer: CTCTrainer) -> float:
    """Transcribe a few validation utterances as the model comes: a new head knows nothing, so a WER of about 1."""
    with _untouched(trainer):
        rows = trainer.eval_dataset.first(SAMPLE)
        tally = trainer.tally(validation_loader(rows, trainer.pieces, args=trainer.args))
        return tally.metrics(tally.sums)["wer"]


def _gradient(trainer: CTCTrainer, pieces: list[dict[str, Any]]) -> list[torch.Tensor]:
    """Gradient of the loss of ``pieces``, which together are one step of this process."""
    trainer.model.zero_grad()  # lets go of an earlier gradient, and leaves it as it is
    count = torch.tensor(float(sum(len(piece["ids"]) for piece in pieces)), device=trainer.args.device)
    for piece in pieces:
        trainer.compute_loss(trainer.model, piece, num_items_in_batch=count).backward()
    return [p.grad for p in trainer.model.parameters() if p.grad is not None]


def _norm(tensors: Iterable[torch.Tensor]) -> torch.Tensor:
    """Length of a gradient, one tensor after the other: no copy of all of it is made."""
    return sum(tensor.double().square().sum() for tensor in tensors).sqrt()


@contextmanager
def _full_fp32() -> Iterator[None]:
    """Keep cuDNN from rounding what it convolves to TF32's ten bits, as it does to fp32 unless told not to."""
    convolutions = torch.backends.cudnn.conv
    before, convolutions.fp32_precision = convolutions.fp32_precision, "ieee"
    try:
        yield
    finally:
        convolutions.fp32_precision = before


def _steps(trainer: CTCTrainer) -> Iterator[tuple[list[dict[str, Any]], float]]:
    """Three steps of the first epoch, or four of a stream, collated; with each the seconds it makes a step wait.

    Where lengths are known the longest is among them, as long as augmentation can make it. A stream's first batches
    wait for many rows, and stand for no others; workers collate while a step is computed.
    """
    loader = train_loader(trainer.train_dataset, trainer.pieces, config=trainer.config, args=trainer.args)
    accumulation = trainer.args.gradient_accumulation_steps
    if loader.batch_sampler is None:
        batches = iter(loader)
        for _ in range(4):
            yield [next(batches) for _ in range(accumulation)], 0.0
        return
    sampler = loader.batch_sampler
    items = list(sampler)
    steps = [items[i : i + accumulation] for i in range(0, len(items), accumulation)]
    steps.sort(key=lambda step: max(max(sampler.seconds[item.row] for item in piece) * len(piece) for piece in step))
    for index in sorted({0, len(steps) // 2, len(steps) - 1}):
        began, longest = time.monotonic(), index == len(steps) - 1
        batches = map(loader.dataset.__getitems__, steps[index])
        step = [trainer.pieces(_slowest(trainer, rows) if longest else rows) for rows in batches]
        yield step, 0.0 if trainer.args.dataloader_num_workers else time.monotonic() - began


def _slowest(trainer: CTCTrainer, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows that are as long as a change of speed can make them in any epoch."""
    most = trainer.pieces.augmentation.lengths[1]
    lengths = [round(most * len(row["audio"])) for row in rows]
    return [
        {**row, "audio": np.resize(row["audio"], length), "seconds": most * row["seconds"], "epoch": None}
        for row, length in zip(rows, lengths, strict=True)
    ]


def _padded(step: list[dict[str, Any]]) -> float:
    """Padded seconds of the largest micro-batch of a step."""
    return max(sum(max(piece["seconds"]) * len(piece["ids"]) for piece in batch["pieces"]) for batch in step)


def _time(trainer: CTCTrainer, step: list[dict[str, Any]]) -> float:
    """Compute a step's gradient, halving it until it fits; seconds of the attempt that did."""
    while True:
        trainer.model.zero_grad()
        trainer.model.train()
        trainer.micro_batches = step
        count = torch.tensor(1.0, device=trainer.args.device)
        began = time.monotonic()
        with trainer.accelerator.autocast():
            loss = trainer.passes(trainer.model, step, count)
        _wait(trainer.args.device)
        if loss is not None:
            return time.monotonic() - began
        trainer.make_room()
        if trainer.args.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(trainer.args.device)  # the attempt that failed is no measure


def _validation_seconds(trainer: CTCTrainer) -> float:
    """Time a validation by a few of its batches: the longest and the shortest stand for those between."""
    loader = validation_loader(trainer.eval_dataset, trainer.pieces, args=trainer.args)
    items = list(loader.batch_sampler)
    chosen = [items[0], items[-1]] if len(items) > 1 else items
    batches = [trainer.pieces(loader.dataset.__getitems__(item)) for item in chosen]
    began = time.monotonic()
    with trainer.accelerator.autocast():
        trainer.tally(batches)
    _wait(trainer.args.device)
    return (time.monotonic() - began) / len(chosen) * len(items)


@contextmanager
def _untouched(trainer: CTCTrainer) -> Iterator[None]:
    """Leave random numbers, gradients, counters and the model's mode as they were."""
    cuda = torch.cuda.get_rng_state_all() if trainer.args.device.type == "cuda" else None
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    training = trainer.model.training
    try:
        yield
    finally:
        trainer.model.zero_grad()
        trainer.model.train(training)
        trainer.meter.reset()
        trainer.micro_batches = []
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)
            torch.cuda.empty_cache()


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _free(device: torch.device) -> int:
    """Bytes that can still be had on the device, what torch holds and does not use among them."""
    if device.type != "cuda":
        return psutil.virtual_memory().available
    held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + held


class PeakMemory:
    """Measure the most memory taken while the block runs, beyond what was taken before it, in bytes.

    A CPU keeps no such count: a thread looks every 2 ms.
    """

    def __init__(self, device: torch.device) -> None:
        self.device, self.most = device, 0

    def __enter__(self) -> PeakMemory:
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
            self.before = torch.cuda.memory_allocated(self.device)
        else:
            self.process, self.over = psutil.Process(os.getpid()), threading.Event()
            self.before = self.process.memory_info().rss
            self.thread = threading.Thread(target=self._look, daemon=True)
            self.thread.start()
        return self

    def _look(self) -> None:
        while not self.over.wait(0.002):
            self.most = max(self.most, self.process.memory_info().rss - self.before)

    def __exit__(self, *error: object) -> None:
        if self.device.type == "cuda":
            self.most = torch.cuda.max_memory_allocated(self.device) - self.before
        else:
            self.over.set()
            self.thread.join()

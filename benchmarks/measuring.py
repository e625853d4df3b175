"""What the benchmarks measure with: a clock over steps, the device's matrix rate, the work in a second of audio."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import TrainerCallback, Wav2Vec2ForCTC

from asr_helpers.audio import SAMPLING_RATE
from asr_helpers.run.places import repository
from asr_helpers.run.provenance import versions

__all__ = [
    "StepClock",
    "clock_of",
    "flops_per_second",
    "machine",
    "matrix_rate",
    "median",
    "padding_share",
    "timed",
    "wait",
    "write_results",
]


class StepClock(TrainerCallback):
    """Time an epoch from the moment its first batch is fetched to the end of its last step.

    Args:
        clock: Seconds; by default those on the wall.

    Attributes:
        seconds: From the start of the (last) epoch to the end of its last step.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self.began = self.seconds = 0.0

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        wait(args.device)
        self.began = self.clock()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == state.max_steps:
            wait(args.device)
            self.seconds = self.clock() - self.began


def clock_of(device: torch.device) -> Callable[[], float]:
    """Seconds on a GPU's machine; on a CPU those that this process computed, so that other work counts little."""
    return time.perf_counter if device.type == "cuda" else time.process_time


def wait(device: torch.device) -> None:
    """Wait until a GPU has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Run ``work``; seconds it took, and what it gave."""
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def median(values: Sequence[float]) -> float:
    """Median; of the ratios of pairs that ran one after the other it is the figure that a noisy machine allows."""
    return statistics.median(values)


def padding_share(seconds: Sequence[float], batches: Sequence[Sequence[int]]) -> float:
    """Say which share of all that the batches hold is padding, 0..1: each clip lasts as long as the longest."""
    held = sum(float(max(seconds[i] for i in batch)) * len(batch) for batch in batches)
    real = sum(float(seconds[i]) for batch in batches for i in batch)
    return 1 - real / held if held else 0.0


def matrix_rate(device: torch.device, dtype: torch.dtype, *, rounds: int = 7) -> float:
    """Measure how fast the device multiplies matrices in ``dtype``, floating point operations a second.

    The best of some rounds: what is asked is what the device can do, not what it did beside other work.
    """
    size = 8192 if device.type == "cuda" else 2048
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))

    def work() -> None:
        for _ in range(3):
            a @ b
        wait(device)

    work()
    return 3 * 2 * size**3 / min(timed(work)[0] for _ in range(rounds))


def flops_per_second(model: Wav2Vec2ForCTC, *, seconds: float = 6.0) -> float:
    """Count the matrix work, forward and backward, that training on one second of audio needs.

    Neither padding nor what checkpointing computes twice is in it, so it is the same for every recipe.

    Args:
        model: A model in training mode whose attention is ``"eager"``, which shows every product.
        seconds: Length of the clip that is counted.
    """
    samples = torch.randn(1, int(seconds * SAMPLING_RATE), device=model.device)
    counter = FlopCounterMode(display=False)
    with counter:
        model(samples, attention_mask=torch.ones_like(samples, dtype=torch.int32)).logits.float().sum().backward()
    model.zero_grad()
    return counter.get_total_flops() / seconds


def machine(device: torch.device) -> dict[str, Any]:
    """Say what the figures were measured on."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    return {
        "device": name,
        "kind": device.type,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": platform.platform(terse=True),
        "versions": versions(),
        "commit": _commit(),
    }


def _processor() -> str:
    """Name the processor: Linux has it in /proc."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), platform.processor())


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, cwd=repository(), capture_output=True, text=True, check=False)
    except OSError:  # no git: the figures are worth keeping all the same
        return ""
    return done.stdout.strip()


def write_results(path: Path, results: dict[str, Any]) -> None:
    """Write results as JSON and say where."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"\n{path}")

"""The changes between the original recipe's training and this project's, one a rung, and what each should bring."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from asr_helpers.training.device import has_fast_bf16

__all__ = ["LADDER", "Variant", "variants"]


@dataclass(frozen=True)
class Variant:
    """One rung of the ladder.

    Attributes:
        name: What it adds.
        predicted: Speed-up over the rung below that was expected on a CPU, and on a GPU, before measuring.
        why: What the expectation rested on.
        settings: Options of ``original.trainer``; ``None`` is this project's own trainer.
        prepared: Reads the prepared dataset with this project's collator, not lists of floats.
        attention: Attention implementation, on a CPU.
    """

    name: str
    predicted: tuple[float, float]
    why: str
    settings: dict[str, Any] | None
    prepared: bool = True
    attention: str = "sdpa"


LADDER = [
    Variant("original", (1.0, 1.0), "", {}, prepared=False),
    Variant("arrays instead of lists of floats", (1.1, 2.0), "reading 16 rows as lists takes 0.1 s", {}),
    Variant(
        "no gradient checkpointing",
        (1.25, 1.3),
        "three passes instead of four through the encoder",
        {"checkpointing": False},
    ),
    Variant(
        "bf16",
        (1.5, 1.0),
        "0.73 s to 0.48 s a step when it was tried; on a GPU in place of fp16",
        {"checkpointing": False, "bf16": True},
    ),
    Variant(
        "plain attention on a CPU",
        (1.1, 1.0),
        "the fused kernel's backward was the second largest cost",
        {"checkpointing": False, "bf16": True},
        attention="eager",
    ),
    Variant(
        "this project's trainer",
        (1.0, 1.3),
        "fused AdamW, exact losses, steps of like lengths; on a GPU collating in workers, ahead",
        None,
        attention="eager",
    ),
]


def variants(device: torch.device) -> list[Variant]:
    """The rungs that mean something on this device; none in bf16 where it is only imitated."""
    fast = has_fast_bf16(device)
    left_out = {"" if fast else "bf16", "plain attention on a CPU" if device.type == "cuda" else ""}
    rungs = [variant for variant in LADDER if variant.name not in left_out]
    if fast:
        return rungs
    return [replace(rung, settings=rung.settings and {**rung.settings, "bf16": False}) for rung in rungs]

"""Parameter groups, the learning rates over time, and the encoder's time in the freezer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from asr_helpers.model.families import HEAD

__all__ = ["Schedule", "freeze_encoder", "optimizer_for", "parameter_groups", "scheduler_for"]


@dataclass(frozen=True)
class Schedule:
    """Learning rate as a share of its peak: linear warmup, a level stretch, linear decay to zero.

    Attributes:
        steps: Optimiser steps of the whole run.
        warmup: Steps until the peak is reached; the first step already has ``1 / warmup`` of it.
        decay_from: Step at which the decay begins.
        frozen: Steps for which the encoder stands still; its own warmup follows them.
    """

    steps: int
    warmup: int
    decay_from: int
    frozen: int = 0

    def head(self, step: int) -> float:
        """Share of the peak for the head at ``step`` (from 0)."""
        rise = min(1.0, (step + 1) / max(1, self.warmup))
        return rise * self._fall(step)

    def encoder(self, step: int) -> float:
        """Share of the peak for the encoder at ``step`` (from 0)."""
        if step < self.frozen:
            return 0.0
        rise = min(1.0, (step - self.frozen + 1) / max(1, self.warmup))
        return rise * self._fall(step)

    def _fall(self, step: int) -> float:
        if step < self.decay_from:
            return 1.0
        return max(0.0, (self.steps - step) / max(1, self.steps - self.decay_from))


def parameter_groups(
    model: nn.Module, *, head_rate: float, encoder_rate: float, weight_decay: float
) -> list[dict[str, Any]]:
    """Split what can be trained into head and encoder, each with and without weight decay.

    Biases, norms, the mask embedding and the magnitudes of weight-normed convolutions are not pulled to zero:
    their size is not what overfits.

    Returns:
        Groups for a torch optimiser; ``"name"`` is ``"head"`` or ``"encoder"``. Empty groups are left out.
    """
    groups = {
        (name, decays): {
            "name": name,
            "params": [],
            "lr": head_rate if name == "head" else encoder_rate,
            "weight_decay": weight_decay if decays else 0.0,
        }
        for name in ("head", "encoder")
        for decays in (True, False)
    }
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decays = parameter.ndim >= 2 and not name.endswith("original0")
            groups["head" if name.startswith(HEAD) else "encoder", decays]["params"].append(parameter)
    return [group for group in groups.values() if group["params"]]


def optimizer_for(groups: list[dict[str, Any]], *, betas: tuple[float, float], eps: float) -> torch.optim.AdamW:
    """Make AdamW, fused into one kernel a group where the parameters' device has it."""
    parameters = [parameter for group in groups for parameter in group["params"]]
    fused = all(p.device.type in ("cpu", "cuda") and p.is_floating_point() for p in parameters)
    return torch.optim.AdamW(groups, betas=betas, eps=eps, fused=fused)


def scheduler_for(optimizer: torch.optim.Optimizer, schedule: Schedule) -> LambdaLR:
    """Give each group of ``parameter_groups`` its curve of ``schedule``."""
    curves: dict[str, Callable[[int], float]] = {"head": schedule.head, "encoder": schedule.encoder}
    return LambdaLR(optimizer, [curves[group["name"]] for group in optimizer.param_groups])


def freeze_encoder(model: nn.Module, trainable: set[str], *, frozen: bool) -> None:
    """Stop or start the gradient of the encoder's parameters named in ``trainable``.

    A frozen encoder builds no graph: its steps cost a forward pass only. Parameters outside ``trainable``
    (the convolutional feature encoder, usually) stay as they are.
    """
    for name, parameter in _encoder(model):
        if name in trainable:
            parameter.requires_grad_(not frozen)


def _encoder(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    return ((name, p) for name, p in model.named_parameters() if not name.startswith(HEAD))

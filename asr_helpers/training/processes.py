"""What the processes of one training tell each other; with a single process nothing happens."""

from __future__ import annotations

import atexit
import os
import sys
from typing import Any, NoReturn

import torch
import torch.distributed as dist
from torch import nn

__all__ = [
    "add_up",
    "backend",
    "from_first",
    "gather_bytes",
    "leave",
    "processes_here",
    "rank",
    "several",
    "share_weights",
    "world_size",
]


def backend() -> str | None:
    """How processes of this machine talk: NCCL refuses two on one GPU, gloo does not; ``None``: as torch prefers."""
    gpus = torch.cuda.device_count()
    return "gloo" if 0 < gpus < (processes_here() or 1) else None


def several() -> bool:
    """Say whether this training runs in more than one process."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def add_up(values: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Sum a tensor over all processes, on ``device``; every process gets the sum."""
    values = values.to(device, non_blocking=True)  # from the host, without waiting for what a GPU still computes
    if several():
        dist.all_reduce(values)
    return values


def gather_bytes(data: bytes) -> list[bytes]:
    """Bring every process's bytes to process 0, in the processes' order; the others get an empty list."""
    if not several():
        return [data]
    gathered = [b""] * dist.get_world_size() if dist.get_rank() == 0 else None
    dist.gather_object(data, gathered)
    return gathered or []


def from_first(value: Any) -> Any:
    """Give every process what process 0 has: a decision that all of them must take alike."""
    if not several():
        return value
    values = [value]
    dist.broadcast_object_list(values, src=0)
    return values[0]


def share_weights(model: nn.Module) -> None:
    """Give every process the weights that process 0 has, which alone read them from a file."""
    if several():
        for value in model.state_dict().values():
            dist.broadcast(value, src=0)


def processes_here() -> int | None:
    """Processes of this training on this machine; ``None``: no ``torchrun`` or ``accelerate launch`` started it."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if "RANK" in os.environ else None


def rank() -> int:
    """Number of this process among all of its training's; ``torchrun`` and ``accelerate launch`` set it."""
    return int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """Number of processes that ``torchrun`` or ``accelerate launch`` started for this run; 1 without them."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def leave(status: int) -> NoReturn:
    """End this process, one of several, without taking Python down: ``atexit`` runs, threads are not waited for.

    A thread of gloo's that is still giving a tensor back when Python goes down makes torch abort (exit status -6, now
    and then, in torch 2.13: https://github.com/pytorch/pytorch/pull/179291). The launcher then ends the other
    processes, of which one may be writing the model. ``destroy_process_group`` is no help: gloo's threads stay once
    there has been a ``DistributedDataParallel``.
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)

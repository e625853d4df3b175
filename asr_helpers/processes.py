"""What the processes of one training tell each other; with a single process nothing happens."""

from __future__ import annotations

import torch
import torch.distributed as dist

__all__ = ["add_up", "gather_bytes", "several"]


def several() -> bool:
    """Say whether this training runs in more than one process."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def add_up(values: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Sum a tensor over all processes, on ``device``; every process gets the sum."""
    values = values.to(device)
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

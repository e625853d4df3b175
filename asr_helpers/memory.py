"""Out of memory is not the end: half the batch, twice as many passes, the same step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from asr_helpers.storage import write_json
from asr_helpers.updates import halves

__all__ = ["Halvings", "out_of_memory"]

FILE = "memory.json"  # beside the checkpoints

# How it sounds where it is no torch.OutOfMemoryError: beside torch's own store (a kernel's stack), on a CPU, on a Mac.
SIGNS = (
    "CUDA error: out of memory",
    "DefaultCPUAllocator: can't allocate memory",
    "DefaultCPUAllocator: not enough memory",  # on Windows
    "MPS backend out of memory",
)


def out_of_memory(error: BaseException) -> bool:
    """Recognise a device, or a host allocator, that had no more memory to give."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in SIGNS)


class Halvings:
    """How often the pieces of a batch have been halved so far, remembered in the run's folder.

    A resumed run, or processes that ``torchrun`` starts again, begin with pieces that fit.

    Attributes:
        count: Halvings; a piece is computed in up to ``2 ** count`` parts.
    """

    def __init__(self, folder: str | Path) -> None:
        self.path = Path(folder) / FILE
        self.count = json.loads(self.path.read_text())["halvings"] if self.path.exists() else 0

    def again(self) -> None:
        """Halve once more from now on."""
        self.count += 1
        write_json({"halvings": self.count}, self.path)

    def cut(self, pieces: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Halve every collated piece ``count`` times; single utterances stay whole."""
        for _ in range(self.count):
            pieces = [part for piece in pieces for part in (halves(piece) if len(piece["ids"]) > 1 else [piece])]
        return pieces

    @staticmethod
    def can_help(pieces: list[dict[str, Any]]) -> bool:
        """Say whether some piece holds more than one utterance."""
        return any(len(piece["ids"]) > 1 for piece in pieces)

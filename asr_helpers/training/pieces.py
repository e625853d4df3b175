"""Out of memory is not the end: half the batch, twice as many passes, the same step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from asr_helpers.audio.augmentation import Augmentation
from asr_helpers.audio.reading import SAMPLING_RATE
from asr_helpers.model.families import inputs_of
from asr_helpers.model.frames import ctc_frames_needed, output_frames, samples_needed
from asr_helpers.storage import read_json, write_json

__all__ = ["Halvings", "Pieces", "halves", "out_of_memory"]

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
        count = read_json(self.path).get("halvings", 0)
        self.count = count if isinstance(count, int) else 0

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


@dataclass(frozen=True)
class Pieces:
    """Collate the rows of one micro-batch, in pieces of at most so many padded seconds.

    Attributes:
        collator: Rows to what the model is called with, and ``labels``.
        layers: (kernel, stride) of the layers that shorten time (``frames.conv_layers``).
        seconds: Padded seconds that one forward pass may hold; 0: the whole micro-batch at once.
        augmentation: What is done to the rows that say of which ``epoch`` they are: those that are trained on.
    """

    collator: Callable[[list[dict[str, Any]]], dict[str, torch.Tensor]]
    layers: tuple[tuple[int, int], ...]
    seconds: float = 0.0
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __call__(self, rows: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
        rows = sorted(map(self._heard, rows), key=lambda row: -float(row["seconds"]))
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

    def _heard(self, row: dict[str, Any]) -> dict[str, Any]:
        """The row as this epoch hears it, with frames enough for its label; what is measured is what is heard."""
        if not self.augmentation or row.get("epoch") is None:
            return row
        least = samples_needed(self.layers, ctc_frames_needed(row["labels"]))
        audio = self.augmentation(row["audio"], epoch=row["epoch"], utterance=str(row["id"]), least=least)
        return {**row, "audio": audio, "seconds": len(audio) / SAMPLING_RATE}

    def _cut(self, rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
        """Cut rows (longest first) so that no piece, padded to its first, exceeds ``self.seconds``."""
        while rows:
            size = len(rows)
            if self.seconds:
                size = max(1, min(size, int(self.seconds // max(float(rows[0]["seconds"]), 1e-3))))
            yield rows[:size]
            rows = rows[size:]


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
        part |= {name: value[:, :longest] for name, value in inputs_of(part).items()}
    return part

"""Frames of a model's frozen part on the disk: a row of bytes a frame, in files that are mapped into memory.

A shard is two files, as those of the prepared dataset are: ``00000.npy`` with the frames of some minutes of audio, and
``00000.json``, written last, which says what they were made from and which are whose.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from asr_helpers.storage import read_json, replacing, write_json

__all__ = ["FORMATS", "StoredFrames", "StoredShard", "bytes_a_frame"]

FORMATS = ("fp32", "bf16", "int8")

BLOCK = 64  # neighbouring values that share a scale in int8: a few channels are a hundred times as loud as the others


def bytes_a_frame(width: int, kind: str) -> int:
    """How many bytes a frame of ``width`` values takes in one of ``FORMATS``."""
    return _encode(torch.zeros(1, width), kind).shape[1]


@dataclass(frozen=True)
class StoredShard:
    """One shard: where it lies, and what it has to be made from.

    Attributes:
        path: Its ``.npy`` file.
        fingerprint: Of the model's frozen part, the format and the recordings.
        rows: Numbers of its utterances within their split.
        seconds: Their audio.
    """

    path: Path
    fingerprint: str
    rows: Sequence[int]
    seconds: float

    @property
    def there(self) -> bool:
        """Whether it was written, whole, from what it has to be made from."""
        try:
            report = read_json(self.path.with_suffix(".json"))
            return report["fingerprint"] == self.fingerprint and report["bytes"] == self.path.stat().st_size
        except (OSError, ValueError, KeyError):
            return False

    def write(self, ids: Sequence[str], frames: Sequence[np.ndarray], kind: str) -> None:
        """Write the frames of its utterances, (frames, width) float32 each, whole or not at all."""
        report = self.path.with_suffix(".json")
        report.unlink(missing_ok=True)
        rows = torch.cat([_encode(torch.from_numpy(values), kind) for values in frames]).numpy()
        with replacing(self.path) as temporary, open(temporary, "wb") as file:
            np.save(file, rows)
        ends = np.cumsum([len(values) for values in frames])
        bytes_ = self.path.stat().st_size
        write_json({"fingerprint": self.fingerprint, "bytes": bytes_, "ids": ids, "ends": ends}, report)


class StoredFrames:
    """The frames of an utterance, read when they are asked for.

    Args:
        shards: All of them, written.
        kind: One of ``FORMATS``.
        width: Values in a frame.
    """

    def __init__(self, shards: Iterable[StoredShard], *, kind: str, width: int) -> None:
        self.kind, self.width, self.places = kind, width, {}
        for shard in shards:
            report = read_json(shard.path.with_suffix(".json"))
            for name, start, end in zip(report["ids"], [0, *report["ends"]], report["ends"], strict=False):
                self.places[name] = (shard.path, start, end)

    def __call__(self, row: Mapping[str, Any]) -> np.ndarray:
        """Frames of the utterance ``row["id"]``, (frames, width) float32."""
        path, start, end = self.places[row["id"]]
        return _decode(np.load(path, mmap_mode="r")[start:end], self.kind, self.width)


def _encode(values: torch.Tensor, kind: str) -> torch.Tensor:
    """Frames as bytes: (frames, width) float32 to (frames, bytes) uint8."""
    if kind != "int8":
        return values.contiguous().to(torch.bfloat16 if kind == "bf16" else torch.float32).view(torch.uint8)
    blocks = values.reshape(len(values), -1, math.gcd(values.shape[1], BLOCK))
    scale = blocks.abs().amax(-1, keepdim=True).clamp(min=1e-30) / 127
    whole = (blocks / scale).round().to(torch.int8).flatten(1)
    return torch.cat([whole.view(torch.uint8), scale.flatten(1).view(torch.uint8)], dim=1)


def _decode(rows: np.ndarray, kind: str, width: int) -> np.ndarray:
    if kind == "bf16":
        return (rows.view(np.uint16).astype(np.uint32) << 16).view(np.float32)  # the upper half of a float32
    if kind == "fp32":
        return np.array(rows).view(np.float32)
    scale = np.array(rows[:, width:]).view(np.float32)[..., None]
    whole = rows[:, :width].view(np.int8).reshape(len(rows), scale.shape[1], -1)
    return (whole * scale).reshape(len(rows), width)

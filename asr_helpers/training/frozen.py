"""What a model's frozen part makes of the utterances: computed once, stored, and read in every epoch instead.

Notebook 03 could not do it: it knows the checkpoint's frames, not its weights, and its dataset serves every checkpoint
and every number of frozen layers. So the training does, after the preflight and before the first step.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import PreTrainedModel

from asr_helpers.dataset.reading import Utterances
from asr_helpers.dataset.stored import StoredFrames, StoredShard, bytes_a_frame
from asr_helpers.decoding.inference import frames_of
from asr_helpers.model.families import Layers, family_of
from asr_helpers.model.frames import encoder_layers, frame_seconds
from asr_helpers.model.frozen import frozen_values, lowest_output
from asr_helpers.storage import require_free_space

if TYPE_CHECKING:
    from .trainer import CTCTrainer

__all__ = ["FrozenPart", "frozen_part_of", "store_frozen"]

STORING = 1  # counts up when the same part would give other frames: what was stored before is then computed again

SHARD_SECONDS = 60.0  # of audio, 4.6 MB at wav2vec2-base's size in bf16: what a kill costs
BATCH_SECONDS = 40.0  # of padded audio in a forward pass
MEASURED = 20.0  # seconds of audio, from which the time for all is told
TOLD = 20.0  # seconds between two lines that say how far it is

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass
class FrozenPart:
    """A model's frozen part over the utterances of a training. Called with a row, it computes the row's frames.

    Attributes:
        model: After ``model.frozen.freeze_lowest``.
        layers: Layers of the transformer that are frozen.
        collate: Rows to what the model is called with for recordings.
        folder: Where the frames are stored: ``<split>/NNNNN.npy``.
        kind: How: one of ``dataset.stored.FORMATS``.
        splits: What is stored, by name.
        precision: In what is computed, as in the training: ``"fp32"``, ``"bf16"`` or ``"fp16"``.
        checkpoint: What names, beside the weights, how the part computes: the checkpoint's config as it was published.
    """

    model: PreTrainedModel
    layers: int
    collate: Callable[..., Mapping[str, torch.Tensor]]
    folder: Path
    kind: str
    splits: Mapping[str, Utterances]
    precision: str
    checkpoint: Any

    def __call__(self, row: Mapping[str, Any]) -> np.ndarray:
        """Compute the frames of one utterance: (frames, width) float32."""
        return self._compute([row])[0]

    @cached_property
    def shards(self) -> list[StoredShard]:
        """All shards, in the order of the utterances. Reads the recordings of all, for their fingerprints."""
        part, shards = self._fingerprint(), []
        for split, utterances in self.splits.items():
            numbers = np.floor(np.cumsum(utterances.seconds) / SHARD_SECONDS).astype(int)
            for number, cut in enumerate(np.unique(numbers)):
                rows, digest = np.flatnonzero(numbers == cut).tolist(), hashlib.sha256(part.encode())
                for row in map(utterances.__getitem__, rows):
                    digest.update(f"\0{row['id']}\0".encode() + np.ascontiguousarray(row["audio"]).tobytes())
                path = self.folder / split / f"{number:05d}.npy"
                shards.append(StoredShard(path, digest.hexdigest(), rows, float(utterances.seconds[rows].sum())))
        return shards

    def cost(self, processes: int) -> tuple[float, int]:
        """Seconds and bytes that it takes to store what is missing, told from computing a little of it."""
        missing = sum(shard.seconds for shard in self.shards if not shard.there)
        if not missing:
            return 0.0, 0
        utterances = next(iter(self.splits.values()))
        enough = int(np.searchsorted(np.cumsum(utterances.seconds), MEASURED)) + 1
        rows, began = utterances.first(enough), time.monotonic()
        self._compute(rows)
        rate = (time.monotonic() - began) / sum(float(row["seconds"]) for row in rows)
        return missing * rate / processes, self._bytes(missing)

    def store(self, share: tuple[int, int]) -> None:
        """Compute and store what is missing of a process's share; delete what is there and belongs to nothing.

        Args:
            share: Number of this process, and how many there are.

        Raises:
            OSError: The disk is too full; the text says by how much.
        """
        missing = [shard for shard in self.shards[share[0] :: share[1]] if not shard.there]
        require_free_space(self.folder, self._bytes(sum(shard.seconds for shard in missing)))
        told = time.monotonic()
        for number, shard in enumerate(missing, start=1):
            utterances = self.splits[shard.path.parent.name]
            rows = [utterances[row] for row in shard.rows]
            shard.write([row["id"] for row in rows], self._compute(rows), self.kind)
            if share[0] == 0 and (number == len(missing) or time.monotonic() - told > TOLD):
                told = time.monotonic()
                print(f"frozen layers: stored {number} of {len(missing)} shards of their output", flush=True)
        if share[0] == 0:
            known = {shard.path.with_suffix(suffix) for shard in self.shards for suffix in (".npy", ".json")}
            for stale in set(self.folder.glob("*/[0-9]*.*")) - known:
                stale.unlink()

    def stored(self) -> StoredFrames:
        """The frames, read from what `store` left; holds no model, so that workers of a loader can have it."""
        return StoredFrames(self.shards, kind=self.kind, width=self._width)

    def _compute(self, rows: list[Mapping[str, Any]]) -> list[np.ndarray]:
        """Frames of some utterances, in their order; random numbers and the model's mode stay as they were."""
        training, device = self.model.training, next(self.model.parameters()).device
        compute = partial(lowest_output, self.model, layers=self.layers)
        how = {"collate": self.collate, "layers": self._shortening, "device": device, "batch_seconds": BATCH_SECONDS}
        self.model.eval()
        try:
            with torch.autocast(device.type, DTYPES.get(self.precision), enabled=self.precision in DTYPES):
                return list(frames_of(compute, rows, **how))
        finally:
            self.model.train(training)

    def _fingerprint(self) -> str:
        """Name the part by all that decides its output: weights, config, how recordings are scaled, arithmetic."""
        recipe = (STORING, self.layers, self.kind, self.precision, repr(self.collate), self.checkpoint)
        digest = hashlib.sha256(repr(recipe).encode())
        for values in frozen_values(self.model, self.layers):
            digest.update(values.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        return digest.hexdigest()

    @property
    def _shortening(self) -> Layers:
        """(kernel, stride) of what comes before the transformer."""
        config = self.model.config
        return (*family_of(config).before(config), *encoder_layers(config))

    def _bytes(self, seconds: float) -> int:
        return round(seconds / frame_seconds(self._shortening)) * bytes_a_frame(self._width, self.kind)

    @property
    def _shortening(self) -> Layers:
        """(kernel, stride) of what comes before the transformer."""
        config = self.model.config
        return (*family_of(config).before(config), *encoder_layers(config))

    @property
    def _width(self) -> int:
        return self.model.config.hidden_size


def frozen_part_of(trainer: CTCTrainer) -> FrozenPart | None:
    """The frozen part that a trainer's utterances go through, while it is not stored."""
    part = getattr(trainer.pieces.collator, "stored", None)
    return part if isinstance(part, FrozenPart) else None


def store_frozen(trainer: CTCTrainer) -> None:
    """Store the frames of a trainer's frozen part, if it has one, and let it read them. Every process calls it."""
    if part := frozen_part_of(trainer):
        part.store((trainer.args.process_index, trainer.args.world_size))
        trainer.accelerator.wait_for_everyone()
        trainer.pieces = replace(trainer.pieces, collator=replace(trainer.pieces.collator, stored=part.stored()))

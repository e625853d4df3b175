"""From rows of the prepared dataset to one padded batch of tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from asr_helpers.audio.reading import SAMPLING_RATE
from asr_helpers.model.families import STORED

__all__ = ["IGNORED", "Collator"]

IGNORED = -100  # label positions that the loss leaves out
FULL_SCALE = 1 / 32768  # int16 to -1..1

SHORTEST = 560  # samples; two windows of 25 ms, 10 ms apart: one frame of features

TINY = 1e-7  # keeps digital silence from being divided by zero; the value of Wav2Vec2FeatureExtractor


@dataclass(frozen=True)
class Collator:
    """Pad clips and labels, and make of every clip what the checkpoint hears.

    The audio stays int16 until here, which is half of float32 on disk and between processes, and serves every
    family. Samples are written straight into the padded batch: no float copy of a clip is ever made.

    Attributes:
        do_normalize: Bring each clip to mean 0 and variance 1 over its own samples, as
            ``Wav2Vec2FeatureExtractor(do_normalize=True)`` does; otherwise samples only become -1..1.
        padding_value: What follows the end of a clip.
        features: Makes features of samples where the model hears no samples (``SeamlessM4TFeatureExtractor``).
        keep: Columns to hand on as plain lists, for those who read predictions back (``("id",)``).
        stored: Row to what the frozen part of the model made of it, (frames, width) float32; None: nothing is frozen.
    """

    do_normalize: bool = True
    padding_value: float = 0.0
    features: Any = None
    keep: tuple[str, ...] = ()
    stored: Callable[[Mapping[str, Any]], np.ndarray] | None = None

    @classmethod
    def of(cls, processor: Any, *, keep: Sequence[str] = ()) -> Collator:
        """Read the settings off a processor or feature extractor."""
        extractor = getattr(processor, "feature_extractor", processor)
        if extractor.model_input_names[0] != "input_values":
            return cls(features=extractor, keep=tuple(keep))
        return cls(bool(extractor.do_normalize), float(extractor.padding_value), keep=tuple(keep))

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Make a batch.

        Args:
            rows: Each with ``audio`` (samples,) int16 and, for training, ``labels`` (symbols,).

        Returns:
            ``input_values`` (batch, samples) float32, or ``input_features`` or ``hidden_states`` (batch, frames,
            width) float32;
            ``attention_mask`` (batch, samples or frames) int32, 1 on what is real; where the rows have them
            ``labels`` (batch, symbols) int64, -100 past a label's end; and the columns of
            ``keep``.

        Raises:
            ValueError: There are no rows, or one has no samples; the text names it.
        """
        if not rows:
            raise ValueError("there are no rows to make a batch of")
        clips = [np.asarray(row["audio"]) for row in rows]
        for row, clip in zip(rows, clips, strict=True):
            if clip.ndim != 1 or clip.size == 0:
                raise ValueError(
                    f"utterance {row.get('id', '')!r} has audio of shape {clip.shape}; expected (samples,)"
                )
        if self.stored:
            batch = _frames([self.stored(row) for row in rows])
        else:
            batch = self._features(clips) if self.features else self._samples(clips)
        if "labels" in rows[0]:
            batch["labels"] = _pad_labels([row["labels"] for row in rows])
        return batch | {name: [row[name] for row in rows] for name in self.keep}

    def _samples(self, clips: Sequence[np.ndarray]) -> dict[str, Any]:
        lengths = np.array([clip.size for clip in clips])
        values = np.full((len(clips), lengths.max()), self.padding_value, dtype=np.float32)
        for out, clip in zip(values, clips, strict=True):
            self._fill(out[: clip.size], clip)
        return {"input_values": torch.from_numpy(values), "attention_mask": _mask(lengths)}

    def _features(self, clips: Sequence[np.ndarray]) -> dict[str, Any]:
        # One window has no variance, and fewer samples than a window no features: silence makes a frame of them.
        waves = [np.pad(clip, (0, max(0, SHORTEST - clip.size))) * np.float32(FULL_SCALE) for clip in clips]
        batch = self.features(waves, sampling_rate=SAMPLING_RATE, return_attention_mask=True, return_tensors="pt")
        # transformers pads the last odd window to a whole frame and masks it: no clip owns that frame.
        longest = int(batch["attention_mask"].sum(-1).max())
        return {name: value[:, :longest] for name, value in batch.items()}

    def _fill(self, out: np.ndarray, clip: np.ndarray) -> None:
        """Scale one clip into its place in the batch."""
        np.multiply(clip, np.float32(FULL_SCALE), out=out, casting="unsafe")
        if self.do_normalize:
            out -= out.mean(dtype=np.float64)
            out *= 1 / np.sqrt(np.dot(out, out) / out.size + TINY)


def _frames(clips: Sequence[np.ndarray]) -> dict[str, Any]:
    lengths = np.array([len(clip) for clip in clips])
    values = np.zeros((len(clips), lengths.max(), clips[0].shape[1]), dtype=np.float32)
    for out, clip in zip(values, clips, strict=True):
        out[: len(clip)] = clip
    return {STORED: torch.from_numpy(values), "attention_mask": _mask(lengths)}


def _mask(lengths: np.ndarray) -> torch.Tensor:
    return torch.from_numpy((np.arange(lengths.max()) < lengths[:, None]).astype(np.int32))


def _pad_labels(labels: Sequence[Sequence[int]]) -> torch.Tensor:
    lengths = [len(label) for label in labels]
    padded = np.full((len(labels), max(lengths)), IGNORED, dtype=np.int64)
    for row, label, length in zip(padded, labels, lengths, strict=True):
        row[:length] = label
    return torch.from_numpy(padded)

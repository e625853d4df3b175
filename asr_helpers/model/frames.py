"""How many frames a checkpoint makes of a recording, and where in time each frame lies. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

from asr_helpers.audio.reading import SAMPLING_RATE

from .families import Layers, family_of

__all__ = [
    "conv_layers",
    "ctc_frames_needed",
    "encoder_layers",
    "frame_seconds",
    "hop",
    "model_layers",
    "output_frames",
    "receptive_field",
    "samples_needed",
]

Count = TypeVar("Count")  # int, numpy integer array or torch integer tensor: the arithmetic is the same


def conv_layers(source: Any) -> Layers:
    """Name every layer that shortens time, as (kernel, stride), first layer first.

    The tuple is plain data: a worker process can count frames with it and need not import transformers.

    Args:
        source: A CTC model, its config, or such a tuple already.

    Returns:
        One (kernel, stride) a layer: those of the features where the model hears features, the feature
        encoder's, and the adapter's where the checkpoint has one.
        An adapter layer (kernel 3, padding 1) gives as many frames as kernel 1 without padding, and is
        written so.

    Raises:
        TypeError: ``source`` is neither.
        ValueError: It is of no family that can be fine-tuned here.
    """
    config = getattr(source, "config", source)
    if hasattr(config, "model_type"):
        return _whole(family_of(config).before(config)) + model_layers(config)
    if isinstance(config, Sequence) and all(len(layer) == 2 for layer in config):
        return _whole(config)
    raise TypeError(f"{type(source).__name__} is neither a CTC model, its config, nor (kernel, stride) pairs")


def model_layers(config: Any) -> Layers:
    """Name those of :func:`conv_layers` that are the model's own: without what the collator computes."""
    layers = list(encoder_layers(config))
    if getattr(config, "add_adapter", False):
        kernel = config.adapter_kernel_size - 2  # a padding of 1 on both sides
        layers += [(kernel, config.adapter_stride)] * config.num_adapter_layers
    return _whole(layers)


def encoder_layers(config: Any) -> Layers:
    """Name those of :func:`model_layers` that come before the transformer: without the adapter's."""
    return _whole(zip(getattr(config, "conv_kernel", ()), getattr(config, "conv_stride", ()), strict=True))


def _whole(layers: Iterable[Sequence[int]]) -> Layers:
    return tuple((int(kernel), int(stride)) for kernel, stride in layers)


def output_frames(source: Any, samples: Count) -> Count:
    """Count the frames that the model makes of a recording.

    Args:
        source: A CTC model, its config, or the tuple of :func:`conv_layers`.
        samples: Length of the recording in samples: an int, or an integer array or tensor of lengths.

    Returns:
        Frames, of the same type and shape; 0 where the recording is shorter than the receptive field.
    """
    frames = samples
    for kernel, stride in conv_layers(source):
        frames = (frames - kernel) // stride + 1
        # A negative count would grow again: -1 // 2 + 1 is 0, and the next layer would make frames of
        # nothing.
        frames = frames * (frames > 0)
    return frames


def receptive_field(source: Any) -> int:
    """Say how many samples one frame hears: 400 (25 ms at 16 kHz) for the published checkpoints."""
    return samples_needed(source, 1)


def hop(source: Any) -> int:
    """Say how many samples lie between frames: 320 (20 ms at 16 kHz) for the published checkpoints."""
    step = 1
    for _, stride in conv_layers(source):
        step *= stride
    return step


def samples_needed(source: Any, frames: int) -> int:
    """Say how many samples a recording needs at least, for the model to make ``frames`` frames of it."""
    if frames < 1:
        return 0
    samples = frames
    for kernel, stride in reversed(conv_layers(source)):
        samples = (samples - 1) * stride + kernel
    return samples


def frame_seconds(source: Any) -> float:
    """Say how many seconds lie between a frame and the next."""
    return hop(source) / SAMPLING_RATE


def ctc_frames_needed(labels: Sequence[int]) -> int:
    """Count the frames that a label needs at least: one a symbol, and a blank between equal neighbours.

    Source: Graves et al. (2006), section 3.1: the collapse merges repeats, so only a blank keeps them apart.
    """
    labels = np.asarray(labels)
    return int(labels.size + np.count_nonzero(labels[1:] == labels[:-1]))

"""Padded batches that give every clip the logits it has alone.

A Wav2Vec2 model is told by its attention mask which samples are padding, and keeps padding out of attention
and out of the positional convolution. Two places remain where it leaks:

- Checkpoints with ``feat_extract_norm="group"`` (wav2vec2-base) normalise each channel over time after the
  first convolution; mean and variance then run over the padding, and every frame of a short clip is scaled
  wrongly.
- Checkpoints with an adapter shorten time once more after the encoder, with convolutions that look over the
  end of a clip: alone it finds zeros there, in a batch whatever the encoder made of the padding.

:func:`make_exact` closes both. It changes neither parameters, nor their names, nor the config, so a saved
model stays an ordinary Wav2Vec2 checkpoint.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import Wav2Vec2Model, Wav2Vec2PreTrainedModel
from transformers.models.wav2vec2.modeling_wav2vec2 import Wav2Vec2AdapterLayer, Wav2Vec2GroupNormConvLayer

from .frames import output_frames

__all__ = ["MaskedGroupNorm", "is_exact", "make_exact"]


class MaskedGroupNorm(nn.GroupNorm):
    """Group norm of one channel a group, with mean and variance over the first frames of each clip only."""

    def forward(self, hidden_states: torch.Tensor, frames: torch.Tensor | None = None) -> torch.Tensor:
        """Normalise every channel of every clip over the clip's own frames.

        Args:
            hidden_states: Shape (batch, channels, frames), float. Frames past a clip's own are set to zero in
                place: the tensor is the largest of the whole model, and a copy of it would be felt.
            frames: Own frames of each clip, shape (batch,), integer. None: all are real, as in plain group
                norm.

        Returns:
            Same shape and dtype. What stands past a clip's own frames has no meaning.
        """
        if frames is None:
            return super().forward(hidden_states)
        places = torch.arange(hidden_states.shape[-1], device=hidden_states.device)
        padding = places >= frames[:, None]
        # Half precision would lose the sums over a minute of frames; from fp32 on this is no copy.
        wide = torch.promote_types(hidden_states.dtype, torch.float32)
        values = hidden_states.masked_fill_(padding[:, None], 0).to(wide)

        count = frames.clamp(min=1)[:, None].to(wide)
        mean = values.sum(-1) / count
        power = torch.linalg.vector_norm(values, dim=-1).square() / count  # one pass, unlike torch.var
        variance = (power - mean.square()).clamp(min=0)

        scale = self.weight.to(wide) * torch.rsqrt(variance + self.eps)
        shift = self.bias.to(wide) - mean * scale
        learning = torch.is_grad_enabled() and (values.requires_grad or scale.requires_grad)
        scaled = values * scale[..., None] if learning else values.mul_(scale[..., None])
        return scaled.add_(shift[..., None]).to(hidden_states.dtype)


class MaskedGroupNormConvLayer(Wav2Vec2GroupNormConvLayer):
    """The first layer of a group-norm feature encoder, told how many of its frames are each clip's own."""

    samples: torch.Tensor | None = None  # of the clips in the batch under way, shape (batch,)

    def __call__(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Take the lengths as an argument, before anything is checkpointed: so they are kept for the backward pass."""
        if self.samples is not None:
            (kernel,), (stride,) = self.conv.kernel_size, self.conv.stride
            kwargs["frames"] = output_frames(((kernel, stride),), self.samples)
        return super().__call__(*args, **kwargs)

    def forward(self, hidden_states: torch.Tensor, frames: torch.Tensor | None = None) -> torch.Tensor:
        """Convolve, normalise over each clip's own ``frames`` (shape (batch,)), activate."""
        hidden_states = self.conv(hidden_states)
        hidden_states = self.layer_norm(hidden_states, frames)
        return self.activation(hidden_states)


def make_exact(model: Wav2Vec2PreTrainedModel) -> Wav2Vec2PreTrainedModel:
    """Make padded batches give each clip the outputs it has alone, in training and in evaluation.

    Pass the attention mask (right padding) with every batch; without one, the model does what it did before.
    Works under autocast, gradient checkpointing, ``torch.compile``, DataParallel and DistributedDataParallel:
    the lengths travel as an argument of the layer that needs them, so that a layer computed again in the
    backward pass, or a replica on another device, gets those of its own batch. Calling it twice does no harm.

    Args:
        model: A Wav2Vec2 model of transformers, with any head. Changed in place.

    Returns:
        The same model.

    Raises:
        TypeError: ``model`` is no Wav2Vec2 model.
    """
    base = getattr(model, "wav2vec2", model)
    if not isinstance(base, Wav2Vec2Model):
        raise TypeError(f"{type(model).__name__} is no Wav2Vec2 model")
    if is_exact(model):
        return model
    first = base.feature_extractor.conv_layers[0]
    listeners: list[nn.Module] = []
    if isinstance(first, Wav2Vec2GroupNormConvLayer):
        # The class changes, the object stays: parameters, their names, devices and hooks are untouched.
        first.__class__ = MaskedGroupNormConvLayer
        first.layer_norm.__class__ = MaskedGroupNorm
        listeners.append(first)
    if base.adapter is not None:
        for layer in base.adapter.layers:
            layer.register_forward_pre_hook(_silence_padding)
            listeners.append(layer)
    if listeners:
        base.register_forward_pre_hook(_hand_out_lengths, with_kwargs=True)
        base.register_forward_hook(_forget_lengths, always_call=True)
    base.__dict__["_exact"] = True
    return model


def is_exact(model: Wav2Vec2PreTrainedModel) -> bool:
    """Say whether :func:`make_exact` has been at work on ``model``."""
    return "_exact" in getattr(model, "wav2vec2", model).__dict__


def _listeners(base: Wav2Vec2Model) -> list[tuple[nn.Module, tuple[tuple[int, int], ...]]]:
    """Name the layers that need lengths, each with the (kernel, stride) layers that come before it."""
    config = base.config
    encoder = tuple(zip(config.conv_kernel, config.conv_stride, strict=True))
    listeners: list[tuple[nn.Module, tuple[tuple[int, int], ...]]] = [(base.feature_extractor.conv_layers[0], ())]
    if base.adapter is not None:
        shrink = (config.adapter_kernel_size - 2, config.adapter_stride)
        listeners += [(layer, encoder + (shrink,) * i) for i, layer in enumerate(base.adapter.layers)]
    return listeners


def _hand_out_lengths(base: Wav2Vec2Model, args: tuple, kwargs: dict[str, Any]) -> None:
    """Tell the layers that need it how long each clip of a batch is (hook; ``base`` may be a replica)."""
    mask = kwargs.get("attention_mask", args[1] if len(args) > 1 else None)
    samples = None if mask is None else mask.sum(-1)
    for layer, passed in _listeners(base):
        layer.samples = None if samples is None else output_frames(passed, samples)


def _forget_lengths(base: Wav2Vec2Model, args: tuple, output: Any) -> None:
    """After a batch, also a failed one: no layer may apply these lengths to another batch (hook)."""
    for layer, _ in _listeners(base):
        layer.samples = None


def _silence_padding(layer: Wav2Vec2AdapterLayer, args: tuple) -> tuple | None:
    """Put zeros where a clip alone would find the zeros of the adapter's own padding (hook)."""
    frames = getattr(layer, "samples", None)
    if frames is None:
        return None
    (hidden_states,) = args
    places = torch.arange(hidden_states.shape[-1], device=hidden_states.device)
    return (hidden_states.masked_fill((places >= frames[:, None])[:, None], 0),)

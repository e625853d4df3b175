"""Padded batches that give every clip the logits it has alone.

A model is told by its attention mask what is padding, and keeps padding out of attention. Three kinds of places
remain where it leaks; they are found by what a layer is, in whichever family it lies:

- Checkpoints with ``feat_extract_norm="group"`` (wav2vec2-base, HuBERT, WavLM) normalise each channel over time
  after the first convolution; mean and variance then run over the padding, and every frame of a short clip is
  scaled wrongly.
- Convolutions over frames that look over the end of a clip (adapters, Data2Vec's five positional ones, those in
  Conformer's layers): alone a clip finds zeros there, in a batch whatever the layers before made of the padding.
- Batch norm (Conformer, some HuBERT checkpoints), which in training takes its statistics from the whole batch, so
  that a clip's output depends on its neighbours, padded or not. Fine-tuning keeps the statistics of pretraining.

:func:`make_exact` closes all three. It changes neither parameters, nor their names, nor the config, so a saved
model stays an ordinary checkpoint of transformers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from .families import Layers, family_of
from .frames import encoder_layers, model_layers, output_frames

__all__ = ["MaskedGroupNorm", "is_exact", "make_exact"]

ADAPTER = re.compile(r"adapter\.layers\.(\d+)\.")


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


class MaskedGroupNormConvLayer(GradientCheckpointingLayer):
    """The first layer of a group-norm feature encoder, told how many of its frames are each clip's own."""

    frames: torch.Tensor | None = None  # that come into it, of the clips in the batch under way, shape (batch,)

    def __call__(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Take the lengths as an argument, before anything is checkpointed: so they are kept for the backward pass."""
        if self.frames is not None:
            (kernel,), (stride,) = self.conv.kernel_size, self.conv.stride
            kwargs["frames"] = output_frames(((kernel, stride),), self.frames)
        return super().__call__(*args, **kwargs)

    def forward(self, hidden_states: torch.Tensor, frames: torch.Tensor | None = None) -> torch.Tensor:
        """Convolve, normalise over each clip's own ``frames`` (shape (batch,)), activate."""
        hidden_states = self.conv(hidden_states)
        hidden_states = self.layer_norm(hidden_states, frames)
        return self.activation(hidden_states)


class PretrainedBatchNorm(nn.BatchNorm1d):
    """Batch norm with the statistics of pretraining, in training too: a clip's output is its own alone."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Normalise (batch, channels, frames) with the running statistics, which stay as they are."""
        return functional.batch_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
        )


class _Carrier:
    """A layer that may be computed again in the backward pass: it carries the lengths to its convolutions."""

    frames: torch.Tensor | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        own = {} if self.frames is None else {"own_frames": self.frames}
        return super().__call__(*args, **kwargs, **own)

    def forward(self, *args: Any, own_frames: torch.Tensor | None = None, **kwargs: Any) -> Any:
        convolutions = [module for module in self.modules() if _looks_around(module)]
        _tell(convolutions, own_frames)
        try:
            return super().forward(*args, **kwargs)
        finally:
            _tell(convolutions, None)


@cache
def _carrying(kind: type[nn.Module]) -> type[nn.Module]:
    return type(kind.__name__, (_Carrier, kind), {"__doc__": kind.__doc__})


def make_exact(model: PreTrainedModel) -> PreTrainedModel:
    """Make padded batches give each clip the outputs it has alone, in training and in evaluation.

    Pass the attention mask (right padding) with every batch; without one, the model does what it did before
    (but for batch norm in training). Works under autocast, gradient checkpointing, ``torch.compile``,
    DataParallel and DistributedDataParallel: the lengths travel as an argument of the layer that needs them,
    so that a layer computed again in the backward pass, or a replica on another device, gets those of its
    own batch. Calling it twice does no harm.

    Args:
        model: A model of one of the families, with any head. Changed in place.

    Returns:
        The same model.

    Raises:
        ValueError: ``model`` is of none of the families.
    """
    family_of(model)
    if is_exact(model):
        return model
    base = model.base_model
    # Classes change, objects stay: parameters, their names, devices and hooks are untouched.
    for module in base.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.__class__ = PretrainedBatchNorm
        elif _looks_around(module):
            module.register_forward_pre_hook(_silence_padding)
    first = _first_convolution(base)
    if isinstance(getattr(first, "layer_norm", None), nn.GroupNorm):
        first.__class__ = MaskedGroupNormConvLayer
        first.layer_norm.__class__ = MaskedGroupNorm
    for layer in {carrier for _, carrier in _convolutions(base) if isinstance(carrier, GradientCheckpointingLayer)}:
        layer.__class__ = _carrying(type(layer))
    base.register_forward_pre_hook(_hand_out_lengths, with_kwargs=True)
    base.register_forward_hook(_forget_lengths, always_call=True)
    base.__dict__["_exact"] = True
    return model


def is_exact(model: PreTrainedModel) -> bool:
    """Say whether :func:`make_exact` has been at work on ``model``."""
    return "_exact" in model.base_model.__dict__


def _looks_around(module: nn.Module) -> bool:
    """Recognise a convolution that looks over the end of a clip, where a clip alone finds zeros."""
    return isinstance(module, nn.Conv1d) and module.kernel_size[0] > 1 and module.padding[0] > 0


def _first_convolution(base: PreTrainedModel) -> nn.Module | None:
    """The first layer that hears the waveform; None in a model that is given features."""
    return base.feature_extractor.conv_layers[0] if hasattr(base, "feature_extractor") else None


def _convolutions(base: PreTrainedModel) -> Iterator[tuple[str, nn.Module]]:
    """Name the convolutions that look around, each with what has to be told: the layer that may compute it again."""
    layers = {name: m for name, m in base.named_modules() if isinstance(m, GradientCheckpointingLayer)}
    for name, module in base.named_modules():
        if _looks_around(module):
            around = next((layer for within, layer in layers.items() if name.startswith(within + ".")), module)
            yield name, around


def _listeners(base: PreTrainedModel) -> Iterator[tuple[nn.Module, Layers]]:
    """List the layers that need lengths, each with the (kernel, stride) layers of the model that come before it."""
    config = base.config
    if (first := _first_convolution(base)) is not None:
        yield first, ()
    shrinking, below = model_layers(config), len(encoder_layers(config))
    for name, listener in _convolutions(base):
        within = ADAPTER.match(name)
        yield listener, shrinking[: below + (int(within[1]) if within else 0)]


def _hand_out_lengths(base: PreTrainedModel, args: tuple, kwargs: dict[str, Any]) -> None:
    """Tell the layers that need it how long each clip of a batch is (hook; ``base`` may be a replica)."""
    mask = kwargs.get("attention_mask", args[1] if len(args) > 1 else None)
    lengths = None if mask is None else mask.sum(-1)
    heard = len(encoder_layers(base.config)) if getattr(base, "given_frames", False) else 0
    for layer, passed in _listeners(base):
        layer.frames = None if lengths is None else output_frames(passed[heard:], lengths)


def _forget_lengths(base: PreTrainedModel, args: tuple, output: Any) -> None:
    """After a batch, also a failed one: no layer may apply these lengths to another batch (hook)."""
    _tell([layer for layer, _ in _listeners(base)], None)


def _tell(layers: list[nn.Module], frames: torch.Tensor | None) -> None:
    for layer in layers:
        layer.frames = frames


def _silence_padding(convolution: nn.Conv1d, args: tuple) -> tuple | None:
    """Put zeros where a clip alone would find the zeros of the convolution's own padding (hook)."""
    frames = getattr(convolution, "frames", None)
    if frames is None:
        return None
    (hidden_states,) = args
    places = torch.arange(hidden_states.shape[-1], device=hidden_states.device)
    return (hidden_states.masked_fill((places >= frames[:, None])[:, None], 0),)

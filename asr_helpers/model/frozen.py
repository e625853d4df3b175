"""The part of a model that does not learn: the convolutions and the lowest layers of the transformer.

What it makes of a recording is the same in every epoch, so it can be computed once. A model that :func:`freeze_lowest`
has been at work on also takes that (``hidden_states``) in place of a recording. It then runs the forward pass that
transformers wrote for its family, in which what lies below hands on what it is given: so the upper layers get the masks
and positions that they always get, and SpecAugment, which comes after the convolutions, hides frames of what is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from .families import STORED, family_of

__all__ = ["freeze_lowest", "frozen_values", "lowest_output"]


class _Reached(Exception):
    """The layer that was waited for has given its output, which is the argument."""


def freeze_lowest(model: PreTrainedModel, layers: int) -> None:
    """Ask no gradient below layer ``layers``, and let the model take the output of what lies below as its input.

    It is called with ``hidden_states`` (batch, frames, width), float, as :func:`lowest_output` gives them, and
    ``attention_mask`` (batch, frames), 1 on what is real. Called with a recording it does what it did before.

    Args:
        model: A model of one of the families, exact in batches, with a CTC head. Changed in place; neither its
            parameters nor their names change.
        layers: How many of the transformer's layers lie below, 1 or more.

    Raises:
        ValueError: The model has fewer layers.
    """
    there = len(model.base_model.encoder.layers)
    if not 1 <= layers <= there:
        raise ValueError(f"frozen_layers is {layers} and the checkpoint has {there} layers; it can be 0 to {there}")
    for module in _below(model, layers):
        module.requires_grad_(False)
    model.register_forward_pre_hook(partial(_begin_above, layers), with_kwargs=True)
    model.register_forward_hook(partial(_end_above, layers), always_call=True)


def frozen_values(model: PreTrainedModel, layers: int) -> Iterator[torch.Tensor]:
    """The parameters and buffers that decide what :func:`lowest_output` gives, always in the same order."""
    for module in _below(model, layers):
        yield from module.state_dict().values()


@torch.no_grad()
def lowest_output(model: PreTrainedModel, inputs: Mapping[str, torch.Tensor], layers: int) -> torch.Tensor:
    """Compute what layer ``layers`` (the lowest is 1) hands on to the next; nothing above it is computed.

    Args:
        model: As for :func:`freeze_lowest`, in evaluation mode.
        inputs: What the model is called with for a recording.
        layers: As for :func:`freeze_lowest`.

    Returns:
        (batch, frames, width); what stands past a clip's own frames has no meaning.
    """

    def stop(layer: nn.Module, given: tuple, output: Any) -> None:
        raise _Reached(output)

    hook = model.base_model.encoder.layers[layers - 1].register_forward_hook(stop)
    try:
        model.base_model(**inputs)
    except _Reached as reached:
        (output,) = reached.args
        return output[0] if isinstance(output, tuple) else output  # WavLM's layers hand on the positions' bias too
    finally:
        hook.remove()


def _below(model: PreTrainedModel, layers: int) -> dict[nn.Module, Callable[..., Any]]:
    """What lies below layer ``layers``, and what each does where the output of all of it is given already."""
    base, family = model.base_model, family_of(model)
    encoder = base.encoder
    below: dict[nn.Module, Callable[..., Any]] = {}
    if hasattr(base, "feature_extractor"):
        below[base.feature_extractor] = lambda hidden: hidden.transpose(1, 2)
    below[base.feature_projection] = _twice if family.projection_gives_input else _hand_on
    if hasattr(encoder, "pos_conv_embed"):
        below[encoder.pos_conv_embed] = lambda hidden: hidden.new_zeros(())
    if hasattr(encoder, "layer_norm") and not (family.norm_last or getattr(base.config, "do_stable_layer_norm", False)):
        below[encoder.layer_norm] = _hand_on
    below[encoder.dropout] = _hand_on
    for layer in encoder.layers[:layers]:
        gives_bias = hasattr(getattr(layer, "attention", None), "compute_bias")
        below[layer] = partial(_bias_of, layer) if gives_bias else _hand_on
    return below


def _hand_on(hidden_states: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    return hidden_states


def _twice(hidden_states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return hidden_states, hidden_states


def _bias_of(
    layer: nn.Module, hidden_states: torch.Tensor, *, position_bias: torch.Tensor | None = None, **_: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """WavLM's lowest layer makes the bias of the positions that all layers gate: from the number of frames alone."""
    if position_bias is None:
        clips, frames, _ = hidden_states.shape
        position_bias = layer.attention.compute_bias(frames, frames).repeat(clips, 1, 1)
    return hidden_states, position_bias


def _begin_above(
    layers: int, model: PreTrainedModel, args: tuple, kwargs: dict[str, Any]
) -> tuple[tuple, dict[str, Any]] | None:
    """Let everything below hand on, if this call brings its output (hook)."""
    if STORED not in kwargs:
        return None
    base = model.base_model
    base.given_frames = True
    base._get_feature_vector_attention_mask = lambda frames, mask, **_: mask.bool()
    for module, forward in _below(model, layers).items():
        module.forward = forward
    given = {name: value for name, value in kwargs.items() if name != STORED}
    return args, {**given, model.main_input_name: kwargs[STORED].clone()}  # it is written into: masks, padding


def _end_above(layers: int, model: PreTrainedModel, args: tuple, output: Any) -> None:
    """After such a call, also a failed one, a recording is a recording again (hook)."""
    base = model.base_model
    if getattr(base, "given_frames", False):
        for module in _below(model, layers):
            module.__dict__.pop("forward", None)
        del base.given_frames, base._get_feature_vector_attention_mask

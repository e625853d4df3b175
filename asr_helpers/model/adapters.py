"""A language's adapter of an MMS checkpoint: a few weights a layer that learn while all others rest.

Source: Pratap et al. (2023), "Scaling Speech Technology to 1,000+ Languages", section 5.3; the files are those of
``facebook/mms-1b-all``: ``adapter.<language>.safetensors``, which holds the adapter and the head.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from asr_helpers.wording import listed

from .families import HEAD

__all__ = ["load_adapter", "rest_all_but", "save_adapter"]

FILE = "adapter.{}.safetensors"

PART = "adapter_layer."  # of the names of an adapter's weights; transformers' adapters that halve frames are others


def load_adapter(model: PreTrainedModel, folder: Path, language: str) -> None:
    """Put a language's adapter in the place of the one that the checkpoint came with; the head stays as it is.

    Args:
        model: A model whose config has ``adapter_attn_dim``.
        folder: The checkpoint's, with the adapters beside the weights.
        language: By its name in MMS: ``"urd-script_arabic"``.

    Raises:
        ValueError: The model has no such adapters, the language has none, or its weights are another model's.
    """
    own = _adapter_of(model)
    if not own:
        raise ValueError(f"{folder} has no adapters: leave adapter_language empty, or choose facebook/mms-1b-all")
    path = folder / FILE.format(language)
    if not path.is_file():
        there = sorted(p.name.split(".")[1] for p in folder.glob(FILE.format("*")))
        raise ValueError(
            f"{folder} has no {path.name}: adapter_language is {language!r}, "
            f"and there {'are' if there else 'is'} {listed(there) or 'none'}"
        )
    weights = {name: value for name, value in load_file(path).items() if PART in name}
    if {name: value.shape for name, value in weights.items()} != {name: p.shape for name, p in own.items()}:
        raise ValueError(f"{path} holds the adapter of another model; fetch it from where the checkpoint comes from")
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(weights[name])


def rest_all_but(model: PreTrainedModel, parts: tuple[str, ...] = (PART,)) -> None:
    """Ask a gradient for the head and what has a part in its name alone: 2.5 of MMS's 965 million parameters."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(HEAD) or any(part in name for part in parts))


def save_adapter(model: PreTrainedModel, folder: Path, language: str) -> None:
    """Write adapter and head as MMS does: ``from_pretrained(folder, target_lang=language)`` finds them."""
    head = {name: p for name, p in model.named_parameters() if name.startswith(HEAD)}
    weights = {name: p.detach().cpu().float().contiguous() for name, p in {**_adapter_of(model), **head}.items()}
    save_file(weights, folder / FILE.format(language), metadata={"format": "pt"})


def _adapter_of(model: PreTrainedModel) -> dict[str, torch.nn.Parameter]:
    return {name: p for name, p in model.named_parameters() if PART in name}

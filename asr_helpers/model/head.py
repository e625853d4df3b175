"""What a checkpoint lacks for CTC, drawn from a seed of its own; of a head that it has, the letters that are kept."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedModel

from .families import HEAD
from .vocabulary import Alphabet, read_alphabet

__all__ = ["MASK_VECTOR", "alphabet_to_keep", "draw", "keep_outputs", "seed_of"]

MASK_VECTOR = "masked_spec_embed"  # SpecAugment's, in the place of the frames that it hides


def seed_of(seed: int, name: str) -> int:
    """Give what is drawn a seed of its own, by hashing: the plain one would repeat what ``torch.manual_seed`` gives."""
    return int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:8], "little") >> 1


@torch.no_grad()
def draw(model: PreTrainedModel, names: set[str], seed: int) -> None:
    """Draw the named parameters from ``seed``, each from a stream of its own, distributed as in transformers."""
    parameters = dict(model.named_parameters())
    for name in sorted(names):
        generator = torch.Generator().manual_seed(seed_of(seed, name))
        if name.endswith("bias"):
            parameters[name].zero_()
        elif name.endswith(MASK_VECTOR):
            parameters[name].uniform_(generator=generator)
        else:
            parameters[name].normal_(0, model.config.initializer_range, generator=generator)


def alphabet_to_keep(folder: Path, checkpoint: str | Path) -> Alphabet:
    """Read what the outputs of a checkpoint's head mean."""
    own = read_alphabet(folder)
    if own is None:
        raise ValueError(
            f"keep_head=True, but {checkpoint} has no vocab.json that says what its outputs mean; "
            "keep_head=False gets a new head"
        )
    return own


@torch.no_grad()
def keep_outputs(model: PreTrainedModel, own: Alphabet, alphabet: Alphabet, seed: int) -> None:
    """Give the head the outputs of ``alphabet``: those of ``own`` keep their weights, the others are drawn."""
    old, names = model.lm_head, {f"{HEAD}weight", f"{HEAD}bias"}
    model.lm_head = nn.Linear(old.in_features, len(alphabet))
    model.config.update({"vocab_size": len(alphabet), "pad_token_id": alphabet.blank})
    draw(model, names, seed)
    for here, there in alphabet.counterparts(own).items():
        model.lm_head.weight[here], model.lm_head.bias[here] = old.weight[there], old.bias[there]

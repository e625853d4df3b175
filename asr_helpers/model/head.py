"""What a checkpoint lacks for CTC, drawn from a seed of its own; of a head that it has, the letters that are kept."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from unicodedata import category

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from .families import HEAD
from .vocabulary import Alphabet, read_alphabet

__all__ = ["MASK_VECTOR", "draw", "keep_outputs", "known_outputs", "seed_of"]

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


def known_outputs(folder: Path, config: PreTrainedConfig, alphabet: Alphabet) -> dict[int, int]:
    """Find the outputs of a head for ``alphabet`` that a checkpoint's own head knows.

    A vocabulary beside a checkpoint is no proof of a head (facebook/wav2vec2-base has one, and no head): the config
    names the class that was saved. It may also hold tokens that the head has no output for, which transformers adds.

    Args:
        folder: The checkpoint's; its vocabulary is read, its weights are not.
        config: The checkpoint's.
        alphabet: Of the head to come.

    Returns:
        Output to its place in the checkpoint's head; nothing where there is no CTC head, where nothing says for sure
        what it writes, or where it writes fewer than half of these letters.
    """
    if not any(name.endswith("ForCTC") for name in config.architectures or []):
        return {}
    try:
        own = read_alphabet(folder)
    except ValueError:  # ids with gaps
        own = None
    if own is None or own.blank != config.pad_token_id:
        return {}
    known = {here: there for here, there in alphabet.counterparts(own).items() if there < config.vocab_size}
    letters = {i for i, token in enumerate(alphabet.tokens) if len(token) == 1 and category(token)[0] in "LM"}
    return known if alphabet.blank in known and 2 * len(letters & known.keys()) >= max(1, len(letters)) else {}


@torch.no_grad()
def keep_outputs(model: PreTrainedModel, kept: Mapping[int, int], alphabet: Alphabet, seed: int) -> None:
    """Give the head the outputs of ``alphabet``: the ``kept`` ones have their weights, the others are drawn."""
    old, names = model.lm_head, {f"{HEAD}weight", f"{HEAD}bias"}
    model.lm_head = nn.utils.skip_init(nn.Linear, old.in_features, len(alphabet))  # draws nothing
    model.config.update({"vocab_size": len(alphabet), "pad_token_id": alphabet.blank})
    draw(model, names, seed)
    for here, there in kept.items():
        model.lm_head.weight[here], model.lm_head.bias[here] = old.weight[there], old.bias[there]

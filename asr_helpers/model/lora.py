"""LoRA by peft, an extra: additions of low rank to an encoder's layers that learn, with the head, while all else rests.

peft puts its layers into the model itself, not a model of its own around it: families, frames, exact batches and
checkpoints of a training know nothing of them. Which layers get an addition is `Family.low_rank`.

Source: Hu et al. (2022), "LoRA: Low-Rank Adaptation of Large Language Models".
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import torch
from safetensors.torch import save_file
from transformers import PreTrainedModel

from .families import ADAPTER, HEAD, family_of

__all__ = ["add_lora", "merge_lora", "save_lora"]

MISSING = (
    "lora_rank needs the package peft, which is not here (the extra 'lora'): pip install peft==0.21.2, or leave "
    "lora_rank at 0"
)

PART = "lora_"  # of the names of the additions' weights
OWN = "default"  # what peft calls an addition that was given no name


def add_lora(model: PreTrainedModel, *, rank: int, alpha: float, dropout: float, seed: int) -> None:
    """Put additions into a model, which change nothing yet: one of each pair of matrices is zero.

    Args:
        model: Changed in place; its other parameters ask for a gradient as before.
        rank: Of the additions.
        alpha: They count ``alpha / rank`` times.
        dropout: Probability with which what an addition is given is dropped.
        seed: Of the matrix that is not zero; the global random state is left as it was.

    Raises:
        ImportError: peft is not installed.
        ValueError: The rank is no lower than the layers'.
    """
    peft, width = _peft(), model.config.hidden_size
    if rank >= width:
        raise ValueError(f"lora_rank is {rank}, and the layers have {width} channels: choose one far below, such as 8")
    layers = rf".*\bencoder\.layers\.\d+\..*\b({'|'.join(family_of(model).low_rank)})"
    settings = peft.LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=layers)
    asked = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would reach the GPUs' generators too
        peft.inject_adapter_in_model(settings, model)
    for name, parameter in model.named_parameters():  # peft has put all but its own to rest
        parameter.requires_grad_(PART in name or name in asked)


def save_lora(model: PreTrainedModel, folder: Path, *, checkpoint: str) -> None:
    """Write all that was trained in peft's own form, which ``PeftModel.from_pretrained(checkpoint, folder)`` reads.

    Args:
        model: With additions; not yet merged.
        folder: Is made.
        checkpoint: What they are added to, as its users name it.
    """
    peft = _peft()
    whole = [HEAD]
    if getattr(model.config, "add_adapter", False):  # it may be new
        whole += [f"{model.base_model_prefix}.{ADAPTER}"]
    weights = peft.get_peft_model_state_dict(model)
    weights |= {name: value for name, value in model.state_dict().items() if name.startswith(tuple(whole))}
    folder.mkdir(parents=True)
    named = {f"base_model.model.{name}": value.cpu().float().contiguous() for name, value in weights.items()}
    save_file(named, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    settings = model.peft_config[OWN]
    settings.base_model_name_or_path = checkpoint
    settings.modules_to_save = [name.rstrip(".").rpartition(".")[2] for name in whole]
    settings.inference_mode = True
    settings.save_pretrained(folder)


def merge_lora(model: PreTrainedModel) -> None:
    """Add the additions to the weights that they belong to: what is left is an ordinary model of its family."""
    layers = _peft().tuners.lora.LoraLayer
    for name, layer in [(name, module) for name, module in model.named_modules() if isinstance(module, layers)]:
        layer.merge(safe_merge=True)
        around, _, own = name.rpartition(".")
        setattr(model.get_submodule(around), own, layer.get_base_layer())
    del model.peft_config


def _peft() -> ModuleType:
    try:
        import peft
    except ImportError as error:
        raise ImportError(MISSING) from error
    return peft

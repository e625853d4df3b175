"""Load a checkpoint for CTC, of whichever family: its vocabulary and blank, a head of its own seed, exact batches."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCTC, PreTrainedConfig, PreTrainedModel
from transformers.utils import logging

from .adapters import FILE, load_adapter, rest_all_but
from .exact import make_exact
from .families import ADAPTER, HEAD, family_of
from .frozen import freeze_lowest
from .head import MASK_VECTOR, draw, keep_outputs, known_outputs, seed_of
from .hub import has_safe_weights, locate_checkpoint
from .lora import add_lora
from .vocabulary import Alphabet

__all__ = ["check_vocabulary", "kept_outputs", "load_config", "load_for_ctc", "load_trained", "spec_augment_for"]

# What a new head may lack in a checkpoint; anything else that is missing means that the checkpoint is another
# model.
FRESH = re.compile(rf"^({re.escape(HEAD)}|(\w+\.)?{MASK_VECTOR}$)")
NEW_ADAPTER = re.compile(rf"^(\w+\.)?{re.escape(ADAPTER)}")  # where one is asked for

DROPOUTS = ("hidden_dropout", "attention_dropout", "activation_dropout", "feat_proj_dropout", "final_dropout")
DROPOUTS += ("conformer_conv_dropout",)  # of those families that have it


def load_for_ctc(
    checkpoint: str | Path,
    *,
    processor: Any,
    head_seed: int,
    keep_head: bool = False,
    adapter_language: str = "",
    add_adapter: bool = False,
    lora_rank: int = 0,
    lora_alpha: float = 16.0,
    freeze_feature_encoder: bool = True,
    frozen_layers: int = 0,
    shortest_frames: int | None = None,
    dropout: float | Mapping[str, float] | None = None,
    spec_augment: Mapping[str, Any] | None = None,
    attn_implementation: str | None = None,
) -> PreTrainedModel:
    """Load a checkpoint with a CTC head for this vocabulary, and exact batches.

    The head is drawn from ``head_seed`` alone, through a generator of its own: a head drawn under the seed
    that made the checkpoint's old head would start from the old head's values and read the features before it
    has learnt anything. The global random state is left as it was.

    The loss is averaged (``ctc_loss_reduction="mean"``) and a label longer than its frames gives loss 0, not
    infinity. No layer is ever left out (LayerDrop): DistributedDataParallel waits for the gradients of all.

    Args:
        checkpoint: A folder, or an id on the Hugging Face Hub.
        processor: The processor (or tokenizer) whose vocabulary the head speaks.
        head_seed: Seed of what is new in the head.
        keep_head: Go on from a fine-tuned checkpoint's head: the letters that it knows keep their weights, wherever
            they stand in its vocabulary; the others are drawn, and its outputs for anything else are left out. The head
            is new all the same where there is none that could be kept (`kept_outputs`).
        adapter_language: Begin with this language's adapter of an MMS checkpoint (``"urd-script_arabic"``), and ask a
            gradient for adapter and head alone. Empty: train the whole model.
        add_adapter: As in `load_config`.
        lora_rank: Rank of LoRA's additions to the encoder; they, the head and a new adapter layer learn alone. 0: none.
        lora_alpha: LoRA's additions count ``lora_alpha / lora_rank`` times.
        freeze_feature_encoder: No gradient for the convolutions that hear the waveform, as in the original
            paper.
        frozen_layers: No gradient for the convolutions and this many of the lowest layers either, and their output may
            stand in for a recording (:func:`asr_helpers.model.frozen.freeze_lowest`). 0: the whole transformer learns.
        shortest_frames: Frames of the shortest clip that will be trained on; masks of SpecAugment are made to
            fit.
        dropout: One probability for all dropouts (LoRA's too), or some by name (``{"final_dropout": 0.1}``). None: as
            configured.
        spec_augment: Settings of SpecAugment by their config names (``{"mask_time_prob": 0.05}``).
        attn_implementation: ``"eager"``, ``"sdpa"``, ``"flash_attention_2"``; None: what transformers
            prefers. Where a family has one way only, that one.

    Returns:
        The model in fp32 on the CPU, in training mode.

    Raises:
        HubUnavailable: ``checkpoint`` is no folder and the Hub cannot be reached.
        CheckpointUnavailable: The folder or the id does not exist, or holds no weights.
        ImportError: LoRA is asked for, and peft is not installed.
        ValueError: The vocabulary and the blank do not fit each other, or the checkpoint's head, or a setting has
            another name.
    """
    folder = locate_checkpoint(checkpoint, also=FILE.format(adapter_language) if adapter_language else "")
    config = load_config(folder, add_adapter=add_adapter)
    new_layers = add_adapter and not load_config(folder).add_adapter
    alphabet = Alphabet.of(processor)
    kept = kept_outputs(folder, alphabet, add_adapter=add_adapter) if keep_head else {}
    if not kept:
        config.update({"vocab_size": len(alphabet), "pad_token_id": alphabet.blank})
    _configure(config, dropout=dropout, spec_augment=spec_augment)
    if shortest_frames is not None:
        for name, value in spec_augment_for(config, shortest_frames).items():
            setattr(config, name, value)
    model, fresh = _load(
        folder, config, attn_implementation, new_layers=seed_of(head_seed, ADAPTER) if new_layers else None
    )
    if kept and any(name.startswith(HEAD) for name in fresh):
        raise ValueError(
            f"{checkpoint} has no CTC head among its weights, though its config.json says so; "
            "keep_head=False gets a new one"
        )
    draw(model, fresh if kept else fresh | {f"{HEAD}weight", f"{HEAD}bias"}, head_seed)
    if kept:
        keep_outputs(model, kept, alphabet, head_seed)
    if freeze_feature_encoder and hasattr(model, "freeze_feature_encoder"):  # not where features are computed before
        model.freeze_feature_encoder()
    if adapter_language:
        load_adapter(model, folder, adapter_language)
        rest_all_but(model)
    if lora_rank:
        rest_all_but(model, (ADAPTER,) if new_layers else ())
        rate = dropout if isinstance(dropout, float) else 0.0
        add_lora(model, rank=lora_rank, alpha=lora_alpha, dropout=rate, seed=seed_of(head_seed, "lora"))
    _rest_unused_mask_vector(model)
    make_exact(model)
    if frozen_layers:
        freeze_lowest(model, frozen_layers)
    return model.train()


def kept_outputs(checkpoint: str | Path, alphabet: Alphabet, *, add_adapter: bool = False) -> dict[int, int]:
    """Say which outputs of a head for ``alphabet`` keep a checkpoint's weights, if its head is kept.

    Args:
        checkpoint: A folder, or an id on the Hugging Face Hub; no weights are read.
        alphabet: Of the head to come.
        add_adapter: As in `load_config`; a head that has never heard the new layer is not kept.

    Returns:
        Output to its place in the checkpoint's head; nothing where the head is new (`known_outputs`).
    """
    folder = locate_checkpoint(checkpoint, weights=False)
    config = load_config(folder)
    new_layers = add_adapter and not config.add_adapter
    return {} if new_layers else known_outputs(folder, config, alphabet)


def load_config(checkpoint: str | Path, *, add_adapter: bool = False) -> PreTrainedConfig:
    """Read a checkpoint's config, by which frames can be counted before any weights are loaded.

    Args:
        checkpoint: A folder, or an id on the Hugging Face Hub.
        add_adapter: With a layer behind the encoder that halves the frames: a new one, where it has none.

    Raises:
        HubUnavailable: ``checkpoint`` is no folder and the Hub cannot be reached.
        ValueError: It is of no family that can be fine-tuned here (the text lists those that can), or its family has no
            such layers.
    """
    folder = locate_checkpoint(checkpoint, weights=False)
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except ValueError as error:
        known = "its config.json is damaged, of an unknown kind, or asks for Python of its own, which is never run"
        raise ValueError(f"{checkpoint} is no checkpoint of transformers: {known}; choose another") from error
    family = family_of(config, checkpoint=checkpoint)
    if add_adapter and not hasattr(config, "add_adapter"):
        raise ValueError(f"add_adapter is true, and {family.name} has no such layers; leave it out for {checkpoint}")
    if add_adapter and not config.add_adapter:
        config.update({"add_adapter": True, "num_adapter_layers": 1})
    return config


def load_trained(folder: str | Path, *, attn_implementation: str | None = None) -> PreTrainedModel:
    """Load a fine-tuned model as it was saved, with exact batches, in evaluation mode.

    Args:
        folder: Folder (or Hub id) of a model with a CTC head.
        attn_implementation: As in :func:`load_for_ctc`.

    Raises:
        HubUnavailable: ``folder`` is no folder and the Hub cannot be reached.
        CheckpointUnavailable: It does not exist or holds no weights.
        ValueError: It has no CTC head.
    """
    local = locate_checkpoint(folder)
    model, fresh = _load(local, load_config(local), attn_implementation)
    if any(name.startswith(HEAD) for name in fresh):
        raise ValueError(f"{folder} has no CTC head: it was pretrained, not fine-tuned; train it first (notebook 04)")
    return make_exact(model).eval()


def check_vocabulary(model: PreTrainedModel, processor: Any) -> None:
    """Refuse a processor whose tokens are not the model's outputs.

    Raises:
        ValueError: The sizes or the blanks differ; the text says how.
    """
    alphabet = Alphabet.of(processor)
    size, blank = model.config.vocab_size, model.config.pad_token_id
    if len(alphabet) != size:
        raise ValueError(
            f"the model has {size} outputs and the tokenizer {len(alphabet)} tokens; "
            "use the processor that was saved beside the model, or load the checkpoint with a new head"
        )
    if alphabet.blank != blank:
        raise ValueError(
            f"the model's blank is output {blank} and the tokenizer's token {alphabet.blank}; "
            "use the processor that was saved beside the model"
        )


def spec_augment_for(config: PreTrainedConfig, shortest_frames: int) -> dict[str, int]:
    """Fit SpecAugment's time masks to the shortest clip.

    transformers stops a training step whose batch is shorter than one mask, and keeps at least
    ``mask_time_min_masks`` masks however short the clip: two masks of 10 frames hide a clip of 0.4 s.

    Args:
        config: The model's config.
        shortest_frames: Frames of the shortest clip of the training split.

    Returns:
        The settings that have to change, by their config names: one mask, and all the masks that every clip
        gets, cover at most half the shortest clip.
    """
    if shortest_frames < 1:
        raise ValueError(f"shortest_frames is {shortest_frames}; a clip needs at least one frame to be trained on")
    half = shortest_frames // 2
    length = min(config.mask_time_length, max(1, half))
    settings = {"mask_time_length": length, "mask_time_min_masks": min(config.mask_time_min_masks, half // length)}
    return {name: value for name, value in settings.items() if value != getattr(config, name)}


def _configure(
    config: PreTrainedConfig,
    *,
    dropout: float | Mapping[str, float] | None,
    spec_augment: Mapping[str, Any] | None,
) -> None:
    """Write this training's settings into the config; an unknown name is an error, not a new attribute."""
    names = [name for name in DROPOUTS if hasattr(config, name)]
    dropouts = dict.fromkeys(names, dropout) if isinstance(dropout, (int, float)) else dict(dropout or {})
    masks = dict(spec_augment or {})
    for name in dropouts:
        if name not in names:
            raise ValueError(f"{name!r} is no dropout of {config.model_type}; the names are {', '.join(names)}")
    for name in masks:
        if not (name.startswith("mask_") or name == "apply_spec_augment") or not hasattr(config, name):
            raise ValueError(f"{name!r} is no setting of SpecAugment; see mask_* and apply_spec_augment in the config")
    config.update(
        {
            "ctc_loss_reduction": "mean",
            "ctc_zero_infinity": True,
            "layerdrop": 0.0,
            **dropouts,
            **masks,
        }
    )


def _load(
    folder: Path, config: PreTrainedConfig, attn_implementation: str | None, *, new_layers: int | None = None
) -> tuple[PreTrainedModel, set[str]]:
    """Load the weights; return the model, and the names of those that the checkpoint lacks or has in another size.

    Where an adapter layer is new, transformers draws it from the seed ``new_layers``.

    ``weights_only`` unpickles tensors and nothing else: published checkpoints still come as
    ``pytorch_model.bin``, and a pickle of unknown origin must not run code.
    """
    safe = has_safe_weights(folder)
    try:
        with torch.random.fork_rng(devices=[]), _quiet():
            if new_layers is not None:
                torch.default_generator.manual_seed(new_layers)
            model, report = AutoModelForCTC.from_pretrained(
                folder,
                config=config,
                attn_implementation=family_of(config).attention or attn_implementation,
                use_safetensors=safe,
                weights_only=True,
                dtype=torch.float32,
                ignore_mismatched_sizes=True,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
    except (SafetensorError, UnpicklingError, EOFError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "PytorchStreamReader" not in str(error):  # memory, device, …
            raise
        raise ValueError(
            f"the weights in {folder} are damaged, or hold more than weights ({str(error).splitlines()[0]}); "
            "fetch or train the checkpoint again"
        ) from error
    fresh = set(report["missing_keys"]) | {entry[0] for entry in report["mismatched_keys"]}
    if new_layers is not None:
        fresh = {name for name in fresh if not NEW_ADAPTER.match(name)}
    foreign = sorted(name for name in fresh if not FRESH.match(name))
    if foreign:
        raise ValueError(
            f"{folder} does not fit its own config.json: {len(foreign)} weights are missing or of another size, "
            f"first {foreign[0]}; fetch the checkpoint again"
        )
    return model, fresh


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from reporting a missing head: it is drawn here, and what else is missing is an error."""
    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def _rest_unused_mask_vector(model: PreTrainedModel) -> None:
    """Ask no gradient for SpecAugment's vector when no mask uses it: DistributedDataParallel would wait for it."""
    config, base = model.config, model.base_model
    used = getattr(config, "apply_spec_augment", True) and config.mask_time_prob > 0
    if hasattr(base, MASK_VECTOR) and not used:
        getattr(base, MASK_VECTOR).requires_grad_(False)

"""The hyperparameters of a training, and the ``TrainingArguments`` that they become."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from transformers import TrainingArguments

from asr_helpers.audio.augmentation import Augmentation

from .device import choose_precision, training_device
from .optimisation import Schedule
from .processes import backend, world_size

__all__ = [
    "NOT_STORED",
    "TrainingConfig",
    "TrainingSetup",
    "from_parameters",
    "refuse_combinations",
    "training_arguments",
]

Chosen = TypeVar("Chosen")

GPU_WORKERS = 4  # they read and collate ahead of a GPU; a training on the CPU needs its cores itself

# Parameters under which the frozen part would not give the same in every epoch, and why.
NOT_STORED = {
    "lora_rank": "LoRA's additions learn in the layers that rest",
    "stream_from": "what the frozen layers make of a stream is not stored",
    "augmentation": "what is stored is what the layers made of the undisturbed sound",
    "speed_change": "what is stored is what the layers made of the undisturbed sound",
}

# What may differ between a run and its continuation: how steps are computed, not which they are.
FREE = {"micro_seconds", "eval_batch_size", "patience", "workers", "checkpoints", "log_every", "push_to_hub"}

# What a continuation may have otherwise, or what its checkpoint and its utterances answer for.
PLACE = {"checkpoint", "stream_from", "stream_buffer", "resume", "processes"}


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides how a model is trained.

    The defaults are a short recipe for a small corpus and a small model: a high rate, a short warmup, small
    batches, decay over the second half. They are notebook 04's, and the sample run's. Where something can be
    switched off, 0 or an empty text does it.

    Attributes:
        epochs: Passes over the training utterances.
        max_steps: Optimiser steps; when above 0 it decides instead of ``epochs``. Streaming needs it.
        batch_size: Utterances an optimiser step, over all processes and all accumulation.
        accumulation: Micro-batches in which each process computes its share of a step.
        micro_seconds: Padded seconds of audio that one forward pass may hold; larger micro-batches are
            computed in pieces. 0: no limit until the memory sets one.
        learning_rate: Peak for the head, in which outputs or all may be new.
        encoder_learning_rate: Peak for the pretrained rest.
        warmup: Share of the steps in which the rates rise.
        decay_from: Share of the steps after which the rates fall linearly to zero.
        encoder_frozen: Share of the steps for which only the head learns.
        weight_decay: AdamW's, on matrices only.
        max_grad_norm: Gradients are clipped to this norm.
        precision: ``"auto"``, ``"bf16"``, ``"fp16"`` or ``"fp32"``.
        gradient_checkpointing: Trade a second forward pass for memory.
        evaluations: How many validations, evenly spread; each writes a checkpoint.
        eval_batch_size: Utterances a forward pass in validation, a process.
        patience: Validations without a better WER after which training stops; 0: never. Counted only
            once the WER has left 1.
        checkpoints: Checkpoints kept: the best and the newest, so 2 at least.
        log_every: Steps between two lines of the log.
        augmentation: Chance that an utterance is disturbed, for each of room, noise, band and gain.
        speed_change: Share by which an utterance may become faster or slower.
        seed: Seed of the order of the utterances, augmentation, dropout and masking.
        workers: Processes that read and collate; 0: this one; ``None``: 4 beside a GPU, else 0.
        push_to_hub: Hub repository (``"name/repository"``) for the finished model; empty: nothing leaves this
            machine.
    """

    epochs: float = 5.0
    max_steps: int = -1
    batch_size: int = 8
    accumulation: int = 1
    micro_seconds: float = 0.0
    learning_rate: float = 2e-4
    encoder_learning_rate: float = 2e-4
    warmup: float = 0.05
    decay_from: float = 0.5
    encoder_frozen: float = 0.0
    weight_decay: float = 0.005
    max_grad_norm: float = 1.0
    precision: str = "auto"
    gradient_checkpointing: bool = False
    evaluations: int = 6
    eval_batch_size: int = 16
    patience: int = 0
    checkpoints: int = 2
    log_every: int = 10
    augmentation: float = 0.0
    speed_change: float = 0.0
    seed: int = 13
    workers: int | None = None
    push_to_hub: str = ""

    def __post_init__(self) -> None:
        for name in ("warmup", "decay_from", "encoder_frozen", "augmentation"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it is a share: use 0 to 1")
        if not 0 <= self.speed_change <= 0.5:
            raise ValueError(f"speed_change is {self.speed_change}; use 0 (none) to 0.5 (half as fast again)")
        for name in ("batch_size", "accumulation", "evaluations", "eval_batch_size", "log_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; use 1 or more")
        for name in ("learning_rate", "max_grad_norm"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; use a number above 0")
        if self.checkpoints < 2:
            raise ValueError(f"checkpoints is {self.checkpoints}; use 2 or more: the best and the newest are kept")
        if self.max_steps <= 0 and self.epochs <= 0:
            raise ValueError(f"epochs is {self.epochs} and max_steps {self.max_steps}; one of them must be above 0")

    def steps(self, utterances: int | None) -> int:
        """Optimiser steps of the whole run over ``utterances`` (``None``: a stream of unknown length)."""
        if self.max_steps > 0:
            return self.max_steps
        if utterances is None:
            raise ValueError("max_steps is not set; a streamed corpus has no length, so say how many steps to train")
        return math.ceil(self.epochs * math.ceil(utterances / self.batch_size))

    def schedule(self, steps: int) -> Schedule:
        """Learning rates over ``steps`` optimiser steps."""
        return Schedule(
            steps=steps,
            warmup=max(1, round(self.warmup * steps)),
            decay_from=round(self.decay_from * steps),
            frozen=round(self.encoder_frozen * steps),
        )

    def augment(self) -> Augmentation:
        """What is done to the training utterances before the model hears them."""
        return Augmentation(self.augmentation, self.speed_change, self.seed)

    def fixed(self) -> dict[str, Any]:
        """What a continuation of the run must not change."""
        return {name: value for name, value in asdict(self).items() if name not in FREE}


@dataclass(frozen=True)
class TrainingSetup:
    """What a recipe is applied to: the checkpoint with its new head, the utterances, the processes.

    Attributes:
        checkpoint: Folder, or Hub id.
        head_seed: Seed of what is new in the head, and of nothing else.
        keep_head: The letters that the checkpoint's own head knows, if it has one, keep their weights; others are new.
        adapter_language: Language whose adapter of an MMS checkpoint is the start; it and the head learn alone.
        add_adapter: Behind the encoder comes a new layer that halves the frames, where the checkpoint has none.
        lora_rank: Rank of LoRA's additions to the encoder; they and what is new learn alone. 0: none.
        lora_alpha: LoRA's additions count ``lora_alpha / lora_rank`` times.
        freeze_feature_encoder: The convolutions keep what they learnt in pretraining.
        frozen_layers: Lowest layers of the transformer that stay as they are, the convolutions too: their output is
            computed once and stored. 0: the whole transformer learns.
        frozen_format: How it is stored: ``"bf16"``, ``"int8"`` (half as many bytes) or ``"fp32"`` (twice as many).
        dropout: One probability for all dropouts of the encoder.
        mask_time_prob: SpecAugment's share of frames that start a masked span.
        stream_from: Prepared dataset (folder or URL) whose training split is streamed; empty: the run's own is read.
        stream_buffer: Utterances that the shuffle of a stream holds.
        resume: Go on from the run's newest checkpoint; ``False``: delete them and begin anew.
        processes: Training processes on this machine, one a GPU.
    """

    checkpoint: str = "models/starter"
    head_seed: int = 101
    keep_head: bool = True
    adapter_language: str = ""
    add_adapter: bool = False
    lora_rank: int = 0
    lora_alpha: float = 16.0
    freeze_feature_encoder: bool = True
    frozen_layers: int = 0
    frozen_format: str = "bf16"
    dropout: float = 0.0
    mask_time_prob: float = 0.05
    stream_from: str = ""
    stream_buffer: int = 256
    resume: bool = True
    processes: int = 1

    def __post_init__(self) -> None:
        if self.stream_buffer < 1:
            raise ValueError(f"stream_buffer is {self.stream_buffer}; use 1 (hardly any shuffling) or more")
        if self.lora_rank < 0 or not self.lora_alpha > 0:
            raise ValueError(
                f"lora_rank is {self.lora_rank} and lora_alpha {self.lora_alpha}; use 0 or more, and a number above 0"
            )
        chosen = {"adapter_language": self.adapter_language, "lora_rank": self.lora_rank}
        chosen = {name: value for name, value in chosen.items() if value}
        for name, value in chosen.items():
            if not self.freeze_feature_encoder:
                raise ValueError(
                    f"{name} is {value!r}, with which the convolutions rest, and freeze_feature_encoder is False: "
                    "leave one of them out"
                )
        if len(chosen) > 1 or (self.adapter_language and self.add_adapter):
            other = "lora_rank" if self.lora_rank else "add_adapter"
            raise ValueError(
                f"with adapter_language={self.adapter_language!r} only that adapter and the head learn: leave out it, "
                f"or {other}={getattr(self, other)!r}"
            )

    def fixed(self) -> dict[str, Any]:
        """What a continuation of the run must not change, beside the recipe, the checkpoint and the utterances."""
        return {name: value for name, value in asdict(self).items() if name not in PLACE}


def refuse_combinations(setup: TrainingSetup, config: TrainingConfig) -> None:
    """Stop where one parameter takes away what another needs.

    Raises:
        ValueError: Names both, and why.
    """
    given = {**asdict(setup), **asdict(config)}
    for name, why in NOT_STORED.items():
        if setup.frozen_layers and given[name]:
            raise ValueError(f"frozen_layers and {name} do not go together ({why}): leave one of them out")


def from_parameters(kind: type[Chosen], parameters: Mapping[str, Any]) -> Chosen:
    """Fill in a dataclass from the parameters that bear its fields' names; those of others are ignored."""
    return kind(**{field.name: parameters[field.name] for field in fields(kind) if field.name in parameters})


def training_arguments(
    config: TrainingConfig, folder: str | Path, *, utterances: int | None, use_cpu: bool = False
) -> TrainingArguments:
    """Turn the recipe into the Trainer's own arguments.

    Nothing is reported to a service and no progress bar is drawn: ``CTCTrainer`` logs by itself. The learning
    rates, the schedule and the loss's scale come from ``CTCTrainer`` too; the values given here are the same
    ones, so that what the Trainer prints and saves is true.

    Args:
        config: The recipe.
        folder: Where checkpoints and the log are written.
        utterances: Training utterances, for the number of steps between validations; ``None`` for a stream.
        use_cpu: Train on the CPU although there is a GPU.
    """
    device = "cpu" if use_cpu else training_device()
    precision = choose_precision(device, config.precision)
    workers = config.workers
    if workers is None:
        workers = min(GPU_WORKERS, (os.cpu_count() or 1) - 1) if device == "cuda" else 0
    steps = config.steps(utterances)
    every = max(1, math.ceil(steps / config.evaluations))
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=config.epochs,
        max_steps=config.max_steps,
        per_device_train_batch_size=max(1, config.batch_size // (config.accumulation * world_size())),
        per_device_eval_batch_size=config.eval_batch_size,
        gradient_accumulation_steps=config.accumulation,
        learning_rate=config.learning_rate,
        warmup_steps=config.warmup if config.warmup < 1 else steps,  # below 1 it is a share of the steps
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        bf16=precision == "bf16",
        fp16=precision == "fp16",
        optim="adamw_torch_fused",
        gradient_checkpointing=config.gradient_checkpointing or None,  # its name in the whole supported range
        eval_strategy="steps",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        logging_steps=max(n for n in range(1, every + 1) if every % n == 0 and n <= config.log_every),
        logging_first_step=True,
        logging_nan_inf_filter=False,  # CTCTrainer names the utterances instead of hiding the number
        load_best_model_at_end=True,
        metric_for_best_model="wer",
        greater_is_better=False,
        save_total_limit=config.checkpoints,
        seed=config.seed,
        dataloader_num_workers=workers,
        dataloader_persistent_workers=workers > 0,
        dataloader_pin_memory=device.startswith("cuda"),
        remove_unused_columns=False,  # the collator needs the ids and the durations
        use_cpu=device == "cpu",  # without it the Trainer takes bf16 for a wish for a GPU
        report_to="none",
        disable_tqdm=True,
        push_to_hub=False,
        ddp_backend=backend(),
        ddp_find_unused_parameters=True,  # layer drop and a frozen encoder leave parameters without a gradient
    )

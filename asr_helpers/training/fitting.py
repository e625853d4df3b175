"""Train a CTC model from a recipe: the function behind notebook 04 and ``python -m asr_helpers train``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from asr_helpers.model.hub import publish

from .checkpoints import clear
from .config import TrainingConfig, training_arguments
from .log import read_log
from .preflight import preflight, preflight_lines, require_no_errors
from .trainer import CTCTrainer

__all__ = ["TrainingResult", "train"]

VALIDATION_COLUMNS = ["step", "epoch", "training_loss", "validation_loss", "wer", "cer"]

VALIDATION_COLUMNS += ["blank_share", "empty_share", "unknown_share"]


@dataclass(frozen=True)
class TrainingResult:
    """What a training left behind.

    Attributes:
        model: The model with the weights of the best checkpoint, on the device it was trained on.
        log: One row a logged value (``training_log.LOG_COLUMNS``).
        steps: Optimiser steps done.
        best_step: Step of the best checkpoint; ``None`` when nothing was evaluated.
        best_wer: Its validation WER.
        best_cer: Its validation CER.
        notes: Sentences printed on the way: a blank plateau.
        preflight: What was checked before the first step (``preflight.PREFLIGHT_COLUMNS``).
    """

    model: Any
    log: pd.DataFrame
    steps: int
    best_step: int | None
    best_wer: float
    best_cer: float
    notes: tuple[str, ...]
    preflight: pd.DataFrame | None = None

    @classmethod
    def of(cls, trainer: CTCTrainer, preflight: pd.DataFrame | None = None) -> TrainingResult:
        """Gather the result from a trainer whose ``train`` has returned."""
        state, log = trainer.state, read_log(trainer.log_path)
        best = log[(log["split"] == "validation") & (log["step"] == (state.best_global_step or -1))]
        values = dict(zip(best["name"], best["value"], strict=True))
        return cls(
            # in mixed precision the Trainer's forward keeps computing in bf16 until it is unwrapped
            model=trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False),
            log=log,
            steps=state.global_step,
            best_step=state.best_global_step,
            best_wer=values.get("wer", float("nan")),
            best_cer=values.get("cer", float("nan")),
            notes=tuple(trainer.plateau.notes),
            preflight=preflight,
        )

    def validations(self) -> pd.DataFrame:
        """One row a validation: step, epoch, training and validation loss, WER, CER, shares of the diagnostics."""
        table = self.log[self.log["split"] == "validation"].pivot(
            index=["step", "epoch"], columns="name", values="value"
        )
        training = self.log[(self.log["split"] == "train") & (self.log["name"] == "loss")].set_index("step")["value"]
        table = table.rename(columns={"loss": "validation_loss"}).reset_index()
        table["training_loss"] = [training[training.index <= step].iloc[-1] for step in table["step"]]
        return table[VALIDATION_COLUMNS].rename_axis(columns=None)


def train(
    config: TrainingConfig,
    *,
    model: torch.nn.Module,
    processor: Any,
    dataset: Mapping[str, Any],
    folder: str | Path,
    collator: Callable[[list[dict[str, Any]]], dict[str, torch.Tensor]] | None = None,
    tensorboard: str | Path | None = None,
    resume: bool = True,
    use_cpu: bool = False,
    also_fixed: Mapping[str, Any] | None = None,
) -> TrainingResult:
    """Train ``model``, going on from the newest whole checkpoint where there is one.

    The same function runs in a notebook, under ``torchrun`` and under ``accelerate launch``: every process
    calls it with the same arguments.

    Args:
        config: The recipe.
        model: ``Wav2Vec2ForCTC`` with the processor's vocabulary; what must not be trained is frozen.
        processor: ``Wav2Vec2Processor``.
        dataset: ``"train"`` (rows, or a stream of this process's share of them) and ``"validation"``.
        folder: Folder for the checkpoints and the log.
        collator: Rows to ``input_values``, ``attention_mask``, ``labels``; by default as the processor says.
        tensorboard: Folder for TensorBoard events; by default none are written.
        resume: Go on; ``False`` deletes the checkpoints in ``folder`` and begins.
        use_cpu: Train on the CPU although there is a GPU.
        also_fixed: What a continuation must not change beyond the recipe: of a stream, which it is.

    Raises:
        ValueError: The preflight found an error; every one is named with its fix. Or a stream comes without
            ``max_steps``.
        CheckpointError: A checkpoint cannot be written, or the present ones belong to another recipe.
        FloatingPointError: A loss is not finite; the utterances are named.
        MemoryError: Not even one utterance fits into memory.
    """
    rows = dataset["train"]
    utterances = len(rows) if hasattr(rows, "__len__") else None
    arguments = training_arguments(config, folder, utterances=utterances, use_cpu=use_cpu)
    trainer = CTCTrainer(
        model,
        arguments,
        config=config,
        processing_class=processor,
        train_dataset=rows,
        eval_dataset=dataset["validation"],
        data_collator=collator,
        tensorboard=tensorboard,
    )
    trainer.recipe |= also_fixed or {}
    if not resume and arguments.should_save:
        clear(folder)
    trainer.accelerator.wait_for_everyone()
    checkpoint = trainer.newest_checkpoint()
    table = preflight(trainer, measure=checkpoint is None)
    if arguments.should_save:
        print(preflight_lines(table), flush=True)
    require_no_errors(table)
    trainer.train(resume_from_checkpoint=checkpoint)
    result = TrainingResult.of(trainer, table)
    if config.push_to_hub and arguments.should_save:
        print(publish(result.model, processor, config.push_to_hub), flush=True)
    return result

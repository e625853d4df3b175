"""Check a training, train, and say what it left: the steps behind notebook 04 and ``python -m asr_helpers train``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from .checkpoints import clear
from .frozen import store_frozen
from .log import read_log
from .preflight import preflight, require_no_errors
from .trainer import CTCTrainer

__all__ = ["TrainingResult", "check", "train"]

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


def check(trainer: CTCTrainer, *, resume: bool = True) -> pd.DataFrame:
    """Say what would spoil the training, before its first step.

    Args:
        trainer: The trainer, built and not yet started.
        resume: Go on from the newest whole checkpoint, where there is one; nothing is measured then. ``False``
            deletes the checkpoints.

    Returns:
        The preflight's table.

    Raises:
        CheckpointError: The present checkpoints belong to another recipe.
    """
    if not resume and trainer.args.should_save:
        clear(trainer.args.output_dir)
    trainer.accelerator.wait_for_everyone()
    return preflight(trainer, measure=trainer.newest_checkpoint() is None)


def train(trainer: CTCTrainer, checks: pd.DataFrame) -> TrainingResult:
    """Train, going on from the newest whole checkpoint where there is one.

    The same function runs in a notebook, under ``torchrun`` and under ``accelerate launch``: every process calls it.

    Args:
        trainer: The trainer that was checked.
        checks: What ``check`` gave.

    Raises:
        ValueError: The preflight found an error; every one is named with its fix.
        CheckpointError: A checkpoint cannot be written, or the present ones belong to another recipe.
        OSError: The disk has no room for the output of the frozen layers.
        FloatingPointError: A loss is not finite; the utterances are named.
        MemoryError: Not even one utterance fits into memory.
    """
    require_no_errors(checks)
    store_frozen(trainer)
    trainer.train(resume_from_checkpoint=True)
    return TrainingResult.of(trainer, checks)

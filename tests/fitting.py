"""Trainings of seconds, of a tiny model on tones, for the tests of a training as a whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from tiny import collate, tiny_model, tiny_processor, tiny_rows
from transformers import TrainerCallback

from asr_helpers.dataset.reading import Utterances
from asr_helpers.training.config import TrainingConfig, training_arguments
from asr_helpers.training.fitting import check, train
from asr_helpers.training.trainer import CTCTrainer

CONFIG = TrainingConfig(
    epochs=2, batch_size=8, learning_rate=3e-3, precision="fp32", log_every=1, evaluations=6
)  # 6 steps, with a checkpoint after each
BRIEF = replace(CONFIG, epochs=1, evaluations=1, max_grad_norm=1e9)  # 3 steps, gradients as they come
CONFIG = replace(CONFIG, augmentation=0.5, speed_change=0.1)
TRAIN, VALIDATION = tiny_rows(21), tiny_rows(7, seed=1)  # 21 = 8 + 8 + 5: the last step is a small one


class Gradients(TrainerCallback):
    """Keep every step's loss and gradient."""

    def __init__(self) -> None:
        self.steps: list[dict[str, torch.Tensor]] = []

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs) -> None:
        self.steps.append({n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None})


def trainer_for(folder: Path, config: TrainingConfig = BRIEF, model=None, rows=TRAIN, **kwargs) -> CTCTrainer:
    return CTCTrainer(
        model or tiny_model(),
        training_arguments(config, folder, utterances=len(rows), use_cpu=True),
        config=config,
        processing_class=tiny_processor(folder / "processor"),
        train_dataset=rows,
        eval_dataset=VALIDATION,
        data_collator=collate,
        callbacks=[Gradients()],
        **kwargs,
    )


def gradients(trainer: CTCTrainer) -> list[dict[str, torch.Tensor]]:
    return next(c for c in trainer.callback_handler.callbacks if isinstance(c, Gradients)).steps


def losses(trainer: CTCTrainer) -> list[float]:
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def difference(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> float:
    """Length of the difference of two gradients, as a share of the gradient's length."""
    assert ours.keys() == theirs.keys()
    flat = [torch.cat([gradient[name].flatten() for name in theirs]).double() for gradient in (ours, theirs)]
    return ((flat[0] - flat[1]).norm() / flat[1].norm()).item()


def run(folder: Path, config: TrainingConfig = CONFIG, *, resume: bool = True, **kwargs):
    rows = Utterances.of(kwargs.pop("rows", TRAIN))
    trainer = CTCTrainer(
        kwargs.pop("model", None) or tiny_model(dropout=0.1, mask=0.1),
        training_arguments(config, folder / "checkpoints", utterances=rows.length, use_cpu=True),
        config=config,
        processing_class=tiny_processor(folder / "processor"),
        train_dataset=rows,
        eval_dataset=VALIDATION,
        data_collator=collate,
    )
    return train(trainer, check(trainer, resume=resume))

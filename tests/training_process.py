"""A training in a process of its own, for the tests that start several or kill one: see ``test_training_processes``."""

from __future__ import annotations

import argparse
import json
import os
import signal
from dataclasses import fields, replace
from pathlib import Path

import torch
from tiny import collate, tiny_model, tiny_processor, tiny_rows
from transformers import TrainerCallback

from asr_helpers.training import checkpoints
from asr_helpers.training.config import TrainingConfig, training_arguments
from asr_helpers.training.processes import leave
from asr_helpers.training.trainer import CTCTrainer

CONFIG = TrainingConfig(
    epochs=2,
    batch_size=8,
    learning_rate=3e-3,
    precision="fp32",
    log_every=1,
    evaluations=6,
    augmentation=0.5,
    speed_change=0.1,
)
TRAIN, VALIDATION = tiny_rows(21), tiny_rows(7, seed=1)


class Watch(TrainerCallback):
    """Write every step's gradient; kill the process at a step when asked to."""

    def __init__(self, folder: Path, kill_at: int | None) -> None:
        self.folder, self.kill_at = folder, kill_at

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs) -> None:
        gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
        torch.save(gradients, self.folder / f"gradient-{state.global_step}-{args.process_index}.pt")
        if state.global_step == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


def kill_while_saving(step: int, stage: str) -> None:
    """Replace a stage of the save of ``step`` by a kill."""
    real = getattr(checkpoints, stage)

    def killed(*args) -> None:
        path = next(arg for arg in args if isinstance(arg, Path))
        if str(step) in f"{path.parent.name}/{path.name}":
            os.kill(os.getpid(), signal.SIGKILL)
        real(*args)

    setattr(checkpoints, stage, killed)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--config", type=json.loads, default={})
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--kill-at", type=int)
    parser.add_argument("--kill-save", type=int)
    parser.add_argument("--stage", default="write_json")
    parser.add_argument("--folder-each", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.kill_save:
        kill_while_saving(options.kill_save, options.stage)
    config = replace(CONFIG, **{f.name: options.config[f.name] for f in fields(CONFIG) if f.name in options.config})
    rank = int(os.environ.get("RANK", "0"))
    processor = tiny_processor(options.folder / f"processor-{rank}")
    folder = options.folder / "checkpoints" if not options.folder_each else options.folder / f"checkpoints-{rank}"
    trainer = CTCTrainer(
        tiny_model(dropout=options.dropout, mask=options.dropout),
        training_arguments(config, folder, utterances=len(TRAIN), use_cpu=True),
        config=config,
        processing_class=processor,
        train_dataset=TRAIN,
        eval_dataset=VALIDATION,
        data_collator=collate,
        callbacks=[Watch(options.folder, options.kill_at)],
    )
    trainer.train(resume_from_checkpoint=True)
    history = [
        {k: v for k, v in entry.items() if "second" not in k and "runtime" not in k}
        for entry in trainer.state.log_history
    ]
    (options.folder / f"history-{rank}.json").write_text(json.dumps(history))
    hypotheses = trainer.evaluation_loop(trainer.get_eval_dataloader(), "Evaluation").predictions
    (options.folder / f"hypotheses-{rank}.json").write_text(json.dumps(sorted(hypotheses)))
    torch.save(trainer.model.state_dict(), options.folder / f"final-{rank}.pt")
    assert trainer.state.global_step == trainer.state.max_steps


if __name__ == "__main__":
    main()
    leave(0)

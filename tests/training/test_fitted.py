"""What a training leaves: its log, its best checkpoint, its end; and what it refuses to begin with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from fitting import CONFIG, TRAIN, VALIDATION, losses, run, trainer_for
from tiny import collate, tiny_model, tiny_processor

from asr_helpers.training.checkpoints import checkpoint_path, keep_only, newest_whole
from asr_helpers.training.config import training_arguments
from asr_helpers.training.trainer import CTCTrainer


def test_the_log_has_what_its_plots_need(undisturbed) -> None:
    _, result = undisturbed
    assert list(result.log.columns) == ["step", "epoch", "split", "name", "value", "seconds"]
    named = {split: set(rows["name"]) for split, rows in result.log.groupby("split")}
    assert {
        "loss",
        "grad_norm",
        "learning_rate",
        "encoder_learning_rate",
        "examples_per_second",
        "audio_seconds_per_second",
        "padding_share",
        "blank_share",
        "empty_share",
        "unknown_share",
    } <= named["train"]
    assert {"loss", "wer", "cer", "blank_share", "empty_share", "unknown_share"} <= named["validation"]
    assert result.log["step"].is_monotonic_increasing and result.log["seconds"].is_monotonic_increasing
    assert sorted(result.log.query("split == 'validation'")["step"].unique()) == [1, 2, 3, 4, 5, 6]


def test_each_validation_is_a_row(undisturbed) -> None:
    _, result = undisturbed
    table = result.validations()
    assert list(table["step"]) == [1, 2, 3, 4, 5, 6]
    assert list(table.columns[:6]) == ["step", "epoch", "training_loss", "validation_loss", "wer", "cer"]
    assert table.set_index("step")["wer"][result.best_step] == result.best_wer
    rates = table.assign(wer=table["wer"].clip(upper=1)).sort_values(["wer", "cer"])  # above 1 the letters decide
    assert rates.iloc[0]["step"] == result.best_step


class Scripted(CTCTrainer):
    """Validation results from a list."""

    script: tuple[tuple[float, float], ...] = ()

    def evaluation_loop(self, *args, **kwargs):
        output = super().evaluation_loop(*args, **kwargs)
        done = sum("eval_wer" in entry for entry in self.state.log_history)
        output.metrics["eval_wer"], output.metrics["eval_cer"] = self.script[done]
        return output


@pytest.mark.parametrize(
    ("script", "patience", "best", "stopped"),
    [
        (((0.9, 0.5), (0.8, 0.5), (0.85, 0.4), (0.9, 0.3), (0.7, 0.2), (0.7, 0.2)), 0, 5, 6),
        (((0.9, 0.5), (0.8, 0.5), (0.85, 0.4), (0.9, 0.3), (0.7, 0.2), (0.7, 0.2)), 2, 2, 4),
        (((1.0, 1.0), (1.0, 0.9), (1.0, 0.9), (1.0, 0.8), (1.0, 0.9), (1.0, 1.0)), 2, 4, 6),  # the CER breaks ties
        (((1.0, 1.0), (1.002, 0.86), (1.004, 0.67), (1.01, 0.7), (1.0, 0.9), (1.0, 1.0)), 0, 3, 6),  # it spells
        (((1.0, 1.0), (1.0, 1.0), (1.0, 1.0), (1.0, 1.0), (1.0, 1.0), (0.9, 1.0)), 2, 6, 6),  # no stop before it learns
    ],
)
def test_the_best_is_kept_and_training_stops_early(tmp_path, script, patience, best, stopped) -> None:
    config = replace(CONFIG, patience=patience)
    for _ in range(2):  # opened again, it is over
        trainer = Scripted(
            tiny_model(),
            training_arguments(config, tmp_path, utterances=len(TRAIN), use_cpu=True),
            config=config,
            processing_class=tiny_processor(tmp_path / "processor"),
            train_dataset=TRAIN,
            eval_dataset=VALIDATION,
            data_collator=collate,
        )
        trainer.script = script
        trainer.train(resume_from_checkpoint=True)
        assert (trainer.state.best_global_step, trainer.state.global_step) == (best, stopped)
    kept = {path.name for path in tmp_path.glob("checkpoint-*")}
    assert len(kept) == 2 and {f"checkpoint-{best}", f"checkpoint-{stopped}"} <= kept
    saved = safetensors.torch.load_file(checkpoint_path(tmp_path, best) / "model.safetensors")
    assert all(torch.equal(saved[name], value) for name, value in trainer.model.state_dict().items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"warmup": 1.5}, "it is a share: use 0 to 1"),
        ({"augmentation": -0.1}, "it is a share: use 0 to 1"),
        ({"speed_change": 0.6}, "use 0 \\(none\\) to 0.5"),
        ({"batch_size": 0}, "use 1 or more"),
        ({"checkpoints": 1}, "best and the newest"),
        ({"epochs": 0}, "must be above 0"),
        ({"learning_rate": 0.0}, "above 0"),
    ],
)
def test_a_senseless_recipe_is_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **change)


class Stream:
    """Rows without a length, read anew for every epoch, as from shards that are too many for the disk."""

    def __init__(self, rows: list[dict]) -> None:
        self.rows, self.epoch = rows, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self):
        return iter(self.rows[self.epoch :] + self.rows[: self.epoch])


def test_a_stream_is_trained_on_and_gone_on_with(tmp_path: Path) -> None:
    config = replace(CONFIG, epochs=0.0, max_steps=4, evaluations=4, accumulation=2, checkpoints=4)
    whole = run(tmp_path / "whole", config, rows=Stream(TRAIN))
    run(tmp_path / "parts", config, rows=Stream(TRAIN))
    keep_only(tmp_path / "parts" / "checkpoints", {3})
    assert newest_whole(tmp_path / "parts" / "checkpoints").name == "checkpoint-3"
    resumed = run(tmp_path / "parts", config, rows=Stream(TRAIN), model=tiny_model(seed=9, dropout=0.1, mask=0.1))
    assert resumed.steps == whole.steps == 4
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name


def test_a_stream_needs_a_number_of_steps(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="max_steps is not set; a streamed corpus has no length"):
        run(tmp_path, rows=Stream(TRAIN))


def test_tensorboard_events_are_written(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trainer = trainer_for(tmp_path / "checkpoints", tensorboard=tmp_path / "events")
    trainer.train()
    events = EventAccumulator(str(tmp_path / "events")).Reload()
    assert [e.step for e in events.Scalars("loss/train")] == [1, 2, 3]
    assert [e.value for e in events.Scalars("loss/train")] == pytest.approx(losses(trainer))
    assert {"wer/validation", "blank_share/validation", "examples_per_second/train"} <= set(events.Tags()["scalars"])

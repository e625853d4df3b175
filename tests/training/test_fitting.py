"""A training as a whole: the loss of one big batch, resuming, running out of memory, stopping."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from tiny import LETTERS, collate, tiny_model, tiny_processor, tiny_rows
from transformers import TrainerCallback, Wav2Vec2ForCTC

from asr_helpers.dataset.reading import Utterances
from asr_helpers.training.checkpoints import CheckpointError, checkpoint_path, is_whole, keep_only, newest_whole
from asr_helpers.training.config import TrainingConfig, training_arguments
from asr_helpers.training.fitting import check, train
from asr_helpers.training.trainer import CTCTrainer

CONFIG = TrainingConfig(
    epochs=2, batch_size=8, learning_rate=3e-3, precision="fp32", log_every=1, evaluations=6
)  # 6 steps, with a checkpoint after each
BRIEF = replace(CONFIG, epochs=1, evaluations=1, max_grad_norm=1e9)  # 3 steps, gradients as they come
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


@pytest.fixture(scope="module")
def one_batch(tmp_path_factory: pytest.TempPathFactory) -> CTCTrainer:
    trainer = trainer_for(tmp_path_factory.mktemp("one"))
    trainer.train()
    return trainer


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("undisturbed")
    return folder, run(folder)


def by_hand(model: Wav2Vec2ForCTC, rows: list[dict]) -> torch.Tensor:
    """The promised loss, utterance by utterance through the plain model: no batch, no trainer."""
    total = torch.zeros(())
    for row in rows:
        batch = collate([row])
        logits = model(batch["input_values"], attention_mask=batch["attention_mask"]).logits
        log_probs = logits.log_softmax(-1).transpose(0, 1)
        length = len(row["labels"])
        total = (
            total
            + torch.nn.functional.ctc_loss(
                log_probs, batch["labels"], [logits.shape[1]], [length], blank=0, reduction="sum"
            )
            / length
        )
    return total / len(rows)


def test_the_first_step_is_the_mean_over_its_utterances(one_batch: CTCTrainer) -> None:
    model = tiny_model().train()
    sampler = trainer_for(Path(one_batch.args.output_dir)).get_train_dataloader().batch_sampler
    first = [TRAIN[row] for row, _ in next(iter(sampler))]
    loss = by_hand(model, first)
    loss.backward()
    assert losses(one_batch)[0] == pytest.approx(loss.item(), rel=1e-5)
    expected = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert difference(gradients(one_batch)[0], expected) < 1e-5


@pytest.mark.parametrize("change", [{"accumulation": 2}, {"accumulation": 4}, {"micro_seconds": 1.5}])
def test_accumulation_is_one_big_batch(tmp_path: Path, one_batch: CTCTrainer, change: dict) -> None:
    trainer = trainer_for(tmp_path, replace(BRIEF, **change))
    trainer.train()
    assert losses(trainer) == pytest.approx(losses(one_batch), abs=1e-5)
    assert max(map(difference, gradients(trainer), gradients(one_batch))) < 1e-5


def test_no_gradient_runs_through_the_feature_encoder(one_batch: CTCTrainer) -> None:
    assert not any("feature_extractor" in name for name in gradients(one_batch)[0])
    assert any(name.startswith("wav2vec2.encoder") for name in gradients(one_batch)[0])


def test_the_encoder_waits_until_its_frozen_steps_are_over(tmp_path: Path) -> None:
    trainer = trainer_for(tmp_path, replace(BRIEF, encoder_frozen=0.67))
    trainer.train()
    trained = [any(name.startswith("wav2vec2") for name in step) for step in gradients(trainer)]
    assert trained == [False, False, True]
    rates = [e["encoder_learning_rate"] for e in trainer.state.log_history if "loss" in e]
    assert rates[:2] == [0, 0] and rates[2] > 0


def test_out_of_memory_halves_and_goes_on_with_the_same_steps(
    tmp_path: Path, one_batch: CTCTrainer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    trainer = trainer_for(tmp_path, replace(BRIEF, accumulation=2))
    real = CTCTrainer.losses

    def small_memory(self: CTCTrainer, model, piece):
        if model.training and len(piece["ids"]) > 1 and self.state.global_step == 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return real(self, model, piece)

    monkeypatch.setattr(CTCTrainer, "losses", small_memory)
    trainer.train()
    assert trainer.halvings.count == 2  # pieces of 4, 2, 1
    assert "out of memory at step 1: going on with 1/4 of the batch" in capsys.readouterr().out
    assert losses(trainer) == pytest.approx(losses(one_batch), abs=1e-5)
    assert max(map(difference, gradients(trainer), gradients(one_batch))) < 1e-5
    assert trainer_for(tmp_path).halvings.count == 2  # a new process begins with pieces that fit


@pytest.mark.parametrize("micro_batch", [1, 2])
def test_out_of_memory_in_the_middle_of_a_backward_pass_leaves_no_trace(
    tmp_path: Path, one_batch: CTCTrainer, monkeypatch: pytest.MonkeyPatch, micro_batch: int
) -> None:
    trainer = trainer_for(tmp_path, replace(BRIEF, accumulation=2))
    real, calls = trainer.accelerator.backward, []

    def broken(loss: torch.Tensor, **kwargs) -> None:
        real(loss, **kwargs)
        calls.append(1)
        if len(calls) == micro_batch:  # the gradient of this piece is in the parameters already
            raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(trainer.accelerator, "backward", broken)
    trainer.train()
    assert difference(gradients(trainer)[0], gradients(one_batch)[0]) < 1e-5


def test_an_utterance_too_large_for_the_memory_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(self: CTCTrainer, model, piece):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(CTCTrainer, "losses", no_memory)
    with pytest.raises(MemoryError, match=r"not even one utterance fits into memory \(0-\d+, \d\.\d s\)"):
        trainer_for(tmp_path).train()


def test_validation_runs_out_of_memory_and_still_counts_everyone(
    one_batch: CTCTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = one_batch.evaluate()
    real = CTCTrainer.losses

    def small_memory(self: CTCTrainer, model, piece):
        if len(piece["ids"]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return real(self, model, piece)

    monkeypatch.setattr(CTCTrainer, "losses", small_memory)
    assert one_batch.evaluate()["eval_loss"] == pytest.approx(expected["eval_loss"], abs=1e-5)


def test_validation_is_the_mean_over_the_utterances(one_batch: CTCTrainer) -> None:
    one_batch.model.eval()
    with torch.no_grad():
        expected = by_hand(one_batch.model, VALIDATION).item()
    output = one_batch.evaluation_loop(one_batch.get_eval_dataloader(), "Evaluation")
    assert output.metrics["eval_loss"] == pytest.approx(expected, rel=1e-5)
    assert output.num_samples == len(VALIDATION)
    assert {name: reference for name, (reference, _) in output.predictions.items()} == {
        row["id"]: row["text"] for row in VALIDATION
    }


def test_a_loss_that_is_no_number_stops_and_names_the_utterance(tmp_path: Path) -> None:
    rows = tiny_rows(16)
    rows[5] = {**rows[5], "audio": rows[5]["audio"].astype(np.float32) * np.nan}
    with pytest.raises(FloatingPointError, match=r"utterances of the batch: 0-5\."):
        trainer_for(tmp_path, rows=rows).train()


def test_two_runs_are_equal_to_the_last_digit(tmp_path: Path, undisturbed) -> None:
    _, first = undisturbed
    second = run(tmp_path)
    quick = ~first.log["name"].str.contains("second|runtime")
    assert first.log[quick].drop(columns="seconds").equals(second.log[quick].drop(columns="seconds"))
    for name, value in first.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[name]), name


@pytest.mark.parametrize("stop", [2, 3, 4])  # in an epoch, at its end, in the next
def test_a_resumed_run_ends_in_the_same_weights(tmp_path: Path, undisturbed, stop: int) -> None:
    class Kill(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs) -> None:
            if state.global_step == stop + 1:
                raise KeyboardInterrupt

    folder, whole = undisturbed
    trainer = CTCTrainer(
        tiny_model(dropout=0.1, mask=0.1),
        training_arguments(CONFIG, tmp_path / "checkpoints", utterances=len(TRAIN), use_cpu=True),
        config=CONFIG,
        processing_class=tiny_processor(tmp_path / "processor"),
        train_dataset=TRAIN,
        eval_dataset=VALIDATION,
        data_collator=collate,
        callbacks=[Kill()],
    )
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    assert newest_whole(tmp_path / "checkpoints").name == f"checkpoint-{stop}"
    model = tiny_model(seed=9, dropout=0.1, mask=0.1)  # other values: they must come from the checkpoint
    resumed = run(tmp_path, model=model)
    last = [
        safetensors.torch.load_file(path / "checkpoints" / "checkpoint-6" / "model.safetensors")
        for path in (folder, tmp_path)
    ]
    assert all(torch.equal(last[0][name], last[1][name]) for name in last[0])
    assert (resumed.best_step, resumed.best_wer) == (whole.best_step, whole.best_wer)
    quick = ~whole.log["name"].str.contains("second|runtime")
    assert whole.log[quick].drop(columns="seconds").equals(resumed.log[quick].drop(columns="seconds"))


def test_a_finished_run_is_not_trained_again(undisturbed) -> None:
    folder, first = undisturbed
    again = run(folder, model=tiny_model(seed=9, dropout=0.1, mask=0.1))
    assert again.steps == first.steps and again.best_wer == first.best_wer
    for name, value in first.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name


def test_nor_is_one_that_ends_within_an_epoch(tmp_path: Path) -> None:
    config = replace(CONFIG, max_steps=4)  # epochs have three steps
    for _ in range(2):
        result = run(tmp_path, config)
        assert result.steps == 4 and newest_whole(tmp_path / "checkpoints").name == "checkpoint-4"


@pytest.mark.parametrize(
    ("change", "rows", "message"),
    [
        ({"learning_rate": 0.1}, TRAIN, r"learning_rate was 0\.003 and is 0\.1\. .*resume=False"),
        ({}, TRAIN[1:], "utterances was '"),
        ({"micro_seconds": 3.0, "patience": 5}, TRAIN, None),
    ],
)
def test_only_the_same_training_goes_on_from_a_checkpoint(tmp_path, undisturbed, change, rows, message) -> None:
    config = replace(CONFIG, **change)
    trainer = trainer_for(tmp_path, config, tiny_model(dropout=0.1, mask=0.1), rows)
    trainer.args.output_dir = str(undisturbed[0] / "checkpoints")
    if message is None:
        assert Path(trainer.newest_checkpoint()).name == "checkpoint-6"
    else:
        with pytest.raises(CheckpointError, match=message):
            trainer.newest_checkpoint()


def test_a_process_that_does_not_see_the_checkpoint_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asr_helpers.training.saving.from_first", lambda value: tmp_path / "elsewhere" / "checkpoint-3")
    with pytest.raises(CheckpointError, match=r"process 0 does not see .*run folder that all of them see"):
        trainer_for(tmp_path).train(resume_from_checkpoint=True)


def test_a_best_checkpoint_that_is_gone_is_said(tmp_path: Path, undisturbed, capsys: pytest.CaptureFixture) -> None:
    trainer = trainer_for(tmp_path)
    trainer.state.best_model_checkpoint = str(tmp_path / "checkpoint-9")
    trainer._load_best_model()
    assert "is gone: the model keeps its last weights" in capsys.readouterr().out


def test_resume_false_begins_afresh(tmp_path: Path) -> None:
    short = replace(CONFIG, max_steps=1, evaluations=1)
    run(tmp_path, short)
    result = run(tmp_path, replace(short, learning_rate=1e-4), resume=False)
    assert result.steps == 1
    assert result.log.query("name == 'learning_rate'")["value"].tolist() == [1e-4]


def test_a_full_disk_stops_the_run_with_its_earlier_checkpoint_whole(
    tmp_path: Path, undisturbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Wav2Vec2ForCTC.save_pretrained

    def full(self, folder, *args, **kwargs) -> None:
        real(self, folder, *args, **kwargs)
        if "6" in Path(folder).name:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Wav2Vec2ForCTC, "save_pretrained", full)
    with pytest.raises(CheckpointError, match=r"step 6 .*checkpoint-5 is whole.*goes on from step 5"):
        run(tmp_path)
    monkeypatch.undo()
    assert is_whole(checkpoint_path(tmp_path / "checkpoints", 5))
    resumed, (_, whole) = run(tmp_path), undisturbed
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name


def test_checkpoints_hold_no_pickled_arguments_and_no_token(undisturbed, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _ = undisturbed
    names = {path.name for path in (folder / "checkpoints").rglob("*")}
    assert "training_args.bin" not in names and {"model.safetensors", "optimizer.pt"} <= names
    for path in (folder / "checkpoints").rglob("*.pt*"):
        if path.name != "rng_state.pth":
            torch.load(path, weights_only=True)


def test_the_saved_model_is_an_ordinary_checkpoint_with_its_processor(undisturbed) -> None:
    folder, result = undisturbed
    best = checkpoint_path(folder / "checkpoints", result.best_step)
    model = Wav2Vec2ForCTC.from_pretrained(best)
    for name, value in result.model.state_dict().items():
        assert torch.equal(value, model.state_dict()[name])
    assert json.loads((best / "vocab.json").read_text())[LETTERS[0]] == 3


def test_bf16_ends_with_the_training(tmp_path: Path) -> None:
    config = replace(CONFIG, precision="bf16", max_steps=2, evaluations=1)
    result = run(tmp_path, config)
    plain = Wav2Vec2ForCTC.from_pretrained(checkpoint_path(tmp_path / "checkpoints", result.best_step)).eval()
    batch = collate(VALIDATION[:2])
    inputs = batch["input_values"], batch["attention_mask"]
    with torch.no_grad():
        assert torch.equal(result.model.eval()(*inputs).logits, plain(*inputs).logits)
    assert not hasattr(result.model, "_original_forward")


def test_the_log_has_what_issue_and_plots_need(undisturbed) -> None:
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
    assert table.set_index("step")["wer"][result.best_step] == result.best_wer == table["wer"].min()


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
        ({"warmup": 1.5}, "share of the steps"),
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

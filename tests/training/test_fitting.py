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
from fitting import BRIEF, CONFIG, TRAIN, VALIDATION, difference, gradients, losses, run, trainer_for
from tiny import LETTERS, collate, tiny_model, tiny_processor, tiny_rows
from transformers import TrainerCallback, Wav2Vec2ForCTC

from asr_helpers.training.checkpoints import CheckpointError, checkpoint_path, is_whole, newest_whole
from asr_helpers.training.config import training_arguments
from asr_helpers.training.trainer import CTCTrainer


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
    first = [TRAIN[row] for row, _, _ in next(iter(sampler))]
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

"""The preflight finds what is wrong and leaves the training as it was."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import collate, tiny_model, tiny_processor, tiny_rows
from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

from asr_helpers.dataset.reading import Utterances
from asr_helpers.model.exact import make_exact
from asr_helpers.model.frames import output_frames
from asr_helpers.training.config import TrainingConfig, training_arguments
from asr_helpers.training.fitting import check, train
from asr_helpers.training.loss import ctc_losses
from asr_helpers.training.preflight import PREFLIGHT_COLUMNS, preflight, preflight_lines, require_no_errors
from asr_helpers.training.rehearsal import rehearse
from asr_helpers.training.trainer import CTCTrainer

CONFIG = TrainingConfig(epochs=40, batch_size=8, precision="fp32")
TRAIN, VALIDATION = tiny_rows(24), tiny_rows(6, seed=1)


def trainer_for(folder: Path, config: TrainingConfig = CONFIG, model=None, rows=None, validation=None) -> CTCTrainer:
    rows = TRAIN if rows is None else rows
    return CTCTrainer(
        model or tiny_model(dropout=0.1, mask=0.1),
        training_arguments(config, folder / "checkpoints", utterances=Utterances.of(rows).length, use_cpu=True),
        config=config,
        processing_class=tiny_processor(folder / "processor"),
        train_dataset=rows,
        eval_dataset=VALIDATION if validation is None else validation,
        data_collator=collate,
    )


def row(table, check: str):
    (found,) = table[table["check"] == check].itertuples()
    return found


def group_norm_model(exact: bool) -> Wav2Vec2ForCTC:
    config = Wav2Vec2Config(**{**tiny_model().config.to_dict(), "feat_extract_norm": "group"})
    torch.manual_seed(0)
    model = Wav2Vec2ForCTC(config)
    model.freeze_feature_encoder()
    return make_exact(model) if exact else model


def test_a_sound_training_passes_every_check(tmp_path: Path) -> None:
    table = preflight(trainer_for(tmp_path))
    assert list(table.columns) == PREFLIGHT_COLUMNS and table["check"].is_unique
    doubtful = table[table["verdict"] != "ok"]
    assert list(doubtful["check"]) == ["audio hours"], doubtful  # fifteen seconds of audio
    assert table.loc[table["verdict"] == "ok", "advice"].eq("").all()
    assert {"total steps", "peak memory", "expected time", "accumulation scaling"} <= set(table["check"])
    require_no_errors(table)
    assert row(table, "total steps").value == "120 (40.0 epochs of 3)"


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    trainer = trainer_for(tmp_path)
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    streams = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    preflight(trainer)
    assert random.getstate() == streams[0] and np.array_equal(np.random.get_state()[1], streams[1])
    assert torch.equal(torch.get_rng_state(), streams[2])
    assert all(torch.equal(value, before[name]) for name, value in trainer.model.state_dict().items())
    assert all(p.grad is None for p in trainer.model.parameters())
    assert trainer.optimizer is None and trainer.meter.totals().sum() == 0 and trainer.model.training
    assert not list((tmp_path / "checkpoints").iterdir())


def relabelled(index: int, labels: list[int]) -> list[dict]:
    return [{**r, "labels": labels} if i == index else r for i, r in enumerate(TRAIN)]


def crowded() -> list[dict]:
    """One utterance with as many letters as frames."""
    frames = int(output_frames(((16, 10), (8, 8), (6, 4)), len(TRAIN[3]["audio"])))
    return relabelled(3, [3, 4] * (frames // 2))


def with_config(**settings) -> Callable[[], Wav2Vec2ForCTC]:
    def make() -> Wav2Vec2ForCTC:
        model = tiny_model(mask=0.1)
        model.config.update(settings)
        return model

    return make


def thawed() -> Wav2Vec2ForCTC:
    model = tiny_model()
    model.requires_grad_(True)
    return model


def wider() -> Wav2Vec2ForCTC:
    model = tiny_model()
    model.lm_head = torch.nn.Linear(model.config.hidden_size, 11)
    return model


@pytest.mark.parametrize(
    ("check", "verdict", "value", "change"),
    [
        ("total steps", "warning", "6 (2.0 epochs of 3)", {"config": {"epochs": 2}}),
        ("warmup share", "warning", "30 % (36 steps)", {"config": {"warmup": 0.3}}),
        ("warmup share", "error", "93 % (112 steps)", {"config": {"warmup": 0.93}}),
        ("warmup share", "error", "after 60 steps with the encoder frozen", {"config": {"encoder_frozen": 0.5}}),
        ("learning rates", "warning", "head 0.1, encoder 0.0002", {"config": {"learning_rate": 0.1}}),
        ("effective batch", "warning", "3 micro-batches each", {"config": {"accumulation": 3}}),
        ("effective batch", "warning", "9 micro-batches each", {"config": {"accumulation": 9}}),
        ("audio hours", "error", "0.00 h validation", {"validation": []}),
        ("infeasible labels", "error", "1: 0-3", {"rows": lambda: relabelled(3, [3, 3] * 40)}),
        ("infeasible labels", "error", "1: 0-3", {"rows": lambda: relabelled(3, [])}),
        ("infeasible labels", "ok", "0", {"rows": lambda: relabelled(3, [3, 4])}),
        ("blank id", "error", "in the labels of 1: 0-4", {"rows": lambda: relabelled(4, [3, 0, 4])}),
        ("blank id", "error", "model 7, tokenizer 0", {"model": with_config(pad_token_id=7)}),
        ("vocabulary size", "error", "highest label 8", {"rows": lambda: relabelled(4, [3, 8])}),
        ("vocabulary size", "error", "11 outputs, 8 tokens", {"model": wider}),
        ("unknown letters", "warning", "0.51 %", {"rows": lambda: relabelled(5, [1, 3])}),
        ("mask policy", "warning", "group norm", {"model": lambda: group_norm_model(exact=False)}),
        ("mask policy", "ok", "norm over real frames only", {"model": lambda: group_norm_model(exact=True)}),
        ("SpecAugment", "error", "masks of 60 frames", {"model": with_config(mask_time_length=60)}),
        ("SpecAugment", "warning", "masks of 9 frames", {"model": with_config(mask_time_length=9)}),
        ("SpecAugment", "ok", "shortest clip 11 frames", {}),
        ("SpecAugment", "warning", "shortest clip 7 frames", {"config": {"speed_change": 0.5}}),
        ("augmentation", "ok", "each of room, noise, band, gain in 30 %", {"config": {"augmentation": 0.3}}),
        ("augmentation", "ok", "speed 0.8 to 1.2", {"config": {"speed_change": 0.2}}),
        ("augmentation", "ok", "its frames (1 utterance)", {"config": {"speed_change": 0.2}, "rows": crowded}),
        ("loss reduction", "warning", "the model's own: sum", {"model": with_config(ctc_loss_reduction="sum")}),
        ("trained parameters", "warning", " of ", {"model": thawed}),
    ],
)
def test_what_is_wrong_is_found(tmp_path: Path, check: str, verdict: str, value: str, change: dict) -> None:
    made = {name: change[name]() if callable(change.get(name)) else change.get(name) for name in ("model", "rows")}
    config = replace(CONFIG, **change.get("config", {}))
    trainer = trainer_for(tmp_path, config, validation=change.get("validation"), **made)
    found = row(preflight(trainer, measure=False), check)
    assert found.verdict == verdict and value in found.value, found
    assert bool(found.advice) == (verdict != "ok")


def test_errors_stop_with_their_fix_and_warnings_do_not(tmp_path: Path) -> None:
    table = preflight(trainer_for(tmp_path, replace(CONFIG, epochs=2, warmup=0.93)), measure=False)
    with pytest.raises(ValueError, match=r"not ready:\n- warmup share: 100 % .*a warmup of about 0\.05$"):
        require_no_errors(table)
    require_no_errors(table[table["verdict"] != "error"])
    assert "warning: total steps: 6" in preflight_lines(table)


def test_training_does_not_begin_with_an_error(tmp_path: Path) -> None:
    trainer = trainer_for(tmp_path, rows=relabelled(3, []))
    with pytest.raises(ValueError, match="infeasible labels: 1: 0-3"):
        train(trainer, check(trainer))
    assert not list((tmp_path / "checkpoints").glob("*"))


@pytest.mark.parametrize("leak", ["scale", "padding"])
def test_a_cut_batch_with_another_gradient_is_found(tmp_path: Path, monkeypatch, leak: str) -> None:
    model = group_norm_model(exact=False) if leak == "padding" else tiny_model()
    trainer = trainer_for(tmp_path, model=model)
    if leak == "scale":  # what the plain Trainer does: each piece takes its own mean
        real = CTCTrainer.compute_loss
        monkeypatch.setattr(CTCTrainer, "compute_loss", lambda self, m, piece, **_: real(self, m, piece))
    found = row(preflight(trainer), "accumulation scaling")
    assert found.verdict == "error" and "make_exact" in found.advice


def test_a_head_that_reads_already_is_doubtful(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asr_helpers.training.preflight.wer_before_training", lambda trainer: 0.38)
    found = row(preflight(trainer_for(tmp_path)), "WER before training")
    assert found.verdict == "warning" and found.value == "0.38" and "seed of its pretraining" in found.advice


def test_of_a_head_that_was_kept_nobody_expects_that_it_knows_nothing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("asr_helpers.training.preflight.wer_before_training", lambda trainer: 0.38)
    monkeypatch.setattr("asr_helpers.training.preflight.FEW_STEPS", 1_000_000)
    trainer = trainer_for(tmp_path)
    assert row(preflight(trainer), "total steps").verdict == "warning"
    trainer.kept_outputs = 3
    table = preflight(trainer)
    assert row(table, "WER before training").verdict == row(table, "total steps").verdict == "ok"
    assert row(table, "head").value == f"3 of {trainer.model.config.vocab_size} outputs keep the checkpoint's weights"


def test_a_batch_that_does_not_fit_is_halved_for_the_training_too(tmp_path: Path, monkeypatch) -> None:
    real = CTCTrainer.losses

    def small_memory(self: CTCTrainer, model, piece):
        if model.training and len(piece["ids"]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return real(self, model, piece)

    monkeypatch.setattr(CTCTrainer, "losses", small_memory)
    trainer = trainer_for(tmp_path)
    found = row(preflight(trainer), "peak memory")
    assert found.verdict == "warning" and "4 times as many pieces" in found.advice
    assert trainer.halvings.count == 2


def test_a_loss_that_is_no_number_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = trainer_for(tmp_path)

    def broken(logits, labels, **kwargs):
        return ctc_losses(logits, labels, **kwargs) * (float("nan") if trainer.model.training else 1)

    monkeypatch.setattr("asr_helpers.training.trainer.ctc_losses", broken)
    found = row(preflight(trainer), "a step of training")
    assert found.verdict == "error" and "not a finite number" in found.advice


def test_a_stream_is_looked_at_by_its_first_rows(tmp_path: Path) -> None:
    class Stream:
        def set_epoch(self, epoch):
            pass

        def __iter__(self):
            return iter(TRAIN)

    table = preflight(trainer_for(tmp_path, replace(CONFIG, max_steps=200), rows=Stream()))
    assert row(table, "total steps").value == "200"
    assert "the first 24 utterances of the stream" in row(table, "audio hours").value
    (doubtful,) = table[table["verdict"] != "ok"].itertuples()
    assert (
        doubtful.advice
        == "6 validation utterances choose the checkpoint, rather by luck: a larger validation_share (notebook 01)"
    )


def test_the_longest_batch_is_measured_as_long_as_it_can_become(tmp_path: Path) -> None:
    audio = [
        rehearse(trainer_for(tmp_path / str(change), replace(CONFIG, speed_change=change))).longest_audio
        for change in (0.0, 0.5)
    ]
    assert audio[1] == pytest.approx(2 * audio[0], rel=1e-3)


def test_the_time_of_augmentation_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = trainer_for(tmp_path, replace(CONFIG, augmentation=0.5))
    monkeypatch.setattr("asr_helpers.audio.augmentation.disturb", lambda samples, *_, **__: time.sleep(0.1) or samples)
    assert rehearse(trainer).step_seconds > 0.1

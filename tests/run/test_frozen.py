"""A training on the output of frozen layers: the same as the whole model's, stored once, gone on with, refused."""

import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
import safetensors.torch
import torch
from fitting import Gradients, difference, gradients, losses
from shapes import model_of
from tiny import VOCAB
from tiny_run import SPLITS, killed_at, started, tiny_run, trained
from transformers import AutoModelForCTC

from asr_helpers.dataset.collator import Collator
from asr_helpers.training import frozen
from asr_helpers.training.checkpoints import CheckpointError
from asr_helpers.training.config import NOT_STORED, TrainingConfig, TrainingSetup
from asr_helpers.training.frozen import FrozenPart, store_frozen

STILL = {"dropout": 0.0, "mask_time_prob": 0.0}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A run with a checkpoint of group norm, post-norm and positions that its lowest layer hands on: WavLM."""
    folder = tmp_path_factory.mktemp("prepared")
    return folder, tiny_run(folder, model=model_of("wavlm-base", vocab_size=len(VOCAB))) | {"frozen_layers": 1}


@pytest.fixture
def fresh(prepared, tmp_path):
    shutil.copytree(prepared[0] / "run", tmp_path / "run")
    return {**prepared[1], "run_folder": str(tmp_path / "run")}


@pytest.fixture
def computed(monkeypatch):
    """How many utterances the frozen part computed, call by call."""
    counts, real = [], FrozenPart._compute
    monkeypatch.setattr(FrozenPart, "_compute", lambda self, rows: counts.append(len(rows)) or real(self, rows))
    return counts


def weights(run_folder, step=4):
    return safetensors.torch.load_file(Path(run_folder) / f"checkpoints/checkpoint-{step}/model.safetensors")


def test_it_learns_what_the_whole_model_with_the_same_layers_frozen_learns(fresh, tmp_path):
    shutil.copytree(fresh["run_folder"], tmp_path / "whole")
    upper = started(fresh, **STILL, frozen_format="fp32")
    whole = started({**fresh, "run_folder": str(tmp_path / "whole")}, **STILL)
    vars(whole)["collator"] = Collator.of(whole.processor)  # the recordings, through all layers
    for training in (upper, whole):
        training.trainer.add_callback(Gradients())
    result = upper.fit()
    whole.fit()
    upper.save(result)
    ours, theirs = (gradients(training.trainer)[0] for training in (upper, whole))
    assert difference(ours, theirs) < 1e-5
    assert losses(upper.trainer) == pytest.approx(losses(whole.trainer), rel=1e-4)  # AdamW makes rounding larger

    ours = weights(fresh["run_folder"])
    before = safetensors.torch.load_file(Path(fresh["checkpoint"]) / "model.safetensors")
    changed = {
        key for key in before if before[key].shape == ours[key].shape and not torch.equal(before[key], ours[key])
    }
    assert {"encoder.layers.1" in key or key.startswith("lm_head") for key in changed} == {True} and len(changed) > 10

    plain = AutoModelForCTC.from_pretrained(Path(fresh["run_folder"]) / "model").eval()  # an ordinary checkpoint
    clip = {"input_values": torch.randn(1, 9_000), "attention_mask": torch.ones(1, 9_000, dtype=torch.int32)}
    with torch.no_grad():
        torch.testing.assert_close(result.model.eval()(**clip).logits, plain(**clip).logits, rtol=0, atol=1e-5)


def test_a_killed_training_goes_on_to_the_same_weights(fresh, tmp_path, monkeypatch, computed):
    shutil.copytree(fresh["run_folder"], tmp_path / "killed")
    given, again = {**fresh, "mask_time_prob": 0.1}, {"run_folder": str(tmp_path / "killed")}
    trained(given)
    with killed_at(3):
        trained(given, **again)
    computed.clear()
    trained(given, **again)
    assert not computed  # all was stored
    ours, theirs = weights(fresh["run_folder"]), weights(tmp_path / "killed")
    assert not [key for key in ours if not torch.equal(ours[key], theirs[key])]
    for change in ({"frozen_layers": 2}, {"frozen_layers": 0}, {"frozen_format": "int8"}):
        with pytest.raises(CheckpointError, match=f"{next(iter(change))} was "):
            trained(given, **again, **change)


def test_only_what_is_missing_is_computed(fresh, monkeypatch, computed):
    monkeypatch.setattr(frozen, "SHARD_SECONDS", 5.0)

    def stored(**changes):
        computed.clear()
        store_frozen(started(fresh, **changes).trainer)
        return list(computed)

    first = stored()
    assert len(first) > 3 and sum(first) == SPLITS["train"] + SPLITS["validation"]
    files = sorted(Path(fresh["run_folder"]).glob("frozen/*/*.npy"))
    assert stored(dropout=0.5, learning_rate=1.0, head_seed=3) == []  # nothing of these lies below
    files[1].with_suffix(".json").unlink()  # as a kill leaves it
    assert stored() == [first[1]]
    for change in ({"frozen_layers": 2}, {"frozen_format": "int8"}, {"precision": "bf16"}):
        assert stored(**change) == first
    monkeypatch.setattr(frozen, "SHARD_SECONDS", 1e9)
    assert stored() == [SPLITS["train"], SPLITS["validation"]]
    assert len(list(Path(fresh["run_folder"]).glob("frozen/*/*.npy"))) == 2  # what belongs to nothing is gone


def test_another_recording_or_another_weight_below_is_computed_again(fresh):
    part = started(fresh).collator.stored
    names = [shard.fingerprint for shard in part.shards]
    assert names == [shard.fingerprint for shard in started(fresh).collator.stored.shards]
    del part.shards
    rows = [dict(row) for row in part.splits["train"]]
    rows[0]["audio"] = rows[0]["audio"] + 1
    part.splits = {**part.splits, "train": type(part.splits["train"])(rows)}
    part.splits["train"].seconds = started(fresh).utterances.seconds
    assert [a == b.fingerprint for a, b in zip(names, part.shards, strict=True)] == [False, True]
    del part.shards
    part.model.base_model.encoder.layers[0].attention.k_proj.bias.data[0] += 1
    assert [a == b.fingerprint for a, b in zip(names, part.shards, strict=True)] == [False, False]


def test_processes_share_out_what_is_to_be_stored(fresh, monkeypatch, computed):
    monkeypatch.setattr(frozen, "SHARD_SECONDS", 5.0)
    parts = [started(fresh).collator.stored for _ in range(2)]
    for number in (1, 0):
        parts[number].store((number, 2))
    assert all(shard.there for shard in parts[0].shards)
    assert sum(computed) == SPLITS["train"] + SPLITS["validation"]
    read = parts[0].stored()
    for row in parts[0].splits["train"].first(3):
        torch.testing.assert_close(torch.from_numpy(read(row)), torch.from_numpy(parts[0](row)), rtol=2**-8, atol=1e-5)


def test_the_preflight_tells_time_and_disk_beforehand(fresh):
    training = started(fresh)
    checks = training.preflight().set_index("check")["value"]
    assert not training.run.path("frozen").exists()
    assert checks["frozen layers"].startswith("1 of 2 layers, as bf16: ") and "to store" in checks["frozen layers"]
    assert "to store the output of the frozen layers" in checks["expected time"]
    assert "frozen layers' output" in checks["disk"]
    told = training.trainer.pieces.collator.stored.cost(processes=1)[1]
    store_frozen(training.trainer)
    files = training.run.path("frozen").rglob("*.npy")
    assert told == pytest.approx(sum(file.stat().st_size for file in files), rel=0.1)
    assert started(fresh).preflight().set_index("check")["value"]["frozen layers"].endswith("all is stored")


def test_a_full_disk_is_found_before_anything_is_computed(fresh, monkeypatch, computed):
    trainer = started(fresh).trainer
    monkeypatch.setattr("asr_helpers.storage.shutil.disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 1))
    with pytest.raises(OSError, match="free at least"):
        store_frozen(trainer)
    assert not computed


@pytest.mark.parametrize("name", NOT_STORED)
def test_what_does_not_go_together_is_refused(name, prepared):
    kind = type({**asdict(TrainingSetup()), **asdict(TrainingConfig())}[name])
    with pytest.raises(ValueError, match=f"frozen_layers and {name} do not go together .* leave one of them out"):
        started(prepared[1], **{name: {str: "folder", int: 4, float: 0.5}[kind]})

"""A learning curve through the command: what is trained, what is kept, what is refused."""

import json
import shutil
from pathlib import Path

import pytest
from tiny_run import SPLITS, tiny_run

from asr_helpers.__main__ import main
from asr_helpers.dataset.reading import load_prepared
from asr_helpers.model.loading import load_trained
from asr_helpers.run import learning_curve
from asr_helpers.run.folder import MissingArtifact, StaleArtifact, open_run
from asr_helpers.run.learning_curve import train_curve
from asr_helpers.run.manifest import Manifest
from asr_helpers.run.training import TrainingRun, start_training
from asr_helpers.training.trainer import CTCTrainer

TEST = SPLITS["test"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run after notebook 04; nobody trains a curve in it."""
    parameters = tiny_run(tmp_path_factory.mktemp("trained") / "tiny")
    training = start_training(open_run(parameters["run_folder"]), {**parameters, "max_steps": -1, "epochs": 2.0})
    training.save(training.fit())
    return Path(parameters["run_folder"])


@pytest.fixture
def folder(trained, tmp_path):
    return Path(shutil.copytree(trained, tmp_path / "run"))


@pytest.fixture
def trainings(monkeypatch):
    """Every training that begins: its run folder's name, ids of its utterances, its steps and seed."""
    begun = []
    fit = TrainingRun.fit

    def noted(self):
        begun.append((self.run.folder.name, set(self.utterances.table("id")["id"]), self.steps, self.config.seed))
        return fit(self)

    monkeypatch.setattr(TrainingRun, "fit", noted)
    return begun


def test_the_command_trains_the_parts_as_long_as_the_whole_and_says_what_it_found(folder, trainings, capsys):
    assert main(["curve", str(folder), "--seed", "3"]) == 0
    whole = set(load_prepared(folder / "dataset")["train"]["id"])
    (small, quarter, *recipe), (large, half, *other) = trainings
    assert quarter < half < whole and recipe == other == [6, 13]  # 2 epochs of 3 steps, the seed of the training
    assert (small, large) == (f"{len(quarter)}_utterances", f"{len(half)}_utterances")
    said = capsys.readouterr().out
    assert "25 % of the training speech: " in said and "each part is trained for 6 steps, as the whole was" in said
    found = json.loads((folder / "learning_curve" / "curve.json").read_text(encoding="utf-8"))
    assert found["verdict"] in said
    assert [(p["unit"], p["utterances"]) for p in found["points"][:3]] == [
        ("word", len(quarter)), ("word", len(half)), ("word", len(whole)),
    ]  # fmt: skip
    left = {path.name for path in (folder / "learning_curve").iterdir()}
    assert left == {"curve.json", "curve.png", *(f"{len(ids)}_utterances.json" for ids in (quarter, half, whole))}
    assert (folder / "learning_curve" / "curve.png").read_bytes().startswith(b"\x89PNG")

    before = len(trainings)
    assert main(["curve", str(folder), "--seed", "3"]) == 0  # all is there
    assert len(trainings) == before and found["verdict"] in capsys.readouterr().out


def test_the_model_of_the_whole_is_the_runs_own_and_what_is_heard_is_what_it_reads(folder, trainings, monkeypatch):
    monkeypatch.setattr(learning_curve, "_trained", lambda *_: pytest.fail("the whole was trained again"))
    curve = train_curve(open_run(folder), parts=[1.0], seed=1)
    assert not trainings and len(curve.of("word")) == 1
    heard = json.loads((folder / "learning_curve" / "21_utterances.json").read_text(encoding="utf-8"))["hypotheses"]
    assert len(heard) == TEST == curve.tested


def test_a_killed_curve_goes_on(folder, trainings, monkeypatch):
    """Killed in the second training, after its first checkpoint: the first is kept, the second goes on from there."""
    real = CTCTrainer.training_step

    def stop(self, *rest):
        if len(trainings) == 2 and self.state.global_step == 4:
            raise KeyboardInterrupt
        return real(self, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(CTCTrainer, "training_step", stop)
        with pytest.raises(KeyboardInterrupt):
            train_curve(open_run(folder), seed=1)
    steps = []
    counted = lambda self, *rest: steps.append(self.state.global_step) or real(self, *rest)  # noqa: E731
    monkeypatch.setattr(CTCTrainer, "training_step", counted)
    train_curve(open_run(folder), seed=1)
    assert [name for name, *_ in trainings][2:] == [trainings[1][0]] and steps == [4, 5]


@pytest.mark.parametrize("change", ["seed", "recipe", "dataset"])
def test_what_was_made_from_something_else_is_made_again(folder, change, monkeypatch):
    made = []
    monkeypatch.setattr(
        learning_curve, "_trained", lambda run, *rest: made.append(rest) or load_trained(run.path("model"))
    )
    train_curve(open_run(folder), parts=[0.5], seed=1)
    manifest = Manifest(folder)
    if change == "recipe":
        manifest.entries["04"]["parameters"]["dropout"] = 0.2
    if change == "dataset":
        info = folder / "dataset" / "train" / "dataset_info.json"
        info.write_text(info.read_text() + "\n")
        for number, where in (("03", "artifacts"), ("04", "reads")):
            manifest.entries[number][where]["dataset"] = manifest.artifact("dataset")
    for number, entry in list(manifest.entries.items()):
        manifest.enter(number, entry)
    for _ in range(2):
        train_curve(open_run(folder), parts=[0.5], seed=2 if change == "seed" else 1)
    assert len(made) == 2


def test_what_it_cannot_start_from_is_refused(folder):
    run = open_run(folder)
    for parts in ([0.0], [0.5, 1.5], [float("nan")]):
        with pytest.raises(ValueError, match="of the training speech; use more than 0 % and at most 100 %"):
            train_curve(run, parts=parts, seed=1)
    manifest = Manifest(folder)
    manifest.entries["04"]["parameters"]["stream_from"] = "elsewhere"
    manifest.enter("04", manifest.entries["04"])
    with pytest.raises(ValueError, match="was trained on a stream, of which no part can be chosen"):
        train_curve(open_run(folder), seed=1)
    manifest.entries["04"]["parameters"].pop("warmup")
    manifest.enter("04", manifest.entries["04"])
    with pytest.raises(StaleArtifact, match=r"with which warmup its model was trained.*run notebook 04_training again"):
        train_curve(open_run(folder), seed=1)
    (folder / "dataset" / "train" / "state.json").write_text("{}")
    with pytest.raises(StaleArtifact, match="no longer fits"):
        train_curve(open_run(folder), seed=1)
    manifest.forget("04")
    with pytest.raises(StaleArtifact, match="no record of notebook 04_training"):
        train_curve(open_run(folder), seed=1)
    shutil.rmtree(folder / "model")
    with pytest.raises(MissingArtifact, match="model is missing: run notebook 04_training"):
        train_curve(open_run(folder), seed=1)

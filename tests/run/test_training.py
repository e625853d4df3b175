import json
import math
import shutil
from pathlib import Path

import pandas as pd
import pytest
import safetensors.torch
import torch
from tiny import tiny_processor
from tiny_run import MIN_SECONDS, SPLITS, tiny_run

from asr_helpers.__main__ import main
from asr_helpers.dataset.reading import load_prepared
from asr_helpers.model.loading import load_trained
from asr_helpers.run import launch
from asr_helpers.run import training as train_command
from asr_helpers.run.fingerprints import fingerprint
from asr_helpers.run.folder import MissingArtifact, open_run
from asr_helpers.run.training import longest_seconds, shortest_frames, stream_recipe, training_rows
from asr_helpers.training.checkpoints import CheckpointError, checkpoint_path, newest_whole
from asr_helpers.training.config import TrainingConfig
from asr_helpers.training.fitting import TrainingResult
from asr_helpers.training.trainer import CTCTrainer


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A run before its training, in several shards, and the parameters to train it; nobody trains in it."""
    folder = tmp_path_factory.mktemp("prepared")
    return folder, tiny_run(folder, shard_seconds=3.0)


@pytest.fixture
def fresh(prepared, tmp_path):
    """A copy of that run to train in."""
    folder, parameters = prepared
    shutil.copytree(folder / "run", tmp_path / "run")
    return {**parameters, "run_folder": str(tmp_path / "run")}


def streamed(parameters, **changes):
    """Notebook 04's parameters for streaming the run's own split, or another as ``changes`` say."""
    own = {"stream_from": f"{parameters['run_folder']}/dataset"}
    return train_command.notebook_parameters({**parameters, **own, **changes})


def weights(run_folder, step):
    return safetensors.torch.load_file(checkpoint_path(run_folder / "checkpoints", step) / "model.safetensors")


def stop_at(step, trainer):
    if trainer.state.global_step == step:
        raise KeyboardInterrupt


def test_the_command_trains_what_notebook_04_trains():
    parameters = train_command.notebook_parameters({"epochs": 3.0, "language": "ur"})
    config = train_command.config_of(parameters)
    assert config.epochs == 3.0 and "language" not in parameters
    assert config.patience is None and config.micro_seconds is None and config.push_to_hub is None
    assert config.learning_rate == parameters["learning_rate"] and config.seed == parameters["seed"]


def test_what_a_parameter_switches_on_arrives():
    parameters = train_command.notebook_parameters({"patience": 4, "micro_seconds": 80.0, "precision": "fp32"})
    config = train_command.config_of(parameters)
    assert (config.patience, config.micro_seconds, config.precision) == (4, 80.0, "fp32")
    assert isinstance(config, TrainingConfig)


def test_without_a_run_it_says_so(tmp_path, capsys):
    file = tmp_path / "p.yaml"
    file.write_text("epochs: 1\n")
    assert main(["train", str(file), "--name", "no-such-run"]) == 1
    assert "no run folder runs/no-such-run" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", [["compare", "runs/no-a", "runs/no-b"], ["transcribe", "--model", "runs/no/model", "x.wav"]]
)
def test_a_missing_run_or_model_is_named(command, capsys):
    assert main(command) == 1
    assert "runs/no" in capsys.readouterr().err


@pytest.mark.parametrize(("given", "started"), [(["-p", "processes=3"], 3), ([], None)])
def test_the_command_starts_several_processes_itself_when_the_parameters_say_so(given, started, tmp_path, monkeypatch):
    called = []
    monkeypatch.setattr(launch, "run_processes", lambda p, **options: called.append(options))
    monkeypatch.setattr(train_command, "train_run", lambda p, **options: called.append(options))
    file = tmp_path / "p.yaml"
    file.write_text("epochs: 1\n")
    for rank in (None, "0"):
        if rank:
            monkeypatch.setenv("RANK", rank)  # as under torchrun, which has started them already
        assert main(["train", str(file), "--run-folder", "anywhere", *given]) == 0
    several = {"run_folder": "anywhere", "processes": started} if started else {"run_folder": "anywhere"}
    assert called == [several, {"run_folder": "anywhere"}]


# ---- what it leaves ----------------------------------------------------------------


def test_another_process_reads_the_result_that_one_has_written(fresh, monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1")
    result = train_command.train_run({**fresh, "processes": 5}, run_folder=fresh["run_folder"])
    run = open_run(fresh["run_folder"])
    read = train_command.read_result(run)
    for name in ("steps", "best_step", "best_wer", "best_cer", "notes"):
        assert getattr(read, name) == getattr(result, name), name
    pd.testing.assert_frame_equal(read.log, result.log, check_dtype=False)
    pd.testing.assert_frame_equal(read.preflight, result.preflight, check_dtype=False)
    pd.testing.assert_frame_equal(read.validations(), result.validations())
    ours, theirs = read.model.state_dict(), result.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)

    entry = run.manifest["04"]
    assert entry["parameters"]["processes"] == 1  # what ran, not what the file says
    assert entry["parameters"]["max_steps"] == fresh["max_steps"] and set(entry["inputs"]) == {"checkpoint"}
    assert entry["artifacts"] == {path: fingerprint(run.folder / path) for path in entry["artifacts"]}
    assert set(entry["artifacts"]) == {"model", "training_log.parquet", "preflight.parquet"}


def test_a_result_without_a_validation_comes_back_without_one(prepared, tmp_path):
    run = open_run(tmp_path / "run")
    model = load_trained(prepared[1]["checkpoint"])
    log = pd.DataFrame({"step": [1], "name": ["loss"], "value": [2.0]})
    result = TrainingResult(model, log, 1, None, math.nan, math.nan, ("a note",), log)
    train_command.save_result(run, result, tiny_processor(tmp_path / "processor"))
    read = train_command.read_result(run)
    assert math.isnan(read.best_wer) and math.isnan(read.best_cer)
    assert (read.best_step, read.notes) == (None, ("a note",))


def test_resume_false_begins_anew(fresh):
    for changes in ({}, {"learning_rate": 1e-4, "resume": False}):
        result = train_command.train_run({**fresh, "max_steps": 1, **changes}, run_folder=fresh["run_folder"])
    assert result.log.query("name == 'learning_rate'")["value"].tolist() == [1e-4]


# ---- a streamed corpus -------------------------------------------------------------


def test_without_a_stream_the_run_trains_on_its_own_split(prepared):
    own = load_prepared(f"{prepared[1]['run_folder']}/dataset")["train"]
    parameters = train_command.notebook_parameters(prepared[1])
    assert training_rows(own, parameters) is own and stream_recipe(parameters) == {}
    assert shortest_frames(None, own, parameters) == min(own["frames"][:])


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_each_process_streams_its_own_share(prepared, processes, monkeypatch):
    shares = []
    for rank in range(processes):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", str(processes))
        shares.append([row["id"] for row in training_rows(None, streamed(prepared[1]))])
    read = [name for share in shares for name in share]
    assert all(shares) and len(read) == len(set(read)) == SPLITS["train"]
    assert shares[0] != sorted(shares[0])


def test_a_stream_comes_from_whatever_fsspec_opens(prepared):
    import fsspec

    folder = Path(prepared[1]["run_folder"]) / "dataset"
    memory = fsspec.filesystem("memory")
    memory.put(str(folder), "/prepared", recursive=True)
    given = {"stream_from": "memory://prepared/"}
    here = [row["id"] for row in training_rows(None, streamed(prepared[1]))]
    assert [row["id"] for row in training_rows(None, streamed(prepared[1], **given))] == here
    assert stream_recipe(streamed(prepared[1], **given)) == stream_recipe(streamed(prepared[1]))


def test_the_shortest_clip_of_a_stream_follows_from_notebook_03(prepared):
    parameters = streamed(prepared[1])
    run, rows = open_run(parameters["run_folder"]), training_rows(None, parameters)
    with torch.no_grad():
        heard = load_trained(parameters["checkpoint"])(torch.zeros(1, int(MIN_SECONDS * 16_000))).logits.shape[1]
    assert shortest_frames(run, rows, parameters) == heard


def test_so_does_the_longest(prepared):
    run, parameters = open_run(prepared[1]["run_folder"]), prepared[1]
    own = load_prepared(run.need("dataset"))["train"]
    assert longest_seconds(run, own) == max(own["seconds"])
    assert longest_seconds(run, training_rows(None, streamed(parameters))) == 30.0


def test_a_stream_says_what_it_needs(fresh):
    parameters, folder = streamed(fresh), fresh["run_folder"]
    with pytest.raises(ValueError, match="max_steps is not set; a streamed corpus has no length"):
        train_command.train_run({**parameters, "max_steps": -1}, run_folder=folder)
    with pytest.raises(ValueError, match="stream_buffer is 0"):
        train_command.train_run({**parameters, "stream_buffer": 0}, run_folder=folder)
    with pytest.raises(FileNotFoundError, match="nowhere holds no prepared split 'train'"):
        train_command.train_run({**parameters, "stream_from": f"{folder}/nowhere"}, run_folder=folder)
    Path(folder, "manifest.json").write_text(json.dumps({}))
    with pytest.raises(MissingArtifact, match=r"min_seconds.*run notebook 03_preprocessing"):
        train_command.train_run(parameters, run_folder=folder)


def test_a_resumed_run_over_a_stream_goes_on_to_the_same_weights(prepared, tmp_path, monkeypatch):
    """Over the ends of epochs (21 utterances are 2 to 3 steps) and of the first pool (256 rows are 32 steps)."""
    for name in ("whole", "killed"):
        shutil.copytree(prepared[1]["run_folder"], tmp_path / name)
    given = {"stream_from": f"{tmp_path}/whole/dataset", "max_steps": 40}
    parameters = streamed(prepared[1], **given)
    whole = train_command.train_run(parameters, run_folder=f"{tmp_path}/whole")

    real = CTCTrainer.training_step
    with monkeypatch.context() as patch:
        patch.setattr(CTCTrainer, "training_step", lambda self, *rest: stop_at(35, self) or real(self, *rest))
        with pytest.raises(KeyboardInterrupt):
            train_command.train_run(parameters, run_folder=f"{tmp_path}/killed")
    assert newest_whole(tmp_path / "killed/checkpoints").name == "checkpoint-30"
    resumed = train_command.train_run(parameters, run_folder=f"{tmp_path}/killed")

    ours, theirs = (weights(tmp_path / name, 40) for name in ("whole", "killed"))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert (whole.best_step, whole.best_wer) == (resumed.best_step, resumed.best_wer)
    assert open_run(tmp_path / "killed").manifest["04"]["inputs"]["stream"] == stream_recipe(parameters)["stream"]


def test_another_stream_is_not_gone_on_with(fresh, tmp_path):
    shutil.copytree(Path(fresh["run_folder"]) / "dataset", tmp_path / "stream")
    parameters = streamed(fresh, max_steps=1, evaluations=1, stream_from=str(tmp_path / "stream"))
    train_command.train_run(parameters, run_folder=fresh["run_folder"])
    with pytest.raises(CheckpointError, match="stream_buffer was 256 and is 9"):
        train_command.train_run({**parameters, "stream_buffer": 9}, run_folder=fresh["run_folder"])
    state = tmp_path / "stream" / "train" / "state.json"
    state.write_text(state.read_text().replace('"_split"', '"_other": 1, "_split"'))
    with pytest.raises(CheckpointError, match="stream was '"):
        train_command.train_run(parameters, run_folder=fresh["run_folder"])

"""One road to a training: its defaults, who starts processes, what it leaves, streams."""

import math
import shutil
from dataclasses import asdict, fields
from pathlib import Path

import pandas as pd
import pytest
import safetensors.torch
import torch
import yaml
from tiny_run import MIN_SECONDS, SPLITS, started, tiny_run, trained

from asr_helpers.__main__ import main
from asr_helpers.dataset.reading import load_prepared
from asr_helpers.model.loading import load_trained
from asr_helpers.run.fingerprints import fingerprint
from asr_helpers.run.folder import StaleArtifact, open_run
from asr_helpers.run.manifest import Manifest
from asr_helpers.run.parameters import declared_parameters
from asr_helpers.run.places import NOTEBOOKS, repository
from asr_helpers.run.training import TrainingInProcesses, TrainingRun, read_result
from asr_helpers.training.checkpoints import CheckpointError, checkpoint_path, newest_whole
from asr_helpers.training.config import TrainingConfig, TrainingSetup
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
    """Parameters for streaming the run's own split, or another as ``changes`` say."""
    return {**parameters, "stream_from": f"{parameters['run_folder']}/dataset", **changes}


def shown(rows):
    return [row["id"] for row in rows]


def weights(run_folder, step):
    return safetensors.torch.load_file(checkpoint_path(run_folder / "checkpoints", step) / "model.safetensors")


def stop_at(step, trainer):
    if trainer.state.global_step == step:
        raise KeyboardInterrupt


def test_the_defaults_of_notebook_04_are_those_of_a_training():
    """Every parameter of its cell but those that name the place has its home in one of the two dataclasses."""
    notebook = repository() / "notebooks" / f"{NOTEBOOKS['04']}.ipynb"
    cell = {name: parameter.default for name, parameter in declared_parameters(notebook).items()}
    for place in ("run_folder", "corpus", "project_url"):
        cell.pop(place)
    homes = {**asdict(TrainingSetup()), **asdict(TrainingConfig())}
    assert cell == {name: homes.get(name, "no home") for name in cell}
    assert all(type(cell[name]) is type(homes[name]) for name in cell)
    assert not {field.name for field in fields(TrainingSetup)} & {field.name for field in fields(TrainingConfig)}


@pytest.mark.parametrize("keep_head", [True, False])
def test_the_head_of_a_checkpoint_is_kept_unless_told_otherwise(tmp_path, keep_head):
    training = started(tiny_run(tmp_path / "made"), **({} if keep_head else {"keep_head": False}))
    before = load_trained(training.setup.checkpoint).lm_head.weight
    assert len(training.kept_outputs) == (len(before) if keep_head else 0)
    assert torch.equal(training.model.lm_head.weight, before) is keep_head
    assert training.trainer.kept_outputs == len(training.kept_outputs)


def test_what_is_given_arrives_and_what_other_notebooks_take_is_ignored(prepared):
    training = started(prepared[1], epochs=3.0, patience=4, micro_seconds=80.0, head_seed=7, language="ur")
    assert (training.config.epochs, training.config.patience, training.config.micro_seconds) == (3.0, 4, 80.0)
    assert training.config.learning_rate == prepared[1]["learning_rate"] and training.setup.head_seed == 7
    assert training.setup.checkpoint == prepared[1]["checkpoint"] and training.steps == 4


@pytest.mark.parametrize(
    ("processes", "launcher", "kind", "counted"),
    [
        (1, {}, TrainingRun, 1),
        (3, {}, TrainingInProcesses, 3),
        (0, {}, TrainingInProcesses, 0),  # refused when they are started
        (5, {"RANK": "0", "LOCAL_WORLD_SIZE": "2"}, TrainingRun, 2),  # what ran, not what the file says
        (5, {"RANK": "0"}, TrainingRun, 1),
    ],
)
def test_processes_are_started_where_no_launcher_has_done_so(prepared, processes, launcher, kind, counted, monkeypatch):
    for name, value in launcher.items():
        monkeypatch.setenv(name, value)
    training = started(prepared[1], processes=processes)
    assert type(training) is kind and training.setup.processes == counted


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


def test_the_command_takes_the_same_road(fresh, tmp_path, capsys):
    file = tmp_path / "p.yaml"
    file.write_text(yaml.safe_dump({**fresh, "max_steps": 1, "language": "ur"}))
    assert main(["train", str(file), "--run-folder", fresh["run_folder"], "-p", "evaluations=1"]) == 0
    said = capsys.readouterr().out
    assert "preflight: " in said and "best validation WER " in said
    assert open_run(fresh["run_folder"]).manifest["04"]["parameters"]["evaluations"] == 1


# ---- what it leaves ----------------------------------------------------------------


def test_another_process_reads_the_result_that_one_has_written(fresh):
    training = started(fresh)
    result = training.fit()
    saved = training.save(result)
    run = open_run(fresh["run_folder"])
    read = read_result(run)
    for name in ("steps", "best_step", "best_wer", "best_cer", "notes"):
        assert getattr(read, name) == getattr(result, name), name
    pd.testing.assert_frame_equal(read.log, result.log, check_dtype=False)
    pd.testing.assert_frame_equal(read.preflight, result.preflight, check_dtype=False)
    pd.testing.assert_frame_equal(read.validations(), result.validations())
    ours, theirs = read.model.state_dict(), result.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)

    entry = run.manifest["04"]
    everything = {"run_folder": run.name, **asdict(training.setup), **asdict(training.config)}
    assert entry == saved and entry["parameters"] == everything and set(entry["inputs"]) == {"checkpoint"}
    assert entry["artifacts"] == {path: fingerprint(run.folder / path) for path in entry["artifacts"]}
    assert set(entry["artifacts"]) == {"model", "training_log.parquet", "preflight.parquet"}


def test_a_result_without_a_validation_comes_back_without_one(fresh):
    training = started(fresh)
    log = pd.DataFrame({"step": [1], "name": ["loss"], "value": [2.0]})
    training.run.write_table("preflight", log)
    training.run.path("checkpoints").mkdir()
    training.save(TrainingResult(training.model, log, 1, None, math.nan, math.nan, ("a note",), log))
    read = read_result(training.run)
    assert math.isnan(read.best_wer) and math.isnan(read.best_cer)
    assert (read.best_step, read.notes) == (None, ("a note",))


def test_step_by_step_or_at_once_is_the_same_training(fresh, tmp_path, capsys):
    """A notebook looks at the model and the preflight first; the command only fits."""
    shutil.copytree(fresh["run_folder"], tmp_path / "notebook")
    trained(fresh)
    assert "preflight: " in capsys.readouterr().out
    training = started({**fresh, "run_folder": str(tmp_path / "notebook")})
    assert all(parameter.device.type == "cpu" for parameter in training.model.parameters())
    checks = training.preflight()
    assert training.preflight() is checks and (checks["verdict"] != "error").all()
    training.save(training.fit())
    assert "preflight: " not in capsys.readouterr().out  # the notebook has shown the table
    ours, theirs = (weights(Path(folder), 4) for folder in (fresh["run_folder"], tmp_path / "notebook"))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_process_that_does_not_write_leaves_no_trace(fresh, monkeypatch):
    training = started(fresh)
    result = training.fit()
    monkeypatch.setenv("RANK", "1")
    assert training.save(result) is None and not training.run.path("model").exists()


@pytest.mark.parametrize(("given", "published"), [("", []), ("name/repository", ["name/repository"])])
def test_the_model_is_published_where_a_repository_is_named(fresh, given, published, monkeypatch):
    asked = []
    monkeypatch.setattr("asr_helpers.run.training.publish", lambda run, name: asked.append(name))
    trained(fresh, max_steps=1, evaluations=1, push_to_hub=given)
    assert asked == published


def test_what_goes_wrong_with_publishing_costs_no_training(fresh, monkeypatch, capsys):
    def fail(run, name):
        raise RuntimeError("no luck with hf_notARealToken1234567890")

    monkeypatch.setattr("asr_helpers.run.training.publish", fail)
    trained(fresh, max_steps=1, evaluations=1, push_to_hub="name/repository")
    told = capsys.readouterr().out.splitlines()[-1]
    assert told.startswith("no luck with (token) (the model folder is whole; `python -m asr_helpers publish ")
    assert told.endswith("/run --to name/repository` uploads it later)")


def test_resume_false_begins_anew(fresh):
    for changes in ({}, {"learning_rate": 1e-4, "resume": False}):
        result = trained(fresh, max_steps=1, **changes)
    assert result.log.query("name == 'learning_rate'")["value"].tolist() == [1e-4]


# ---- a streamed corpus -------------------------------------------------------------


def test_without_a_stream_the_run_trains_on_its_own_split(prepared):
    own = load_prepared(f"{prepared[1]['run_folder']}/dataset")["train"]
    assert shown(started(prepared[1]).utterances) == own["id"][:]


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_each_process_streams_its_own_share(prepared, processes, monkeypatch):
    shares = []
    for rank in range(processes):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", str(processes))
        shares.append(shown(started(streamed(prepared[1])).utterances))
    read = [name for share in shares for name in share]
    assert all(shares) and len(read) == len(set(read)) == SPLITS["train"]
    assert shares[0] != sorted(shares[0])


def test_a_stream_comes_from_whatever_fsspec_opens(prepared):
    import fsspec

    folder = Path(prepared[1]["run_folder"]) / "dataset"
    fsspec.filesystem("memory").put(str(folder), "/prepared", recursive=True)
    here = started(streamed(prepared[1])).utterances
    there = started(streamed(prepared[1], stream_from="memory://prepared/")).utterances
    assert shown(there) == shown(here) and there.identity == here.identity


@pytest.mark.parametrize("change", [{}, {"stream_from": ""}])
def test_masks_fit_the_shortest_clip_that_there_may_be(prepared, change):
    """Of a stream that is the limit that notebook 03 kept to; of the run's own split, its shortest clip."""
    training = started(streamed(prepared[1], **change))
    own = load_prepared(training.run.need("dataset"))["train"]
    shortest = min(own["frames"][:])
    if not change:
        assert training.utterances.limits == (MIN_SECONDS, 30.0)
        with torch.no_grad():
            heard = load_trained(prepared[1]["checkpoint"])(torch.zeros(1, int(MIN_SECONDS * 16_000)))
        shortest = heard.logits.shape[1]
    asked = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("asr_helpers.run.training.load_for_ctc", lambda *_, **options: asked.append(options))
        assert training.model is None
    assert asked[0]["shortest_frames"] == shortest


def test_a_stream_says_what_it_needs(fresh):
    parameters, folder = streamed(fresh), fresh["run_folder"]
    with pytest.raises(ValueError, match="max_steps is not set; a streamed corpus has no length"):
        started(parameters, max_steps=-1)
    with pytest.raises(ValueError, match="stream_buffer is 0"):
        started(parameters, stream_buffer=0)
    with pytest.raises(FileNotFoundError, match="nowhere holds no prepared split 'train'"):
        started(parameters, stream_from=f"{folder}/nowhere")
    Manifest(Path(folder)).forget("03")  # which says within which lengths utterances are kept
    with pytest.raises(StaleArtifact, match=r"no record of notebook 03_preprocessing\): run notebook 03_preprocessing"):
        started(parameters)


def test_a_resumed_run_over_a_stream_goes_on_to_the_same_weights(prepared, tmp_path, monkeypatch):
    """Over the ends of epochs (21 utterances are 2 to 3 steps) and of the first pool (256 rows are 32 steps)."""
    for name in ("whole", "killed"):
        shutil.copytree(prepared[1]["run_folder"], tmp_path / name)
    given = {"stream_from": f"{tmp_path}/whole/dataset", "max_steps": 40}
    parameters = streamed(prepared[1], **given)
    whole = trained(parameters, run_folder=f"{tmp_path}/whole")

    real = CTCTrainer.training_step
    with monkeypatch.context() as patch:
        patch.setattr(CTCTrainer, "training_step", lambda self, *rest: stop_at(35, self) or real(self, *rest))
        with pytest.raises(KeyboardInterrupt):
            trained(parameters, run_folder=f"{tmp_path}/killed")
    assert newest_whole(tmp_path / "killed/checkpoints").name == "checkpoint-30"
    resumed = trained(parameters, run_folder=f"{tmp_path}/killed")

    ours, theirs = (weights(tmp_path / name, 40) for name in ("whole", "killed"))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert (whole.best_step, whole.best_wer) == (resumed.best_step, resumed.best_wer)
    assert (
        open_run(tmp_path / "killed").manifest["04"]["inputs"]["stream"]
        == started(parameters).utterances.identity["stream"]
    )


def test_another_stream_is_not_gone_on_with(fresh, tmp_path):
    shutil.copytree(Path(fresh["run_folder"]) / "dataset", tmp_path / "stream")
    parameters = streamed(fresh, max_steps=1, evaluations=1, stream_from=str(tmp_path / "stream"))
    trained(parameters)
    with pytest.raises(CheckpointError, match="stream_buffer was 256 and is 9"):
        trained(parameters, stream_buffer=9)
    state = tmp_path / "stream" / "train" / "state.json"
    state.write_text(state.read_text().replace('"_split"', '"_other": 1, "_split"'))
    with pytest.raises(CheckpointError, match="stream was '"):
        trained(parameters)

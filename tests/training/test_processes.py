"""Real processes: two that train as one, and one that is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch

from asr_helpers.training.checkpoints import newest_whole

pytestmark = pytest.mark.slow

HERE = Path(__file__).parents[1]
SCRIPT = HERE / "training_process.py"
KILLED = -9


def start(folder: Path, *arguments: str, processes: int = 1) -> subprocess.CompletedProcess:
    launcher = [sys.executable]
    if processes > 1:
        launcher += ["-m", "torch.distributed.run", f"--nproc_per_node={processes}", "--master_port=0"]
        launcher += ["--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{HERE}{os.pathsep}{HERE.parent}"}
    command = [*launcher, str(SCRIPT), str(folder), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


def succeed(folder: Path, *arguments: str, processes: int = 1) -> Path:
    done = start(folder, *arguments, processes=processes)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def gradient(folder: Path, step: int, process: int = 0) -> torch.Tensor:
    return flat(torch.load(folder / f"gradient-{step}-{process}.pt", weights_only=True))


def flat(tensors: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([tensors[name].flatten() for name in sorted(tensors)]).double()


def history(folder: Path, process: int = 0) -> list[dict]:
    return json.loads((folder / f"history-{process}.json").read_text())


def values(entries: list[dict], name: str) -> list[float]:
    return [entry[name] for entry in entries if name in entry]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return succeed(tmp_path_factory.mktemp("alone"), "--config", '{"max_grad_norm": 1e9}')


@pytest.fixture(scope="module", params=[1, 2], ids=["whole", "accumulated"])
def two(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two processes, each with a folder for checkpoints of its own, as two machines without a common drive."""
    config = {"max_grad_norm": 1e9, "accumulation": request.param, "micro_seconds": 1.5}
    folder = tmp_path_factory.mktemp("two")
    return succeed(folder, "--config", json.dumps(config), "--folder-each", processes=2)


def test_two_processes_are_one(two: Path, alone: Path) -> None:
    for step in range(6):
        ours, theirs = gradient(two, step), gradient(alone, step)
        assert torch.equal(ours, gradient(two, step, process=1))
        assert (ours - theirs).norm() / theirs.norm() < 1e-5, step
    for name in ("loss", "eval_loss", "eval_wer", "eval_cer", "grad_norm", "blank_share", "eval_empty_share"):
        assert values(history(two), name) == pytest.approx(values(history(alone), name), abs=1e-5), name
        assert values(history(two, 1), name) == values(history(two), name), name
    finals = (two / "final-0.pt", two / "final-1.pt", alone / "final-0.pt")
    ours, other, theirs = (flat(torch.load(path, weights_only=True)) for path in finals)
    assert torch.equal(ours, other)  # every process ends with the best checkpoint
    assert (ours - theirs).norm() / theirs.norm() < 1e-4  # six steps of Adam, which divides by small numbers


def test_every_utterance_is_evaluated_once(two: Path) -> None:
    shares = [json.loads((two / f"hypotheses-{process}.json").read_text()) for process in (0, 1)]
    assert sorted(shares[0] + shares[1]) == sorted(f"1-{index}" for index in range(7))
    assert all(shares)


def test_only_one_process_writes(two: Path) -> None:
    written = [{p.name for p in (two / f"checkpoints-{process}").rglob("*")} for process in (0, 1)]
    assert {"model.safetensors", "training_log.jsonl", "rng_state_0.pth", "rng_state_1.pth"} <= written[0]
    assert not written[1]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return succeed(tmp_path_factory.mktemp("undisturbed"), "--dropout", "0.1")


@pytest.mark.parametrize(
    ("kill", "left"),
    [
        (("--kill-at", "4"), "checkpoint-4"),
        (("--kill-save", "3", "--stage", "write_json"), "checkpoint-2"),  # files written, no marker
        (("--kill-save", "1", "--stage", "remove_folder"), "checkpoint-3"),  # while an old one is deleted
    ],
)
def test_a_killed_process_goes_on_to_the_same_weights(tmp_path: Path, undisturbed: Path, kill, left: str) -> None:
    assert start(tmp_path, "--dropout", "0.1", *kill).returncode == KILLED
    assert newest_whole(tmp_path / "checkpoints").name == left
    succeed(tmp_path, "--dropout", "0.1")
    last = [
        safetensors.torch.load_file(folder / "checkpoints/checkpoint-6/model.safetensors")
        for folder in (undisturbed, tmp_path)
    ]
    assert all(torch.equal(last[0][name], last[1][name]) for name in last[0])
    assert history(tmp_path)[:-1] == history(undisturbed)[:-1]  # the last entry sums up one process's own steps
    best = [torch.load(folder / "final-0.pt", weights_only=True) for folder in (undisturbed, tmp_path)]
    assert all(torch.equal(best[0][name], best[1][name]) for name in best[0])


def test_two_killed_processes_go_on_to_the_same_weights(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    succeed(whole, "--dropout", "0.1", processes=2)
    assert start(killed, "--dropout", "0.1", "--kill-at", "4", processes=2).returncode != 0
    succeed(killed, "--dropout", "0.1", processes=2)
    finals = [torch.load(folder / "final-0.pt", weights_only=True) for folder in (whole, killed)]
    assert all(torch.equal(finals[0][name], finals[1][name]) for name in finals[0])


HELD = """
import atexit
import sys

class Held:
    def __del__(self):
        print("taken down")

held = Held()
atexit.register(print, "registered")
print("said")
"""
LEAVE = "from asr_helpers.training.processes import leave; leave(3)"
COMMAND = """
import runpy
sys.argv = ["asr_helpers", "train", "params/none.yaml"]
runpy.run_module("asr_helpers", run_name="__main__")
"""


@pytest.mark.parametrize(
    ("end", "environment", "status", "said"),
    [
        (LEAVE, {}, 3, ["said", "registered"]),
        (COMMAND, {"RANK": "0"}, 1, ["said", "registered"]),
        (COMMAND, {}, 1, ["said", "registered", "taken down"]),
    ],
    ids=["left", "the command of a launcher", "the command alone"],
)
def test_a_process_of_several_ends_without_taking_python_down(end, environment, status, said) -> None:
    """What torch's threads still hold is not taken from them; all that is registered for the end runs."""
    kept = {name: value for name, value in os.environ.items() if name != "RANK"}
    command = [sys.executable, "-c", HELD + end]
    done = subprocess.run(command, env=kept | environment, capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stdout.splitlines()) == (status, said), done.stderr

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

from asr_helpers.checkpoints import newest_whole

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
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


@pytest.mark.parametrize("accumulation", [1, 2])
def test_two_processes_are_one(tmp_path: Path, alone: Path, accumulation: int) -> None:
    config = json.dumps({"max_grad_norm": 1e9, "accumulation": accumulation, "micro_seconds": 1.5})
    succeed(tmp_path, "--config", config, processes=2)
    for step in range(6):
        ours, theirs = gradient(tmp_path, step), gradient(alone, step)
        assert torch.equal(ours, gradient(tmp_path, step, process=1))
        assert (ours - theirs).norm() / theirs.norm() < 1e-5, step
    for name in ("loss", "eval_loss", "eval_wer", "eval_cer", "grad_norm", "blank_share", "eval_empty_share"):
        assert values(history(tmp_path), name) == pytest.approx(values(history(alone), name), abs=1e-5), name
        assert values(history(tmp_path, 1), name) == values(history(tmp_path), name), name
    ours, theirs = (flat(torch.load(folder / "final-0.pt", weights_only=True)) for folder in (tmp_path, alone))
    assert (ours - theirs).norm() / theirs.norm() < 1e-4  # six steps of Adam, which divides by small numbers


def test_every_utterance_is_evaluated_once(tmp_path: Path) -> None:
    succeed(tmp_path, "--config", '{"max_steps": 1, "evaluations": 1}', processes=2)
    shares = [json.loads((tmp_path / f"hypotheses-{process}.json").read_text()) for process in (0, 1)]
    assert sorted(shares[0] + shares[1]) == sorted(f"1-{index}" for index in range(7))
    assert set(shares[0]).isdisjoint(shares[1])


def test_only_one_process_writes(tmp_path: Path) -> None:
    """Each process is given a folder of its own: only the first one's may hold anything."""
    succeed(tmp_path, "--config", '{"max_steps": 2, "evaluations": 1}', "--log-writes", processes=2)
    written = [sorted(p.name for p in (tmp_path / f"checkpoints-{process}").rglob("*")) for process in (0, 1)]
    assert "model.safetensors" in written[0] and {"rng_state_0.pth", "rng_state_1.pth"} <= set(written[0])
    assert written[1] == []


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return succeed(tmp_path_factory.mktemp("undisturbed"), "--dropout", "0.1")


@pytest.mark.parametrize(
    ("kill", "left"),
    [
        (("--kill-at", "4"), "checkpoint-4"),
        (("--kill-save", "3", "--stage", "_seal"), "checkpoint-2"),  # files written, no marker
        (("--kill-save", "3", "--stage", "_sync"), "checkpoint-2"),  # in the middle of forcing them to the disk
        (("--kill-save", "1", "--stage", "_discard"), "checkpoint-3"),  # while an old one is deleted
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

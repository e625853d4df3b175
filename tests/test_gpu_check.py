"""The check of a GPU, rehearsed: what it measures, that nothing stops it, and that every command is one that exists."""

import json
import os
import subprocess
import sys
from itertools import pairwise

import gpu_check
import pytest
from gpu_check import Step

from asr_helpers.run.parameters import read_parameters
from asr_helpers.run.places import repository

ROOT = repository()
STEPS = ["tests", "throughput", "notebooks", "longer", "two processes", "attention"]


def commands(tiny, folder):
    return [list(command) for step in gpu_check.steps(folder, tiny=tiny) for command in step.commands]


@pytest.mark.parametrize("tiny", [False, True])
def test_it_does_everything_within_its_limit(tiny, tmp_path):
    steps = gpu_check.steps(tmp_path, tiny=tiny)
    assert tiny or sum(step.minutes for step in steps) <= gpu_check.LIMIT
    assert all(any(word in step.name for step in steps) for word in STEPS)
    assert {name for name, _ in gpu_check.AIMS} <= {step.name for step in gpu_check.steps(tmp_path, tiny=False)}


@pytest.mark.parametrize("tiny", [False, True])
def test_every_command_can_be_given(tiny, tmp_path):
    """Parameters exist and take their values, scripts are there: a GPU is too dear to find it out on one."""
    recipes = 0
    for command in commands(tiny, tmp_path):
        given = [value for flag, value in pairwise(command) if flag == "-p"]
        for recipe in (ROOT / word for word in command if word.startswith("params/")):
            read_parameters(recipe, given)
            assert "resume=False" in given, "a machine that was checked before is checked anew"
            recipes += 1
        script = next(word for word in command if word.endswith(".py")) if command[0] != "-m" else ""
        assert (ROOT / script).exists()
    assert recipes == 4


def test_what_fails_or_hangs_is_written_down_and_the_others_go_on(tmp_path, monkeypatch):
    out = tmp_path / "check.json"
    steps = [
        Step("good", [["-c", "print('one'); print('{\"speed\": 4.5}')"]], 1, gpu_check._last_json),
        Step("bad", [["-c", "print('x'); raise SystemExit(3)"], ["-c", "print(1 / 0)"]], 1, gpu_check._last_json),
        Step("slow", [["-c", "import time; print('began', flush=True); time.sleep(60)"]], 0.02, gpu_check._last_json),
        Step("empty", [["-c", ""]], 1, gpu_check._last_json),
    ]
    monkeypatch.setattr(gpu_check, "AIMS", {("good", "speed"): 4.0})
    gpu_check.check(steps, out, device="a GPU", commit="c0ffee")
    found = json.loads(out.read_text())["steps"]
    assert [step["status"].split(" (")[0] for step in found.values()] == [
        "done", "failed with exit status 3", "stopped after 0.02 minutes", "left no figures",
    ]  # fmt: skip
    assert found["good"]["figures"] == {"speed": 4.5} and found["bad"]["last"] == ["x"]
    lines = out.with_suffix(".md").read_text().splitlines()
    assert lines[0] == "a GPU, commit c0ffee" and "| good | speed | 4.5 | ≥ 4: yes |" in lines
    assert "| bad | failed with exit status 3 |  |  |" in lines


def test_without_a_gpu_only_a_rehearsal_is_to_be_had(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["gpu_check.py"])
    monkeypatch.setattr(gpu_check.torch.cuda, "is_available", lambda: False)
    assert gpu_check.main() == 1 and "--tiny rehearses on a CPU" in capsys.readouterr().err
    environment = {**os.environ, "PYTHON": "echo"}
    done = subprocess.run(["bash", "scripts/gpu_check.sh", "--tiny"], cwd=ROOT, env=environment, capture_output=True)
    assert done.stdout.decode().split() == ["benchmarks/gpu_check.py", "--tiny"]


@pytest.mark.slow
def test_the_rehearsal_measures_everything_to_its_end(tmp_path):
    """The command that README gives, whole: one file, one table, every step done."""
    out = tmp_path / "check.json"
    command = ["bash", "scripts/gpu_check.sh", "--tiny", "--out", str(out)]
    environment = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    found = json.loads(out.read_text())
    steps = found["steps"]
    assert {name: step["status"] for name, step in steps.items()} == dict.fromkeys(steps, "done"), steps
    assert done.returncode == 0 and found["tiny"] and list(steps) == [s.name for s in gpu_check.steps(out, tiny=True)]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["check.json", "check.md"]
    assert done.stdout.rstrip().endswith(out.with_suffix(".md").read_text().rstrip())
    figures = {name: step["figures"] for name, step in steps.items()}
    assert len(figures["throughput, tiny"]) == 6 and all(value >= 0 for value in figures["throughput, tiny"].values())
    books = figures["notebooks, prus.yaml with random weights"]
    assert {"01_data_inspection, seconds", "05_error_analysis, seconds", "training: best_cer"} <= set(books)
    assert all(
        figures[name]["training: steps"] == 2 for name in ("starter, trained longer", "two processes on one GPU")
    )
    kernels = figures["attention and torch.compile"]
    ways = {name.removesuffix(", passes a second"): value for name, value in kernels.items() if "passes" in name}
    assert {"eager", "sdpa", "sdpa, compiled"} <= set(ways) and all(rate > 0 for rate in ways.values())
    assert len(ways) == 4 or "flash_attn is not installed" in kernels["flash_attention_2"]

"""A training started from another process: what it prints, how it fails, and that it never outlives its reader."""

from __future__ import annotations

import builtins
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice

import psutil
import pytest
import safetensors.torch
import torch
from tiny_run import tiny_run

from asr_helpers.run import launch
from asr_helpers.run.fingerprints import fingerprint
from asr_helpers.run.folder import open_run
from asr_helpers.run.launch import TrainingStopped, run_processes
from asr_helpers.run.training import start_training
from asr_helpers.training.checkpoints import newest_whole, step_of

ACCOUNT = """\
W1125 17:27:19.008000 5368 .venv/lib/python3.11/site-packages/torch/distributed/elastic/multiprocessing/api.py:1028] \
Sending process 5373 closing signal SIGTERM
E1125 17:27:19.015000 5368 .venv/lib/python3.11/site-packages/torch/distributed/elastic/multiprocessing/api.py:1002] \
failed (exitcode: 1) local_rank: 0 (pid: 5372) of binary: /usr/bin/python3
Traceback (most recent call last):
ChildFailedError: asr_helpers FAILED
"""  # torch 2.13


@pytest.fixture
def instead(monkeypatch):
    """Let a few lines of Python run in the launcher's place; they find the parameter file in ``sys.argv[1]``."""

    def put(program: str) -> None:
        command = lambda file, run_folder, processes: [sys.executable, "-c", program, str(file)]  # noqa: E731
        monkeypatch.setattr(launch, "_command", command)

    return put


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def gone_within(seconds: float, processes: list[psutil.Process]) -> bool:
    until = time.monotonic() + seconds
    while alive(processes) and time.monotonic() < until:
        time.sleep(0.1)
    return not alive(processes)


def test_parameters_arrive_with_their_values_and_types(instead, capsys):
    given = {
        "rate": 1e-05,
        "epochs": 12.0,
        "steps": -1,
        "on": False,
        "empty": "",
        "no": "no",
        "urdu": "اردو: 1",
        "id": "013",
    }
    instead("import sys, yaml; print(ascii(yaml.safe_load(open(sys.argv[1], encoding='utf-8'))))")
    run_processes(given, run_folder="runs/x", processes=2)
    assert capsys.readouterr().out.strip() == ascii(dict(sorted(given.items())))


def test_lines_are_printed_as_they_come(instead, monkeypatch):
    seen = []
    monkeypatch.setattr(builtins, "print", lambda text, **options: seen.append((time.monotonic(), text)))
    instead("import time; print('بہت'); time.sleep(1); print('second')")
    run_processes({}, run_folder="runs/x", processes=2)
    (first, one), (second, two) = seen
    assert (one, two) == ("بہت\n", "second\n") and second - first > 0.2


def test_a_failure_names_its_cause_once_and_not_the_launcher_s_account(instead, capsys):
    program = f"import sys; print('earlier\\n' * 50 + 'no such utterance\\n' * 4 + {ACCOUNT!r}); sys.exit(1)"
    instead(program)
    with pytest.raises(TrainingStopped) as error:
        run_processes({}, run_folder="runs/x", processes=4)
    text = str(error.value)
    assert text.startswith("the training in 4 processes stopped (exit status 1)") and "goes on from the newest" in text
    assert text.count("no such utterance") == 1 and "elastic" not in text and "ChildFailed" not in text
    assert capsys.readouterr().out.splitlines()[-1] == "no such utterance"


DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);"


@pytest.mark.parametrize("deaf", ["", DEAF], ids=["listens", "does not listen"])
def test_an_interrupt_ends_what_was_started(deaf, instead, monkeypatch):
    def interrupted(*text, **options):
        started.extend(psutil.Process().children())
        raise KeyboardInterrupt

    started: list[psutil.Process] = []
    monkeypatch.setattr(launch, "GRACE", 0.5)
    monkeypatch.setattr(builtins, "print", interrupted)
    instead(f"{deaf} import time; print('ready'); time.sleep(600)")
    with pytest.raises(KeyboardInterrupt):
        run_processes({}, run_folder="runs/x", processes=2)
    assert started and not alive(started)


@pytest.mark.parametrize(
    ("processes", "gpus", "message"), [(0, 0, "use 1 or more"), (3, 2, "2 GPU.*one process a GPU")]
)
def test_a_senseless_number_of_processes_is_refused(processes, gpus, message, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    with pytest.raises(ValueError, match=message):
        run_processes({}, run_folder="runs/x", processes=processes)


def test_the_cores_are_shared_out_unless_the_user_has_done_so(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(6)), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert [launch._environment(n)["OMP_NUM_THREADS"] for n in (2, 4, 8)] == ["3", "1", "1"]
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert launch._environment(2)["OMP_NUM_THREADS"] == "5"


# ---- real trainings in two processes -----------------------------------------------

CALLER = """
import signal
import sys
from asr_helpers.run.launch import run_processes
signal.signal(signal.SIGINT, signal.default_int_handler)  # as a kernel does; in a shell's background it is ignored
run_processes({parameters!r}, run_folder={run_folder!r}, processes=2)
"""


@contextmanager
def training_elsewhere(
    parameters: dict, *, until: str, times: int
) -> Iterator[tuple[subprocess.Popen, list[psutil.Process]]]:
    """A process that has started two, which have said so much; and all that descend from it.

    Args:
        parameters: Notebook 04's.
        until: How a line begins that is waited for.
        times: How many of such lines.
    """
    program = CALLER.format(parameters=parameters, run_folder=parameters["run_folder"])
    command = [sys.executable, "-c", program]
    caller = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")
    started: list[psutil.Process] = []
    try:
        said = (line for line in caller.stdout if line.startswith(until))
        assert len(list(islice(said, times))) == times, caller.wait()
        started += psutil.Process(caller.pid).children(recursive=True)
        yield caller, started
    finally:
        for process in [caller, *alive(started)]:  # a test that fails leaves nothing either
            process.kill()
        caller.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("kind", [{"lora_rank": 4}, {"frozen_layers": 1}], ids=["LoRA", "frozen layers"])
def test_two_processes_leave_what_the_notebook_goes_on_with(kind, tmp_path, capsys):
    exact = {"dropout": 0.0, "mask_time_prob": 0.0, **kind}
    given = {**tiny_run(tmp_path / "two"), **exact, "processes": 2}
    run = open_run(given["run_folder"])
    training = start_training(run, given)
    checks, result = training.preflight(), training.fit()
    said = capsys.readouterr().out
    assert result.preflight is checks and "trainer" not in vars(training)  # built in the processes alone
    assert "preflight:" in said and "step 4/4" in said
    assert "2 processes" in result.preflight.set_index("check")["value"]["effective batch"]
    assert (result.steps, len(result.validations())) == (4, 4)
    assert result.validations().set_index("step")["wer"][result.best_step] == result.best_wer

    entry = training.save(result)
    assert (run.path("model") / "lora" / "adapter_model.safetensors").is_file() == ("lora_rank" in kind)
    assert entry["parameters"] == {"run_folder": run.name, **asdict(training.setup), **asdict(training.config)}
    assert entry["artifacts"] == {path: fingerprint(run.folder / path) for path in entry["artifacts"]}

    alone = {**tiny_run(tmp_path / "alone"), **exact}
    theirs = start_training(open_run(alone["run_folder"]), alone).fit()
    assert result.validations()["validation_loss"].tolist() == pytest.approx(
        theirs.validations()["validation_loss"].tolist(), rel=1e-3
    )


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has neither of these signals")
@pytest.mark.parametrize("sign", [signal.SIGINT, getattr(signal, "SIGKILL", None)], ids=["interrupted", "killed"])
def test_no_process_outlives_the_one_that_started_them(sign, tmp_path):
    """As the kernel of a notebook is interrupted, and as it is killed when it is restarted.

    Until the first validation they print nothing, so no broken pipe tells them either.
    """
    endless = {"max_steps": 1_000_000, "evaluations": 1}
    with training_elsewhere(tiny_run(tmp_path) | endless, until="peak memory", times=1) as (caller, started):
        time.sleep(1)
        assert len(alive(started)) >= 3  # the launcher and two processes
        caller.send_signal(sign)
        assert gone_within(60, started), alive(started)


@pytest.mark.slow
def test_two_killed_processes_over_a_stream_go_on_to_the_same_weights(tmp_path):
    steps = {"max_steps": 100, "evaluations": 10}
    last = []
    for name in ("whole", "killed"):
        given = tiny_run(tmp_path / name, shard_seconds=3.0) | steps | {"processes": 2}
        given["stream_from"] = str(tmp_path / "whole" / "run" / "dataset")
        run = open_run(given["run_folder"])
        if name == "killed":
            # the line of a validation is printed before its checkpoint is written
            with training_elsewhere(given, until="step ", times=2) as (caller, started):
                caller.kill()
                assert gone_within(60, started)
            assert 10 <= step_of(newest_whole(run.path("checkpoints"))) < 100
        start_training(run, given).fit()
        assert set(run.manifest["04"]["inputs"]) == {"checkpoint", "stream", "stream_from"}
        last.append(safetensors.torch.load_file(run.path("checkpoints") / "checkpoint-100" / "model.safetensors"))
    assert all(torch.equal(last[0][name], last[1][name]) for name in last[0])

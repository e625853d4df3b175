"""One process a run folder: a second one is told who has it, and an owner that is gone leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys

import pytest
from little_project import execute, make_project, run_project

from asr_helpers.__main__ import main
from asr_helpers.run import runner
from asr_helpers.run.folder import open_run
from asr_helpers.run.lock import OWNER, RunInUse, locked

HOLDER = """
import sys, time
from pathlib import Path
from asr_helpers.run.lock import locked
with locked(Path(sys.argv[1])):
    print("mine", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that has the run folder ``run``."""
    (tmp_path / "run").mkdir()
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "mine\n"
    yield process
    process.kill()
    process.wait()


def test_a_second_process_is_told_who_has_the_run_folder(tmp_path, holder):
    said = rf"run is in use by process {holder.pid} on .*, since \d{{4}}-.*; wait until it ends, end it, or choose"
    for attempt in (lambda: locked(tmp_path / "run").__enter__(), lambda: open_run(tmp_path / "run")):
        with pytest.raises(RunInUse, match=said):
            attempt()


def test_an_owner_that_was_killed_leaves_a_lock_that_is_taken_over(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert json.loads((tmp_path / "run" / OWNER).read_text())["pid"] == holder.pid
    with locked(tmp_path / "run") as own:
        assert own and json.loads((tmp_path / "run" / OWNER).read_text())["pid"] == os.getpid()
    assert not (tmp_path / "run" / OWNER).exists()
    assert open_run(tmp_path / "run").supervised is False


def test_what_the_owner_starts_may_work_in_its_folder(tmp_path):
    program = "import sys; from asr_helpers.run.folder import open_run; print(open_run(sys.argv[1]).supervised)"
    child = [sys.executable, "-c", program, str(tmp_path)]
    with locked(tmp_path):
        assert open_run(tmp_path).supervised
        assert subprocess.run(child, capture_output=True, text=True, check=True).stdout == "True\n"
    assert subprocess.run(child, capture_output=True, text=True, check=True).stdout == "False\n"


def test_a_damaged_owner_file_does_not_matter(tmp_path, holder):
    for text in ("", "[1]", '{"pid": "x"}', "\x00"):
        (tmp_path / "run" / OWNER).write_text(text)
        with pytest.raises(RunInUse, match="in use by"):
            open_run(tmp_path / "run")


def test_the_commands_refuse_a_folder_in_use(tmp_path, holder, monkeypatch, capsys):
    make_project(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "run").rename(tmp_path / "runs/a")  # an open lock moves along
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runner, "_execute", execute)
    (tmp_path / "params/p.yaml").write_text("epochs: 1\n")
    for command in ("run", "train"):
        assert main([command, "params/p.yaml", "--name", "a"]) == 1
        assert capsys.readouterr().err.startswith(f"runs/a is in use by process {holder.pid} on")
    with pytest.raises(RunInUse):
        run_project(tmp_path)
    holder.kill()
    holder.wait()
    assert run_project(tmp_path) == ["01", "02", "03", "04", "05"]


def test_of_several_processes_of_one_training_the_first_keeps_it(tmp_path, holder, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    with locked(tmp_path / "run") as own:
        assert not own


def test_a_folder_that_cannot_be_written_to_is_one_sentence(tmp_path):
    (tmp_path / ".lock").mkdir()  # what root, who runs the tests, cannot open either
    with (
        pytest.raises(OSError, match=r"cannot be written to \(.*\); make it writable, or choose another run name"),
        locked(tmp_path),
    ):
        pass

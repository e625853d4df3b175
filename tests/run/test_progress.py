"""What a runner shows of a notebook: in a terminal and in a log file the same lines, none overwritten."""

import re
import signal
import subprocess
import sys

import nbformat
import psutil
import pytest
from little_project import body, make_project, write_notebook

from asr_helpers.run.places import NOTEBOOKS
from asr_helpers.run.progress import FOLLOWED, Progress

CELL = {"metadata": {"tags": [FOLLOWED]}}


def shown(capsys, *events, error=None):
    """What is printed when cells start (a dict) and print (a text), and where an error ends it."""
    progress = Progress("04_training", 30)
    try:
        with progress:
            for event in events:
                progress.write(event) if isinstance(event, str) else progress.on_cell_start(cell=event, cell_index=0)
            if error:
                raise error
    except RuntimeError:
        pass
    return re.sub(r"\d+ s\n", "N s\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("events", "lines"),
    [
        ([], ["04_training (30 cells) … N s"]),
        ([{"metadata": {}}, "a table\n"], ["04_training (30 cells) … N s"]),
        ([CELL, "step 1\n"], ["04_training (30 cells) …", "  step 1", "04_training: N s"]),
        (
            [CELL, "st", "ep 1\nste", "p 2\n", "step 3"],
            ["04_training (30 cells) …", "  step 1", "  step 2", "04_training: N s"],
        ),
        ([CELL, "step 1\n", {"metadata": {}}, "no\n"], ["04_training (30 cells) …", "  step 1", "04_training: N s"]),
        ([CELL, "\n\n"], ["04_training (30 cells) … N s"]),
    ],
)
def test_one_line_a_notebook_and_below_it_what_a_followed_cell_prints(capsys, events, lines):
    assert shown(capsys, *events).splitlines() == lines


def test_a_failure_ends_the_line(capsys):
    assert shown(capsys, error=RuntimeError()) == "04_training (30 cells) … stopped\n"


TRAINING = """\
import time
for step in range(1, 1000):
    print(f"step {step}/1000 · loss 3.000", flush=True)
    time.sleep(0.1)"""


@pytest.fixture
def project(tmp_path):
    """A repository whose notebook 04 trains for long."""
    make_project(tmp_path)
    write_notebook(tmp_path, "04", body("04"))
    path = tmp_path / "notebooks" / f"{NOTEBOOKS['04']}.ipynb"
    book = nbformat.read(path, 4)
    book.cells.insert(1, nbformat.v4.new_code_cell(TRAINING, metadata={"tags": [FOLLOWED]}))
    nbformat.write(book, path)
    return tmp_path


@pytest.mark.slow
def test_ctrl_c_during_the_training_stops_all_and_says_how_to_go_on(project):
    command = [sys.executable, "-m", "asr_helpers", "run", "params/p.yaml"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, cwd=project, **pipes) as runner:
        before = []
        for line in runner.stdout:
            before.append(line)
            if "step 3/" in line:
                break
        started = psutil.Process(runner.pid).children(recursive=True)
        runner.send_signal(signal.SIGINT)
        after = [line for line in runner.stdout if not line.startswith("  step")]
    shape = [re.sub(r"(?<=… )\d+ s", "N s", line.rstrip()) for line in before]
    assert shape[:3] == [f"{NOTEBOOKS[number]} (2 cells) … N s" for number in ("01", "02", "03")]
    assert shape[3:5] == ["04_training (3 cells) …", "  step 1/1000 · loss 3.000"]
    assert after == [
        "04_training: stopped\n",
        "stopped; the same command goes on: with what is finished, and a training from its newest checkpoint\n",
    ]
    assert runner.returncode == 130 and started and not any(process.is_running() for process in started)

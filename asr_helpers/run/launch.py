"""Start the training in several processes of this machine, follow what they print, and let none outlive its reader."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from .environment import unless_set
from .places import repository
from .runner import LAST_LINES

__all__ = ["TrainingStopped", "run_processes", "stop_with_parent"]

KEPT = 400  # lines that those are chosen from: every process may have printed the same ones
GRACE = 30.0  # seconds for torchrun to end its processes when it is told to

# With this line torchrun begins its own account of a failure, which names no cause; the processes have named it before.
ACCOUNT = re.compile(r"elastic.multiprocessing.api\.py:\d+\] (failed |Sending process \d+ closing signal)")


class TrainingStopped(RuntimeError):
    """A training in several processes ended early; the text holds the last lines that they printed."""


def run_processes(parameters: Mapping[str, Any], *, run_folder: str, processes: int) -> None:
    """Run ``python -m asr_helpers train`` under ``torchrun`` and print what it prints, line by line.

    When this is interrupted, or this process is killed, the processes end too.

    Args:
        parameters: As in a parameter file. They travel in a file: YAML gives back the very value and type.
        run_folder: ``runs/<name>``, or any other folder.
        processes: How many, one a GPU.

    Raises:
        TrainingStopped: They ended with an error.
        ValueError: ``processes`` is below 1, or above the number of this machine's GPUs.
    """
    _require_room(processes)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "parameters.yaml"
        file.write_text(yaml.safe_dump(dict(parameters), allow_unicode=True), encoding="utf-8")
        with _started(_command(file, run_folder, processes), _environment(processes)) as launcher:
            last = _follow(launcher.stdout)
            status = launcher.wait()
    if status:
        said = "\n".join(list(dict.fromkeys(filter(None, last)))[-LAST_LINES:])
        raise TrainingStopped(
            f"the training in {processes} processes stopped (exit status {status}). They said last:\n\n{said}\n\n"
            "Mend the cause and start it again: with resume it goes on from the newest checkpoint."
        )


def stop_with_parent() -> None:
    """End this process as soon as its standard input ends, which the process that started it holds open.

    A signal would not do: torchrun starts its processes in sessions of their own, where none that is meant for
    its group arrives, and a notebook's kernel that is killed sends none. But its end of a pipe closes with it.
    """

    def wait() -> None:
        # not sys.stdin: a thread that waits with its lock held makes Python abort at the end of the program
        while os.read(0, 1):
            pass
        os._exit(1)  # checkpoints are written whole or not at all: at any moment this is safe

    threading.Thread(target=wait, daemon=True).start()


def _command(file: Path, run_folder: str, processes: int) -> list[str]:
    """The launcher on the loopback interface, on a free port: two trainings on one machine do not meet."""
    launcher = [sys.executable, "-m", "torch.distributed.run", f"--nproc_per_node={processes}"]
    launcher += ["--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", "--local-addr=127.0.0.1"]
    return [*launcher, "-m", "asr_helpers", "train", str(file), "--run-folder", run_folder, "--while-stdin-open"]


def _environment(processes: int) -> dict[str, str]:
    """This environment, with the cores shared out: two torch processes of two threads each on two cores crawl.

    What was set before stays. Lines are to be read one by one: no progress bars, and no warning of torch's that
    every training here gives (``training_arguments`` says why it looks for unused parameters).
    """
    quiet = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "TORCH_CPP_LOG_LEVEL": "ERROR"}
    always = {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
    return {**quiet, **os.environ, **unless_set(processes), **always}


def _require_room(processes: int) -> None:
    import torch

    if processes < 1:
        raise ValueError(f"processes is {processes}; use 1 or more")
    gpus = torch.cuda.device_count()  # asks the driver; takes no memory
    if 0 < gpus < processes:
        raise ValueError(f"processes is {processes} and this machine has {gpus} GPU(s); use one process a GPU at most")


@contextmanager
def _started(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen]:
    """The launcher, running; whatever ends the block ends it and its processes."""
    launcher = subprocess.Popen(
        command,
        cwd=repository(),
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,  # an interrupt reaches it through this process only, once and in order
    )
    try:
        yield launcher
    finally:
        launcher.stdin.close()  # first of all: on this every process ends itself (stop_with_parent)
        _end(launcher)
        launcher.stdout.close()


def _end(launcher: subprocess.Popen) -> None:
    if launcher.poll() is None:
        launcher.terminate()
    try:
        launcher.wait(GRACE)
    except subprocess.TimeoutExpired:
        launcher.kill()
        launcher.wait()


def _follow(output: Iterable[str]) -> list[str]:
    """Print every line as it comes, but not the launcher's own account of a failure; give the last ones."""
    last: deque[str] = deque(maxlen=KEPT)
    account = False
    for line in output:
        account = account or bool(ACCOUNT.search(line))
        if not account:
            print(line, end="", flush=True)
            last.append(line.rstrip())
    return list(last)

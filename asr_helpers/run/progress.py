"""What a runner shows of a notebook while it runs: one line, and below it the lines of a cell that takes long."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any

from asr_helpers.wording import counted

__all__ = ["Progress"]

FOLLOWED = "progress"  # tag of a cell whose printed lines are shown as they come


class Progress:
    """Follow a notebook on standard output, for a terminal and a log file alike: nothing is ever overwritten.

    It begins with ``04_training (30 cells) …`` and ends with the seconds taken. papermill hands it each cell that
    starts (``on_cell_start``) and what a cell prints (``write``, as to a file).

    Args:
        name: The notebook's.
        cells: How many cells it will execute.
    """

    def __init__(self, name: str, cells: int) -> None:
        self.name, self.cells = name, cells
        self.following, self.partial, self.on_first_line = False, "", True

    def __enter__(self) -> Progress:
        self.began = time.monotonic()
        print(f"{self.name} ({counted(self.cells, 'cell')}) …", end="", flush=True)
        return self

    def __exit__(self, kind: type | None, *rest: object) -> None:
        taken = "stopped" if kind else f"{time.monotonic() - self.began:.0f} s"
        print(f" {taken}" if self.on_first_line else f"{self.name}: {taken}", flush=True)

    def on_cell_start(self, cell: Any, cell_index: int) -> None:
        """A cell starts: whether it is to be followed, and Ctrl-C shall stop the runner rather than only the kernel."""
        self.following = FOLLOWED in cell["metadata"].get("tags", ())
        if threading.current_thread() is threading.main_thread():  # nbclient's own handler leaves the runner waiting
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def write(self, text: str) -> None:
        """What the running cell prints: whole lines are shown, indented, if it is followed."""
        if not self.following:
            return
        *lines, self.partial = (self.partial + text).split("\n")
        for line in filter(None, lines):
            print(f"{chr(10) if self.on_first_line else ''}  {line}", flush=True)
            self.on_first_line = False

    def flush(self) -> None:
        """A file has one; lines are flushed as they are written."""

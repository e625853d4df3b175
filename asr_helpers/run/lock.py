"""One process a run folder at a time: a lock that names its owner, and ends with it."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from asr_helpers.storage import write_json

from .places import short

__all__ = ["RunInUse", "kept_for_us", "locked"]

LOCK, OWNER = ".lock", ".owner.json"  # the operating system frees the first when its process ends, however it ends


class RunInUse(RuntimeError):
    """Another process is running this run folder; the text names it."""


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Keep a run folder for this process, and for those that it starts, while the block runs.

    Of several processes of one training the first keeps it for all. A folder that is not there is nobody's.

    Yields:
        Whether this is the process that keeps it.

    Raises:
        RunInUse: Another process has it.
        OSError: Nothing can be written there.
    """
    if int(os.environ.get("RANK", "0")) > 0 or not folder.is_dir():
        yield False
        return
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        owner = _owner(folder)
        if owner.get("host") != socket.gethostname() or owner.get("pid") not in _ancestors():
            raise RunInUse(_account(folder, owner)) from None
        yield False  # the process that started this one keeps it
        return
    except OSError as error:
        raise OSError(
            f"{short(folder)} cannot be written to ({error.strerror}); make it writable, or choose another run name"
        ) from error
    try:
        started = time.strftime("%Y-%m-%d %H:%M:%S")
        write_json({"pid": os.getpid(), "host": socket.gethostname(), "started": started}, folder / OWNER)
        yield True
    finally:
        (folder / OWNER).unlink(missing_ok=True)
        lock.release()


def kept_for_us(folder: Path) -> bool:
    """Whether a process that started this one keeps the run folder; a notebook that was opened by hand asks this.

    It does not keep the lock itself: a kernel lives on when its notebook is through.

    Raises:
        RunInUse: Another process keeps it.
    """
    if not (folder / OWNER).exists():
        return False
    with suppress(OSError), locked(folder) as own:
        return not own
    return False


def _ancestors() -> set[int]:
    """This process, and those that started it."""
    return {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}


def _owner(folder: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError, TypeError):
        return dict(json.loads((folder / OWNER).read_text(encoding="utf-8")))
    return {}


def _account(folder: Path, owner: dict[str, Any]) -> str:
    who = "another process"
    if owner:
        who = f"process {owner.get('pid')} on {owner.get('host')}, since {owner.get('started')}"
    return f"{short(folder)} is in use by {who}; wait until it ends, end it, or choose another run name"

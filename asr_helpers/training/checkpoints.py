"""Checkpoints that are whole or not there: a run killed at any moment goes on from the newest whole one."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = [
    "MARKER",
    "CheckpointError",
    "checkpoint_path",
    "clear",
    "is_whole",
    "keep_only",
    "newest_whole",
    "step_of",
    "whole_checkpoint",
    "whole_checkpoints",
]

MARKER = "complete.json"  # written last: name and size of every file that belongs to the checkpoint

STAGING = ".saving-"  # prefix of a folder that is being written

TRASH = ".deleting-"

NAME = re.compile(r"checkpoint-(\d+)")


class CheckpointError(RuntimeError):
    """A checkpoint could not be written or does not belong to this run; the text says what to do."""


def checkpoint_path(folder: str | Path, step: int) -> Path:
    """Name the checkpoint of ``step`` as the Trainer does."""
    return Path(folder) / f"checkpoint-{step}"


def step_of(checkpoint: str | Path) -> int:
    """Read the number of optimiser steps off a checkpoint's name."""
    return int(NAME.fullmatch(Path(checkpoint).name).group(1))


@contextmanager
def whole_checkpoint(folder: str | Path, step: int) -> Iterator[Path]:
    """Give a folder to write the checkpoint of ``step`` into; it appears under its name only when whole.

    The files are forced to the disk, then the marker with their sizes is written and forced too, then the
    folder is renamed. A process killed anywhere in between leaves a staging folder, which nobody reads and
    the next save removes. The marker does what the rename cannot where renaming a folder is not atomic (a
    network or cloud drive): a file that is missing or short shows.

    Args:
        folder: Folder of all checkpoints of the run.
        step: Optimiser steps done.

    Yields:
        The folder to write into.

    Raises:
        CheckpointError: A file could not be written. The earlier checkpoints are untouched; the text names
            the newest whole one, how much disk is free, and the fix.
    """
    folder = Path(folder)
    staging, final = folder / f"{STAGING}{step}", checkpoint_path(folder, step)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(folder)
        staging.mkdir()
        yield staging
        _seal(staging)
        _discard(final)  # of an earlier, different attempt at the same step
        os.replace(staging, final)
        _sync(folder)
    except Exception as error:
        shutil.rmtree(staging, ignore_errors=True)  # frees the space that the next attempt needs
        if not _is_write_error(error):
            raise
        raise CheckpointError(_failure(folder, step, error)) from error


def is_whole(checkpoint: str | Path) -> bool:
    """Say whether every file that the checkpoint's marker lists is there in full size."""
    checkpoint = Path(checkpoint)
    try:
        sizes = json.loads((checkpoint / MARKER).read_text(encoding="utf-8"))
        return all((checkpoint / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, AttributeError):
        return False


def whole_checkpoints(folder: str | Path) -> list[Path]:
    """List the whole checkpoints in ``folder``, oldest step first."""
    found = [path for path in Path(folder).glob("checkpoint-*") if NAME.fullmatch(path.name)]
    return sorted(filter(is_whole, found), key=step_of)


def newest_whole(folder: str | Path) -> Path | None:
    """Find the checkpoint to go on from; ``None`` when there is none."""
    checkpoints = whole_checkpoints(folder)
    return checkpoints[-1] if checkpoints else None


def keep_only(folder: str | Path, steps: set[int]) -> None:
    """Delete the checkpoints of all other steps.

    Each is renamed before it is emptied, so that a kill in the middle leaves nothing that looks like one.
    """
    for path in Path(folder).glob("checkpoint-*"):
        if NAME.fullmatch(path.name) and step_of(path) not in steps:
            _discard(path)


def clear(folder: str | Path) -> None:
    """Delete every checkpoint in ``folder``, to begin the run afresh."""
    if Path(folder).exists():
        _remove_leftovers(Path(folder))
        keep_only(folder, set())


def _seal(staging: Path) -> None:
    """Force the files to the disk and write the marker that says they are all there."""
    files = sorted(path for path in staging.rglob("*") if path.is_file())
    for path in files:
        _sync(path)
    sizes = {path.relative_to(staging).as_posix(): path.stat().st_size for path in files}
    marker = staging / MARKER
    marker.write_text(json.dumps(sizes, indent=1), encoding="utf-8")
    _sync(marker)
    _sync(staging)


def _discard(path: Path) -> None:
    if path.exists():
        trash = path.with_name(f"{TRASH}{path.name}")
        shutil.rmtree(trash, ignore_errors=True)
        os.replace(path, trash)
        shutil.rmtree(trash, ignore_errors=True)


def _remove_leftovers(folder: Path) -> None:
    """Remove what a killed save or a killed deletion left behind."""
    for prefix in (STAGING, TRASH):
        for path in folder.glob(f"{prefix}*"):
            shutil.rmtree(path, ignore_errors=True)


def _is_write_error(error: Exception) -> bool:
    """Recognise a failed write: Python, torch and safetensors each raise their own error for a full disk."""
    if isinstance(error, OSError):
        return True
    text = str(error)
    return "No space left" in text or "os error" in text or "PytorchStreamWriter" in text or "inline_container" in text


def _failure(folder: Path, step: int, error: Exception) -> str:
    newest = newest_whole(folder)
    free = shutil.disk_usage(folder if folder.exists() else Path.cwd()).free / 1e6
    kept = f"{newest.name} is whole" if newest else "there is no earlier checkpoint"
    then = f"goes on from step {step_of(newest)}" if newest else "begins again"
    return (
        f"the checkpoint of step {step} could not be written to {folder}: {error}. {free:,.0f} MB are free "
        f"there; {kept}. Free some space or move the run folder to a larger disk and start the same run "
        f"again: it {then}."
    )


def _sync(path: Path) -> None:
    """Force a file, or the names in a folder, to the disk (Windows does not open folders)."""
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

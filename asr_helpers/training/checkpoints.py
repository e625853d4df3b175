"""Checkpoints that are whole or not there: a run killed at any moment goes on from the newest whole one."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from asr_helpers.storage import read_json, remove_folder, replacing_folder, write_json
from asr_helpers.wording import size

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

MARKER = "complete.json"  # written last: every file that belongs to the checkpoint, and its size or digest

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

    It is written as `storage.replacing_folder` writes. A process killed anywhere in between leaves hidden folders,
    which nobody reads and the next save removes. The marker, which lists all files, does what the rename
    cannot where renaming a folder is not atomic (a network or cloud drive): a file that is missing or short shows.

    Args:
        folder: Folder of all checkpoints of the run.
        step: Optimiser steps done.

    Yields:
        The folder to write into.

    Raises:
        CheckpointError: A file could not be written. The earlier checkpoints are untouched; the text names
            the newest whole one, how much disk is free, and the fix.
    """
    try:
        _remove_leftovers(Path(folder))
        with replacing_folder(checkpoint_path(folder, step)) as staging:
            yield staging
            files = sorted(path for path in staging.rglob("*") if path.is_file())
            contents = {path.relative_to(staging).as_posix(): _content(path) for path in files}
            write_json(contents, staging / MARKER)
    except OSError as error:
        raise CheckpointError(_failure(Path(folder), step, error.__cause__ or error)) from error


def is_whole(checkpoint: str | Path) -> bool:
    """Say whether every file that the checkpoint's marker lists is there as it was written."""
    checkpoint = Path(checkpoint)
    try:
        contents = read_json(checkpoint / MARKER)
        return bool(contents) and all(_content(checkpoint / name) == content for name, content in contents.items())
    except (OSError, ValueError):
        return False


def _content(path: Path) -> int | str:
    """What tells a file from a damaged one: of JSON, which is small and read by many, its bytes; else its size."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.suffix == ".json" else path.stat().st_size


def whole_checkpoints(folder: str | Path) -> list[Path]:
    """List the whole checkpoints in ``folder``, oldest step first."""
    found = [path for path in Path(folder).glob("checkpoint-*") if NAME.fullmatch(path.name)]
    return sorted(filter(is_whole, found), key=step_of)


def newest_whole(folder: str | Path) -> Path | None:
    """Find the checkpoint to go on from; ``None`` when there is none."""
    checkpoints = whole_checkpoints(folder)
    return checkpoints[-1] if checkpoints else None


def keep_only(folder: str | Path, steps: set[int]) -> None:
    """Delete the checkpoints of all other steps."""
    for path in Path(folder).glob("checkpoint-*"):
        if NAME.fullmatch(path.name) and step_of(path) not in steps:
            remove_folder(path)


def clear(folder: str | Path) -> None:
    """Delete every checkpoint in ``folder``, to begin the run afresh."""
    _remove_leftovers(Path(folder))
    keep_only(folder, set())


def _remove_leftovers(folder: Path) -> None:
    """Remove what a killed save or a killed deletion left behind."""
    for path in folder.glob(".checkpoint-*"):
        shutil.rmtree(path, ignore_errors=True)


def _failure(folder: Path, step: int, error: BaseException) -> str:
    newest = newest_whole(folder)
    free = size(shutil.disk_usage(folder if folder.exists() else Path.cwd()).free)
    kept = f"{newest.name} is whole" if newest else "there is no earlier checkpoint"
    then = f"goes on from step {step_of(newest)}" if newest else "begins again"
    return (
        f"the checkpoint of step {step} could not be written to {folder}: {error}. {free} are free "
        f"there; {kept}. Free some space or move the run folder to a larger disk and start the same run "
        f"again: it {then}."
    )

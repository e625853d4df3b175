"""Checkpoints are whole or not there, whatever interrupts the writing."""

from __future__ import annotations

import errno
import os
import pickle
from pathlib import Path

import pytest
import torch

from asr_helpers.training.checkpoints import (
    MARKER,
    CheckpointError,
    checkpoint_path,
    clear,
    is_whole,
    keep_only,
    newest_whole,
    whole_checkpoint,
    whole_checkpoints,
)
from asr_helpers.training.saving import require_numbers


def write(folder: Path, step: int, text: str = "weights") -> Path:
    with whole_checkpoint(folder, step) as staging:
        (staging / "model.bin").write_text(text)
        (staging / "sub").mkdir()
        (staging / "sub" / "state.json").write_text("{}")
    return checkpoint_path(folder, step)


def test_written_checkpoints_are_whole_and_the_newest_is_found(tmp_path: Path) -> None:
    for step in (5, 10, 100, 20):
        assert is_whole(write(tmp_path, step))
    assert newest_whole(tmp_path) == checkpoint_path(tmp_path, 100)
    assert [path.name for path in whole_checkpoints(tmp_path)] == [f"checkpoint-{n}" for n in (5, 10, 20, 100)]


def spoil_size(path: Path) -> None:
    (path / "model.bin").write_text("w")


@pytest.mark.parametrize(
    "spoil",
    [
        spoil_size,
        lambda path: (path / "model.bin").unlink(),
        lambda path: (path / "sub" / "state.json").unlink(),
        lambda path: (path / "sub" / "state.json").write_text("[]"),  # of the same size
        lambda path: (path / MARKER).unlink(),
        lambda path: (path / MARKER).write_text('{"model.bin": 7'),
        lambda path: (path / MARKER).write_text("[]"),
    ],
)
def test_a_spoilt_checkpoint_is_passed_over(tmp_path: Path, spoil) -> None:
    write(tmp_path, 1)
    spoil(write(tmp_path, 2))
    assert newest_whole(tmp_path) == checkpoint_path(tmp_path, 1)


def test_nothing_there_is_no_checkpoint(tmp_path: Path) -> None:
    assert newest_whole(tmp_path) is None
    assert newest_whole(tmp_path / "missing") is None
    (tmp_path / "checkpoint-x").mkdir()
    (tmp_path / "checkpoint-7").mkdir()
    assert newest_whole(tmp_path) is None


def test_a_killed_save_leaves_nothing_that_looks_like_one_and_is_cleaned_up(tmp_path: Path) -> None:
    write(tmp_path, 1)
    with pytest.raises(KeyboardInterrupt), whole_checkpoint(tmp_path, 2) as staging:
        (staging / "model.bin").write_text("half")
        raise KeyboardInterrupt  # no Exception: like a kill, it skips the cleaning up
    assert newest_whole(tmp_path) == checkpoint_path(tmp_path, 1)
    write(tmp_path, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-1", "checkpoint-3"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0"),
        RuntimeError("Error while serializing: IoError(No space left on device (os error 28))"),
    ],
)
def test_a_full_disk_keeps_the_earlier_checkpoint_and_says_what_to_do(tmp_path: Path, error: Exception) -> None:
    write(tmp_path, 4)
    says = pytest.raises(CheckpointError, match=r"step 8 .* checkpoint-4 is whole\. Free some .*from step 4")
    with says, whole_checkpoint(tmp_path, 8) as staging:
        (staging / "model.bin").write_text("half")
        raise error
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-4"]


def test_other_errors_pass_through(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="a bug") as caught, whole_checkpoint(tmp_path, 8):
        raise RuntimeError("a bug")
    assert not isinstance(caught.value, CheckpointError)


def test_a_second_attempt_at_the_same_step_replaces_the_first(tmp_path: Path) -> None:
    write(tmp_path, 3, "old")
    assert (write(tmp_path, 3, "new") / "model.bin").read_text() == "new"


def test_old_checkpoints_go_and_others_files_stay(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        write(tmp_path, step)
    (tmp_path / "training_log.jsonl").write_text("{}")
    keep_only(tmp_path, {1, 3})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-1", "checkpoint-3", "training_log.jsonl"]
    clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["training_log.jsonl"]
    clear(tmp_path / "missing")


def numbers(path: Path) -> None:
    torch.save({"step": torch.ones(3), "lr": 0.1, "name": "adamw"}, path)


class Opens:
    """What a pickle that runs code is made of."""

    def __reduce__(self):
        return open, (str(Opens.mark), "w")


HOSTILE = {
    "an object": lambda path: torch.save({"state": Opens()}, path),
    "a bare pickle": lambda path: path.write_bytes(pickle.dumps(Opens())),
    "the old format": lambda path: torch.save(Opens(), path, _use_new_zipfile_serialization=False),
    "damaged": lambda path: path.write_bytes(path.read_bytes()[:100]),
    "empty": lambda path: path.write_bytes(b""),
}


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "scaler.pt", "rng_state.pth", "rng_state_1.pth"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_checkpoint_that_holds_more_than_numbers_is_not_opened(tmp_path: Path, name: str, kind: str) -> None:
    Opens.mark = tmp_path / "ran"
    checkpoint = tmp_path / "checkpoint-7"
    checkpoint.mkdir()
    for other in ("optimizer.pt", "scheduler.pt", "rng_state.pth", name):
        numbers(checkpoint / other)
    require_numbers(checkpoint)
    HOSTILE[kind](checkpoint / name)
    with pytest.raises(CheckpointError) as error:
        require_numbers(checkpoint)
    assert not Opens.mark.exists()
    said = (
        f"{checkpoint / name} is damaged, or holds more than numbers, and is not opened; delete the folder checkpoint-7"
    )
    assert str(error.value).startswith(said) and "\n" not in str(error.value)

"""Files are written whole or not at all, and a full disk is named before the work starts."""

import csv
import errno
import io
import json
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from asr_helpers import storage


def test_text_is_utf8_with_the_line_ends_given(tmp_path):
    path = tmp_path / "new" / "folder" / "text.txt"
    storage.write_text("یہ\nوہ\r\n", path)
    assert path.read_bytes() == "یہ\nوہ\r\n".encode()


def test_json_holds_numpy_paths_sets_and_dataclasses(tmp_path):
    @dataclass
    class Score:
        value: float

    path = tmp_path / "x.json"
    numbers = {"n": np.int64(3), "a": np.array([1.5, np.nan]), 1: Score(float("inf"))}
    storage.write_json({**numbers, "p": Path("a/b"), "s": {"b", "a"}, "t": ("ی",)}, path)
    back = json.loads(path.read_text("utf-8"))
    assert {key: back[key] for key in ("n", "a", "1")} == {"n": 3, "a": [1.5, None], "1": {"value": None}}
    assert {key: back[key] for key in ("p", "s", "t")} == {"p": "a/b", "s": ["a", "b"], "t": ["ی"]}
    assert "ی" in path.read_text("utf-8"), "letters stay readable"


@pytest.mark.parametrize("content", ["{", "[]", "3", "\x00", "[" * 99_999, b"\xff"])
def test_damaged_json_is_named_in_a_sentence(tmp_path, content):
    path = tmp_path / "x.json"
    assert storage.read_json(path) == {}
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=r"x\.json (is damaged|holds a) .*copy it again, or make it anew"):
        storage.read_json(path)


def test_text_is_added_to_a_file_and_a_full_disk_names_it(tmp_path):
    storage.append_text("ایک\n", tmp_path / "log")
    storage.append_text("دو\n", tmp_path / "log")
    assert (tmp_path / "log").read_text("utf-8") == "ایک\nدو\n"
    with pytest.raises(OSError, match=r"the disk is full; free some space and run this again \(/dev/full\)"):
        storage.append_text("x", "/dev/full")


def test_parquet_comes_back_without_an_index(tmp_path):
    frame = pd.DataFrame({"id": ["1", "2"], "seconds": [0.5, 1.0]}, index=[7, 9])
    storage.write_parquet(frame, tmp_path / "x.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "x.parquet"), frame.reset_index(drop=True))


def test_a_failure_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "x.txt"
    storage.write_text("old", path)
    with pytest.raises(RuntimeError, match="boom"), storage.replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("boom")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.txt"]


@pytest.mark.parametrize(
    "name",
    ["x" * 255, "x" * 251 + ".txt", "ب" * 120 + ".TextGrid", "a." + "ب" * 126, "." + "x" * 254, "گھر" * 40 + ".srt"],
)
def test_a_name_as_long_as_names_can_be_is_written(name, tmp_path):
    assert 200 < len(name.encode()) <= 255
    storage.write_text("new", tmp_path / name)
    with storage.replacing(tmp_path / name) as temporary:
        assert len(temporary.name.encode()) < 60
        assert len(Path(name).suffix) > 16 or temporary.name.endswith(Path(name).suffix)
        temporary.write_text("newer")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "newer")]


@pytest.mark.parametrize("most", [9, 20, 246, 255])
def test_names_that_are_cut_fit_and_stay_apart(most):
    names = [letter * 300 + end for letter in ("x", "گ", "\U0001f600") for end in ("", "1")]
    cut = [storage.fitting_name(name, most) for name in names]
    assert len(set(cut)) == len(names)
    assert all(len(name.encode()) <= most for name in cut)
    assert storage.fitting_name("گ" * (most // 2), most) == "گ" * (most // 2)


def test_a_full_disk_names_the_file_and_the_fix(tmp_path):
    path = tmp_path / "x.txt"
    says = r"disk is full; free some space.*x\.txt"
    with pytest.raises(OSError, match=says) as caught, storage.replacing(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


def test_free_space_is_asked_of_the_nearest_existing_folder(tmp_path):
    missing = tmp_path / "not" / "yet"
    storage.require_free_space(missing, 1)
    with pytest.raises(OSError, match=r"needs 1000000\.0 TB .* free") as caught:
        storage.require_free_space(missing, 10**18)
    assert caught.value.errno == errno.ENOSPC
    assert not missing.exists()


def test_nothing_else_renames_or_forces_files_to_the_disk():
    for module in Path(storage.__file__).parent.rglob("*.py"):
        found = re.findall(r"os\.(?:replace|rename|fsync)\b", module.read_text("utf-8"))
        assert not found or module.name == "storage.py", f"{module} has a writer of its own: {found}"


FILES = {"a.txt": "weights", "sub/b.txt": "settings"}


def fill(folder: Path, state: str) -> None:
    (folder / "sub").mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(f"{state} {text}")


def state_of(folder: Path) -> str:
    """``"old"`` or ``"new"``: what the folder holds as a whole; anything else is half a folder."""
    found = {file.relative_to(folder).as_posix(): file.read_text() for file in folder.rglob("*") if file.is_file()}
    states = [state for state in ("old", "new") if found == {name: f"{state} {text}" for name, text in FILES.items()}]
    return states[0] if states else f"half: {found}"


class Killed(BaseException):
    """Stands for a kill: from then on nothing reaches the disk, no cleaning up either."""


def stop_at(monkeypatch: pytest.MonkeyPatch, step: int, error: BaseException, *, for_good: bool) -> list[str]:
    """Let the ``step``-th call that changes the disk raise, and, as after a kill, every later one."""
    calls: list[str] = []

    def wrap(module, name):
        real = getattr(module, name)

        def call(*args, **kwargs):
            calls.append(name)
            if len(calls) == step or (for_good and len(calls) > step):
                raise error
            return real(*args, **kwargs)

        monkeypatch.setattr(module, name, call)

    wrap(storage.os, "replace")
    wrap(storage.os, "fsync")
    wrap(storage.Path, "mkdir")
    if for_good:  # an error of rmtree is passed over as it is
        wrap(storage.shutil, "rmtree")
    return calls


@pytest.mark.parametrize("before", ["old", None])
def test_a_kill_at_any_step_leaves_the_old_folder_or_the_new_one(tmp_path, before):
    for step in range(1, 100):
        home = tmp_path / f"kill{step}"
        home.mkdir()
        path = home / "model"
        if before:
            path.mkdir()
            fill(path, "old")
        with pytest.MonkeyPatch.context() as patched:
            calls = stop_at(patched, step, Killed(), for_good=True)
            try:
                with storage.replacing_folder(path) as part:
                    fill(part, "new")
                reached = True
            except Killed:
                reached = False
        found = storage.recover(path)
        states = {"old", "new"} if before else {None, "new"}
        assert (state_of(found) if found.exists() else None) in states, (step, calls)
        with storage.replacing_folder(path) as part:
            fill(part, "new")
        assert state_of(path) == "new" and [p.name for p in home.iterdir()] == ["model"], "the next write clears up"
        if reached:
            break
    assert step > 8 and "replace" in calls and "fsync" in calls


def test_an_error_at_any_step_leaves_the_old_folder_in_its_place_and_no_litter(tmp_path):
    for step in range(1, 100):
        path = tmp_path / str(step) / "model"
        path.mkdir(parents=True)
        fill(path, "old")
        with pytest.MonkeyPatch.context() as patched:
            calls = stop_at(patched, step, OSError(errno.EIO, "Input/output error"), for_good=False)
            with suppress(OSError), storage.replacing_folder(path) as part:
                fill(part, "new")
        renamed = calls.count("replace") == 2  # one: the old one stepped aside; three: and came back
        assert state_of(path) == ("new" if renamed else "old"), (step, calls)
        assert [p.name for p in path.parent.iterdir()] == ["model"]
        if len(calls) < step:
            break
    assert step > 8


def test_everything_in_a_folder_is_on_the_disk_before_its_name_appears(tmp_path, monkeypatch):
    path, synced = tmp_path / "model", set()
    real = storage._sync

    def record(inside):
        if not path.exists():
            synced.add(inside.name)
        real(inside)

    monkeypatch.setattr(storage, "_sync", record)
    with storage.replacing_folder(path) as part:
        fill(part, "new")
    assert synced == {"a.txt", "b.txt", "sub", ".model.part"}


WRITE_ERRORS = [
    (OSError(errno.ENOSPC, "No space left on device"), errno.ENOSPC, "disk is full; free some space"),
    (OSError(errno.EDQUOT, "Disk quota exceeded"), errno.EDQUOT, "disk is full; free some space"),
    (RuntimeError("IoError(No space left on device (os error 28))"), errno.ENOSPC, "disk is full; free some space"),
    (RuntimeError("[enforce fail at inline_container.cc:664]"), errno.EIO, "model could not be written: .enforce"),
]


@pytest.mark.parametrize(("error", "number", "says"), WRITE_ERRORS)
def test_a_failed_write_is_one_kind_of_error_whichever_library_failed(tmp_path, error, number, says):
    with pytest.raises(OSError, match=says) as caught, storage.replacing_folder(tmp_path / "model") as part:
        (part / "half").write_text("half")
        raise error
    assert caught.value.errno == number and list(tmp_path.iterdir()) == []


def test_a_folder_that_is_deleted_loses_its_name_first(tmp_path, monkeypatch):
    path = tmp_path / "model"
    for _ in range(2):  # the second deletion finds what the first one left
        path.mkdir()
        fill(path, "old")
        with pytest.MonkeyPatch.context() as patched:
            stop_at(patched, 3, Killed(), for_good=True)
            with pytest.raises(Killed):
                storage.remove_folder(path)
        assert not path.exists() and not storage.recover(path).exists()
    storage.remove_folder(path)
    path.mkdir()
    storage.remove_folder(path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["=1+1", "+49", "-x", "@SUM(1)", "\t=1", "\r=1", "＝1"])
def test_what_a_spreadsheet_would_compute_is_written_as_text(text):
    written = storage.csv_text(pd.DataFrame({text: [text, "نہیں = کچھ"], "score": [-1.5, 2.0]}))
    rows = list(csv.reader(io.StringIO(written.removeprefix("\ufeff"), newline="")))
    assert rows == [[f"'{text}", "score"], [f"'{text}", "-1.5"], ["نہیں = کچھ", "2.0"]]
    assert storage.csv_rows(written)[1:] == [[text, "-1.5"], ["نہیں = کچھ", "2.0"]]
    assert written.startswith("\ufeff")  # without it Excel reads another encoding than UTF-8

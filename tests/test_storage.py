"""Files are written whole or not at all, and a full disk is named before the work starts."""

import errno
import json
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


SIZES = [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (2.5e9, "2.5 GB"), (3e15, "3000.0 TB")]


@pytest.mark.parametrize(("count", "said"), SIZES)
def test_sizes_are_said_in_the_unit_people_use(count, said):
    assert storage._size(count) == said

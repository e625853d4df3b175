"""Write a file or a folder whole or not at all, and say early when the disk is too full."""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import math
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from .wording import size

__all__ = [
    "FULL",
    "append_text",
    "csv_rows",
    "csv_text",
    "fitting_name",
    "read_json",
    "recover",
    "remove_folder",
    "replacing",
    "replacing_folder",
    "require_free_space",
    "write_bytes",
    "write_errors",
    "write_json",
    "write_parquet",
    "write_text",
]

FULL = (errno.ENOSPC, errno.EDQUOT)  # the numbers of errors that mean a full disk
LONGEST_NAME = 255  # bytes; file systems end there

LONGEST_SUFFIX = 16  # bytes; what comes after the last dot of a longer one says no format
FORMULA = re.compile(r"'*[=+\-@＝＋－＠\t\r\n]")  # how what a spreadsheet computes begins, hidden by apostrophes or not

# What torch and safetensors say of a failed write, in errors that are no OSError.
FAILED_WRITE = ("No space left", "os error", "PytorchStreamWriter", "inline_container")


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a sibling of ``path`` to write to; it takes ``path``'s place only when the block succeeds.

    A run that is killed, or a disk that fills up, then leaves the file of before (or none), never half a
    file. The sibling lies in the same folder because a rename is atomic only within one file system; it keeps
    the suffix, because some writers choose their format by it, and nothing else of the name: a file whose name
    is as long as names can be is written too.

    Args:
        path: The file to write. Missing parent folders are made.

    Yields:
        The path to write to. It does not exist yet.

    Raises:
        OSError: The disk is full (the text then names the file and the fix), or the file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix if len(os.fsencode(path.suffix)) <= LONGEST_SUFFIX else ""
    temporary = path.with_name(f".{uuid.uuid4().hex}.part{suffix}")
    with write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            _sync(temporary)
            os.replace(temporary, path)
            _sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: str | Path) -> Iterator[Path]:
    """Give an empty folder beside ``path`` to fill; it takes ``path``'s place only when the block succeeds.

    Everything in it is forced to the disk. Then ``path`` steps aside as ``.<name>.old``, the new folder takes the
    name, and the old one is deleted: no system renames a folder over a full one. A process that is killed between the
    two renames leaves the whole old folder under its second name; `recover` gives it the first one back, as does the
    next ``replacing_folder``.

    Args:
        path: The folder to write. Missing parent folders are made.

    Raises:
        OSError: Something in it could not be written (torch and safetensors have errors of their own for that); the
            folder of before is in its place. Where the disk is full, the text names the folder and the fix.
    """
    path = Path(path)
    part, old = _beside(path, "part"), _beside(path, "old")
    with write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _clear(path)
        try:
            part.mkdir()
            yield part
            for inside in (*part.rglob("*"), part):
                _sync(inside)
            if path.exists():
                os.replace(path, old)
            os.replace(part, path)
            _sync(path.parent)
        finally:
            _clear(path)  # of a failed write: that frees the space which the next attempt needs


def recover(path: str | Path) -> Path:
    """Give a folder its name back that a killed `replacing_folder` had moved aside; return ``path``."""
    path = Path(path)
    if not path.exists() and _beside(path, "old").exists():
        os.replace(_beside(path, "old"), path)
    return path


def remove_folder(path: str | Path) -> None:
    """Delete a folder. It loses its name first, so that a kill in the middle leaves nothing that looks like one."""
    path = Path(path)
    if path.exists():
        gone = _beside(path, "gone")
        shutil.rmtree(gone, ignore_errors=True)
        os.replace(path, gone)
        shutil.rmtree(gone, ignore_errors=True)


def fitting_name(name: str, most: int = LONGEST_NAME) -> str:
    """Cut a file's name that is too long; it then ends in a digest of all of it, so that names stay apart.

    Args:
        name: The name, or what of it comes before the suffix.
        most: Bytes at most, 9 or more: those of the whole name less those of what is written behind it.
    """
    data = os.fsencode(name)
    if len(data) <= most:
        return name
    return f"{data[: most - 9].decode(errors='ignore')}~{hashlib.sha256(data).hexdigest()[:8]}"


def write_bytes(data: bytes, path: str | Path) -> None:
    """Write ``data`` to ``path`` whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(text: str, path: str | Path) -> None:
    """Write ``text`` as UTF-8 whole or not at all, with the line ends it has on every platform."""
    write_bytes(text.encode("utf-8"), path)


def append_text(text: str, path: str | Path) -> None:
    """Write ``text`` as UTF-8 behind what a file holds; a kill may leave a part of it."""
    with write_errors(Path(path)), open(path, "a", encoding="utf-8") as file:
        file.write(text)


def write_json(obj: Any, path: str | Path) -> None:
    """Write ``obj`` as readable UTF-8 JSON, whole or not at all.

    numpy scalars and arrays, paths, sets (sorted) and dataclasses are accepted. JSON has no NaN and no
    infinity: they become ``null``, so that the file stays readable to every other JSON reader.
    """
    write_text(json.dumps(_plain(obj), ensure_ascii=False, indent=2, allow_nan=False) + "\n", path)


def read_json(path: str | Path) -> dict[str, Any]:
    """Read a JSON object; empty where there is no file.

    Raises:
        ValueError: The file is damaged, or holds something else; the text names it.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_bytes()) if path.is_file() else {}
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({error}); copy it again, or make it anew") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}, no object; copy it again, or make it anew")
    return content


def write_parquet(frame: pd.DataFrame, path: str | Path) -> None:
    """Write ``frame`` as Parquet whole or not at all, without its index: columns carry all it means."""
    with replacing(path) as temporary:
        frame.to_parquet(temporary, index=False)


def csv_text(table: pd.DataFrame) -> str:
    """Write a table as CSV that is safe to open in a spreadsheet, in UTF-8 with the mark by which Excel knows it.

    A text that a spreadsheet would compute (it may come with somebody's recordings) gets an apostrophe before it, and
    so does one that has apostrophes there already: `csv_rows` gives every text back as it was.

    >>> print(csv_text(pd.DataFrame({"text": ["=1+1"], "start": [-1.5]})).lstrip("\ufeff"), end="")
    "text","start"
    "'=1+1",-1.5

    Source: OWASP, "CSV Injection".
    """
    safe = table.rename(columns=_no_formula).map(_no_formula)
    return "\ufeff" + safe.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)


def csv_rows(text: str) -> list[list[str]]:
    """Read what `csv_text` wrote, or a spreadsheet made of it: the fields of each line, the header's first.

    >>> csv_rows(csv_text(pd.DataFrame({"text": ["=1+1", "'=1+1", "a\\rb"]})))
    [['text'], ['=1+1'], ["'=1+1"], ['a\\rb']]

    Raises:
        csv.Error: A quotation mark is left open, or stands where none can.
    """
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    return [[field[1:] if field[:1] == "'" and FORMULA.match(field) else field for field in row] for row in rows]


def _no_formula(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and FORMULA.match(value) else value


def require_free_space(folder: str | Path, needed: int) -> None:
    """Refuse to start work that the disk cannot hold.

    Args:
        folder: Where the work will be written; it need not exist yet.
        needed: Bytes that will be written.

    Raises:
        OSError: (``ENOSPC``) fewer than ``needed`` bytes are free; the text says how many of each.
    """
    existing = Path(folder).absolute()
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise OSError(
            errno.ENOSPC,
            f"{folder} needs {size(needed)} and its disk has {size(free)} free; "
            f"free at least {size(needed - free)}, or choose a folder on another disk",
        )


def _plain(value: Any) -> Any:
    """Turn what Python programs hold into what JSON can say."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return [_plain(item) for item in sorted(value)]
    if isinstance(value, Path):
        return value.as_posix()
    if hasattr(value, "tolist"):  # numpy scalars and arrays, pandas too, without importing either here
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _beside(path: Path, what: str) -> Path:
    """Name a hidden sibling of a folder; always the same, so that the next writer finds what a killed one left."""
    return path.with_name(f".{path.name}.{what}")


def _clear(path: Path) -> None:
    """Put the folder of before in its place, if nothing is there, and delete what else was left beside it."""
    recover(path)
    for left in ("part", "old"):
        shutil.rmtree(_beside(path, left), ignore_errors=True)


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Say in one way that ``path`` could not be written: Python, torch and safetensors each have their own."""
    try:
        yield
    except Exception as error:
        number = getattr(error, "errno", None)
        if "No space left" in str(error) and number is None:
            number = errno.ENOSPC
        if number in FULL:
            full = f"the disk is full; free some space and run this again ({path})"
            raise OSError(number, full) from error
        if not isinstance(error, OSError) and any(sign in str(error) for sign in FAILED_WRITE):
            raise OSError(errno.EIO, f"{path} could not be written: {error}") from error
        raise


def _sync(path: Path) -> None:
    """Force a file's bytes, or the names in a folder, to the disk: a rename that outlives a power cut needs both."""
    if path.is_dir() and os.name == "nt":
        return  # Windows does not open folders
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

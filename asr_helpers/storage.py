"""Write files whole or not at all, and say early when the disk is too full."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import pandas as pd

__all__ = ["replacing", "require_free_space", "write_bytes", "write_json", "write_parquet", "write_text"]


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a sibling of ``path`` to write to; it takes ``path``'s place only when the block succeeds.

    A run that is killed, or a disk that fills up, then leaves the file of before (or none), never half a
    file. The sibling lies in the same folder because a rename is atomic only within one file system; it keeps
    the suffix, because some writers choose their format by it.

    Args:
        path: The file to write. Missing parent folders are made.

    Yields:
        The path to write to. It does not exist yet.

    Raises:
        OSError: The disk is full (the text then names the file and the fix), or the file cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex}.part{path.suffix}")
    try:
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            full = f"the disk is full; free some space and run this again ({path})"
            raise OSError(error.errno, full) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(data: bytes, path: str | Path) -> None:
    """Write ``data`` to ``path`` whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(text: str, path: str | Path) -> None:
    """Write ``text`` as UTF-8 whole or not at all, with the line ends it has on every platform."""
    write_bytes(text.encode("utf-8"), path)


def write_json(obj: Any, path: str | Path) -> None:
    """Write ``obj`` as readable UTF-8 JSON, whole or not at all.

    numpy scalars and arrays, paths, sets (sorted) and dataclasses are accepted. JSON has no NaN and no
    infinity: they become ``null``, so that the file stays readable to every other JSON reader.
    """
    write_text(json.dumps(_plain(obj), ensure_ascii=False, indent=2, allow_nan=False) + "\n", path)


def write_parquet(frame: pd.DataFrame, path: str | Path) -> None:
    """Write ``frame`` as Parquet whole or not at all, without its index: columns carry all it means."""
    with replacing(path) as temporary:
        frame.to_parquet(temporary, index=False)


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
            f"{folder} needs {_size(needed)} and its disk has {_size(free)} free; "
            f"free at least {_size(needed - free)}, or choose a folder on another disk",
        )


def _size(count: float) -> str:
    """Say a number of bytes as people do: ``1.5 GB``."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


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


def _sync(path: Path) -> None:
    """Force a file's bytes to the disk: a rename that outlives a power cut must not find it empty."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Force the rename itself to the disk, where the platform lets a folder be opened (Windows does not)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

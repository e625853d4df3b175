"""Which files make up a folder of ``datasets.save_to_disk``, as it says itself, and none from elsewhere.

``load_from_disk`` follows whatever names stand in the folder's JSON files, ``../`` and links included, and fails in as
many ways as there are broken folders; this is asked first.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["plain_name", "saved_files"]

FIX = "copy the folder again, or write it again with save_to_disk"


def plain_name(name: object) -> str:
    """Take a file name that a saved folder gives.

    Raises:
        ValueError: It is none, or leads into another folder.
    """
    if not isinstance(name, str) or name in ("", ".", "..") or any(c in name for c in "/\\\0"):
        raise ValueError(f"{name!r} is no name of a file in the folder")
    return name


def saved_files(folder: str | Path) -> dict[str, list[Path]]:
    """List the data files of a saved dataset by split; a folder of one split has the name ``""``.

    Raises:
        ValueError: A file is missing, is a link out of the folder, or says something else than it should; the text
            names the file and the fix.
    """
    folder = Path(folder)
    splits = folder / "dataset_dict.json"
    names = [_plain(splits, name) for name in _field(folder, splits, "splits")] if splits.exists() else [""]
    found: dict[str, list[Path]] = {}
    for name in names:
        place = folder / name
        _json(folder, place / "dataset_info.json")
        files = _field(folder, place / "state.json", "_data_files")
        for entry in files:
            file = entry.get("filename") if isinstance(entry, dict) else entry
            found.setdefault(name, []).append(_inside(folder, place / _plain(place / "state.json", file)))
    if not found:
        raise ValueError(f"{folder} names no data file; {FIX}")
    return found


def _plain(source: Path, name: object) -> str:
    try:
        return plain_name(name)
    except ValueError as error:
        raise ValueError(f"{source}: {error}; {FIX}") from None


def _inside(folder: Path, path: Path) -> Path:
    """Take a file that is there and, links followed, below the folder."""
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{path} is a link that leads out of {folder}; {FIX}")
    if not path.is_file():
        raise ValueError(f"{path} is missing; {FIX}")
    return path


def _json(folder: Path, path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_inside(folder, path).read_bytes())
    except (OSError, RecursionError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} cannot be read ({error}); {FIX}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}, not an object; {FIX}")
    return content


def _field(folder: Path, path: Path, field: str) -> list[Any]:
    value = _json(folder, path).get(field)
    if not isinstance(value, list):
        raise ValueError(f"{path} has no list {field!r}; {FIX}")
    return value

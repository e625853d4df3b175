"""Rows as a layout's files give them, before they are a corpus: safe paths and unique ids."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from .problems import ERROR, Problem

__all__ = ["Row", "keep_safe_rows", "unique_ids"]


@dataclass(frozen=True)
class Row:
    """One utterance as its layout names it.

    Attributes:
        audio: Path as written, relative to the corpus root.
        transcript: As written.
        speaker: As written; None where it is not known.
        where: Where a person finds this row: ``"line 17 of metadata.csv"``.
        further: What else the corpus says of it, column → value as written.
    """

    audio: str
    transcript: str
    speaker: str | None
    where: str
    further: Mapping[str, Any] = field(default_factory=dict)


def unique_ids(paths: list[str]) -> list[str]:
    """Give every recording an id: its file stem, or as much more of its path as tells it from the others.

    A recording that is named twice gets ``#2`` at its second mention.
    """
    ids = [PurePosixPath(path).stem for path in paths]
    for longer in (_without_suffix, str):
        counts = Counter(ids)
        ids = [longer(path) if counts[name] > 1 else name for path, name in zip(paths, ids, strict=True)]
    taken: set[str] = set()
    for i, name in enumerate(ids):
        mention = 1
        while ids[i] in taken:
            mention += 1
            ids[i] = f"{name}#{mention}"
        taken.add(ids[i])
    return ids


def keep_safe_rows(root: Path, rows: list[Row], ids: list[str]) -> tuple[list[tuple[str, Row]], list[Problem]]:
    """Keep the rows whose recording exists within the corpus folder.

    A manifest comes from somebody else: neither ``..``, nor an absolute path, nor a symbolic link may make a run read
    (and, in a report, show) a file outside the folder.

    Args:
        root: The corpus folder.
        rows: As the layout's files give them.
        ids: One a row.

    Returns:
        Pairs of id and row, the audio path in POSIX form without ``..``; and a problem for each row left out.
    """
    root = root.resolve()
    kept, problems, listings = [], [], {}
    for name, row in zip(ids, rows, strict=True):
        if not row.audio.strip():
            advice = f"name the recording in {row.where}, or take the row out"
            problems.append(Problem(ERROR, "missing file", name or row.where, "no file name", advice))
            continue
        inside = _inside(root, row.audio)
        if not _is_unicode(row.audio):
            advice = "rename the file: its name is no valid UTF-8, and no table can hold it"
            problems.append(Problem(ERROR, "file name", ascii(name), ascii(row.audio), advice))
        elif inside is None:
            advice = f"{row.where} leads outside the corpus folder; put the recording into it and name it from there"
            problems.append(Problem(ERROR, "outside the folder", name, row.audio, advice))
        elif not _is_file(root / inside):
            advice = f"put the recording there or take {row.where} out{_similar(root / inside, listings)}"
            problems.append(Problem(ERROR, "missing file", name, row.audio, advice))
        else:
            kept.append((name, replace(row, audio=inside)))
    return kept, problems


def _without_suffix(path: str) -> str:
    return str(PurePosixPath(path).with_suffix("")) if PurePosixPath(path).name else path


def _inside(root: Path, name: str) -> str | None:
    """Resolve ``name`` below ``root`` to POSIX form; None if it leads, or could lead, elsewhere."""
    if PureWindowsPath(name).drive or PureWindowsPath(name).root:  # C:\\x, \\\\server\\x, \\x and /x
        return None
    if "\\" in name and not _is_file(root / name):  # a manifest made on Windows
        name = name.replace("\\", "/")
    try:
        resolved = (root / name).resolve()
        outside = not resolved.is_relative_to(root)
    except (OSError, ValueError, RuntimeError):  # a null character, a name too long, a loop of links
        return None
    if outside:
        return None
    pure = PurePosixPath(name)
    return resolved.relative_to(root).as_posix() if ".." in pure.parts else pure.as_posix()


def _is_unicode(name: str) -> bool:
    """Tell names that can be written down from those with undecodable bytes (surrogates, in Python)."""
    return not any("\ud800" <= c <= "\udfff" for c in name)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _similar(path: Path, listings: dict[Path, dict[str, str]]) -> str:
    """Name a file of the same folder that differs only in case, suffix or Unicode normal form."""
    folder = path.parent
    if folder not in listings:
        files = sorted(folder.iterdir()) if folder.is_dir() else []
        listings[folder] = {_loosely(file.name): file.name for file in reversed(files)}
    found = listings[folder].get(_loosely(path.name))
    return f" (the folder has {found!r})" if found else ""


def _loosely(name: str) -> str:
    return unicodedata.normalize("NFC", PurePosixPath(name).stem).casefold()

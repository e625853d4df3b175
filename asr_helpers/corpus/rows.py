"""Rows as a layout's files give them, before they are a corpus: safe paths and unique ids."""

from __future__ import annotations

import errno
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from asr_helpers.storage import fitting_name
from asr_helpers.wording import quoted

from .problems import ERROR, SURROGATE, Problem

__all__ = ["Row", "keep_safe_rows", "unique_ids"]

UNSAFE = re.compile(r'[/\\<>:"|?*]')  # in a file name, on one system or another

JOINERS = "\u200c\u200d"  # the only characters without a shape that belong to words

LONGEST_ID = 120  # bytes; file systems end at 255, some encrypted ones at 143, and suffixes come behind it

LONGEST_TRANSCRIPT = 10_000  # characters, ten minutes of speech: what is longer is a whole file without line ends


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
    """Give every recording an id that can be a file's name: its stem, or as much of its path as tells it from others.

    What no file's name may hold becomes ``_``, a name that is too long ends in a digest of itself, and names that
    differ only in case or in how accents are composed count as equal. A recording that is named twice gets ``#2`` at
    its second mention.
    """
    ids = [_file_name(PurePosixPath(path).stem) for path in paths]
    for longer in (_without_suffix, str):
        counts = Counter(map(str.casefold, ids))
        ids = [
            _file_name(longer(path)) if counts[name.casefold()] > 1 else name
            for path, name in zip(paths, ids, strict=True)
        ]
    mentions: Counter[str] = Counter()
    taken: set[str] = set()
    for i, name in enumerate(ids):
        mentions[name] += 1
        ids[i] = name if mentions[name] == 1 else f"{name}#{mentions[name]}"
        while ids[i].casefold() in taken:
            mentions[name] += 1
            ids[i] = f"{name}#{mentions[name]}"
        taken.add(ids[i].casefold())
    return ids


def keep_safe_rows(root: Path, rows: list[Row]) -> tuple[list[tuple[str, Row]], list[Problem]]:
    """Keep the rows whose recording exists within the corpus folder.

    A manifest comes from somebody else: neither ``..``, nor an absolute path, nor a symbolic link may make a run read
    (and, in a report, show) a file outside the folder. A name that differs from the file's only in Windows' separators
    or in how its accents are composed (macOS takes them apart) names that file.

    Args:
        root: The corpus folder.
        rows: As the layout's files give them.

    Returns:
        Pairs of id and row, the audio path in POSIX form without ``..``; and a problem for each row left out, or whose
        transcript is too long to be one.
    """
    folder = _Folder(root)
    places = [folder.find(row.audio) for row in rows]
    ids = unique_ids([place or row.audio for place, row in zip(places, rows, strict=True)])
    kept, problems = [], []
    for name, place, row in zip(ids, places, rows, strict=True):
        if place and not SURROGATE.search(place):
            if len(row.transcript) > LONGEST_TRANSCRIPT:
                told = f"{len(row.transcript)} characters in {row.where}: {quoted(row.transcript[:100])}"
                problems.append(
                    Problem(ERROR, "endless transcript", name, told, "put every utterance on a line of its own")
                )
            kept.append((name, replace(row, audio=place, transcript=row.transcript[:LONGEST_TRANSCRIPT])))
        else:
            problems.append(_left_out(folder, name, place, row))
    return kept, problems


def _left_out(folder: _Folder, name: str, place: str | None, row: Row) -> Problem:
    """Say why a row has no recording."""
    audio = row.audio if len(row.audio) <= 200 else f"{row.audio[:200]}…"
    if not audio.strip():
        advice = f"name the recording in {row.where}, or take the row out"
        return Problem(ERROR, "missing file", name or row.where, "no file name", advice)
    if SURROGATE.search(audio + (place or "")):
        advice = "rename the file: its name is no valid UTF-8, and no table can hold it"
        return Problem(ERROR, "file name", ascii(name), ascii(audio), advice)
    hint = folder.similar(row.audio)
    there = f" (the folder has {hint!r})" if hint else ""
    if place is None:
        advice = f"{row.where} leads outside the corpus folder; put the recording into it and name it from there{there}"
        return Problem(ERROR, "outside the folder", name, audio, advice)
    return Problem(ERROR, "missing file", name, audio, f"put the recording there or take {row.where} out{there}")


class _Folder:
    """The files below a folder. Each subfolder is listed once: asking the system for 100,000 files takes minutes."""

    def __init__(self, root: Path) -> None:
        self.root, self.given = root.resolve(), root.absolute()
        self.listing, self.place = cache(self._list), cache(self._place)
        self.composed, self.loosely, self.below = cache(self._composed), cache(self._loosely), cache(self._below)

    def find(self, name: str) -> str | None:
        """The POSIX path below the folder of the file that ``name`` means; ``""``: there is none, None: outside."""
        if "\\" in name and not self._find(name):  # a table made on Windows
            name = name.replace("\\", "/")
        if len(name) > 4096 or "\0" in name:
            return ""
        return self._find(name)

    def similar(self, name: str) -> str:
        """A file that ``name`` may mean: the same in a looser spelling, or where the end of the path says."""
        name = name.replace("\\", "/")[-4096:]
        head, _, base = name.rpartition("/")
        folder = self.place(head)
        if folder and (same := self.loosely(folder).get(_loose(base))):
            return same
        parts = [part for part in name.split("/") if part not in ("", ".", "..")]
        return next((found for i in range(1, len(parts)) if (found := self._find("/".join(parts[i:])))), "")

    def _find(self, name: str) -> str | None:
        head, _, base = name.rpartition("/")
        folder = self.place(f"{head}/" if name.startswith("/") else head)
        if folder is None:
            return None
        entry = self._entry(folder, base)
        if not entry or not self.listing(folder)[entry]:
            return ""
        if self.listing(folder)[entry] == "link":
            path = folder / entry
            try:
                if not path.resolve().is_relative_to(self.root):
                    return None
                if not path.is_file():
                    return ""
            except (OSError, RuntimeError):  # a loop of links
                return ""
        return f"{self.below(folder)}{entry}"

    def _place(self, head: str) -> Path | None:
        """The folder that a path's head means, links followed; None where that is, or may be, outside."""
        windows = PureWindowsPath(head)
        if windows.drive or (head.startswith("\\") and windows.root):  # C:\\x, \\\\server\\x and \\x
            return None
        for root in (self.root, self.given):  # an absolute path is fine where it leads into the folder
            if Path(head).is_relative_to(root):
                head = Path(head).relative_to(root).as_posix()
        path = self.root
        for part in PurePosixPath(head).parts:
            if part.startswith("/"):
                return None
            entry = ".." if part == ".." else self._entry(path, part)
            if not entry:
                return path / part  # which is not there, whatever follows
            path = path.parent if part == ".." else path / entry
            try:
                path = path.resolve()
            except (OSError, RuntimeError):
                return None
            if not path.is_relative_to(self.root):
                return None
        return path

    def _entry(self, folder: Path, name: str) -> str:
        """The name as the folder spells it."""
        if name in self.listing(folder):
            return name
        return self.composed(folder).get(unicodedata.normalize("NFC", name), "")

    def _list(self, folder: Path) -> dict[str, str]:
        """What a folder holds: ``"file"``, ``"link"``, or ``""`` for anything else."""
        try:
            with os.scandir(folder) as entries:
                return {
                    entry.name: "link" if entry.is_symlink() else "file" if entry.is_file() else "" for entry in entries
                }
        except ValueError:  # a null character, or half a surrogate pair
            return {}
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP):
                return {}
            raise

    def _below(self, folder: Path) -> str:
        return "" if folder == self.root else f"{folder.relative_to(self.root).as_posix()}/"

    def _composed(self, folder: Path) -> dict[str, str]:
        return {unicodedata.normalize("NFC", name): name for name in sorted(self.listing(folder), reverse=True)}

    def _loosely(self, folder: Path) -> dict[str, str]:
        files = (name for name, kind in self.listing(folder).items() if kind)
        return {_loose(name): name for name in sorted(files, reverse=True)}


def _loose(name: str) -> str:
    """Leave out what differs by accident: case, suffix, and how accents are composed."""
    return unicodedata.normalize("NFC", PurePosixPath(name).stem).casefold()


def _without_suffix(path: str) -> str:
    return str(PurePosixPath(path).with_suffix("")) if PurePosixPath(path).name else path


def _file_name(text: str) -> str:
    """Spell a text so that every system takes it as the name of a file."""
    text = SURROGATE.sub("_", text) if SURROGATE.search(text) else text
    text = unicodedata.normalize("NFC", text)
    if not text.isascii() or not text.isprintable():
        text = "".join("_" if unicodedata.category(c)[0] in "CZ" and c not in f" {JOINERS}" else c for c in text)
    return fitting_name(UNSAFE.sub("_", text).lstrip(".").rstrip(". "), LONGEST_ID)

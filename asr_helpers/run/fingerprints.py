"""Fingerprints of what a notebook reads, writes and is: files by content, programs by meaning."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple

from asr_helpers.audio.files import AUDIO_SUFFIXES, FOREIGN_SUFFIXES
from asr_helpers.wording import counted

__all__ = [
    "File",
    "Files",
    "changes",
    "code_cells",
    "fingerprint",
    "notebook_fingerprint",
    "package_fingerprint",
]

PACKAGE = Path(__file__).resolve().parents[1]


class File(NamedTuple):
    """A file as a step found it; its content is not read again while size and time of change stay."""

    size: int
    changed: int  # ns since the epoch
    digest: str


Files = dict[str, File]  # path below what was fingerprinted → the file


def fingerprint(path: str | Path, known: Files | None = None, *, leave_out: str = "") -> str:
    """SHA-256 of a file's bytes, or of a folder's relative paths and bytes, as 16 hex digits; ``""`` where it is not.

    Args:
        path: File or folder. Hidden files, and what is no ordinary file (a pipe), do not count.
        known: Files of an earlier fingerprint of this path: one whose size and time are the same is not read
            again. Comes back holding the files as they are now.
        leave_out: Regular expression; files and folders whose whole path matches do not count.
    """
    path, known = Path(path), {} if known is None else known
    found = _list(path, leave_out)
    place = path if path.is_dir() else path.parent
    same = {n for n, stamp in found.items() if n in known and (known[n].size, known[n].changed) == stamp}
    new = sorted(found.keys() - same)
    with ThreadPoolExecutor() as pool:  # hashing leaves the interpreter's lock
        digests = dict(zip(new, pool.map(lambda name: _digest(place / name), new), strict=True))
    now = {name: known[name] if name in same else File(*found[name], digests[name]) for name in sorted(found)}
    known.clear()
    known.update(now)
    if not path.is_dir():
        return known[path.name].digest[:16] if known else ""
    lines = "".join(f"{name}\0{file.digest}\n" for name, file in known.items())
    return hashlib.sha256(lines.encode(errors="surrogateescape")).hexdigest()[:16]  # names need not be UTF-8


def _list(path: Path, leave_out: str) -> dict[str, tuple[int, int]]:
    """Size and time of change of every ordinary file, by its path below ``path``, in one walk."""
    if path.is_file():
        state = path.stat()
        return {path.name: (state.st_size, state.st_mtime_ns)}
    found: dict[str, tuple[int, int]] = {}
    folders = [(str(path), "")] if path.is_dir() else []
    while folders:
        folder, prefix = folders.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or re.fullmatch(leave_out, entry.path):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append((entry.path, f"{prefix}{entry.name}/"))
                elif entry.is_file():
                    state = entry.stat()
                    found[prefix + entry.name] = (state.st_size, state.st_mtime_ns)
    return found


def _digest(file: Path) -> str:
    """SHA-256 of a file's bytes, as 32 hex digits; of one that cannot be read, that it cannot."""
    try:
        with open(file, "rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()[:32]
    except OSError as error:
        return f"unreadable: {error.strerror}"


def changes(before: Files, now: Files) -> str:
    """Say which files are others than before: ``"2 recordings and 1 text changed (3.wav, 5.wav and text.txt)"``."""
    said = []
    for verb, names in (
        ("changed", [name for name in now if name in before and now[name].digest != before[name].digest]),
        ("new", [name for name in now if name not in before]),
        ("gone", [name for name in before if name not in now]),
    ):
        heard = [name for name in names if Path(name).suffix.lower() in AUDIO_SUFFIXES + FOREIGN_SUFFIXES]
        parts = [counted(len(heard), "recording")] if heard else []
        parts += [counted(len(names) - len(heard), "other file")] if len(names) > len(heard) else []
        if parts:
            shown = ", ".join(names[:3]) + ("" if len(names) <= 3 else " …")
            said.append(f"{' and '.join(parts)} {verb} ({shown})")
    return ", ".join(said)


@cache
def package_fingerprint() -> str:
    """Name the code of this package, all of it: what it reckons with, and what it draws; comments do not count."""
    files = sorted(PACKAGE.rglob("*.py"))
    return _of_code(text for file in files for text in (file.relative_to(PACKAGE).as_posix(), file.read_text("utf-8")))


def notebook_fingerprint(notebook: Path) -> str:
    """Name the code of a notebook; comments, prose, outputs and the parameters' cell do not count."""
    return _of_code(source for tags, source in code_cells(notebook) if "parameters" not in tags)


def code_cells(notebook: Path) -> list[tuple[list[str], str]]:
    """A notebook's code cells: their tags, and their text."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    return [(cell["metadata"].get("tags", []), "".join(cell["source"])) for cell in code]


def _of_code(sources: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for source in sources:
        digest.update(_meaning(source).encode() + b"\0")
    return digest.hexdigest()[:16]


def _meaning(source: str) -> str:
    """A program without comments, layout and docstrings; as it is where it is not plain Python."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a line for IPython
        return source
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)

"""A corpus folder in any known layout → one row an utterance, and everything that was odd about reading it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from asr_helpers.storage import FULL
from asr_helpers.wording import listed

from .further import LONGEST, further_columns
from .layouts.layout import Layout, Reading
from .layouts.registry import LAYOUTS
from .layouts.saved import looks_like_hub_id
from .problems import CorpusError, Problem
from .rows import keep_safe_rows

__all__ = ["Corpus", "find_layout", "read_corpus"]

COLUMNS = ("id", "audio", "transcript", "speaker")


@dataclass(frozen=True)
class Corpus:
    """What a corpus folder holds, as its files say; nothing is decoded yet.

    Attributes:
        root: The folder that audio paths are relative to.
        layout: The name of a layout of the registry.
        rows: One row an utterance, in the corpus's order: ``id`` (unique), ``audio`` (POSIX path below ``root``, of a
            file that exists and lies within), ``transcript`` (as written), ``speaker`` (missing where unknown), and the
            corpus's further columns.
        problems: What was wrong with reading: counts, gaps, encoding, paths; in the order of the files.
        told: Where transcripts and speakers were found, for people to check.
    """

    root: Path
    layout: str
    rows: pd.DataFrame
    problems: list[Problem]
    told: str = ""

    @property
    def further(self) -> list[str]:
        """The names of the corpus's further columns."""
        return [str(column) for column in self.rows.columns[len(COLUMNS) :]]


def read_corpus(source: str | Path, *, layout: str = "auto", cache_dir: Path | None = None, **options: str) -> Corpus:
    """Read a corpus in any layout of the registry.

    What is wrong with single rows becomes a problem in the result, so that all of it is seen at once; only what
    leaves nothing to read raises.

    Args:
        source: A folder, or a Hub id (``owner/name``, ``owner/name:configuration``).
        layout: The name of a layout, or ``"auto"``: the first of the registry that recognises the folder.
        cache_dir: For ``datasets``: where the recordings are written as files.
        options: The parameters of notebook 01 that say where transcripts and speakers are (``transcripts_file``,
            ``speakers_file``, ``text_column``, ``speaker_column``), as far as the layout knows them; empty: found by
            itself.

    Returns:
        The corpus.

    Raises:
        CorpusError: There is no such folder, the layout is not recognised, a file or column is not there, a
            parameter does not fit the layout, or the Hub cannot be reached.
    """
    if layout not in ("auto", *LAYOUTS):
        raise CorpusError(f"layout is {layout!r}; use 'auto', {', '.join(map(repr, LAYOUTS))}")
    try:
        chosen = find_layout(source) if layout == "auto" else LAYOUTS[layout]
        root = _folder(source)
        if root is None and not chosen.on_hub:
            raise CorpusError(f"there is no folder {source}; correct the path (it is taken from {Path.cwd()})")
        given: dict[str, Any] = {name: value for name, value in options.items() if value}
        if strange := sorted(given.keys() - set(chosen.options)):
            told = f"{strange[0]} is {given[strange[0]]!r}, and the layout {chosen.name} knows no such parameter"
            raise CorpusError(f"{told}, but {', '.join(chosen.options)}; leave it empty, or name another layout")
        if cache_dir and chosen.on_hub:
            given["cache_dir"] = cache_dir
        return _corpus(chosen, chosen.read(root or source, **given), root)
    except OSError as error:
        if error.errno in FULL:
            raise
        where = error.filename or source
        raise CorpusError(f"{where} cannot be read ({error.strerror}); check the path and its permissions") from error


def _folder(source: str | Path) -> Path | None:
    """The folder that is meant, if it is one."""
    try:
        root = Path(source).expanduser()
        return root if root.is_dir() else None
    except RuntimeError as error:  # the home of nobody
        raise CorpusError(f"{source}: {error}; write the whole path") from error


def find_layout(source: str | Path) -> Layout:
    """Recognise a corpus's layout.

    Raises:
        CorpusError: It is neither a folder nor a Hub id, or the folder holds no known layout.
    """
    root = _folder(source)
    if root is None:
        if Path(source).exists():
            raise CorpusError(f"{source} is a file; give the folder that holds the recordings")
        if looks_like_hub_id(str(source)):
            return next(layout for layout in LAYOUTS.values() if layout.on_hub)
        raise CorpusError(f"there is no folder {source}; correct the path (it is taken from {Path.cwd()})")
    for layout in LAYOUTS.values():
        if layout.recognise(root):
            return layout
    there = listed(sorted(path.name for path in root.iterdir()))
    known = "; ".join(layout.holds for layout in LAYOUTS.values())
    raise CorpusError(f"{root} holds no known layout ({known}); in it: {there}")


def _corpus(layout: Layout, reading: Reading, root: Path | None) -> Corpus:
    """Give rows ids, keep those whose recording is there and within the folder."""
    root = reading.root or root or Path()
    kept, left_out = keep_safe_rows(root, reading.rows)
    own = {
        "id": [name for name, _ in kept],
        "audio": [row.audio for _, row in kept],
        "transcript": [row.transcript for _, row in kept],
        "speaker": [(row.speaker or "").strip()[:LONGEST] or None for _, row in kept],
    }
    further, odd = further_columns([row.further for _, row in kept])
    frame = pd.DataFrame({name: pd.Series(values, dtype="str") for name, values in own.items()} | further)
    return Corpus(
        root=root, layout=layout.name, rows=frame, problems=reading.problems + odd + left_out, told=reading.told
    )

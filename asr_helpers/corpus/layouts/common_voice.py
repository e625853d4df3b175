"""Common Voice's layout: tab-separated tables without quoting, recordings in ``clips/``."""

from __future__ import annotations

from functools import partial
from pathlib import Path, PurePosixPath

from ..problems import CorpusError
from ..tables import read_table, table_rows, tsv_header
from ..text_files import given_file
from .layout import Layout, Reading

__all__ = ["COMMON_VOICE"]

CLIPS = "clips"  # where Common Voice keeps its recordings


def _tables(root: Path) -> list[Path]:
    """Find the TSV files with Common Voice's columns ``path`` and ``sentence``."""
    return [path for path in sorted(root.glob("*.tsv")) if {"path", "sentence"} <= set(tsv_header(path))]


def _read(root: Path, *, transcripts_file: str = "", text_column: str = "", speaker_column: str = "") -> Reading:
    """Read the table that ``transcripts_file`` names; by default ``validated.tsv``, or the only one there is."""
    file = given_file(root, transcripts_file, "transcripts_file") if transcripts_file else _table(root)
    table, problems = read_table(file, file.name)
    rows = table_rows(
        table, audio="path", text=text_column or "sentence", speaker=speaker_column, locate=partial(_clip, root)
    )
    return Reading(rows, problems)


def _table(root: Path) -> Path:
    tables = _tables(root)
    names = [path.name for path in tables]
    if "validated.tsv" in names:
        return tables[names.index("validated.tsv")]
    if len(tables) == 1:
        return tables[0]
    told = ", ".join(names) or "none with the columns path and sentence"
    raise CorpusError(
        f"{root}: which table has the transcripts? Found: {told}. Name it with the parameter transcripts_file"
    )


def _clip(root: Path, name: str) -> str:
    """Find where a table's bare name lies: in ``clips/``, and in the oldest releases without its suffix."""
    if "/" in name or "\\" in name:
        return name
    folder = f"{CLIPS}/" if (root / CLIPS).is_dir() else ""
    return f"{folder}{name}" if PurePosixPath(name).suffix else f"{folder}{name}.mp3"


COMMON_VOICE = Layout("common_voice", "clips/ and Common Voice's TSV tables", lambda root: bool(_tables(root)), _read)

"""Common Voice's layout: tab-separated tables without quoting, recordings in ``clips/``."""

from __future__ import annotations

from functools import partial
from pathlib import Path, PurePosixPath

from asr_helpers.wording import listed

from ..problems import CorpusError
from ..tables import read_table, table_rows
from ..text_files import find_files, first_line, given_file
from .layout import Layout, Reading

__all__ = ["COMMON_VOICE"]

CLIPS = "clips"  # where Common Voice keeps its recordings


def _tables(root: Path) -> list[str]:
    """Find the TSV files with Common Voice's columns ``path`` and ``sentence``."""
    return [
        name for name in find_files(root, "*.tsv") if {"path", "sentence"} <= set(first_line(root, name).split("\t"))
    ]


def _read(root: Path, *, transcripts_file: str = "", text_column: str = "", speaker_column: str = "") -> Reading:
    """Read the table that ``transcripts_file`` names; by default ``validated.tsv``, or the only one there is."""
    name = given_file(root, transcripts_file, "transcripts_file") if transcripts_file else _table(root)
    table, problems = read_table(root, name)
    locate = partial(_clip, f"{CLIPS}/" if (root / CLIPS).is_dir() else "")
    rows, odd = table_rows(table, audio="path", text=text_column or "sentence", speaker=speaker_column, locate=locate)
    return Reading(rows, problems + odd, told=name)


def _table(root: Path) -> str:
    tables = _tables(root)
    if "validated.tsv" in tables:
        return "validated.tsv"
    if len(tables) == 1:
        return tables[0]
    raise CorpusError(
        f"{root}: which table has the transcripts? With the columns path and sentence: {listed(tables, most=10)}. "
        "Name it with the parameter transcripts_file"
    )


def _clip(folder: str, name: str) -> str:
    """Find where a table's bare name lies: in ``clips/``, and in the oldest releases without its suffix."""
    if "/" in name or "\\" in name:
        return name
    return f"{folder}{name}" if PurePosixPath(name).suffix else f"{folder}{name}.mp3"


COMMON_VOICE = Layout("common_voice", "clips/ and Common Voice's TSV tables", lambda root: bool(_tables(root)), _read)

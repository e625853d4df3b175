"""LJSpeech's layout: ``metadata.csv`` with ``id|text|normalised text`` and no header, recordings in ``wavs/``."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from asr_helpers.audio.files import AUDIO_SUFFIXES

from ..tables import as_table, table_rows
from ..text_files import first_line, given_file, read_lines
from .layout import Layout, Reading

__all__ = ["LJSPEECH"]

METADATA, WAVS = "metadata.csv", "wavs"

COLUMNS = ["file", "text", "normalized_text"]


def _recognise(root: Path) -> bool:
    if not (root / WAVS).is_dir() or not (root / METADATA).is_file():
        return False
    fields = first_line(root, METADATA).split("|")
    return 2 <= len(fields) <= 3 and fields[0] != "file_name" and "," not in fields[0]


def _read(root: Path, *, transcripts_file: str = "", text_column: str = "") -> Reading:
    """Read ``id|text`` or ``id|text|normalised text``; what is normalised is what was said.

    Args:
        root: The corpus folder.
        transcripts_file: Another file of this form.
        text_column: ``text`` for the second column; by default the last.
    """
    name = given_file(root, transcripts_file, "transcripts_file") if transcripts_file else METADATA
    lines, problems = read_lines(root, name)
    rows = [(f"line {number} of {name}", line.split("|")) for number, line in enumerate(lines, start=1)]
    header = COLUMNS[: len(rows[0][1])] if rows else COLUMNS
    table, problems = as_table(name, [("", header), *rows], problems)
    column = text_column or header[-1]
    found, odd = table_rows(table, audio=COLUMNS[0], text=column, speaker="", locate=_wav)
    return Reading(found, problems + odd, told=f"{column} of {name}")


def _wav(name: str) -> str:
    path = name.strip() if "/" in name else f"{WAVS}/{name.strip()}"
    return path if PurePosixPath(path).suffix.lower() in AUDIO_SUFFIXES else f"{path}.wav"


LJSPEECH = Layout("ljspeech", "wavs/ and metadata.csv with id|text|normalised text", _recognise, _read)

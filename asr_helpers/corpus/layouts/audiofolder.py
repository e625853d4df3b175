"""The audiofolder layout: ``metadata.csv`` or ``metadata.jsonl`` names every recording and its transcript."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from asr_helpers.wording import listed

from ..problems import CorpusError
from ..rows import Row
from ..tables import read_table, table_rows
from ..text_files import find_files, given_file
from .layout import Layout, Reading

__all__ = ["AUDIOFOLDER"]

METADATA = ("metadata.csv", "metadata.jsonl")


def _files(root: Path) -> list[str]:
    """Find metadata files in the folder and below, in the order of their paths."""
    return sorted(file for name in METADATA for file in find_files(root, name, below=True))


def _read(root: Path, *, transcripts_file: str = "", text_column: str = "", speaker_column: str = "") -> Reading:
    """Read all metadata files, or the one that ``transcripts_file`` names."""
    files = [given_file(root, transcripts_file, "transcripts_file")] if transcripts_file else _files(root)
    if not files:
        raise CorpusError(f"{root} has no metadata.csv and no metadata.jsonl; add one with file_name and transcription")
    if len({PurePosixPath(file).parent for file in files}) < len(files):
        raise CorpusError(f"{root} has metadata.csv and metadata.jsonl side by side; name one with transcripts_file")
    rows: list[Row] = []
    problems = []
    for file in files:
        table, found = read_table(root, file)
        folder = PurePosixPath(file).parent
        read, odd = table_rows(
            table,
            audio="file_name",
            text=text_column,
            speaker=speaker_column,
            locate=lambda audio, folder=folder: (folder / audio).as_posix() if folder.parts else audio,
        )
        rows += read
        problems += found + odd
    return Reading(rows, problems, told=listed(files))


AUDIOFOLDER = Layout(
    "audiofolder", "metadata.csv or metadata.jsonl beside the recordings", lambda root: bool(_files(root)), _read
)

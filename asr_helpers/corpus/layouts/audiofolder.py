"""The audiofolder layout: ``metadata.csv`` or ``metadata.jsonl`` names every recording and its transcript."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from ..problems import CorpusError
from ..rows import Row
from ..tables import read_table, table_rows
from ..text_files import given_file
from .layout import Layout, Reading

__all__ = ["AUDIOFOLDER"]

METADATA = ("metadata.csv", "metadata.jsonl")


def _files(root: Path) -> list[Path]:
    """Find metadata files in the folder and below, in the order of their paths."""
    return sorted(path for name in METADATA for path in root.rglob(name) if path.is_file())


def _read(root: Path, *, transcripts_file: str = "", text_column: str = "", speaker_column: str = "") -> Reading:
    """Read all metadata files, or the one that ``transcripts_file`` names."""
    files = [given_file(root, transcripts_file, "transcripts_file")] if transcripts_file else _files(root)
    if not files:
        raise CorpusError(f"{root} has no metadata.csv and no metadata.jsonl; add one with file_name and transcription")
    if len({file.parent for file in files}) < len(files):
        raise CorpusError(f"{root} has metadata.csv and metadata.jsonl side by side; name one with transcripts_file")
    rows: list[Row] = []
    problems = []
    for file in files:
        name = file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name
        table, found = read_table(file, name)
        folder = PurePosixPath(name).parent
        rows += table_rows(
            table,
            audio="file_name",
            text=text_column,
            speaker=speaker_column,
            locate=lambda audio, folder=folder: (folder / audio).as_posix() if folder.parts else audio,
        )
        problems += found
    return Reading(rows, problems)


AUDIOFOLDER = Layout(
    "audiofolder", "metadata.csv or metadata.jsonl beside the recordings", lambda root: bool(_files(root)), _read
)

"""The layouts that name every recording in a table: audiofolder's ``metadata`` files and Common Voice's TSV."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from asr_helpers.wording import listed, quoted

from ..problems import ERROR, CorpusError, Problem
from ..rows import Row
from ..text_files import read_text, split_lines

__all__ = ["SPEAKER_COLUMNS", "TEXT_COLUMNS", "common_voice_tables", "metadata_files", "pick_column"]

__all__ += ["read_audiofolder", "read_common_voice"]

TEXT_COLUMNS = ("transcription", "transcript", "sentence", "text", "normalized_text", "raw_transcription")

SPEAKER_COLUMNS = ("speaker", "speaker_id", "client_id", "reader_id", "reader")

METADATA = ("metadata.csv", "metadata.jsonl")

CLIPS = "clips"  # where Common Voice keeps its recordings

SURROGATE = re.compile("[\ud800-\udfff]")

Record = tuple[str, dict[str, Any]]  # where it stands, column → value


def metadata_files(root: Path) -> list[Path]:
    """Find audiofolder's metadata files in the folder and below, in the order of their paths."""
    return sorted(path for name in METADATA for path in root.rglob(name) if path.is_file())


def common_voice_tables(root: Path) -> list[Path]:
    """Find the TSV files of a folder that have Common Voice's columns ``path`` and ``sentence``."""
    return [path for path in sorted(root.glob("*.tsv")) if {"path", "sentence"} <= set(_tsv_header(path))]


def read_audiofolder(
    root: Path, *, transcripts: str | None = None, text_column: str | None = None, speaker_column: str | None = None
) -> tuple[list[Row], list[Problem]]:
    """Read ``metadata.csv`` or ``metadata.jsonl`` (also one in each subfolder): ``file_name`` and a text column.

    Args:
        root: The corpus folder.
        transcripts: One metadata file, relative to the folder, to read instead of all.
        text_column: The column with the transcript; by default the first known name (`TEXT_COLUMNS`).
        speaker_column: The column with the speaker; by default the first known name (`SPEAKER_COLUMNS`), if any.

    Returns:
        One row a record, in the order of the files; and the problems of reading.

    Raises:
        CorpusError: There is no metadata file, or it lacks a column; the text names those it has.
    """
    files = [_given(root, transcripts)] if transcripts else metadata_files(root)
    if not files:
        raise CorpusError(f"{root} has no metadata.csv and no metadata.jsonl; add one with file_name and transcription")
    if len({file.parent for file in files}) < len(files):
        raise CorpusError(f"{root} has metadata.csv and metadata.jsonl side by side; name one with transcripts")
    rows, problems = [], []
    for file in files:
        name = file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name
        text, found = read_text(file, name)
        problems += found
        records = list((_json_records if file.suffix == ".jsonl" else _csv_records)(text, name, problems))
        columns = list(dict.fromkeys(column for _, record in records for column in record))
        file_column = pick_column(columns, "file_name", ("file_name",), name, "file_name")
        words = pick_column(columns, text_column, TEXT_COLUMNS, name, "text_column")
        speaker = _optional_column(columns, speaker_column, name)
        folder = PurePosixPath(name).parent
        for where, record in records:
            audio = _text(record.get(file_column))
            audio = (folder / audio).as_posix() if audio.strip() and folder.parts else audio
            rows.append(Row(audio, _text(record.get(words)), _text(record.get(speaker)) or None, where))
    return rows, problems


def read_common_voice(
    root: Path, *, transcripts: str | None = None, text_column: str | None = None, speaker_column: str | None = None
) -> tuple[list[Row], list[Problem]]:
    """Read a Common Voice table: tab-separated, no quoting, recordings in ``clips/``.

    Args:
        root: The folder with the tables.
        transcripts: Which table (``"other.tsv"``); by default ``validated.tsv``, or the only one there is.
        text_column: The column with the transcript; ``sentence`` by default.
        speaker_column: The column with the speaker; ``client_id`` by default.

    Returns:
        One row a line of the table; and the problems of reading.

    Raises:
        CorpusError: Which table is meant is open, or it lacks a column; the text names those there are.
    """
    file = _given(root, transcripts) if transcripts else _common_voice_table(root)
    text, problems = read_text(file, file.name)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t", quoting=csv.QUOTE_NONE)
    records = list(_table_records(reader, file.name, problems))
    columns = list(records[0][1]) if records else list(_tsv_header(file))
    path = pick_column(columns, "path", ("path",), file.name, "path")
    words = pick_column(columns, text_column, ("sentence", *TEXT_COLUMNS), file.name, "text_column")
    speaker = _optional_column(columns, speaker_column, file.name)
    rows = [
        Row(_clip(root, record[path]), record[words], record.get(speaker, "") or None, where)
        for where, record in records
    ]
    return rows, problems


def pick_column(columns: list[str], given: str | None, known: tuple[str, ...], name: str, parameter: str) -> str:
    """Choose a column: the one given, or the first known one.

    Raises:
        CorpusError: It is not there; the text names the columns that are.
    """
    wanted = (given,) if given else known
    for column in wanted:
        if column in columns:
            return column
    has = listed(map(repr, columns), most=10)
    hint = " (are the fields separated by commas?)" if len(columns) == 1 and name.endswith(".csv") else ""
    lacks = " or ".join(map(repr, wanted))
    raise CorpusError(f"{name} has no column {lacks}: it has {has}{hint}; see the parameter {parameter}")


def _optional_column(columns: list[str], given: str | None, name: str) -> str | None:
    if given:
        return pick_column(columns, given, (), name, "speaker_column")
    return next((column for column in SPEAKER_COLUMNS if column in columns), None)


def _given(root: Path, name: str) -> Path:
    path = root / name
    if not path.is_file():
        there = listed((file.name for file in sorted(root.glob("*.[tcj]s*"))), most=10)
        raise CorpusError(f"transcripts: {name!r} is no file in {root}; tables there: {there}")
    return path


def _common_voice_table(root: Path) -> Path:
    tables = common_voice_tables(root)
    names = [path.name for path in tables]
    if "validated.tsv" in names:
        return tables[names.index("validated.tsv")]
    if len(tables) == 1:
        return tables[0]
    raise CorpusError(
        f"{root}: which table (columns path and sentence) has the transcripts? Found: {listed(names, most=10)}. "
        "Name it with the parameter transcripts"
    )


def _tsv_header(path: Path) -> list[str]:
    with open(path, "rb") as file:
        line = file.readline(1 << 16)
    return line.decode("utf-8-sig", errors="replace").rstrip("\r\n").split("\t")


def _clip(root: Path, name: str) -> str:
    """Find where a table's bare name lies: in ``clips/``, and in the oldest releases without its suffix."""
    if not name.strip() or "/" in name or "\\" in name:
        return name
    folder = f"{CLIPS}/" if (root / CLIPS).is_dir() else ""
    return f"{folder}{name}" if PurePosixPath(name).suffix else f"{folder}{name}.mp3"


def _csv_records(text: str, name: str, problems: list[Problem]) -> Iterator[Record]:
    return _table_records(csv.reader(io.StringIO(text, newline="")), name, problems)


def _table_records(reader: Any, name: str, problems: list[Problem]) -> Iterator[Record]:
    """Yield the records of a table with a header; rows with too many or too few fields become problems."""
    header: list[str] = []
    while True:
        try:
            fields = next(reader, None)
        except csv.Error as error:
            advice = f"repair line {reader.line_num} of {name}"
            problems.append(Problem(ERROR, "unreadable row", f"line {reader.line_num} of {name}", str(error), advice))
            continue
        if fields is None:
            return
        if not header:
            header = [field.strip() for field in fields]
        elif any(field.strip() for field in fields):
            where = f"line {reader.line_num} of {name}"
            if len(fields) != len(header):
                told = f"{len(fields)} fields, the header has {len(header)}: {quoted(' | '.join(fields), 60)}"
                advice = "a separator within a field, or one that is missing; repair the row"
                problems.append(Problem(ERROR, "unreadable row", where, told, advice))
            else:
                yield where, dict(zip(header, fields, strict=True))


def _json_records(text: str, name: str, problems: list[Problem]) -> Iterator[Record]:
    """Yield the records of a JSON Lines file; lines that are no JSON object become problems."""
    for number, line in enumerate(split_lines(text), start=1):
        if not line.strip():
            continue
        where = f"line {number} of {name}"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            problems.append(Problem(ERROR, "unreadable row", where, str(error), "repair the line: one JSON object"))
            continue
        if isinstance(record, dict):
            yield where, record
        else:
            advice = 'write an object: {"file_name": …, "transcription": …}'
            problems.append(Problem(ERROR, "unreadable row", where, quoted(line, 60), advice))


def _text(value: Any) -> str:
    """Take a field as text: JSON knows numbers and null, and half a surrogate pair, which no file can hold."""
    return "" if value is None else SURROGATE.sub("\ufffd", str(value))

"""Tables that people made (CSV, TSV, JSON Lines) → rows: whatever is wrong with a line is said with its number."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .problems import ERROR, CorpusError, Problem
from .rows import Row
from .text_files import read_text, split_lines

__all__ = ["Table", "read_table", "table_rows", "tsv_header"]

TEXT_COLUMNS = ("transcription", "transcript", "sentence", "text", "normalized_text", "raw_transcription")

SPEAKER_COLUMNS = ("speaker", "speaker_id", "client_id", "reader_id", "reader")

SURROGATE = re.compile("[\ud800-\udfff]")

Record = tuple[str, dict[str, Any]]  # where it stands, column → value


@dataclass(frozen=True)
class Table:
    """The readable records of one file.

    Attributes:
        name: What problems call the file.
        columns: In their order.
        records: Where each stands (``"line 17 of metadata.csv"``), and its values by column.
    """

    name: str
    columns: list[str]
    records: list[Record]


def read_table(path: Path, name: str) -> tuple[Table, list[Problem]]:
    """Read a ``.csv``, ``.tsv`` (tab-separated, no quoting) or ``.jsonl`` file; bad lines become problems."""
    text, problems = read_text(path, name)
    if path.suffix == ".jsonl":
        records = list(_json_records(text, name, problems))
        return Table(name, list(dict.fromkeys(column for _, record in records for column in record)), records), problems
    quoting = {"delimiter": "\t", "quoting": csv.QUOTE_NONE} if path.suffix == ".tsv" else {}
    return _csv_table(csv.reader(io.StringIO(text, newline=""), **quoting), name, problems), problems


def table_rows(table: Table, *, audio: str, text: str, speaker: str, locate: Callable[[str], str] = str) -> list[Row]:
    """Lay out a table's records as rows; what is in no column of ours is kept as further columns.

    Args:
        table: As read.
        audio: The column with the recording's name.
        text: The column with the transcript; empty: the first known name (`TEXT_COLUMNS`).
        speaker: The column with the speaker; empty: the first known name (`SPEAKER_COLUMNS`), if any.
        locate: Turns a name that is not empty into a path below the corpus folder.

    Raises:
        CorpusError: A column is not there; the text names those that are.
    """
    audio = _pick(table, (audio,), "layout")
    words = _pick(table, (text,) if text else [name for name in TEXT_COLUMNS if name != audio], "text_column")
    known = next((name for name in SPEAKER_COLUMNS if name in table.columns), None)
    who = _pick(table, (speaker,), "speaker_column") if speaker else known
    rows = []
    for where, record in table.records:
        name = _text(record.get(audio))
        further = {column: value for column, value in record.items() if column not in (audio, words, who)}
        row = Row(
            locate(name) if name.strip() else name, _text(record.get(words)), _text(record.get(who)), where, further
        )
        rows.append(row)
    return rows


def _pick(table: Table, wanted: Sequence[str], parameter: str) -> str:
    """Choose the first of the wanted columns that is there."""
    for column in wanted:
        if column in table.columns:
            return column
    has = ", ".join(map(repr, table.columns)) or "no columns"
    hint = " (are the fields separated by commas?)" if len(table.columns) == 1 and table.name.endswith(".csv") else ""
    lacks = " or ".join(map(repr, wanted))
    raise CorpusError(f"{table.name} has no column {lacks}: it has {has}{hint}; see the parameter {parameter}")


def tsv_header(path: Path) -> list[str]:
    """Read the column names of a tab-separated file, and no more of it."""
    with open(path, "rb") as file:
        line = file.readline(1 << 16)
    return line.decode("utf-8-sig", errors="replace").rstrip("\r\n").split("\t")


def _csv_table(reader: Any, name: str, problems: list[Problem]) -> Table:
    """Read a table with a header; rows with too many or too few fields become problems."""
    header: list[str] = []
    records = []
    while True:
        try:
            fields = next(reader, None)
        except csv.Error as error:
            advice = f"repair line {reader.line_num} of {name}"
            problems.append(Problem(ERROR, "unreadable row", f"line {reader.line_num} of {name}", str(error), advice))
            continue
        if fields is None:
            return Table(name, header, records)
        if not header:
            header = [field.strip() for field in fields]
        elif any(field.strip() for field in fields):
            where = f"line {reader.line_num} of {name}"
            if len(fields) != len(header):
                told = f"{len(fields)} fields, the header has {len(header)}: {_short(fields)}"
                advice = "a separator within a field, or one that is missing; repair the row"
                problems.append(Problem(ERROR, "unreadable row", where, told, advice))
            else:
                records.append((where, dict(zip(header, fields, strict=True))))


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
            problems.append(Problem(ERROR, "unreadable row", where, _short([line]), advice))


def _text(value: Any) -> str:
    """Take a field as text: JSON knows numbers and null, and half a surrogate pair, which no file can hold."""
    return "" if value is None else SURROGATE.sub("\ufffd", str(value))


def _short(fields: list[str]) -> str:
    text = " | ".join(fields)
    return text if len(text) <= 60 else f"{text[:60]}…"

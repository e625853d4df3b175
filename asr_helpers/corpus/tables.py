"""Tables that people made (CSV, TSV, JSON Lines) → rows: whatever is wrong with a line is said with its number."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr_helpers.wording import listed, quoted

from .problems import ERROR, SURROGATE, CorpusError, Problem
from .rows import Row
from .text_files import read_text, split_lines

__all__ = ["Table", "as_table", "read_table", "table_rows"]

TEXT_COLUMNS = ("transcription", "transcript", "sentence", "text", "normalized_text", "raw_transcription")
SPEAKER_COLUMNS = ("speaker", "speaker_id", "client_id", "reader_id", "reader")

OPEN = 'a quotation mark (") opens a field and nothing closes it'

FIELD_LINES = 20  # lines that a quoted field may go over; beyond, a quotation mark was left open

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


def read_table(root: Path, name: str) -> tuple[Table, list[Problem]]:
    """Read a table of the corpus ``root``; bad lines become problems, and every other line is kept.

    ``.json`` and ``.jsonl`` hold one JSON object a line, ``.tsv`` is separated by tabs and knows no quotation marks,
    everything else is CSV.

    Raises:
        CorpusError: The file cannot be read, has no row that can be used, or two columns of one name.
    """
    text, problems = read_text(root, name)
    lines = split_lines(text)
    if name.endswith((".json", ".jsonl")):
        numbered = [(f"line {n} of {name}", line) for n, line in enumerate(lines, start=1) if line.strip()]
        objects = [(where, _json_object(line)) for where, line in numbered]
        columns = list(dict.fromkeys(key for _, value in objects if isinstance(value, dict) for key in value))
        return _checked(name, columns, objects, problems)
    fields = ((n, line.split("\t")) for n, line in enumerate(lines, start=1)) if name.endswith(".tsv") else _csv(lines)
    return as_table(name, [(f"line {n} of {name}", found) for n, found in fields], problems)


def as_table(
    name: str, rows: Iterable[tuple[str, list[str] | str]], problems: list[Problem]
) -> tuple[Table, list[Problem]]:
    """Lay out separated fields, the first row being the header.

    Args:
        name: What problems call the file.
        rows: Where each stands, and its fields, or why it has none.
        problems: What was wrong with the file so far.

    Raises:
        CorpusError: As `read_table`.
    """
    told = [(where, fields) for where, fields in rows if isinstance(fields, str) or any(map(str.strip, fields))]
    if not told or isinstance(told[0][1], str):
        raise CorpusError(f"{name} has no header ({told[0][1] if told else 'it is empty'}); name the columns in line 1")
    header = [column.strip() for column in told[0][1]]
    twice = [column for column, times in Counter(header).items() if times > 1 and column]
    if twice:
        raise CorpusError(f"{name} has two columns {listed(map(repr, twice), most=10)}; rename one, or take it out")
    records: list[tuple[str, dict[str, Any] | str]] = []
    for where, fields in told[1:]:
        if isinstance(fields, list) and len(fields) != len(header):
            fields = f"{len(fields)} fields, the header has {len(header)}: {quoted(' | '.join(fields), 60)}"
        records.append((where, fields if isinstance(fields, str) else dict(zip(header, fields, strict=True))))
    return _checked(name, header, records, problems)


def table_rows(
    table: Table, *, audio: str, text: str, speaker: str, locate: Callable[[str], str] = str
) -> tuple[list[Row], list[Problem]]:
    """Lay out a table's records as rows; what is in no column of ours is kept as further columns.

    Args:
        table: As read.
        audio: The column with the recording's name.
        text: The column with the transcript; empty: the first known name (`TEXT_COLUMNS`).
        speaker: The column with the speaker; empty: the first known name (`SPEAKER_COLUMNS`), if any.
        locate: Turns a name that is not empty into a path below the corpus folder.

    Returns:
        The rows, and a problem for each record that holds something else than text where text belongs.

    Raises:
        CorpusError: A column is not there, the text names those that are; or no record can be used.
    """
    audio = _pick(table, (audio,), "layout")
    words = _pick(table, (text,) if text else [name for name in TEXT_COLUMNS if name != audio], "text_column")
    known = next((name for name in SPEAKER_COLUMNS if name in table.columns), None)
    who = _pick(table, (speaker,), "speaker_column") if speaker else known
    rows: list[Row] = []
    problems: list[Problem] = []
    for where, record in table.records:
        name, said, speaks = (record.get(column) for column in (audio, words, who))
        odd = _odd(words, said, str) or _odd(audio, name, str) or _odd(who, speaks, (str, int, float))
        if odd:
            problems.append(_unreadable(where, f"{odd}, where text belongs"))
            continue
        further = {column: value for column, value in record.items() if column not in (audio, words, who)}
        name = _text(name)
        rows.append(Row(locate(name) if name.strip() else name, _text(said), _text(speaks), where, further))
    return rows, _unless_all(problems, len(table.records), table.name)


def _pick(table: Table, wanted: Sequence[str], parameter: str) -> str:
    """Choose the first of the wanted columns that is there."""
    for column in wanted:
        if column in table.columns:
            return column
    hint = " (are the fields separated by commas?)" if len(table.columns) == 1 and table.name.endswith(".csv") else ""
    has, lacks = listed(map(repr, table.columns), most=10), " or ".join(map(repr, wanted))
    raise CorpusError(f"{table.name} has no column {lacks}: it has {has}{hint}; see the parameter {parameter}")


def _checked(
    name: str, columns: list[str], records: Sequence[tuple[str, dict[str, Any] | str]], problems: list[Problem]
) -> tuple[Table, list[Problem]]:
    """Make a table of the records that are some, and problems of those that say why they are none."""
    if not records:
        told = f"only a header ({listed(map(repr, columns), most=10)})" if columns else "nothing in it"
        raise CorpusError(f"{name} has {told}; write a line for each recording")
    bad = [_unreadable(where, why) for where, why in records if isinstance(why, str)]
    good = [(where, record) for where, record in records if isinstance(record, dict)]
    return Table(name, columns, good), problems + _unless_all(bad, len(records), name)


def _unreadable(where: str, why: str) -> Problem:
    return Problem(ERROR, "unreadable row", where, why, "repair the row: every field in its column, every value a text")


def _unless_all(problems: list[Problem], total: int, name: str) -> list[Problem]:
    """Stop where every row has a problem: it is the file's, and said once.

    Raises:
        CorpusError: So it is.
    """
    if total and len(problems) == total:
        raise CorpusError(f"no row of {name} can be used; the first, {problems[0].utterance}: {problems[0].value}")
    return problems


def _csv(lines: Sequence[str]) -> Iterator[tuple[int, list[str] | str]]:
    """Yield each row's line number and its fields, or what is wrong with its quotation marks.

    A field may go over several lines only where none of those lines is a row by itself: otherwise one quotation mark
    that was left open would swallow every row up to the next.
    """
    width, number = 0, 0
    while number < len(lines):
        fields, used = _csv_fields(lines[number]), 1
        if fields == OPEN:
            for end in range(number + 2, min(number + 2 + FIELD_LINES, len(lines) + 1)):
                joined = _csv_fields("\n".join(lines[number:end]))
                if joined != OPEN:
                    rest = [_csv_fields(line) for line in lines[number + 1 : end]]
                    if len(joined) == width and isinstance(joined, list) and width not in map(len, rest):
                        fields, used = joined, end - number
                    break
        width = width or len(fields)
        yield number + 1, fields
        number += used


def _csv_fields(line: str) -> list[str] | str:
    """Split one row, or say what is wrong with it."""
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            return OPEN
        return f'{error} (a quotation mark within a quoted field is written twice: "")'.replace(
            "'\"'", "a quotation mark"
        )


def _json_object(line: str) -> dict[str, Any] | str:
    """Read one JSON object, or say why it is none."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        twice = [key for key, times in Counter(key for key, _ in pairs).items() if times > 1]
        if twice:
            raise ValueError(f"the key {twice[0]!r} stands twice")
        return dict(pairs)

    try:
        value = json.loads(line, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        return f"{str(error)[:100]} in {quoted(line, 60)}"
    return value if isinstance(value, dict) else f"no JSON object: {quoted(line, 60)}"


def _odd(column: str | None, value: Any, kinds: type | tuple[type, ...]) -> str:
    if value is None or (isinstance(value, kinds) and not isinstance(value, bool)):
        return ""
    return f"{column!r} is a {type(value).__name__}, {quoted(str(value))}"


def _text(value: Any) -> str:
    """Take a field as text: JSON knows numbers and null, and half a surrogate pair, which no file can hold."""
    return "" if value is None else SURROGATE.sub("\ufffd", str(value))

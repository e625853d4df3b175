"""Read text files that people made: whatever their encoding and line ends are, and say what was odd about them."""

from __future__ import annotations

import codecs
import os
import re
from fnmatch import fnmatchcase
from pathlib import Path

from asr_helpers.text.detection import likeliest_code_page
from asr_helpers.text.languages import code_pages
from asr_helpers.wording import listed, quoted, size

from .problems import ERROR, WARNING, CorpusError, Problem

__all__ = [
    "HIDDEN",
    "decode_text",
    "file_bytes",
    "find_files",
    "first_line",
    "given_file",
    "read_lines",
    "read_text",
    "split_lines",
]

TEXT_SUFFIXES = (".txt", ".csv", ".tsv", ".json", ".jsonl")

HIDDEN = (".", "__MACOSX")  # of files that no person sees

LARGEST = 1 << 30  # bytes; a table of three million utterances

HEAD = 1 << 16  # bytes that tell what kind of table a file is

SAMPLE = 100_000  # bytes that are enough to tell one code page from another

MOSTLY = 0.1  # share of lines that may be bad before the whole file counts as written in another encoding

CONTROLS = re.compile(rb"[\x01-\x08\x0e-\x1f]")

LINE_END = re.compile("\r\n|\r|\n")  # and no other: str.splitlines also splits at U+0085, U+2028 and form feeds


def find_files(root: Path, pattern: str, *, below: bool = False) -> list[str]:
    """List ordinary files by their path below ``root``, in order; hidden ones and those of macOS archives are none.

    Args:
        root: The corpus folder.
        pattern: What the name must match, whatever its case (``"*.tsv"``).
        below: Look into subfolders too; links to folders are not followed.
    """
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith(HIDDEN)) if below else []
        place = Path(folder).relative_to(root)
        fit = (name for name in names if not name.startswith(HIDDEN) and fnmatchcase(name.lower(), pattern))
        found += [path.as_posix() for name in fit if (root / (path := place / name)).is_file()]
    return sorted(found)


def given_file(root: Path, name: str, parameter: str) -> str:
    """Take the file that a parameter names.

    Raises:
        CorpusError: It is not there; the text names the parameter and the text files that are.
    """
    if not (root / name).is_file():
        there = [file for suffix in TEXT_SUFFIXES for file in find_files(root, f"*{suffix}")]
        raise CorpusError(f"{parameter}: {name!r} is no file in {root}; there: {listed(there, most=10)}")
    return name


def first_line(root: Path, name: str) -> str:
    """Read what a text file of a corpus begins with, to recognise it."""
    return file_bytes(root, name, HEAD).decode("utf-8-sig", errors="replace").partition("\n")[0].rstrip("\r")


def read_text(root: Path, name: str) -> tuple[str, list[Problem]]:
    """Read the text file ``name`` of the corpus ``root``. See `decode_text`.

    Raises:
        CorpusError: It is a link out of the folder, no ordinary file, too large to be text, or cannot be read.
    """
    return decode_text(file_bytes(root, name), name)


def file_bytes(root: Path, name: str, most: int = -1) -> bytes:
    """Read a file of a corpus, and no other: a corpus comes from somebody else, and a report shows what is read.

    Raises:
        CorpusError: As `read_text`.
    """
    path = root / name
    try:
        if not path.resolve().is_relative_to(root.resolve()):
            raise CorpusError(f"{name} leads out of {root}; put a copy of the file into the folder")
        if not path.is_file():
            raise CorpusError(f"{name} in {root} is no ordinary file; put the text file there, or take it away")
        if path.stat().st_size > LARGEST:
            raise CorpusError(f"{name} in {root} has {size(path.stat().st_size)}, too much for a text file; split it")
        with open(path, "rb") as file:
            return file.read(most)
    except (OSError, RuntimeError) as error:  # a loop of links is a RuntimeError
        why = getattr(error, "strerror", None) or error
        raise CorpusError(f"{name} in {root} cannot be read ({why}); check its permissions") from error


def read_lines(root: Path, name: str) -> tuple[list[str], list[Problem]]:
    """Read a text file's lines, without line ends and without blank lines after the last one that says something."""
    text, problems = read_text(root, name)
    returns = text.count("\r")
    if returns:  # no concern of tables: CSV files end their lines with CRLF by rights (RFC 4180)
        told = f"{name} ends {returns} lines with a carriage return (CR or CRLF)"
        problems.append(Problem(WARNING, "line ends", "", told, "they were taken off; save with Unix line ends (LF)"))
    lines = split_lines(text)
    while lines and not lines[-1].strip():
        lines.pop()
    return lines, problems


def split_lines(text: str) -> list[str]:
    """Split at CRLF, CR and LF only, so that line *n* here is line *n* in the person's editor."""
    return LINE_END.split(text)


def decode_text(data: bytes, name: str) -> tuple[str, list[Problem]]:
    """Decode a text file as UTF-8, or as what it is instead, and list what is wrong with it.

    Reading goes on whatever is found, so that every other check still runs: a file in another encoding is decoded by
    the best guess (and is an error, because a guess is no transcript); a few bad lines in a UTF-8 file get U+FFFD,
    which the transcript check reports utterance by utterance.

    Args:
        data: The file's bytes.
        name: What problems call the file.

    Returns:
        The text without byte-order mark, line ends as they are; and the problems, none of one utterance.
    """
    encoding, mark = _byte_order_mark(data)
    nulls = data.count(0) if encoding in (None, "utf-8") else 0
    if nulls and encoding is None:
        encoding = _utf16_without_mark(data)
    if encoding is not None and encoding != "utf-8":
        problem = _wrong_encoding(name, f"{name} is {encoding.upper()}, not UTF-8", "")
        return data[len(mark) :].decode(encoding, errors="replace"), [problem]
    text, problems = _decode_utf8(data[len(mark) :], name)
    if nulls:
        line = data.count(b"\n", 0, data.index(0)) + 1
        told = f"{name}, line {line}: a NUL byte, the first of {nulls}"
        advice = "take it out, or copy the file again: a text has none, so it is damaged or something else than text"
        problems.append(Problem(ERROR, "NUL bytes", "", told, advice))
    if mark:
        told = f"{name} begins with a byte-order mark (EF BB BF)"
        problems.append(Problem(WARNING, "byte-order mark", "", told, "it was taken off; save as UTF-8 without BOM"))
    return text, problems


def _byte_order_mark(data: bytes) -> tuple[str | None, bytes]:
    for encoding, mark in (
        ("utf-8", codecs.BOM_UTF8),
        ("utf-32-le", codecs.BOM_UTF32_LE),  # before UTF-16, whose mark it begins with
        ("utf-32-be", codecs.BOM_UTF32_BE),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
    ):
        if data.startswith(mark):
            return encoding, mark
    return None, b""


def _utf16_without_mark(data: bytes) -> str | None:
    """Recognise UTF-16 by its spaces and ASCII letters: one of their two bytes is zero, always the same one.

    A text in UTF-8 with a NUL byte or two is none: read so, UTF-16 is broken or full of other control characters too,
    unless it is ASCII, and then half of it is NUL.
    """
    high, low = data[0::2].count(0), data[1::2].count(0)
    many = 0.4 if _is_utf8(data) and not CONTROLS.search(data) else 0.02  # of the pairs of bytes
    if len(data) % 2 or min(high, low) > 0 or max(high, low) < many * len(data) / 2:
        return None
    return "utf-16-be" if high else "utf-16-le"


def _decode_utf8(data: bytes, name: str) -> tuple[str, list[Problem]]:
    try:
        return data.decode("utf-8"), []
    except UnicodeDecodeError as error:
        first = error
    lines = data.split(b"\n")
    bad = [line for line in lines if not _is_utf8(line)]
    number = data.count(b"\n", 0, first.start) + 1
    found = (
        f"{name}, line {number}: byte 0x{data[first.start]:02X} (at {first.start} in the file) is not UTF-8; "
        f"{len(bad)} of {len(lines)} lines are not"
    )
    page = likeliest_code_page(b"\n".join(bad)[:SAMPLE])
    sample = ""
    if page is not None:
        line = quoted(lines[number - 1][:SAMPLE].decode(page, errors="replace"))
        sample = f"line {number} read as {code_pages()[page]}: {line}"
    if len(bad) <= MOSTLY * len(lines):
        advice = "the lines concerned are reported one by one; type them again, or save the file as UTF-8"
        return data.decode("utf-8", errors="replace"), [Problem(WARNING, "encoding", "", found, advice)]
    return data.decode(page or "utf-8", errors="replace"), [_wrong_encoding(name, found, sample)]


def _wrong_encoding(name: str, found: str, sample: str) -> Problem:
    advice = f"open {name} in the encoding it was written in and save it as UTF-8"
    return Problem(ERROR, "encoding", "", found, f"{advice}; {sample}" if sample else advice)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True

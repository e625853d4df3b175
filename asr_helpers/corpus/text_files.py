"""Read text files that people made: whatever their encoding and line ends are, and say what was odd about them."""

from __future__ import annotations

import codecs
import re
import unicodedata
from pathlib import Path

from .problems import ERROR, WARNING, CorpusError, Problem

__all__ = ["decode_text", "given_file", "read_lines", "read_text", "split_lines"]

CODE_PAGES = ("cp1256", "iso8859-6", "cp1251", "cp1252")  # tried in this order; the likeliest for Urdu first

PEOPLE_SAY = {
    "cp1256": "Windows-1256 (Arabic)",
    "iso8859-6": "ISO 8859-6 (Arabic)",
    "cp1251": "Windows-1251 (Cyrillic)",
    "cp1252": "Windows-1252 (Western)",
}

TEXT_SUFFIXES = (".txt", ".csv", ".tsv", ".json", ".jsonl")

MOSTLY = 0.1  # share of lines that may be bad before the whole file counts as written in another encoding

LINE_END = re.compile("\r\n|\r|\n")  # and no other: str.splitlines also splits at U+0085, U+2028 and form feeds


def given_file(root: Path, name: str, parameter: str) -> Path:
    """Find the file that a parameter names.

    Raises:
        CorpusError: It is not there; the text names the parameter and the text files that are.
    """
    if not (root / name).is_file():
        there = [path.relative_to(root).as_posix() for path in sorted(root.glob("*.*")) if path.suffix in TEXT_SUFFIXES]
        raise CorpusError(f"{parameter}: {name!r} is no file in {root}; there: {', '.join(there[:10]) or 'none'}")
    return root / name


def read_text(path: Path, name: str) -> tuple[str, list[Problem]]:
    """Read a text file of a corpus; ``name`` is what problems call it. See `decode_text`."""
    return decode_text(path.read_bytes(), name)


def read_lines(path: Path, name: str) -> tuple[list[str], list[Problem]]:
    """Read a text file's lines, without line ends and without blank lines after the last one that says something."""
    text, problems = read_text(path, name)
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
    if encoding is None and b"\x00" in data:
        encoding = _utf16_without_mark(data)
    if encoding is not None and encoding != "utf-8":
        problem = _wrong_encoding(name, f"{name} is {encoding.upper()}, not UTF-8", "")
        return data[len(mark) :].decode(encoding, errors="replace"), [problem]
    text, problems = _decode_utf8(data[len(mark) :], name)
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
    """Recognise UTF-16 by its line ends and spaces: one of their two bytes is zero, always the same one."""
    if len(data) % 2:
        return None
    high = sum(data[i] == 0 for i in range(0, len(data), 2))
    low = sum(data[i] == 0 for i in range(1, len(data), 2))
    if min(high, low) > 0:
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
    page = _likeliest_code_page(b"\n".join(bad))
    sample = ""
    if page is not None:
        line = _shorten(lines[number - 1].decode(page))
        sample = f"line {number} read as {PEOPLE_SAY[page]}: {line}"
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


def _likeliest_code_page(data: bytes) -> str | None:
    """Choose the code page under which most words keep to one script: a wrong one mixes scripts within words."""
    best, chosen = 0.0, None
    for page in CODE_PAGES:
        try:
            share = _one_script(data.decode(page))
        except UnicodeDecodeError:
            continue
        if share > best:
            best, chosen = share, page
    return chosen


def _one_script(text: str) -> float:
    """Give the share of words with letters of one script only, no control character and no mark before a letter."""
    good = total = 0
    for word in text.split():
        kinds = [unicodedata.category(c) for c in word]
        letters = [c for c, kind in zip(word, kinds, strict=True) if kind[0] == "L"]
        scripts = {unicodedata.name(c, "?").split(" ")[0] for c in letters}
        total += bool(scripts)
        good += len(scripts) == 1 and kinds[0][0] != "M" and "Cc" not in kinds
    return good / total if total else 0.0


def _shorten(text: str, length: int = 40) -> str:
    text = text.strip()
    return f"«{text}»" if len(text) <= length else f"«{text[:length]}…»"

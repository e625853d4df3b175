"""Shares, sizes, times, quotes and lists, said in one way in every table and message."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

__all__ = ["counted", "duration", "listed", "percent", "quoted", "size", "visible"]


def counted(number: int, noun: str) -> str:
    """Say how many there are of something.

    >>> counted(1, "recording"), counted(2_700, "recording")
    ('1 recording', '2,700 recordings')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def percent(share: float, digits: int = 1) -> str:
    """Say a share of the whole.

    >>> percent(0.191), percent(1, 0)
    ('19.1 %', '100 %')
    """
    return f"{100 * share:.{digits}f} %"


def size(count: float) -> str:
    """Say a number of bytes as people do.

    >>> size(1_500), size(2.5e9)
    ('1.5 kB', '2.5 GB')
    """
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def duration(seconds: float) -> str:
    """Say how long something takes, as exactly as anybody wants to know it.

    >>> duration(90), duration(600), duration(9_000)
    ('90 s', '10 min', '2.5 h')
    """
    minutes = round(seconds / 60)
    return f"{seconds:.0f} s" if seconds < 120 else f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def quoted(text: str, length: int = 40) -> str:
    """Quote the beginning of a text on one line.

    >>> quoted("ایک  دو"), quoted("abcdef", 3)
    ('«ایک دو»', '«abc…»')
    """
    text = " ".join(text.split())
    return f"«{text}»" if len(text) <= length else f"«{text[:length]}…»"


def listed(items: Iterable[object], most: int = 5, *, of: int = 0) -> str:
    """Name the first few and count the rest: a message that lists a corpus is not read.

    Args:
        items: All of them, or the first.
        most: So many are named.
        of: How many there are, where only the first are given.

    >>> listed("abc"), listed(range(8), most=3), listed([])
    ('a, b, c', '0, 1, 2 and 5 more', 'none')
    """
    items = list(items)
    count = max(of, len(items))
    rest = f" and {count - most} more" if count > most else ""
    return ", ".join(map(str, items[:most])) + rest or "none"


def visible(text: str) -> str:
    """Show what would otherwise be invisible or move its neighbours: control characters and direction marks.

    Zero-width joiners stay: they shape Urdu words. What a corpus or a checkpoint says goes through this before it is
    written into a page or onto a terminal, which takes commands between control characters.

    >>> visible("a\x1b]0;b\u202e")
    'a␛]0;b⟨U+202E⟩'
    """
    return text if text.isprintable() else "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    code = ord(character)
    if code < 0x20 and character not in "\n\t":
        return chr(0x2400 + code)
    category = unicodedata.category(character)
    if category == "Cc" and character not in "\n\t":
        return "␡" if code == 0x7F else f"⟨U+{code:04X}⟩"
    if category == "Cs" or (category == "Cf" and character not in "\u200c\u200d"):
        return f"⟨U+{code:04X}⟩"
    return character

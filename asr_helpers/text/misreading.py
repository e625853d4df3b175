"""Text that was decoded with a code page it was not written in: found out by undoing it."""

from __future__ import annotations

import re

from .languages import code_pages
from .sentences import script_of

__all__ = ["SURE_LETTERS", "WESTERN", "to_bytes", "undo_misreading"]

WESTERN = "cp1252"  # what programs of the West read any text as

SURE_LETTERS = 3  # letters that must appear when a misreading is undone; two can be chance

MOST = 0.5  # share of the letters that one code page must turn into another script's

LAST_EUROPEAN = "\u017f"  # of the Latin letters that people of Europe and Turkey type


def undo_misreading(text: str, script: str = "", *, sure: int = SURE_LETTERS) -> str | None:
    """Turn a text back into bytes and read them as they were meant.

    Tried: UTF-8 that was read as Windows-1252 or as a code page of the script's languages, and such a page that was
    read as Windows-1252. Hardly any text is valid UTF-8 by chance, so what comes out is taken when its letters beyond
    ASCII are of one script, and stand in no word with letters of another.

    Args:
        text: As it was read.
        script: The script it should have, as Unicode names begin (``"arabic"``); ``""`` for any, and UTF-8 alone.
        sure: Letters beyond ASCII that must come out, fewer where the transcripts beside it were misread.

    Returns:
        Another text than was given, or None where no repair makes sense.
    """
    if text.isascii():
        return None
    pages = code_pages(script.lower())
    others = [(WESTERN, page) for page in pages] if script else []
    for read_as, written_as in [(page, "utf-8") for page in (WESTERN, *pages)] + others:
        data = to_bytes(text, read_as)
        if data is None:
            continue
        try:
            right = data.decode(written_as)
        except UnicodeDecodeError:
            continue
        if right != text and _makes_sense(right, script, sure, utf8=written_as == "utf-8"):
            return right
    return None


def _makes_sense(text: str, script: str, sure: int, *, utf8: bool) -> bool:
    foreign = [c for c in text if ord(c) > 0x7F and script_of(c)]
    scripts = {script_of(c) for c in foreign}
    if len(foreign) < sure or len(scripts) != 1 or (script and scripts != {script.upper()}):
        return False
    if scripts == {"LATIN"}:  # one code page of Latin letters looks like another
        return utf8 and max(foreign) <= LAST_EUROPEAN
    if len(foreign) < MOST * sum(map(bool, map(script_of, text))) and not utf8:
        return False  # il va à Paris à pied: every à could be a letter of another alphabet
    return not any(len({script_of(c) for c in word} - {""}) > 1 for word in re.findall(r"\w+", text))


def to_bytes(text: str, page: str) -> bytes | None:
    """Encode as a program would that keeps the bytes a code page leaves undefined as U+0080 to U+009F."""
    try:
        return text.encode(page)
    except UnicodeEncodeError:
        if not re.search("[\x80-\x9f]", text):
            return None
    try:
        return b"".join(bytes([ord(c)]) if "\x80" <= c <= "\x9f" else c.encode(page) for c in text)
    except UnicodeEncodeError:
        return None

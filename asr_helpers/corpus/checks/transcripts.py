"""What is wrong with transcripts as text: empty, misread, or holding what no transcript may hold."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache, partial

from asr_helpers.text.languages import code_pages
from asr_helpers.text.sentences import count_script_letters, script_of
from asr_helpers.wording import listed, quoted

from ..problems import ERROR, WARNING, Problem

__all__ = ["check_transcripts"]

RESERVED = re.compile(r"\||\[(?:UNK|PAD)\]", re.IGNORECASE)  # word boundary, unknown and blank of the vocabulary

BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

LINE_SEPARATORS = frozenset("\u2028\u2029")

WESTERN = "cp1252"  # what programs of the West read any text as

LOST = "\ufffd"

MANY = 0.5  # share of transcripts that must look misread before the file, not the row, is to blame

SURE_LETTERS = 3  # letters that must appear when a misreading is undone; two can be chance

Finding = tuple[str, str]  # value, advice

Utterance = tuple[str, str]  # id, transcript


def check_transcripts(utterances: Iterable[Utterance], *, script: str | None = None) -> list[Problem]:
    """List what is wrong with each transcript, and the letters of other scripts in the corpus as a whole.

    Args:
        utterances: Pairs of id and transcript, as written.
        script: The script that every transcript must have a letter of, named as its letters' Unicode names begin
            (``"arabic"`` for Urdu and Persian, ``"latin"``, ``"devanagari"``); None skips these checks.

    Returns:
        Problems in the order of the checks, then of the utterances.

    Raises:
        ValueError: No letter's Unicode name begins with ``script``.
    """
    utterances = list(utterances)
    checks: list[tuple[str, str, Callable[[str], Finding | None]]] = [
        (ERROR, "empty transcript", _empty),
        (ERROR, "lost letters", _lost),
        (ERROR, "reserved token", _reserved),
        (ERROR, "control character", _control),
        (WARNING, "bidi character", _bidi),
    ]
    if script is not None:
        _require_script(script)
        checks.insert(1, (ERROR, "wrong code page", partial(_misread, script=script)))
        checks.insert(2, (ERROR, "wrong script", partial(_wrong_script, script=script)))
    found = {
        check: [Problem(severity, check, name, *finding) for name, text in utterances if (finding := look(text))]
        for severity, check, look in checks
    }
    misread = [check for check in ("wrong code page", "wrong script") if found.get(check)]
    concerned = sum(len(found[check]) for check in misread)
    if concerned > max(1, MANY * len(utterances)):
        found |= {check: [_whole_file(found[check], len(utterances))] for check in misread}
    problems = [problem for check in found.values() for problem in check]
    return problems + (_other_scripts(utterances, script) if script is not None else [])


def _empty(text: str) -> Finding | None:
    if not text.strip():
        return "nothing", "write what is said, or take the recording out"
    if not any(unicodedata.category(c)[0] in "LN" or c == LOST for c in text):
        lost = " (were the letters lost in a conversion?)" if "?" in text else ""
        return f"no letter in {quoted(text)}", f"write what is said, or take the recording out{lost}"
    return None


def _misread(text: str, *, script: str) -> Finding | None:
    """Find text that was decoded with a code page it was not written in, by undoing it."""
    right = _undo_misreading(text, script)
    if right is None:
        return None
    return f"{quoted(text)} was {quoted(right)}", "open the original in the encoding it has, and save it as UTF-8"


def _wrong_script(text: str, *, script: str) -> Finding | None:
    if not any(script_of(c) for c in text) or count_script_letters(text, script):
        return None
    if _undo_misreading(text, script) is not None:
        return None  # reported as a wrong code page already
    name = script.capitalize()
    advice = f"write it in {name} letters, or set the parameter script; or was a wrong code page used?"
    return f"no {name} letter in {quoted(text)}", advice


def _undo_misreading(text: str, script: str) -> str | None:
    """Turn the text back into bytes and read them as they were meant; None where that makes no sense.

    Tried: UTF-8 that was read as Windows-1252 or as a code page of the script's languages, and such a page that was
    read as Windows-1252. Hardly any text is valid UTF-8 by chance, so the result is taken when all its letters are of
    the script.
    """
    if text.isascii():
        return None
    pages = code_pages(script.lower())
    for read_as, written_as in [(page, "utf-8") for page in (WESTERN, *pages)] + [(WESTERN, page) for page in pages]:
        data = _to_bytes(text, read_as)
        if data is None:
            continue
        try:
            right = data.decode(written_as)
        except UnicodeDecodeError:
            continue
        letters = [script_of(c) for c in right if ord(c) > 0x7F and script_of(c)]
        if len(letters) >= SURE_LETTERS and set(letters) == {script.upper()}:
            return right
    return None


def _to_bytes(text: str, page: str) -> bytes | None:
    """Encode as a program would that keeps the bytes a code page leaves undefined as U+0080 to U+009F."""
    data = bytearray()
    for c in text:
        try:
            data += c.encode(page)
        except UnicodeEncodeError:
            if not 0x80 <= ord(c) <= 0x9F:
                return None
            data.append(ord(c))
    return bytes(data)


def _lost(text: str) -> Finding | None:
    if LOST not in text:
        return None
    return f"{text.count(LOST)} × U+FFFD in {quoted(text)}", "type the lost letters again; the original was no UTF-8"


def _reserved(text: str) -> Finding | None:
    found = sorted({match.upper() for match in RESERVED.findall(text)})
    if not found:
        return None
    advice = "take it out: the vocabulary uses it for word boundary, unknown or blank"
    return f"{' and '.join(found)} in {quoted(text)}", advice


def _control(text: str) -> Finding | None:
    """Find control characters (also tab and line break), private-use characters and separators of lines."""
    found = {c for c in text if unicodedata.category(c) in ("Cc", "Cs", "Co") or c in LINE_SEPARATORS}
    return (_names(found), "take it out; a tab often means that a column was not split off") if found else None


def _bidi(text: str) -> Finding | None:
    found = BIDI & set(text)
    return (_names(found), "take it out; the normalisation of 02 removes it too") if found else None


def _names(characters: Iterable[str]) -> str:
    return listed(f"U+{ord(c):04X} {unicodedata.name(c, 'control')}" for c in sorted(characters))


def _whole_file(found: list[Problem], total: int) -> Problem:
    """Say once what most rows have in common: the file was misread, so no row alone is to be dropped."""
    first = found[0]
    told = f"{len(found)} of {total} transcripts, the first: {first.utterance}, {first.value}"
    return Problem(first.severity, first.check, "", told, first.advice)


def _other_scripts(utterances: list[Utterance], script: str) -> list[Problem]:
    """Report letters of other scripts once for the corpus: each would become a label of its own."""
    letters: Counter[str] = Counter()
    concerned = []
    for name, text in utterances:
        if count_script_letters(text, script):
            other = [c for c in RESERVED.sub("", text) if script_of(c) not in ("", script.upper())]
            letters.update(other)
            concerned += [name] if other else []
    if not letters:
        return []
    told = listed((f"{c} ({n})" for c, n in sorted(letters.items(), key=lambda item: (-item[1], item[0]))), most=10)
    told += f" in {len(concerned)} transcripts: {listed(concerned)}"
    advice = f"write these words in {script.capitalize()} letters, as they are said; each letter becomes a label"
    return [Problem(WARNING, "other scripts", "", told, advice)]


@lru_cache(maxsize=16)
def _require_script(script: str) -> None:
    if not any(script_of(chr(c)) == script.upper() for c in range(sys.maxunicode + 1)):
        raise ValueError(f"script is {script!r}; use the first word of its letters' Unicode names: 'arabic', 'latin'")

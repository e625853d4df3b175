"""What is wrong with transcripts as text: empty, misread, or holding what no transcript may hold."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache, partial

from asr_helpers.text.misreading import SURE_LETTERS, undo_misreading
from asr_helpers.text.sentences import count_script_letters, script_name, script_of
from asr_helpers.wording import listed, quoted

from ..problems import ERROR, WARNING, Problem

__all__ = ["check_transcripts"]

RESERVED = re.compile(r"\||\[(?:UNK|PAD)\]", re.IGNORECASE)  # word boundary, unknown and blank of the vocabulary

BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")  # ASCII is the same in all code pages

BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
LINE_SEPARATORS = frozenset("\u2028\u2029")
LOST = "\ufffd"
MANY = 0.5  # share of transcripts that must look misread before the file, not the row, is to blame

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
        rights = _undone([text for _, text in utterances], script)
        checks.insert(1, (ERROR, "wrong code page", partial(_misread, rights=rights)))
        checks.insert(2, (ERROR, "wrong script", partial(_wrong_script, script=script, rights=rights)))
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


def _undone(texts: list[str], script: str) -> dict[str, str]:
    """The texts that were read with a wrong code page → what they were.

    A sentence in Latin letters has an umlaut or two, so there all transcripts together have to have enough.
    """
    sure = 1 if script.lower() == "latin" else SURE_LETTERS
    rights = {text: right for text in texts if (right := undo_misreading(text, script, sure=sure)) is not None}
    letters = sum(len("".join(BEYOND_ASCII.findall(right))) for right in rights.values())
    return rights if letters >= SURE_LETTERS else {}


def _misread(text: str, *, rights: dict[str, str]) -> Finding | None:
    if text not in rights:
        return None
    right = rights[text]
    pairs = dict(zip(BEYOND_ASCII.findall(text), BEYOND_ASCII.findall(right), strict=False))
    changed = listed((f"{quoted(old, 12)[1:-1]} → {quoted(new, 6)[1:-1]}" for old, new in pairs.items()), most=3)
    told = f"{quoted(text)} was {quoted(right)}: {changed}"
    return told, "open the original in the encoding it has, and save it as UTF-8"


def _wrong_script(text: str, *, script: str, rights: dict[str, str]) -> Finding | None:
    if text in rights or not any(script_of(c) for c in text) or count_script_letters(text, script):
        return None  # a wrong code page is reported already
    name = script_name(script)
    advice = f"write it in {name} letters, or set the parameter script; or was a wrong code page used?"
    return f"no {name} letter in {quoted(text)}", advice


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
    advice = f"write these words in {script_name(script)} letters, as they are said; each letter becomes a label"
    return [Problem(WARNING, "other scripts", "", told, advice)]


@lru_cache(maxsize=16)
def _require_script(script: str) -> None:
    if not any(script_of(chr(c)) == script.upper() for c in range(sys.maxunicode + 1)):
        raise ValueError(f"script is {script!r}; use the first word of its letters' Unicode names: 'arabic', 'latin'")

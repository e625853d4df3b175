"""In which script and language transcripts are written, found out from their letters and their frequent words."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from asr_helpers.wording import percent

from .language import Language
from .languages import LANGUAGES, code_pages, language_of
from .misreading import WESTERN, to_bytes, undo_misreading
from .sentences import script_name, script_of

__all__ = ["Writing", "find_writing", "likeliest_code_page"]

SAMPLE = 2_000  # transcripts that are looked at, evenly spaced

OWN_LETTERS = 0.97  # share of the letters that must be a language's own; the rest are names and loanwords

FREQUENT = 0.07  # share of the words that must be frequent ones; measured: 0.1 to 0.25, of another language up to 0.05

OWN_WORDS = 0.2  # share of the words that must have a letter of the language's own, where frequent words are missing

ONE_WORD = 0.02  # share that one word can give: Slovene has many a "je", and is no French for that

AHEAD = 2.0  # times as many as of the next language

ACCENTED = 0.5  # share of Latin letters beyond ASCII from which a text is something else

KANA = 0.05  # share of a Japanese text that is no Chinese character

# Keyboards differ, so these are one letter while languages are told apart.
ALIKE = str.maketrans("يىكہھەأإ", "ییکهههاا")


class Writing(NamedTuple):
    """How a corpus is written.

    Attributes:
        language: Code of its language; ``"none"`` where it is not known.
        script: Its script, as Unicode's names begin; ``""`` where transcripts are not checked for one.
        told: How both were found, for the reader of the notebook.
    """

    language: str
    script: str
    told: str


def find_writing(transcripts: Sequence[str], *, language: str = "auto", script: str = "auto") -> Writing:
    """Find out the script and the language of transcripts, or take what is given.

    The script is that of most letters. Of its languages those remain whose alphabet has (nearly) all letters; the one
    whose frequent words are a good part of the text, and twice as many as the next one's, is taken. No language is
    better than a wrong one: its number words would be taught.

    Args:
        transcripts: As written.
        language: ``"auto"``, or the code of a language.
        script: ``"auto"``, the name of a script, or ``""`` for transcripts of several.

    Raises:
        ValueError: There is no such language.
    """
    some = _readable(transcripts[:: len(transcripts) // SAMPLE + 1])
    main, share = _main_script(some)
    if language == "auto":
        found, how = _language_of(some, main.lower())
        name = LANGUAGES[found].name if found != "none" else f"any in {script_name(main) or 'no'} script"
        heard = f"language: {name} ({how}; the parameter language sets another)"
    else:
        found, heard = language, f"language: {language_of(language).name} (as set)"
    if script != "auto":
        return Writing(found, script, f"script: {script_name(script) or 'any'} (as set) · {heard}")
    own = LANGUAGES[found].script or main.lower()
    if own != main.lower():
        return Writing(found, own, f"script: {script_name(own)} (the language's) · {heard}")
    told = f"script: {script_name(own) or 'none'} ({percent(share, 0)} of the letters) · {heard}"
    return Writing(found, own, told)


def _readable(texts: Sequence[str]) -> list[str]:
    """The texts as they were written, where they were read with a wrong code page: the check says so, not we."""
    some = [unicodedata.normalize("NFC", undo_misreading(text, sure=1) or text) for text in texts]
    letters = [c for c in "".join(some) if script_of(c) == "LATIN"]
    if sum(c > "\x7f" for c in letters) <= ACCENTED * len(letters):
        return some
    data = [to_bytes(text, WESTERN) for text in some]  # no language writes most of its letters with accents
    page = likeliest_code_page(b"\n".join(filter(None, data)))
    return some if page is None else [text.decode(page, errors="replace") for text in data if text is not None]


def likeliest_code_page(data: bytes) -> str | None:
    """Choose the code page under which words keep to the script of its languages, and are theirs.

    Args:
        data: Text in one of `code_pages`, and not in UTF-8.

    Returns:
        Python's name of the page; None where the bytes make no sense in any.
    """
    best, chosen = 0.0, None
    for page in code_pages():
        try:
            text = data.decode(page)
        except UnicodeDecodeError:
            continue
        written = [language for language in LANGUAGES.values() if page in language.code_pages]
        words = Counter(_words(text.lower()))
        if _main_script([text])[0].lower() in {language.script for language in written}:
            score = _well_formed(text) + max(_frequent(language, words) for language in written)
            if score > best:
                best, chosen = score, page
    return chosen


def _well_formed(text: str) -> float:
    """The share of words with letters of one script, no sign or capital among them, nor many marks in a row."""
    good = total = 0
    for word in re.findall(r"[^\s.,:;!?،؛؟۔]+", text):
        kinds = [unicodedata.category(c) for c in word]
        major = "".join(kind[0] for kind in kinds)
        scripts = {script_of(c) for c in word} - {""}
        total += bool(scripts)
        strange = major[0] == "M" or "MMM" in major or set(major[1:-1]) & {"S", "C"} or "Cc" in kinds
        good += len(scripts) == 1 and not strange and ("Ll", "Lu") not in pairwise(kinds)
    return good / total if total else 0.0


def _main_script(texts: list[str]) -> tuple[str, float]:
    """The script of most letters, and their share; ``""`` where there is no letter."""
    counts = Counter(filter(None, map(script_of, "".join(texts))))
    main, letters = counts.most_common(1)[0] if counts else ("", 0)
    return main, letters / max(1, counts.total())


def _language_of(texts: list[str], script: str) -> tuple[str, str]:
    """The code of the language, and how it was found."""
    of_script = [language for language in LANGUAGES.values() if language.script == script and script]
    if script == "cjk":
        return _east_asian(texts)
    alone = [language for language in of_script if not language.words]
    if alone:
        return alone[0].code, "the language of the script"
    words = Counter(word for text in texts for word in _words(text.replace("İ", "i").lower()))
    candidates = [language for language in of_script if _own_letters(language, texts) >= OWN_LETTERS]
    shares = sorted(((_frequent(language, words), language.code) for language in candidates), reverse=True)
    (best, code), (next_best, _) = (*shares, (0.0, "none"), (0.0, "none"))[:2]
    if best >= FREQUENT and best >= AHEAD * next_best:
        return code, f"{percent(best, 0)} or more of the words are frequent ones of it"
    if script == "arabic" and (lettered := _by_letters(candidates, of_script, texts)):
        return lettered, "by letters that others of the script have not"
    known = ", ".join(language.name for language in of_script)
    return "none", f"its words are not those of {known}, or not surely" if known else "no language of it is known here"


def _by_letters(candidates: list[Language], others: list[Language], texts: list[str]) -> str:
    """The first language whose own letters (ٹ ڈ ڑ ں ے, or ټ ډ ړ ښ ې) many words have; ``""`` where none is.

    Letters of a language that has another's alphabet and more, as Punjabi has Urdu's, do not part the two.
    """
    words = re.findall(r"\w+", " ".join(texts))
    for language in candidates:
        own = set(language.letters)
        for other in others:
            if not (set(language.letters) <= set(other.letters) or set(language.letters) >= set(other.letters)):
                own -= set(other.letters)
        if sum(not own.isdisjoint(word) for word in words) >= OWN_WORDS * len(words):
            return language.code
    return ""


def _east_asian(texts: list[str]) -> tuple[str, str]:
    letters = [c for c in "".join(texts) if script_of(c) == "CJK"]
    kana = sum("\u3040" <= c <= "\u30ff" for c in letters) / len(letters)
    return ("ja" if kana >= KANA else "zh"), f"{percent(kana, 0)} of the characters are kana"


def _words(text: str) -> list[str]:
    plain = "".join(c for c in text.translate(ALIKE) if not "\u064b" <= c <= "\u0655")
    return [w for w in re.split(r"[^\w\u0300-\u036f\u0900-\u0dff۽۾]+", plain) if w]


def _frequent(language: Language, words: Counter[str]) -> float:
    """The share of the words that are frequent ones of a language, none of them counted beyond `ONE_WORD`."""
    own = set(_words(unicodedata.normalize("NFC", language.words)))
    return sum(min(words[word] / max(1, words.total()), ONE_WORD) for word in own)


def _own_letters(language: Language, texts: list[str]) -> float:
    """The share of the letters of its script that a language has."""
    if not language.letters:
        return 1.0
    small = "".join(texts).replace("İ", "i").lower()
    counts = Counter(c for c in unicodedata.normalize("NFC", small) if script_of(c) == language.script.upper())
    own = {*language.letters, *language.look_alikes, "ـ"}
    return sum(count for c, count in counts.items() if c in own) / max(1, counts.total())

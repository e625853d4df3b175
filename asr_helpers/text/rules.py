"""The spelling rules behind the normaliser, in their order; a language's record says which of them run for it.

A rule is a name, a sentence for the reader of the notebook, and a function from text to the new text and
the number of places that it changed. Invisible characters are given as code points, to be readable here.

Sources: the Unicode Standard, chapter 9.2 (Arabic), and its character data; Hussain, "Letter-to-Sound
Conversion for Urdu Text-to-Speech System" (2004), for Urdu's letters and the consonants that ھ aspirates.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from .language import Language

__all__ = ["Rule", "rules_of"]

Change = Callable[[str], tuple[str, int]]  # text → new text and the number of places that changed


@dataclass(frozen=True)
class Rule:
    """One named step of the normaliser.

    Attributes:
        name: Short name, the key in the counts.
        does: What it does and why, for the reader of the notebook.
        change: The step itself: text → new text and the number of places that changed.
    """

    name: str
    does: str
    change: Change


def replace(pattern: str, by: str | Callable[[re.Match[str]], str]) -> Change:
    """A change that replaces a regular expression and counts the places where the text became another."""
    find, put = re.compile(pattern), by if callable(by) else lambda match: by

    def change(text: str) -> tuple[str, int]:
        places = 0

        def place(match: re.Match[str]) -> str:
            nonlocal places
            new = put(match)
            places += new != match[0]
            return new

        return find.sub(place, text), places

    return change


def then(*changes: Change) -> Change:
    """One change after the other, their places added up."""

    def change(text: str) -> tuple[str, int]:
        total = 0
        for one in changes:
            text, places = one(text)
            total += places
        return text, total

    return change


def where(concerned: Callable[[str], bool], change: Change) -> Change:
    """A change of the texts that it concerns: few need it, and to ask is quicker."""
    return lambda text: change(text) if concerned(text) else (text, 0)


def characters(*ranges: str) -> str:
    """A character class from ranges of code points such as ``"064B-0652"``."""
    return "[" + "".join("-".join(rf"\U{int(end, 16):08X}" for end in r.split("-")) for r in ranges) + "]"


COMPOSE = where(
    lambda text: not unicodedata.is_normalized("NFC", text),
    replace(r"\S+", lambda match: unicodedata.normalize("NFC", match[0])),
)

# Forms of letters that Unicode holds for the sake of older encodings: ligatures, full and half width, of mathematics,
# of Roman numerals, raised (1º); most of all Arabic ones.
PRESENTATION = characters(
    "FB50-FDFF", "FE70-FEFC", "FB00-FB4F", "FF01-FFEE", "0132-0133", "01C4-01CC", "01F1-01F3", "2160-217F",
    "1D400-1D7FF", "00AA", "00BA",
)  # fmt: skip

BISMILLAH = "بسم الله الرحمن الرحيم"  # U+FDFD, which has no decomposition of its own

UNSEEN = characters(
    "00AD", "034F", "061C", "180B-180F", "200E-200F", "202A-202E", "2060-206F", "3164", "FE00-FE0F", "FEFF",
    "FFF9-FFFB", "E0000-E0FFF", "0600-0605", "06DD", "08E2",  # the last three enclose a number; nothing is read out
    "0559-055F",  # Armenian's marks of stress and tone, which stand within the word
)  # fmt: skip

HARAKAT = characters(
    "0610-061A", "064B-0652", "0656-065F", "06D6-06DC", "06DF-06E8", "06EA-06ED", "08CA-08E1", "08E3-08FF"
)  # fmt: skip

SUPERSCRIPT_ALEF = "\u0670"
MADDA_AND_HAMZA = characters("0653-0655")  # part of a letter's spelling (آ ؤ ئ ۂ), never a haraka

# Letters with a mark that Unicode composes for Arabic alone, or that stand beside each other only when look-alikes are
# settled.
WITH_MARK = {"ا\u0653": "آ", "ی\u0654": "ئ", "ہ\u0654": "ۂ", "ه\u0654": "ۀ"}

NON_JOINING = "اآدڈذرڑزژوؤےۃء"  # no stroke to the next letter, so a ZWNJ after them is not seen
ASPIRABLE = "بپتٹجچدڈرڑکگلمنوی"

APOSTROPHES = "'’‘`´′＇ʼʻʹ"  # the last three are letters to Unicode, and typed for the others

HYPHENS = "-\u2010\u2011"

VIRAMA = 9  # combining class of the sign that takes the vowel from an Indic consonant

EAST_ASIAN = characters("2E80-2FDF", "3005-3007", "3040-30FF", "31F0-31FF", "3400-9FFF", "F900-FAFF", "20000-323AF")

LATIN = r"[A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff]"

JOINER = "[\u200c\u200d]"

SPACES = r"[\s\u200b\x00-\x1f\x7f-\x9f]+"


def decompose(match: re.Match[str]) -> str:
    # Isolated harakat decompose to a space and the mark; that space would split the word.
    return BISMILLAH if match[0] == "\ufdfd" else unicodedata.normalize("NFKC", match[0]).strip()


def letters_rule(language: Language) -> Rule:
    table = language.look_alikes
    some = [" ".join(side) for side in zip(*list(table.items())[:4], strict=True)] or ["", ""]
    return Rule(
        "letters",
        f"Letters of other keyboards become {language.name}'s own ({' → '.join(some)})",
        then(
            replace("|".join(table) or "(?!)", lambda match: table[match[0]]),
            replace("|".join(WITH_MARK), lambda match: WITH_MARK[match[0]]),
        ),
    )


def digits_rule(language: Language, digits: str) -> Rule:
    if digits == "words" and language.say:
        does, numbers = "Numbers become the words that a reader says", _speak(language)
    else:
        does = f"Digits of every script become {language.digits[:1]}-{language.digits[-1:]}"
        numbers = replace(r"\d", lambda match: language.digits[unicodedata.decimal(match[0])])
    mark = f"[{language.grouping}]"
    thousands = rf"(?<!\d)(?<!\d{mark})\d{{1,3}}({mark})(?:\d{{2,3}}\1)*\d{{3}}(?!{mark}?\d)"
    return Rule("digits", does, then(replace(thousands, lambda match: match[0].replace(match[1], "")), numbers))


def _speak(language: Language) -> Change:
    """Numbers, a percent sign and ordinal endings (۵ویں → پانچویں, 21st) to words; a year's ء is not read out."""
    point, ordinal = f"[{language.point}]", language.say_ordinal
    number = rf"(?<!\d{point})\d+{point}\d+(?!{point}?\d)|\d+"
    endings = "|".join(language.ordinals) or "(?!)"

    def words(match: re.Match[str]) -> str:
        before, digits, after, ending = match.groups()
        said = language.say_number(digits)
        if ending and ordinal and digits.isdecimal() and len(digits) < 13:
            return f" {' '.join(ordinal(int(digits)))} "
        if before or after:
            said = language.percent.format(said)
        return f" {said}" + (ending or " ")

    return replace(rf"(?i:([%٪]\s?)?({number})(?:(\s*[%٪])|({endings})(?!\w)|ء(?!\w))?)", words)


def lower_latin(text: str) -> tuple[str, int]:
    """Lower-case Latin words, counting every one: changed or not, the recogniser gets letters for it."""
    new, words = re.subn(f"{LATIN}+", lambda match: _lower(match[0]), text)
    return unicodedata.normalize("NFC", new), words


def case_rule(language: Language) -> Rule:
    turkish = str.maketrans("Iİ", "ıi") if language.code == "tr" else {}
    words = replace(r"\S+", lambda match: unicodedata.normalize("NFC", _lower(match[0].translate(turkish))))
    return Rule("case", "Capitals become small letters", where(lambda text: text != text.lower(), words))


def _lower(word: str) -> str:
    return word.replace("İ", "i").lower()  # lower() would put a dot onto the dotted i


def punctuation_rule(language: Language) -> Rule:
    """What is no letter, digit or mark goes; what stands inside words by `Language.inside` stays there."""

    def place(match: re.Match[str]) -> str:
        c, (start, end), text = match[0], match.span(), match.string
        if c in language.signs or re.match(JOINER, c) or unicodedata.category(c) in ("Mn", "Mc"):
            return c
        before, after = text[start - 1 : start], text[end : end + 1]
        mark = "'" if c in APOSTROPHES else "-" if c in HYPHENS else c
        if _of_word(before) and _of_word(after):
            if mark in language.inside:
                return mark
            if mark == "'" and re.fullmatch(f"{LATIN}{{2}}", before + after):
                return ""
        return "ʼ" if c in "ʼʻʹ" and not language.script else " "

    kept = f" ({' '.join(language.inside)} stay inside words)" if language.inside else ""
    does = f"Punctuation and symbols become spaces{kept}; an apostrophe inside a Latin word is removed"
    if "'" in language.inside:
        does = f"Punctuation and symbols become spaces{kept}"
    return Rule("punctuation", does, then(replace(rf"[^\w\s]|[_ʼʻʹ{_number_signs()}]", place), COMPOSE))


@lru_cache
def _number_signs() -> str:
    """Signs that write a number and are no digits: ½ ² ①."""
    signs = {c for c in range(sys.maxunicode // 5) if unicodedata.category(chr(c)) == "No"}
    starts, ends = (sorted(c for c in signs if c + step not in signs) for step in (-1, 1))
    return "".join(f"{chr(start)}-{chr(end)}" for start, end in zip(starts, ends, strict=True))


def _of_word(character: str) -> bool:
    return bool(character) and unicodedata.category(character)[0] in "LM"


def marks_rule(language: Language) -> Rule:
    """A mark at the beginning of a word, and joiners there and at its end, have nothing to stand on."""
    signs = re.escape(language.signs) if language.signs else ""
    return Rule(
        "marks",
        "A combining mark that has no letter before it is removed",
        replace(rf"(?<!\S)(?:(?![\w\s{signs}]).)+|{JOINER}+(?!\S)", ""),
    )


def keep_joiner(match: re.Match[str]) -> str:
    """A joiner stays beside a virama, and a non-joiner between two letters that would join (RFC 5892, A.1 and A.2)."""
    before, after = match.string[: match.start()][-1:], match.string[match.end() :][:1]
    if VIRAMA in (unicodedata.combining(before or " "), unicodedata.combining(after or " ")):
        return match[0][0]
    arabic = all(re.fullmatch("[\u0620-\u06ff]", c) for c in (before, after)) and before not in NON_JOINING
    return "\u200c" if match[0][0] == "\u200c" and arabic else ""


def zwnj_rule(zwnj: str) -> Rule:
    return {
        "seen": Rule(
            "zwnj",
            "A zero-width non-joiner becomes a space where it shows, and goes where it does not",
            then(replace(f"(?<=[{NON_JOINING}])\u200c+", ""), replace("\u200c+", " ")),
        ),
        "space": Rule("zwnj", "The zero-width non-joiner becomes a space", replace("\u200c+", " ")),
        "remove": Rule("zwnj", "The zero-width non-joiner is removed", then(replace("\u200c+", ""), COMPOSE)),
        "keep": Rule(
            "zwnj",
            "Zero-width joiners stay where letters are shaped by them, and go elsewhere",
            then(replace(f"{JOINER}+", keep_joiner), COMPOSE),
        ),
    }[zwnj]


@lru_cache
def rules_of(language: Language, *, digits: str, harakat: str, zwnj: str) -> tuple[Rule, ...]:
    """The rules of one language and set of options, in the order in which they must run.

    Marks go before letters are composed, letters are settled before anything asks which letter stands before,
    and spaces come last, because most rules leave some.

    Args:
        language: Its record says which rules run.
        digits: ``"words"`` or ``"keep"``.
        harakat: ``"remove"`` or ``"keep"``.
        zwnj: ``"seen"``, ``"space"``, ``"remove"`` or ``"keep"``.
    """
    ordered = (
        Rule(
            "presentation_forms",
            "Shaped letters and ligatures (ﺑ, ﷲ) become the letters they stand for",
            replace(PRESENTATION, decompose),
        ),
        Rule(
            "unseen",
            "Byte order marks, direction marks, soft hyphens, joiners and variation selectors are removed",
            replace(UNSEEN if zwnj == "keep" else f"{UNSEEN}|\u200d", ""),
        ),
        Rule("tatweel", "The stretching stroke is removed", replace("\u0640+", "")),
        Rule("harakat", "Vowel signs are removed: few transcripts write them throughout", replace(HARAKAT, "")),
        Rule("superscript_alef", "The small alef of اعلیٰ is removed like a vowel sign", replace(SUPERSCRIPT_ALEF, "")),
        Rule(
            "compose", "A letter and a mark that form one letter become one code point (Unicode NFC: ا + ٓ → آ)", COMPOSE
        ),
        letters_rule(language),
        Rule(
            "stray_marks",
            "A madda or hamza that belongs to no letter is removed",
            then(replace(MADDA_AND_HAMZA, ""), COMPOSE),
        ),
        zwnj_rule(zwnj),
        digits_rule(language, digits),
        Rule("latin", "Latin words are kept, in lower case; every one is counted", lower_latin),
        case_rule(language),
        punctuation_rule(language),
        marks_rule(language),
        Rule(
            "do_chashmi",
            "ھ becomes ہ where no consonant stands before it to be aspirated (ھے → ہے)",
            replace(rf"(?<![{ASPIRABLE}\u064B-\u0655])ھ", "ہ"),
        ),
        Rule(
            "east_asian_spaces",
            "Spaces between Chinese and Japanese characters are removed: writers put none",
            replace(rf"(?<={EAST_ASIAN}){SPACES}(?={EAST_ASIAN})", ""),
        ),
        Rule(
            "spaces",
            "Line breaks, no-break, zero-width and repeated spaces become one space; none at the edges",
            then(replace(SPACES, " "), replace("^ | $", "")),
        ),
    )
    left_out = {"harakat", "superscript_alef"} if harakat == "keep" else set()
    left_out |= set() if language.look_alikes else {"letters"}
    left_out |= set() if language.digits else {"digits"}
    return tuple(rule for rule in ordered if rule.name in language.rules - left_out)

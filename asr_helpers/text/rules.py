"""The spelling rules behind the normaliser, in their order; a language's record says which of them run for it.

A rule is a name, a sentence for the reader of the notebook, and a function from text to the new text and
the number of places that it changed. Invisible characters are given as code points, to be readable here.

Sources: the Unicode Standard, chapter 9.2 (Arabic), and its character data; Hussain, "Letter-to-Sound
Conversion for Urdu Text-to-Speech System" (2004), for Urdu's letters and the consonants that ھ aspirates.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from .languages import Language

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


def characters(*ranges: str) -> str:
    """A character class from ranges of code points such as ``"064B-0652"``."""
    return "[" + "".join("-".join(rf"\U{int(end, 16):08X}" for end in r.split("-")) for r in ranges) + "]"


COMPOSE = replace(r"\S+", lambda match: unicodedata.normalize("NFC", match[0]))

PRESENTATION = characters("FB50-FDFF", "FE70-FEFC")

BISMILLAH = "بسم الله الرحمن الرحيم"  # U+FDFD, which has no decomposition of its own

UNSEEN = characters(
    "00AD", "034F", "061C", "180E", "200D-200F", "202A-202E", "2060-206F", "FE00-FE0F", "FEFF", "FFF9-FFFB",
    "E0000-E007F", "0600-0605", "06DD", "08E2",  # the last three enclose a number; nothing is read out
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

NUMBER = r"(?<!\d[.٫])\d+[.٫]\d+(?![.٫]?\d)|\d+"

THOUSANDS = r"(?<!\d)(?<!\d[,٬،])\d{1,3}([,٬،])(?:\d{2,3}\1)*\d{3}(?![,٬،]?\d)"

LATIN = r"[A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff]"

SPACES = r"[\s\u200b\x00-\x1f\x7f-\x9f]+"


def decompose(match: re.Match[str]) -> str:
    # Isolated harakat decompose to a space and the mark; that space would split the word.
    return BISMILLAH if match[0] == "\ufdfd" else unicodedata.normalize("NFKC", match[0]).strip()


def letters_rule(language: Language) -> Rule:
    table = language.look_alikes
    some = [" ".join(side) for side in zip(*list(table.items())[:4], strict=True)]
    return Rule(
        "letters",
        f"Letters of other keyboards become {language.name}'s own ({' → '.join(some)})",
        then(
            replace("|".join(table), lambda match: table[match[0]]),
            replace("|".join(WITH_MARK), lambda match: WITH_MARK[match[0]]),
        ),
    )


def without_separators(match: re.Match[str]) -> str:
    return match[0].replace(match[1], "")


def digits_rule(language: Language, digits: str) -> Rule:
    if digits == "words":
        does, numbers = "Numbers become the words that a reader says", _speak(language)
    else:
        does = f"Digits of every script become {language.digits[0]}-{language.digits[-1]}"
        numbers = replace(r"\d", lambda match: language.digits[unicodedata.decimal(match[0])])
    return Rule("digits", does, then(replace(THOUSANDS, without_separators), numbers))


def _speak(language: Language) -> Change:
    """Numbers, a percent sign after them and ordinal endings (۵ویں → پانچویں) to words; a year's ء is not read out."""
    ending = rf"(?=(?:{'|'.join(language.ordinals)})(?!\w))" if language.ordinals else "(?!)"

    def words(match: re.Match[str]) -> str:
        said = language.say_number(match[1])
        percent = f" {language.percent}" if match[2] else ""
        return f" {said}{percent}" + ("" if match[3] is not None else " ")

    return replace(rf"({NUMBER})(?:(\s*[%٪])|({ending})|ء(?!\w))?", words)


def lower_latin(text: str) -> tuple[str, int]:
    """Lower-case Latin words, counting every one: changed or not, the recogniser gets letters for it."""
    new, words = re.subn(f"{LATIN}+", lambda match: match[0].lower(), text)
    return unicodedata.normalize("NFC", new), words


def symbol_to_space(match: re.Match[str]) -> str:
    # Combining marks, which are no word characters to a regular expression either, stay where they are.
    return " " if unicodedata.category(match[0])[0] in "PS" else match[0]


def zwnj_rule(zwnj: str) -> Rule:
    return {
        "seen": Rule(
            "zwnj",
            "A zero-width non-joiner becomes a space where it shows, and goes where it does not",
            then(replace(f"(?<=[{NON_JOINING}])\u200c+", ""), replace("\u200c+", " ")),
        ),
        "space": Rule("zwnj", "The zero-width non-joiner becomes a space", replace("\u200c+", " ")),
        "remove": Rule("zwnj", "The zero-width non-joiner is removed", then(replace("\u200c+", ""), COMPOSE)),
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
        zwnj: ``"seen"``, ``"space"`` or ``"remove"``.
    """
    ordered = (
        Rule(
            "presentation_forms",
            "Shaped letters and ligatures (ﺑ, ﷲ) become the letters they stand for",
            replace(PRESENTATION, decompose),
        ),
        Rule(
            "unseen",
            "Byte order marks, direction marks, zero-width joiners and variation selectors are removed",
            replace(UNSEEN, ""),
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
        Rule(
            "punctuation",
            "Punctuation and symbols become spaces; an apostrophe inside a Latin word is removed",
            then(replace(f"(?<={LATIN})['’](?={LATIN})", ""), replace(r"[^\w\s]|_", symbol_to_space)),
        ),
        Rule(
            "do_chashmi",
            "ھ becomes ہ where no consonant stands before it to be aspirated (ھے → ہے)",
            replace(rf"(?<![{ASPIRABLE}\u064B-\u0655])ھ", "ہ"),
        ),
        Rule(
            "spaces",
            "Line breaks, no-break, zero-width and repeated spaces become one space; none at the edges",
            then(replace(SPACES, " "), replace("^ | $", "")),
        ),
    )
    kept = {"harakat", "superscript_alef"} if harakat == "keep" else set()
    return tuple(rule for rule in ordered if rule.name in language.rules - kept)

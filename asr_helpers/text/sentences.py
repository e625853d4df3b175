"""What two transcripts have in common, and what in a transcript is spoken: letters, scripts, a key for comparing."""

from __future__ import annotations

import functools
import unicodedata

__all__ = ["count_script_letters", "count_spoken_letters", "script_name", "script_of", "sentence_key"]

DIGIT_LETTERS = 4  # a digit is read out as a word of about so many letters

WIDE_SCRIPTS = ("LATIN", "KATAKANA", "HANGUL")

OTHER_NAMES = {
    **dict.fromkeys(("HIRAGANA", "KATAKANA", "BOPOMOFO", "IDEOGRAPHIC"), "CJK"),
    **dict.fromkeys(("MODIFIER", "MICRO", "FEMININE", "MASCULINE"), ""),
}

VOWEL_POINTS = range(10, 37)  # combining classes of Hebrew's, Arabic's and Syriac's, which are left out at will


def sentence_key(text: str) -> str:
    """Reduce a normalised transcript to what makes it the same sentence: its letters and digits, nothing else.

    Splits must not share a sentence only because one copy has a space, a full stop, a capital or a vowel point more.
    What else writers vary is the normaliser's: give its text, never the transcript as written.

    Args:
        text: What the run's `Normaliser` makes of a transcript.

    Returns:
        The key; ``""`` where nothing is left.
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "".join(
        c for c in plain if unicodedata.category(c)[0] in "LMN" and unicodedata.combining(c) not in VOWEL_POINTS
    )


def count_spoken_letters(text: str) -> int:
    """Count what takes time to say: letters, and a digit as the word it is read as; no marks, no punctuation."""
    return sum(_spoken(c) for c in text)


def count_script_letters(text: str, script: str) -> int:
    """Count the letters of one script (``"arabic"``, ``"latin"``, ``"devanagari"``: as Unicode names begin)."""
    return sum(script_of(c) == script.upper() for c in text)


@functools.lru_cache(maxsize=4096)
def script_of(character: str) -> str:
    """Name a letter's script in capitals, from its Unicode name; ``""`` for what is no letter, or of every script.

    Chinese characters, kana and bopomofo stand in one text, so all are ``"CJK"``.
    """
    if unicodedata.category(character)[0] != "L":
        return ""
    first, *rest = unicodedata.name(character, "?").replace("-", " ").split(" ")
    if first in ("FULLWIDTH", "HALFWIDTH", "MATHEMATICAL") and rest:
        first = rest[0] if rest[0] in WIDE_SCRIPTS else "LATIN"
    return OTHER_NAMES.get(first, first)


def script_name(script: str) -> str:
    """What people call a script (``"latin"``): Latin."""
    return "CJK" if script.lower() == "cjk" else script.capitalize()


@functools.lru_cache(maxsize=4096)
def _spoken(character: str) -> int:
    category = unicodedata.category(character)
    return DIGIT_LETTERS if category == "Nd" else int(category[0] == "L")

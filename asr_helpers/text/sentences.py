"""What two transcripts have in common, and what in a transcript is spoken: letters, scripts, a key for comparing."""

from __future__ import annotations

import functools
import unicodedata

__all__ = ["count_script_letters", "count_spoken_letters", "script_of", "sentence_key"]

DIGIT_LETTERS = 4  # a digit is read out as a word of about so many letters

# Spellings of one Urdu or Persian letter that keyboards and code pages mix, and marks that writers leave out at will.
SAME_LETTER = str.maketrans({"ي": "ی", "ى": "ی", "ك": "ک", "ە": "ہ", "ه": "ہ"})

ARABIC_MARKS = frozenset(chr(c) for c in (*range(0x064B, 0x0653), 0x0656, 0x0657, 0x0670, 0x0640))


@functools.lru_cache(maxsize=1 << 20)
def sentence_key(text: str) -> str:
    """Reduce a transcript to what makes it the same sentence: its letters and digits, nothing else.

    Splits must not share a sentence only because one copy has a full stop, a capital, a vowel mark or an Arabic ي.
    Written for grouping raw transcripts; what the recogniser learns is normalised by `asr_helpers.text`.

    Args:
        text: A transcript as written.

    Returns:
        The key; ``""`` where nothing is left.
    """
    decomposed = unicodedata.normalize("NFKC", text).casefold()
    kept = (c for c in decomposed if unicodedata.category(c)[0] in "LMN" and c not in ARABIC_MARKS)
    return "".join(kept).translate(SAME_LETTER)


def count_spoken_letters(text: str) -> int:
    """Count what takes time to say: letters, and a digit as the word it is read as; no marks, no punctuation."""
    return sum(_spoken(c) for c in text)


def count_script_letters(text: str, script: str) -> int:
    """Count the letters of one script (``"arabic"``, ``"latin"``, ``"devanagari"``: as Unicode names begin)."""
    return sum(script_of(c) == script.upper() for c in text)


@functools.lru_cache(maxsize=4096)
def script_of(character: str) -> str:
    """Name a letter's script in capitals, from its Unicode name; ``""`` for what is no letter."""
    if unicodedata.category(character)[0] != "L":
        return ""
    return unicodedata.name(character, "?").split(" ")[0].split("-")[0]


@functools.lru_cache(maxsize=4096)
def _spoken(character: str) -> int:
    category = unicodedata.category(character)
    return DIGIT_LETTERS if category == "Nd" else int(category[0] == "L")

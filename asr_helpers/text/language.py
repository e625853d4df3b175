"""What can be known of a language: the form of the records in `languages`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .numerals import LARGEST

__all__ = ["ANY_RULES", "SPACELESS", "Language", "SoundClass"]

# Names of rules of the normaliser, which knows their order.
ANY_RULES = frozenset(
    {"presentation_forms", "unseen", "compose", "zwnj", "digits", "case", "punctuation", "marks", "spaces"}
)

SPACELESS = ("thai", "lao", "khmer", "myanmar", "cjk")  # scripts that leave no space between words


@dataclass(frozen=True)
class SoundClass:
    """Letters that write one sound.

    Attributes:
        name: Short name.
        letters: The letters; unless `rules` says otherwise, all fold to the first.
        sound: The sound, in IPA.
        example: Two words that sound the same.
        rules: Pairs of a regular expression and what it becomes, applied in order.
    """

    name: str
    letters: str
    sound: str
    example: str
    rules: tuple[tuple[str, str], ...] = ()

    def fold(self, text: str) -> str:
        """Spell the sound in one way throughout."""
        for pattern, into in self.rules or ((f"[{self.letters[1:]}]", self.letters[0]),):
            text = re.sub(pattern, into, text)
        return text


@dataclass(frozen=True, eq=False)
class Language:
    """One language; to add one is to add its record here, and a test.

    Attributes:
        code: BCP 47 tag, as parameters and HTML's ``lang`` take it; ``"none"`` for a language that is not known here.
        name: Its English name.
        script: Script of its transcripts, as Unicode's names begin (``"arabic"``, ``"latin"``; `script_of` says what
            else); ``""``: any.
        font: How running text is set: ``"nastaliq"``, ``"naskh"``, or ``""`` as the page is.
        voice: What espeak-ng calls its voice; ``""`` where nothing is spoken.
        letters: Every letter that normalised transcripts may have, foreign words apart; ``""``: not known.
        words: Frequent words by which it is told from others of its script, in lower case; empty where the script is
            enough, or where it has none (``"none"``).
        look_alikes: What other keyboards put in place of its letters → its letters.
        inside: Marks that belong to a word between two of its letters; an apostrophe stands for all its shapes.
        signs: Symbols that are written for words.
        digits: Its ten digits from 0, for transcripts that keep numbers in figures; ``""``: they stay as typed.
        say: Says a whole number up to `LARGEST` as words; None where number words are not known.
        say_ordinal: Says it as an ordinal, where `ordinals` are only signs of one (21st); None: they are written on.
        percent: How a percentage is said, ``{}`` for the number.
        decimal_point: The word between a whole number and its decimals.
        point: What is written there.
        grouping: What is written between the thousands.
        ordinals: Endings that are written right after a number and belong to its word.
        zwnj: What becomes of a zero-width non-joiner unless one says otherwise; see `Normaliser`.
        rules: Names of the normaliser's rules that run.
        sounds: Classes of letters that write one sound.
        code_pages: Encodings other than UTF-8 in which its texts lie about, likeliest first → what people call them.
    """

    code: str
    name: str
    script: str = ""
    font: str = ""
    voice: str = ""
    letters: str = ""
    words: str = ""
    look_alikes: Mapping[str, str] = field(default_factory=dict)
    inside: str = ""
    signs: str = ""
    digits: str = "0123456789"
    say: Callable[[int], list[str]] | None = None
    say_ordinal: Callable[[int], list[str]] | None = None
    percent: str = "{}"
    decimal_point: str = ""
    point: str = ".٫"
    grouping: str = ",٬،"
    ordinals: tuple[str, ...] = ()
    zwnj: str = "remove"
    rules: frozenset[str] = ANY_RULES
    sounds: tuple[SoundClass, ...] = ()
    code_pages: Mapping[str, str] = field(default_factory=dict)

    @property
    def tag(self) -> str:
        """The value of HTML's ``lang``: ``"und"`` where the language is not known."""
        return "und" if self.code == "none" else self.code

    def fold(self, text: str, *, only: str | None = None) -> str:
        """Spell every sound of a normalised text in one way: two texts that fold alike sound alike.

        Args:
            text: Normalised text.
            only: Name of the one class to fold; all by default.
        """
        for sound in self.sounds:
            if only in (None, sound.name):
                text = sound.fold(text)
        return text

    def say_number(self, digits: str) -> str:
        """Write out a string of digits (any script's) with at most one decimal point as words.

        Three digits or more with a leading zero, or a number past `LARGEST`, are a code (a telephone number):
        they are read digit by digit, and so are the digits after a decimal point.

        Args:
            digits: Decimal digits, optionally with one of `point` between them.

        Returns:
            Words separated by single spaces; by nothing in a script that has none between words.

        Raises:
            ValueError: The language's number words are not known.
        """
        if self.say is None:
            raise ValueError(f"the number words of {self.name} are not known; use digits 'keep'")
        whole, _, fraction = re.sub(f"[{self.point}]", ".", digits).partition(".")
        code = (len(whole) > 2 and int(whole[0]) == 0) or int(whole) > LARGEST
        said = [word for d in whole for word in self.say(int(d))] if code else self.say(int(whole))
        if fraction:
            said += [self.decimal_point, *(word for d in fraction for word in self.say(int(d)))]
        return ("" if self.script in SPACELESS else " ").join(said)

"""One spelling for what sounds the same: normalise transcripts by the rules of their language, and count what changed.

A recogniser learns letters from sound. Two code points for one letter, an invisible joiner or a digit that
stands for a word cost it evidence and count as errors; each is settled by a rule that has a name and a count.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from .languages import language_of
from .rules import Rule, rules_of

__all__ = ["OPTIONS", "Normaliser", "code_point", "letters"]

OPTIONS = {
    "digits": ("words", "keep"),
    "harakat": ("remove", "keep"),
    "zwnj": (None, "seen", "space", "remove", "keep"),
}


@dataclass(frozen=True)
class Normaliser:
    """Normalise the transcripts of one language; references and hypotheses go through the same object.

    Twice gives the same as once. What it cannot know it leaves: an Arabic ه typed for ھ (ساٹه) becomes ہ.

    Urdu's default reads a zero-width non-joiner as the eye does (``zwnj="seen"``): خوب + ZWNJ + صورت looks
    like خوب صورت, which most typists write with a space; کار + ZWNJ + خانہ looks like کارخانہ, since ر never
    joins. Source for spaces in Urdu: Durrani and Hussain, "Urdu Word Segmentation" (2010).

    Args:
        language: Code of a language, or ``"none"`` for any that has no record: composed small letters (NFC), with
            their marks, no punctuation.
        digits: ``"words"`` writes numbers out as they are read, because that is what the recogniser hears, where the
            language's number words are known; ``"keep"`` keeps them, in the language's own digits.
        harakat: ``"remove"`` or ``"keep"`` the vowel signs, the superscript alef among them.
        zwnj: ``"seen"``, ``"space"``, ``"remove"``, or ``"keep"`` where it shapes a letter (beside a virama, between
            letters that would join); None takes the language's default.

    Raises:
        ValueError: An option has a value that does not exist.
    """

    language: str
    digits: str = "words"
    harakat: str = "remove"
    zwnj: str | None = None

    def __post_init__(self) -> None:
        language_of(self.language)
        for option, values in OPTIONS.items():
            if getattr(self, option) not in values:
                allowed = ", ".join(map(repr, values))
                raise ValueError(f"{option} is {getattr(self, option)!r}; use one of {allowed}")

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules in the order in which they run."""
        language = language_of(self.language)
        return rules_of(language, digits=self.digits, harakat=self.harakat, zwnj=self.zwnj or language.zwnj)

    def __call__(self, text: str) -> str:
        for rule in self.rules:
            text, _ = rule.change(text)
        return text

    def steps(self, text: str) -> pd.DataFrame:
        """What the rules did to one transcript, a row for each that changed it: rule, places, text."""
        rows = []
        for rule in self.rules:
            text, places = rule.change(text)
            if places:
                rows.append((rule.name, places, text))
        return pd.DataFrame(rows, columns=["rule", "places", "text"])

    def normalise_all(self, texts: Iterable[str]) -> tuple[list[str], pd.DataFrame]:
        """Normalise many transcripts, and count.

        Returns:
            The normalised transcripts, and a table with one row a rule, in order: rule, does, transcripts
            (how many it changed), places (in all), before and after (the first transcript that it changed).
            The rule ``latin`` counts every Latin word, changed or not.
        """
        transcripts, places, first = Counter(), Counter(), {}
        normalised = []
        for text in texts:
            for rule in self.rules:
                new, changed = rule.change(text)
                if changed:
                    transcripts[rule.name] += 1
                    places[rule.name] += changed
                    first.setdefault(rule.name, (text, new))
                text = new
            normalised.append(text)
        table = pd.DataFrame(
            [(r.name, r.does, transcripts[r.name], places[r.name], *first.get(r.name, ("", ""))) for r in self.rules],
            columns=["rule", "does", "transcripts", "places", "before", "after"],
        )
        return normalised, table


def letters(texts: Iterable[str]) -> dict[str, int]:
    """Count every character but the space, in code-point order."""
    counts = Counter("".join(texts).replace(" ", ""))
    return {letter: counts[letter] for letter in sorted(counts)}


def code_point(letter: str) -> str:
    """Name a character beyond doubt, e.g. ``"U+06A9 ARABIC LETTER KEHEH"``."""
    return f"U+{ord(letter):04X} {unicodedata.name(letter, 'unnamed')}"

"""Test sentences in the text of a language model: found, named and refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Leak", "find_leaks", "refuse_leaks", "without_leaks"]

LONG = 4  # words; shorter test sentences ("thank you") are everyday phrases, and only count as a line of their own
SHOWN = 3  # leaks that an error spells out


@dataclass(frozen=True)
class Leak:
    """A line (counted from 0) of a text that holds a whole sentence of the test split."""

    line: int
    sentence: str


def find_leaks(texts: Iterable[str], references: Iterable[str]) -> list[Leak]:
    """Find lines that are a test sentence, or that hold one of four words or more among other words.

    A language model that has read the test sentences recites them, and the measured error says nothing about
    other speech. Both sides have to be normalised alike.

    Args:
        texts: Normalised lines that a language model is to be estimated from.
        references: Normalised transcripts of the test split.
    """
    whole, beginning = _index(references)
    leaks = []
    for line, text in enumerate(texts):
        words = tuple(text.split())
        found = {words} & whole
        for i in range(len(words) - LONG + 1):
            sentences = beginning.get(words[i : i + LONG], ())
            found |= {s for s in sentences if words[i : i + len(s)] == s}
        leaks += [Leak(line, " ".join(sentence)) for sentence in sorted(found)]
    return leaks


def _index(references: Iterable[str]) -> tuple[set[tuple[str, ...]], dict[tuple[str, ...], list]]:
    """Test sentences as words, and the long ones by their first words, so that one pass over a text finds all."""
    whole = {tuple(text.split()) for text in references} - {()}
    beginning = defaultdict(list)
    for sentence in whole:
        if len(sentence) >= LONG:
            beginning[sentence[:LONG]].append(sentence)
    return whole, beginning


def refuse_leaks(texts: Sequence[str], references: Iterable[str]) -> None:
    """Stop where the text of a language model holds test sentences.

    Raises:
        ValueError: Names how many sentences, the first of them with their lines (from 1), and the fix.
    """
    if leaks := find_leaks(texts, references):
        shown = "; ".join(f"line {leak.line + 1}: {leak.sentence}" for leak in leaks[:SHOWN])
        sentences = len({leak.sentence for leak in leaks})
        raise ValueError(
            f"the language model's text holds {sentences} test sentence{'s' * (sentences != 1)} "
            f"({shown}{'; …' if len(leaks) > SHOWN else ''}): a score with it would be worthless. "
            "Leave these lines out (asr_helpers.leaks.without_leaks), or split the corpus by sentence"
        )


def without_leaks(texts: Sequence[str], references: Iterable[str]) -> list[str]:
    """Keep the lines that hold no test sentence."""
    leaking = {leak.line for leak in find_leaks(texts, references)}
    return [text for line, text in enumerate(texts) if line not in leaking]

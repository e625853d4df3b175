"""Where a prediction differs from its reference, word by word and letter by letter, for a reader's eye."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from rapidfuzz.distance import Levenshtein

__all__ = ["Pair", "Run", "align_words", "count_differences", "letter_runs"]

Kind = Literal["equal", "substitution", "deletion", "insertion"]
Table = list[list[tuple[int, float]]]
Way = tuple[tuple[int, float], int, int, Kind]


@dataclass(frozen=True)
class Pair:
    """One column of an alignment.

    Attributes:
        kind: ``"equal"``, ``"substitution"``, ``"deletion"`` (said, not predicted) or ``"insertion"``.
        reference: Word of the reference; empty for an insertion.
        hypothesis: Word of the prediction; empty for a deletion.
    """

    kind: Kind
    reference: str
    hypothesis: str


@dataclass(frozen=True)
class Run:
    """Letters that stand side by side in a word and are all shared with the other word, or all not.

    Attributes:
        text: The letters.
        shared: Whether the other word has them in the same place.
    """

    text: str
    shared: bool


def align_words(reference: str, hypothesis: str) -> list[Pair]:
    """Align two sentences with the fewest word errors, and among those with the most similar words opposite.

    The number of errors is that of every WER. Which word stands opposite which is not settled by that
    number, so ties go to the words that share most letters: ``گھر میں`` against ``گھڑ`` is one misread word
    and one missed word, not two unlike words.

    Args:
        reference: What was said; words parted by white space.
        hypothesis: What was recognised.

    Returns:
        One pair a column, in reading order.
    """
    said, heard = reference.split(), hypothesis.split()
    cost = _cost_table(said, heard)
    pairs, i, j = [], len(said), len(heard)
    while i or j:
        _, before, below, kind = min(_ways(cost, said, heard, i, j), key=lambda way: way[0])
        pairs.append(Pair(kind, "".join(said[before:i]), "".join(heard[below:j])))
        i, j = before, below
    return pairs[::-1]


def _unlikeness(a: str, b: str) -> float:
    return 0.0 if a == b else Levenshtein.normalized_distance(a, b)


def _cost_table(said: list[str], heard: list[str]) -> Table:
    """Smallest (errors, unlikeness) of every pair of prefixes."""
    table: Table = [[(0, 0.0)] * (len(heard) + 1) for _ in range(len(said) + 1)]
    for i in range(len(said) + 1):
        for j in range(len(heard) + 1):
            if i or j:
                table[i][j] = min(way[0] for way in _ways(table, said, heard, i, j))
    return table


def _ways(table: Table, said: list[str], heard: list[str], i: int, j: int) -> Iterator[Way]:
    """Every way into a cell: its cost, the cell it comes from, and what kind of column it adds."""
    if i and j:
        errors, unlike = table[i - 1][j - 1]
        a, b = said[i - 1], heard[j - 1]
        yield (
            (errors + (a != b), unlike + _unlikeness(a, b)),
            i - 1,
            j - 1,
            "equal" if a == b else "substitution",
        )
    if i:
        errors, unlike = table[i - 1][j]
        yield (errors + 1, unlike), i - 1, j, "deletion"
    if j:
        errors, unlike = table[i][j - 1]
        yield (errors + 1, unlike), i, j - 1, "insertion"


def letter_runs(reference: str, hypothesis: str) -> tuple[list[Run], list[Run]]:
    """Part two words into runs of letters that they share and runs in which they differ.

    Returns:
        The runs of the reference and the runs of the prediction; joined, each gives its word back.
    """
    left: list[Run] = []
    right: list[Run] = []
    for op in Levenshtein.opcodes(reference, hypothesis):
        shared = op.tag == "equal"
        _extend(left, reference[op.src_start : op.src_end], shared)
        _extend(right, hypothesis[op.dest_start : op.dest_end], shared)
    return left, right


def _extend(runs: list[Run], text: str, shared: bool) -> None:
    if not text:
        return
    if runs and runs[-1].shared == shared:
        text = runs.pop().text + text
    runs.append(Run(text, shared))


def count_differences(pairs: list[Pair]) -> Counter[str]:
    """Count the columns of each kind."""
    return Counter(pair.kind for pair in pairs)

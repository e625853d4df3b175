"""Which word became which: alignments of references and hypotheses, with split and joined words as their own kind.

Urdu writers disagree about spaces (گرامو فون and گراموفون), and a plain alignment books such a pair as one substitution
and one deletion, of words that have every letter right. Here it is one *joined* word (or one *split* word) that costs
two errors, so that the errors of all kinds still add up to those of the WER.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd
from rapidfuzz.distance import Levenshtein

from .metrics import tokens_of

__all__ = ["KINDS", "Edit", "align_words", "letter_edits", "word_edits"]

KINDS = ("substitution", "deletion", "insertion", "joined", "split")
MAX_PARTS = 4  # words that one word is taken to be joined from
NEARLY = 0.2  # letters that may differ in a joined word, as a share of the longer spelling
PER_ERROR = 10_000.0  # one word error outweighs every difference in letters


@dataclass(frozen=True)
class Edit:
    """One column of an alignment of words.

    Attributes:
        kind: ``"equal"`` or one of `KINDS`: *joined* is several words of the reference written as one, *split* one
            word of the reference written as several.
        reference: The words of the reference, separated by spaces; empty for an insertion.
        hypothesis: The words of the hypothesis; empty for a deletion.
        start: Index of the first word in the reference.
        stop: Index after the last.
        hypothesis_start: Index of the first word in the hypothesis.
        hypothesis_stop: Index after the last.
        errors: Word errors that it costs in the WER.
    """

    kind: str
    reference: str
    hypothesis: str
    start: int
    stop: int
    hypothesis_start: int
    hypothesis_stop: int
    errors: int


def align_words(reference: Sequence[str], hypothesis: Sequence[str]) -> list[Edit]:
    """Align two word sequences at the fewest word errors, and among those alignments at the fewest letter errors.

    Words that are equal stay where jiwer's alignment puts them; between them the WER leaves open which word answers
    which, and the letters decide.

    Returns:
        Edits in order; their errors add up to the Levenshtein distance of the words.
    """
    edits: list[Edit] = []
    begun = begun_hypothesis = 0
    for op in Levenshtein.opcodes(reference, hypothesis):
        if op.tag != "equal":
            continue
        edits += align_region(reference, hypothesis, begun, op.src_start, begun_hypothesis, op.dest_start)
        for i, j in zip(range(op.src_start, op.src_end), range(op.dest_start, op.dest_end), strict=True):
            edits.append(Edit("equal", reference[i], hypothesis[j], i, i + 1, j, j + 1, 0))
        begun, begun_hypothesis = op.src_end, op.dest_end
    edits += align_region(reference, hypothesis, begun, len(reference), begun_hypothesis, len(hypothesis))
    return edits


def align_region(
    reference: Sequence[str], hypothesis: Sequence[str], start: int, stop: int, other_start: int, other_stop: int
) -> list[Edit]:
    """Align a stretch without equal words, ``reference[start:stop]`` to ``hypothesis[other_start:other_stop]``."""
    said, heard = reference[start:stop], hypothesis[other_start:other_stop]
    best: dict[tuple[int, int], tuple[float, int, int]] = {(0, 0): (0.0, 0, 0)}
    for i in range(len(said) + 1):
        for j in range(len(heard) + 1):
            ways = [(best[i - a, j - b][0] + cost, a, b) for a, b, cost in steps(said, heard, i, j)]
            if ways:
                best[i, j] = min(ways)
    edits = []
    i, j = len(said), len(heard)
    while i or j:
        _, a, b = best[i, j]
        edits.append(
            Edit(
                kind_of(a, b), " ".join(said[i - a : i]), " ".join(heard[j - b : j]),
                start + i - a, start + i, other_start + j - b, other_start + j, max(a, b),
            )
        )  # fmt: skip
        i, j = i - a, j - b
    return edits[::-1]


def steps(said: Sequence[str], heard: Sequence[str], i: int, j: int) -> Iterator[tuple[int, int, float]]:
    """Every edit that can end at (i, j): words of the reference, words of the hypothesis, cost."""
    if i:
        yield 1, 0, PER_ERROR + len(said[i - 1])
    if j:
        yield 0, 1, PER_ERROR + len(heard[j - 1])
    if i and j:
        yield 1, 1, PER_ERROR + Levenshtein.distance(said[i - 1], heard[j - 1])
        for parts in range(2, MAX_PARTS + 1):
            if i >= parts and (letters := nearly_equal("".join(said[i - parts : i]), heard[j - 1])) is not None:
                yield parts, 1, parts * PER_ERROR + letters
            if j >= parts and (letters := nearly_equal(said[i - 1], "".join(heard[j - parts : j]))) is not None:
                yield 1, parts, parts * PER_ERROR + letters


def nearly_equal(one: str, other: str) -> int | None:
    """Letters in which two spellings differ, or None where they are too many for the same word."""
    allowed = int(NEARLY * max(len(one), len(other)))
    letters = Levenshtein.distance(one, other, score_cutoff=allowed)
    return letters if letters <= allowed else None


def kind_of(said: int, heard: int) -> str:
    """Name an edit by the number of words on either side."""
    if not heard:
        return "deletion"
    if not said:
        return "insertion"
    return "substitution" if said == heard else "joined" if said > heard else "split"


def word_edits(predictions: pd.DataFrame, *, equal: bool = False) -> pd.DataFrame:
    """Align every utterance of a predictions table, word by word.

    Args:
        predictions: With id, reference and hypothesis.
        equal: Keep the words that are right too.

    Returns:
        One row an edit, in order: utterance (its id), then the fields of `Edit`.
    """
    rows = []
    for name, reference, hypothesis in zip(*(predictions[c] for c in ("id", "reference", "hypothesis")), strict=True):
        for edit in align_words(reference.split(), hypothesis.split()):
            if equal or edit.kind != "equal":
                rows.append((name, *vars(edit).values()))
    return pd.DataFrame(rows, columns=["utterance", *Edit.__dataclass_fields__])


def letter_edits(predictions: pd.DataFrame) -> pd.DataFrame:
    """Align every utterance letter by letter, spaces included, as the CER does.

    Returns:
        One row an error: utterance, kind (substitution, deletion, insertion), reference and hypothesis (one character
        each; empty where there is none).
    """
    kinds = {"replace": "substitution", "delete": "deletion", "insert": "insertion"}
    rows = []
    for name, reference, hypothesis in zip(*(predictions[c] for c in ("id", "reference", "hypothesis")), strict=True):
        said, heard = tokens_of(reference, "character"), tokens_of(hypothesis, "character")
        for kind, i, j in Levenshtein.editops(said, heard):
            rows.append((name, kinds[kind], said[i] if kind != "insert" else "", heard[j] if kind != "delete" else ""))
    return pd.DataFrame(rows, columns=["utterance", "kind", "reference", "hypothesis"])

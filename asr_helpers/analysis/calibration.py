"""Whether a confidence means what it says: of the words given 0.8, are eight in ten right?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from rapidfuzz.distance import Levenshtein

__all__ = ["calibration_error", "reliability", "word_outcomes"]

Z = 1.96  # standard deviations on either side of the middle of a 95 % interval


def word_outcomes(references: Sequence[str], words: Sequence[Sequence[dict]]) -> pd.DataFrame:
    """Lay out every word that was written, its confidence, and whether the reference has it there.

    Args:
        references: Normalised reference of each utterance.
        words: Rows with ``word`` and ``confidence``, as ``Hypothesis.rows`` gives and the predictions keep.

    Returns:
        One row a word of the hypotheses: utterance (its position), word, confidence, correct. Words that the
        hypothesis lacks have no confidence and are not here.
    """
    rows = []
    for i, (reference, said) in enumerate(zip(references, words, strict=True)):
        heard = [row["word"] for row in said]
        right = {
            j
            for op in Levenshtein.opcodes(reference.split(), heard)
            if op.tag == "equal"
            for j in range(op.dest_start, op.dest_end)
        }
        rows += [(i, row["word"], row["confidence"], j in right) for j, row in enumerate(said)]
    types = {"utterance": "int64", "word": "str", "confidence": "float64", "correct": "bool"}
    return pd.DataFrame(rows, columns=list(types)).astype(types)


def reliability(outcomes: pd.DataFrame, *, bins: int = 10) -> pd.DataFrame:
    """Group words by confidence and count how many of each group are right.

    Args:
        outcomes: With confidence and correct, as ``word_outcomes`` gives.
        bins: Groups of equal width.

    Returns:
        One row a group that has words: low and high (edges), words, confidence (mean), correct (share), and
        correct_low and correct_high, the 95 % Wilson interval of that share.

    Source: Guo et al. (2017), section 2, for reliability diagrams; Wilson (1927) for the interval.
    """
    group = np.minimum((outcomes.confidence * bins).astype(int), bins - 1)
    table = outcomes.groupby(group).agg(
        words=("correct", "size"), confidence=("confidence", "mean"), correct=("correct", "mean")
    )
    table.insert(0, "low", table.index / bins)
    table.insert(1, "high", (table.index + 1) / bins)
    n, share = table.words, table.correct
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return table.assign(correct_low=middle - half, correct_high=middle + half).reset_index(drop=True)


def calibration_error(table: pd.DataFrame) -> float:
    """Expected calibration error: how far confidence and share of right words lie apart, on average over words.

    Args:
        table: As ``reliability`` gives.
    """
    gaps = (table.confidence - table.correct).abs()
    return float((gaps * table.words).sum() / max(1, table.words.sum()))

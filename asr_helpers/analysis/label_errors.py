"""Where the transcript may be wrong rather than the model: words that it is sure of and the reference denies."""

from __future__ import annotations

import numpy as np
import pandas as pd
from rapidfuzz.distance import Levenshtein

from asr_helpers.text.languages import fold

from .edits import word_edits

__all__ = ["possible_label_errors", "suspicious_edits"]

NOTHING = "–"

COLUMNS = ["id", "reference", "hypothesis", "disagreement", "confidence", "threshold", "letters", "errors"]


def possible_label_errors(predictions: pd.DataFrame, *, language: str = "ur") -> pd.DataFrame:
    """List utterances whose reference is denied by words that the model is surer of than of most right words.

    The threshold comes from the predictions themselves: the median confidence of the words that are right. Words that
    sound like the reference (`text.languages.fold`) or differ from it by a space alone are no suspicion. Listen before
    correcting: a model can be sure and wrong.

    Args:
        predictions: With id, reference, hypothesis, confidence, and words (word, start, end, confidence) where known;
            without words an utterance's confidence stands for each of its words.
        language: For the letters that sound alike.

    Returns:
        One row an utterance, the largest disagreement first: id, reference, hypothesis, disagreement ("reference ←
        hypothesis" of the words in question), confidence (of the surest of them), threshold, letters (that differ),
        errors (word errors of the words in question).
    """
    suspects = suspicious_edits(word_edits(predictions, equal=True), predictions, language=language)
    texts = predictions.set_index("id")
    rows = []
    for name, found in suspects.groupby("utterance", sort=False):
        pairs = zip(found.reference, found.hypothesis, strict=True)
        rows.append(
            {
                "id": name,
                "reference": texts.reference[name],
                "hypothesis": texts.hypothesis[name],
                "disagreement": ", ".join(f"{a or NOTHING} ← {b or NOTHING}" for a, b in pairs),
                "confidence": found.confidence.max(),
                "threshold": found.threshold.iloc[0],
                "letters": int(found.letters.sum()),
                "errors": int(found.errors.sum()),
            }
        )
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.sort_values(["letters", "confidence"], ascending=False, kind="stable", ignore_index=True)


def suspicious_edits(edits: pd.DataFrame, predictions: pd.DataFrame, *, language: str = "ur") -> pd.DataFrame:
    """The word errors of which the model is surer than of the median right word, and which are no matter of spelling.

    Args:
        edits: From `word_edits` with ``equal=True``.
        predictions: With id, hypothesis, confidence and, where known, words.
        language: For the letters that sound alike.

    Returns:
        Those rows of ``edits``, with their index, and with confidence, letters (that differ) and threshold.
    """
    sure = pd.Series(confidences(edits, predictions), index=edits.index, dtype=float)
    wrong = edits.kind != "equal"
    threshold = float(sure[~wrong].median()) if (~wrong).any() else float("inf")
    found = edits[wrong & (sure > threshold)]
    letters = [
        Levenshtein.distance(*(fold(text, language=language).replace(" ", "") for text in pair))
        for pair in zip(found.reference, found.hypothesis, strict=True)
    ]
    found = found.assign(confidence=sure[found.index], threshold=threshold, letters=letters)
    return found[found.letters > 0]


def confidences(edits: pd.DataFrame, predictions: pd.DataFrame) -> list[float]:
    """Confidence of each edit: the mean of its predicted words; where there are none, that of the utterance."""
    whole = dict(zip(predictions.id, predictions.confidence, strict=True))
    each: dict[str, list[float]] = {}
    if "words" in predictions:
        for name, hypothesis, words in zip(predictions.id, predictions.hypothesis, predictions.words, strict=True):
            if words is not None and len(words) == len(hypothesis.split()):
                each[name] = [word["confidence"] for word in words]
    return [
        float(np.mean(each[name][start:stop])) if stop > start and name in each else float(whole[name])
        for name, start, stop in zip(edits.utterance, edits.hypothesis_start, edits.hypothesis_stop, strict=True)
    ]

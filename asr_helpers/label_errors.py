"""Where the transcript may be wrong rather than the model: words that it is sure of and the reference denies."""

from __future__ import annotations

import numpy as np
import pandas as pd
from rapidfuzz.distance import Levenshtein

from .edits import word_edits
from .homophones import fold

__all__ = ["possible_label_errors"]

COLUMNS = ["id", "reference", "hypothesis", "disagreement", "confidence", "threshold", "letters", "errors"]


def possible_label_errors(predictions: pd.DataFrame, *, language: str = "ur") -> pd.DataFrame:
    """List utterances whose reference is denied by words that the model is surer of than of most right words.

    The threshold comes from the predictions themselves: the median confidence of the words that are right. Words that
    sound like the reference (`homophones.fold`) or differ from it by a space alone are no suspicion. Listen before
    correcting: a model can be sure and wrong.

    Args:
        predictions: With id, reference, hypothesis, confidence, and words (word, start, end, confidence) where known;
            without words an utterance's confidence stands for each of its words.
        language: For the letters that sound alike.

    Returns:
        One row an utterance, the largest disagreement first: id, reference, hypothesis, disagreement ("reference →
        hypothesis" of the words in question), confidence (of the surest of them), threshold, letters (that differ),
        errors (word errors of the words in question).
    """
    edits = word_edits(predictions, equal=True)
    edits["confidence"] = confidences(edits, predictions)
    edits["letters"] = [
        Levenshtein.distance(*(fold(text, language=language).replace(" ", "") for text in pair))
        for pair in zip(edits.reference, edits.hypothesis, strict=True)
    ]
    right = edits.confidence[edits.kind == "equal"]
    if right.empty:
        return pd.DataFrame(columns=COLUMNS)
    threshold = float(right.median())
    suspects = edits[(edits.letters > 0) & (edits.confidence > threshold)]
    texts = predictions.set_index("id")
    rows = [
        {
            "id": name,
            "reference": texts.reference[name],
            "hypothesis": texts.hypothesis[name],
            "disagreement": ", ".join(
                f"{a or '–'} → {b or '–'}" for a, b in zip(found.reference, found.hypothesis, strict=True)
            ),
            "confidence": found.confidence.max(),
            "threshold": threshold,
            "letters": int(found.letters.sum()),
            "errors": int(found.errors.sum()),
        }
        for name, found in suspects.groupby("utterance", sort=False)
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.sort_values(["letters", "confidence"], ascending=False, kind="stable", ignore_index=True)


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

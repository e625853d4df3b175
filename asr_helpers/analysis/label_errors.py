"""Where the transcript may be wrong rather than the model: words that it is sure of and the reference denies."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
from rapidfuzz.distance import Levenshtein

from asr_helpers.text.languages import language_of

from .confusions import NOTHING
from .edits import word_edits

__all__ = ["correct_first", "possible_label_errors", "suspicious_edits"]

COLUMNS = ["id", "reference", "hypothesis", "disagreement", "confidence", "threshold", "letters", "errors"]


def possible_label_errors(predictions: pd.DataFrame, *, language: str) -> pd.DataFrame:
    """List utterances whose reference is denied by words that the model is surer of than of most right words.

    The threshold comes from the predictions themselves: the median confidence of the words that are right. Words that
    sound like the reference (`Language.fold`) or differ from it by a space alone are no suspicion. Listen before
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


def correct_first(predictions: pd.DataFrame, suspicious: pd.DataFrame, *, done: Collection[str] = ()) -> pd.DataFrame:
    """Order utterances by how much a person's look at them is likely to find: where a transcript may be wrong, first.

    Possible label errors come in their order, then the others by rising confidence: of those the model is least sure,
    so that a right transcript of them tells it most.

    Args:
        predictions: With id, reference, hypothesis, confidence.
        suspicious: From `possible_label_errors`.
        done: Ids of what a person has looked at already.

    Returns:
        One row an utterance: id, why, confidence (of the whole utterance), reference, hypothesis.

    Source: Settles (2009), "Active learning literature survey", section 3.1, for the least confident first.
    """
    rows = predictions.set_index("id")[["confidence", "reference", "hypothesis"]].sort_values(
        "confidence", kind="stable"
    )
    why = dict(zip(suspicious["id"], suspicious["disagreement"], strict=True))
    rows = rows.loc[[*why, *(name for name in rows.index if name not in why)]]
    rows.insert(0, "why", [f"sure of another word: {why[name]}" if name in why else "not sure" for name in rows.index])
    return rows[~rows.index.isin(list(done))].reset_index()


def suspicious_edits(edits: pd.DataFrame, predictions: pd.DataFrame, *, language: str) -> pd.DataFrame:
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
    fold = language_of(language).fold
    letters = [
        Levenshtein.distance(*(fold(text).replace(" ", "") for text in pair))
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

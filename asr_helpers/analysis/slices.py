"""Where is it good and where not: the error rate of parts of the test set, each with its interval and its count.

Numbers (duration, speaking rate, signal-to-noise ratio) are cut at their own quantiles, so that no slice is too small
to say anything. Compare intervals before explaining a difference.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from .edits import word_edits
from .metrics import LEVEL, RESAMPLES, bootstrap_interval, count_errors

__all__ = ["ids_by_slice", "slice_labels", "slice_table", "word_slices"]

PARTS = 4

MOST_VALUES = 12  # a further column with more values is no slicing (numbers are cut instead)

LONGEST_NAME = 60  # characters; a longer value is a remark, not the name of a group

NUMBERS = {  # column, unit, decimals
    "duration": ("seconds", "s", 1),
    "speaking rate": ("letters_per_second", "letters/s", 1),
    "signal to noise": ("snr_db", "dB", 0),
}

HEARD = ((0, 0, "never"), (1, 2, "1 or 2 times"), (3, 9, "3 to 9 times"), (10, None, "10 times or more"))
COLUMNS = ["by", "slice", "utterances", "words", "errors", "value", "low", "high"]


def slice_labels(predictions: pd.DataFrame, *, further: Iterable[str] = (), parts: int = PARTS) -> pd.DataFrame:
    """Say of every utterance in which slices it is.

    Args:
        predictions: With id, seconds, snr_db, speaker, reference.
        further: Columns of the corpus's own. Few values are slices, more numbers are cut; a text with many values, or a
            whole number of its own for each utterance, is none.
        parts: Slices of a number, at most; fewer where values repeat.

    Returns:
        Index as in ``predictions``; one ordered categorical column for each of duration, speaking rate and signal to
        noise, and speaker where at least two are known, and each further column that makes slices.
    """
    letters = predictions.reference.str.replace(" ", "").str.len()
    values = predictions.assign(letters_per_second=letters / predictions.seconds.clip(lower=0.01))
    labels = {by: cut(values[c], unit, decimals, parts) for by, (c, unit, decimals) in NUMBERS.items() if c in values}
    speakers = predictions.speaker.replace({"": None})
    if speakers.nunique() > 1:
        labels["speaker"] = speakers.astype("category").cat.as_ordered()
    found = {name: _further_labels(predictions[name], parts) for name in further}
    labels |= {
        f"corpus_{name}" if name in labels else name: label for name, label in found.items() if label is not None
    }
    return pd.DataFrame(labels, index=predictions.index)


def _further_labels(values: pd.Series, parts: int) -> pd.Series | None:
    """Slice by a column that is only known when the corpus is read; None where it tells no groups apart."""
    known = values.dropna()
    different = known.nunique()
    if different <= MOST_VALUES and 2 <= different <= len(known) / 2:  # on average, two utterances in each
        names = values.map("{:g}".format, na_action="ignore") if is_numeric_dtype(values) else values
        if known.astype(str).str.len().max() > LONGEST_NAME:
            return None
        order = names[known.sort_values().index].unique()
        return pd.Series(pd.Categorical(names, order, ordered=True), index=values.index)
    if different <= MOST_VALUES or not is_numeric_dtype(values) or (different == len(known) and (known % 1 == 0).all()):
        return None
    decimals = max(0, 1 - math.floor(math.log10(known.max() - known.min())))
    return cut(values, "", decimals, parts)


def cut(values: pd.Series, unit: str, decimals: int, parts: int) -> pd.Series:
    """Cut at quantiles rounded to what a person reads; missing values stay missing."""
    known = values.dropna()
    if known.empty:
        return pd.Series(pd.Categorical([None] * len(values), ordered=True), index=values.index)
    edges = np.unique(np.quantile(known, np.linspace(0, 1, parts + 1)[1:-1]).round(decimals))
    edges = edges[(edges > known.min()) & (edges <= known.max())]
    form = [f"{edge:.{decimals}f}" for edge in edges]
    names = [f"under {form[0]} {unit}"] if len(edges) else [f"all, about {known.median():.{decimals}f} {unit}"]
    names += [f"{low} to {high} {unit}" for low, high in pairwise(form)]
    names += [f"{form[-1]} {unit} or more"] if len(edges) else []
    codes = np.where(values.isna(), -1, np.searchsorted(edges, values, side="right"))
    names = [" ".join(name.split()) for name in names]  # numbers of a further column have no unit
    parts_used = pd.Categorical.from_codes(codes, names, ordered=True).remove_unused_categories()
    return pd.Series(parts_used, index=values.index)


def ids_by_slice(
    predictions: pd.DataFrame, *, further: Iterable[str] = (), parts: int = PARTS
) -> dict[str, dict[str, list[str]]]:
    """The utterances of every slice, for a browser's filters: by → slice → ids."""
    labels = slice_labels(predictions, further=further, parts=parts)
    return {
        by: {name: predictions.id[labels[by] == name].tolist() for name in labels[by].cat.categories} for by in labels
    }


def slice_table(
    predictions: pd.DataFrame,
    training_texts: Iterable[str],
    *,
    seed: int,
    further: Iterable[str] = (),
    parts: int = PARTS,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Word error rate of every slice with its bootstrap interval over utterances.

    Args:
        predictions: With id, seconds, snr_db, speaker, reference, hypothesis.
        training_texts: Normalised transcripts of the training split, for "word heard in training".
        seed: For the intervals.
        further: Columns of the corpus's own that may make slices; see `slice_labels`.
        parts: Slices of a number.
        resamples: For the intervals.
        level: Confidence level.

    Returns:
        One row a slice: by (duration, speaking rate, signal to noise, speaker, further columns, word heard in
        training), slice, utterances, words, errors, value (the WER), low, high (NaN with too few utterances).
        The rows of one ``by`` hold every utterance of which it is known once, or, for words, every word of the
        references once.
    """
    counts = count_errors(predictions.reference, predictions.hypothesis).set_index(predictions.index)
    labels = slice_labels(predictions, further=further, parts=parts)
    options = {"seed": seed, "resamples": resamples, "level": level}
    rows = [row(by, name, counts[labels[by] == name], **options) for by in labels for name in labels[by].cat.categories]
    by_numbers = pd.DataFrame(rows, columns=COLUMNS)
    by_words = word_slices(predictions, training_texts, **options)
    return by_words if by_numbers.empty else pd.concat([by_numbers, by_words], ignore_index=True)


def row(by: str, name: str, counts: pd.DataFrame, **options: float) -> tuple[object, ...]:
    errors, words = int(counts.errors.sum()), int(counts.length.sum())
    return (by, name, len(counts), words, errors, errors / max(1, words), *bootstrap_interval(counts, **options))


def word_slices(
    predictions: pd.DataFrame,
    training_texts: Iterable[str],
    *,
    seed: int,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Error rate of the test's words by how often training has them: what a larger vocabulary would win.

    A word is wrong when it is missing, became another, or was joined or split. Inserted words belong to no word of the
    reference and are left out, so these rates lie a little below the WER.

    Returns:
        As `slice_table`, without rows for which the test has no word; utterances are those that hold such a word,
        errors the words that are wrong.
    """
    heard = Counter(word for text in training_texts for word in text.split())
    edits = word_edits(predictions, equal=True)
    words = edits[edits.reference.ne("")].assign(reference=lambda rows: rows.reference.str.split()).explode("reference")
    times = words.reference.map(lambda word: heard[word])
    rows = []
    for least, most, name in HEARD:
        part = words[times.between(least, np.inf if most is None else most)]
        if part.empty:
            continue
        counts = pd.DataFrame(
            {"errors": part.kind.ne("equal").groupby(part.utterance).sum(), "length": part.groupby("utterance").size()}
        )
        rows.append(row("word heard in training", name, counts, seed=seed, resamples=resamples, level=level))
    return pd.DataFrame(rows, columns=COLUMNS)

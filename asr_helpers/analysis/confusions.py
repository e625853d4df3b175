"""What kind of error: tables of confused words and letters, split and joined words, and letters with little audio.

All tables come from one alignment (`edits.word_edits` or `edits.letter_edits`), name example utterances by their ids,
and count word errors as the WER counts them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pandas as pd

from asr_helpers.text.normaliser import code_point, letters

from .edits import KINDS, letter_edits

__all__ = [
    "confused_words",
    "confusion_matrix",
    "ids_by_kind",
    "kind_table",
    "letter_audio",
    "letter_table",
]

MEANING = {
    "substitution": "a word became another",
    "deletion": "a word is missing",
    "insertion": "a word too many",
    "joined": "words written as one, with (nearly) the right letters",
    "split": "a word written as several, with (nearly) the right letters",
}

NOTHING = "–"  # stands for the missing side of a deletion or insertion
EXAMPLES = 5

LETTER_COLUMNS = [
    "letter", "code_point", "count", "errors", "rate", "taken_for", "training_count", "training_seconds", "examples",
]  # fmt: skip


def first_few(ids: Iterable[str], examples: int = EXAMPLES) -> list[str]:
    """The first few different ids."""
    return list(dict.fromkeys(ids))[:examples]


def kind_table(edits: pd.DataFrame, *, examples: int = EXAMPLES) -> pd.DataFrame:
    """Count the errors of each kind.

    Args:
        edits: From `edits.word_edits`.
        examples: Ids listed for each kind, at most.

    Returns:
        One row a kind: kind, meaning, count, errors (word errors: joining two words costs two), share (of all word
        errors), utterances, examples.
    """
    rows = []
    for kind in KINDS:
        of_kind = edits[edits.kind == kind]
        errors = int(of_kind.errors.sum())
        rows.append(
            {
                "kind": kind,
                "meaning": MEANING[kind],
                "count": len(of_kind),
                "errors": errors,
                "share": errors / max(1, int(edits.errors.sum())),
                "utterances": of_kind.utterance.nunique(),
                "examples": first_few(of_kind.utterance, examples),
            }
        )
    return pd.DataFrame(rows)


def ids_by_kind(edits: pd.DataFrame) -> dict[str, list[str]]:
    """The utterances that have an error of each kind, for a browser's filter."""
    return {kind: first_few(edits.utterance[edits.kind == kind], len(edits)) for kind in KINDS}


def confused_words(edits: pd.DataFrame, *, top: int = 30, examples: int = EXAMPLES) -> pd.DataFrame:
    """The most frequent word errors.

    Args:
        edits: From `edits.word_edits`.
        top: Rows, at most.
        examples: Ids listed for each, at most.

    Returns:
        One row a pair, most costly first: kind, reference, hypothesis, count, errors, examples.
    """
    keys = ["kind", "reference", "hypothesis"]
    table = (
        edits.groupby(keys, sort=False)
        .agg(
            count=("errors", "size"),
            errors=("errors", "sum"),
            examples=("utterance", lambda ids: first_few(ids, examples)),
        )
        .reset_index()
    )
    table = table.sort_values(["errors", *keys], ascending=[False, True, True, True], ignore_index=True)
    return table.head(top)


def confusion_matrix(predictions: pd.DataFrame, *, top: int = 20) -> pd.DataFrame:
    """Which letter was taken for which, for the letters that are confused most.

    Returns:
        Index: letter of the reference; columns: letter of the hypothesis; cells: how often. ``–`` stands for no
        letter. Right letters are left out: they would outweigh everything else.
    """
    edits = letter_edits(predictions).replace({"reference": {"": NOTHING}, "hypothesis": {"": NOTHING}})
    involved = Counter([*edits.reference, *edits.hypothesis])
    kept = sorted(letter for letter, _ in involved.most_common(top))
    edits = edits[edits.reference.isin(kept) & edits.hypothesis.isin(kept)]
    matrix = pd.crosstab(edits.reference, edits.hypothesis)
    return matrix.rename_axis(index="reference", columns="hypothesis")


def letter_audio(training: pd.DataFrame) -> pd.DataFrame:
    """How much of the training audio each letter has, if every character of an utterance lasts equally long.

    Args:
        training: The training utterances, with text and seconds.

    Returns:
        Index: letter, in code-point order; columns count and seconds.
    """
    seconds: Counter[str] = Counter()
    for text, lasts in zip(training.text, training.seconds, strict=True):
        each = lasts / max(1, len(text))
        for letter in text:
            seconds[letter] += each
    counts = letters(training.text)
    return pd.DataFrame(
        {"count": counts.values(), "seconds": [seconds[letter] for letter in counts]}, index=list(counts)
    ).astype({"count": int, "seconds": float})


def letter_table(predictions: pd.DataFrame, training: pd.DataFrame) -> pd.DataFrame:
    """How well each letter is recognised, beside how much of it there was to learn from.

    Args:
        predictions: With id, reference and hypothesis.
        training: The training utterances, with text and seconds.

    Returns:
        One row a letter of the test references, worst first: letter, code_point, count, errors (missing or taken for
        another), rate, taken_for (the most frequent, each with its count), training_count,
        training_seconds (about), examples.
    """
    edits = letter_edits(predictions)
    edits = edits[edits.reference.ne("") & edits.reference.ne(" ")]
    audio = letter_audio(training)
    rows = []
    for letter, count in letters(predictions.reference).items():
        wrong = edits[edits.reference == letter]
        taken = Counter(wrong.hypothesis.replace({"": "nothing", " ": "space"})).most_common(3)
        rows.append(
            {
                "letter": letter,
                "code_point": code_point(letter),
                "count": count,
                "errors": len(wrong),
                "rate": len(wrong) / count,
                "taken_for": taken,
                "training_count": int(audio["count"].get(letter, 0)),
                "training_seconds": float(audio.seconds.get(letter, 0.0)),
                "examples": first_few(wrong.utterance),
            }
        )
    table = pd.DataFrame(rows, columns=LETTER_COLUMNS)
    return table.sort_values(["rate", "errors", "letter"], ascending=[False, False, True], ignore_index=True)

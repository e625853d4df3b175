"""Letters that sound alike: what folding them does to the error rate."""

import random

import pandas as pd
import pytest

from asr_helpers.analysis.metrics import wer
from asr_helpers.analysis.spelling import class_table, folded_scores

WORDS = ["سدا", "صدا", "زن", "ظن", "آم", "عام", "پتا", "پتہ", "بات", "باٹ", "کہ", "کا", "راہ", "کتاب", "کتب", "گئی"]


def table(*rows: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame([(f"u{i}", *row) for i, row in enumerate(rows)], columns=["id", "reference", "hypothesis"])


PREDICTIONS = table(
    ("یہ نظر ہے", "یہ نزر ہے"),  # z
    ("صحیح بات", "سحیح بات"),  # s
    ("صحیح نظر", "سہیہ نزر"),  # s and h in one word; z
    ("کتاب ہے", "کتب ہے"),  # acoustic
    ("یہ ہے", "یہ ہے"),
)


def test_class_table_counts_what_folds_away():
    found = class_table(PREDICTIONS, language="ur").set_index("sound")
    assert found.errors.to_dict() == {"s": 1, "z": 2, "t": 0, "h": 0, "a": 0, "final a": 0, "all": 4}
    assert found.share["all"] == pytest.approx(4 / 5)
    assert found.pairs["z"] == ["نظر ← نزر"]
    assert found.examples["z"] == ["u0", "u2"]
    assert found.utterances["all"] == 3


def test_as_heard_is_the_rate_of_folded_text():
    found = folded_scores(PREDICTIONS, seed=0, language="ur", resamples=100).set_index(["text", "unit"])
    assert found.value["as written", "word"] == wer(PREDICTIONS.reference, PREDICTIONS.hypothesis) == 5 / 11
    assert found.value["as heard", "word"] == 1 / 11
    assert found.value["as heard", "character"] < found.value["as written", "character"]


def test_folding_never_adds_word_errors():
    rng = random.Random(1)
    rows = [tuple(" ".join(rng.choices(WORDS, k=rng.randint(1, 6))) for _ in "rh") for _ in range(300)]
    found = class_table(table(*rows), language="ur").set_index("sound").errors
    assert (found >= 0).all()
    assert found["all"] >= found.drop("all").max()


def test_nothing_wrong():
    assert class_table(table(("یہ ہے", "یہ ہے")), language="ur").errors.sum() == 0
    assert class_table(table(), language="ur").errors.sum() == 0

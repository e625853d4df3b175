"""Letters that sound alike: what folds together, what must not, and what it does to the error rate."""

import random

import pandas as pd
import pytest

from asr_helpers.analysis.metrics import wer
from asr_helpers.analysis.spelling import class_table, folded_scores
from asr_helpers.text.languages import fold, language_of
from asr_helpers.text.normaliser import Normaliser

ALIKE = [
    ("سدا", "صدا"), ("ثواب", "صواب"), ("زن", "ظن"), ("نذر", "نظر"), ("ستر", "سطر"), ("زکوۃ", "زکوت"), ("ہال", "حال"),
    ("آم", "عام"), ("باد", "بعد"), ("علم", "الم"), ("علماء", "علما"), ("پتا", "پتہ"), ("راجا", "راجہ"),
    ("آزم", "اعظم"), ("صحیح", "سہیہ"),
]  # fmt: skip
UNLIKE = [
    ("بات", "باٹ"), ("آب", "اب"), ("قلب", "کلب"), ("بھائی", "بہائی"), ("کہ", "کا"), ("یہ", "یا"), ("راہ", "راا"),
    ("نہ", "نا"), ("کتاب", "کتب"), ("ژالہ", "زالہ"), ("گی", "گئی"), ("ماں", "مان"),
]  # fmt: skip


@pytest.mark.parametrize("one, other", ALIKE)
def test_sounds_alike(one, other):
    assert fold(one) == fold(other)


@pytest.mark.parametrize("one, other", UNLIKE)
def test_sounds_different(one, other):
    assert fold(one) != fold(other)


@pytest.mark.parametrize("language", ["ur", "fa"])
def test_every_class_folds_its_own_example(language):
    for sound in language_of(language).sounds:
        one, other = Normaliser(language=language)(sound.example).split()
        assert fold(one, language=language, only=sound.name) == fold(other, language=language, only=sound.name)


def test_folding_keeps_words_apart_and_folds_once():
    rng = random.Random(0)
    letters = "".join(sound.letters for sound in language_of("ur").sounds) + "بکوی "
    for _ in range(2_000):
        text = " ".join("".join(rng.choice(letters) for _ in range(12)).split())
        assert len(fold(text).split()) <= len(text.split())
        assert fold(fold(text)) == fold(text)
        assert fold(text) == " ".join(fold(word) for word in text.split())


def test_none_changes_nothing():
    assert fold("صحیح", language="none") == "صحیح"


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
    found = class_table(PREDICTIONS).set_index("sound")
    assert found.errors.to_dict() == {"s": 1, "z": 2, "t": 0, "h": 0, "a": 0, "final a": 0, "all": 4}
    assert found.share["all"] == pytest.approx(4 / 5)
    assert found.pairs["z"] == ["نظر ← نزر"]
    assert found.examples["z"] == ["u0", "u2"]
    assert found.utterances["all"] == 3


def test_as_heard_is_the_rate_of_folded_text():
    found = folded_scores(PREDICTIONS, seed=0, resamples=100).set_index(["text", "unit"])
    assert found.value["as written", "word"] == wer(PREDICTIONS.reference, PREDICTIONS.hypothesis) == 5 / 11
    assert found.value["as heard", "word"] == 1 / 11
    assert found.value["as heard", "character"] < found.value["as written", "character"]


def test_folding_never_adds_word_errors():
    rng = random.Random(1)
    words = [word for pair in ALIKE + UNLIKE for word in pair]
    rows = [tuple(" ".join(rng.choices(words, k=rng.randint(1, 6))) for _ in "rh") for _ in range(300)]
    found = class_table(table(*rows)).set_index("sound").errors
    assert (found >= 0).all()
    assert found["all"] >= found.drop("all").max()


def test_nothing_wrong():
    assert class_table(table(("یہ ہے", "یہ ہے"))).errors.sum() == 0
    assert class_table(table()).errors.sum() == 0

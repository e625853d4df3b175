"""The sample corpus's sentences: enough of them, five to nine words, Urdu code points, every letter often."""

import unicodedata
from collections import Counter
from pathlib import Path

import pytest

TRANSCRIPTS = Path(__file__).parents[2] / "data" / "sample" / "transcripts.txt"

ALPHABET = "آابپتٹثجچحخدڈذرڑزژسشصضطظعغفقکگلمنںوہھءیے"
HAMZA_FORMS = "أؤئۂ"
DIGITS = "0123456789۰۱۲۳۴۵۶۷۸۹"
PUNCTUATION = "۔،؟!"
DIACRITICS = {
    "\u064b": "do zabar",
    "\u064f": "pesh",
    "\u0650": "zer",
    "\u0651": "tashdid",
    "\u0670": "khari zabar",
}
ALLOWED = {*ALPHABET, *HAMZA_FORMS, *DIGITS, *PUNCTUATION, *DIACRITICS, " "}

LEAST_OCCURRENCES = 12  # of one letter in the corpus: fewer leave too little to learn it from
LEAST_SENTENCES = 8  # that hold the letter: one odd sentence must not carry it alone


@pytest.fixture(scope="module")
def sentences() -> list[str]:
    """The file's lines, read as bytes: a text-mode read would hide a carriage return."""
    text = TRANSCRIPTS.read_bytes().decode("utf-8")
    assert text.endswith("\n")
    return text.removesuffix("\n").split("\n")


def spoken(sentence: str) -> str:
    """The sentence without punctuation and diacritics: what two recordings of it would share."""
    return "".join(c for c in sentence if c not in PUNCTUATION and c not in DIACRITICS)


def test_the_corpus_is_large_enough(sentences):
    assert len(sentences) >= 480


def test_each_sentence_has_five_to_nine_words(sentences):
    assert [s for s in sentences if not 5 <= len(s.split(" ")) <= 9 or "" in s.split(" ")] == []


def test_only_urdu_code_points_occur(sentences):
    strangers = {f"U+{ord(c):04X}": s for s in sentences for c in s if c not in ALLOWED}
    assert strangers == {}
    assert [s for s in sentences if not unicodedata.is_normalized("NFC", s)] == []


def test_each_sentence_ends_as_one(sentences):
    assert [s for s in sentences if s[-1] not in "۔؟!"] == []


@pytest.mark.parametrize("letter", [*ALPHABET, "ؤ", "ئ"])
def test_each_letter_occurs_often_enough(sentences, letter):
    counts = [s.count(letter) for s in sentences]
    assert sum(counts) >= LEAST_OCCURRENCES
    assert sum(count > 0 for count in counts) >= LEAST_SENTENCES


def test_no_sentence_occurs_twice(sentences):
    assert [s for s, count in Counter(map(spoken, sentences)).items() if count > 1] == []


def test_the_normaliser_has_work_to_do(sentences):
    assert sum(any(c in DIGITS for c in s) for s in sentences) >= 12
    assert sum(any(c in DIACRITICS for c in s) for s in sentences) >= 12

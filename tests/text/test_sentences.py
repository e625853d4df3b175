"""Which transcripts are the same sentence, and how much of one is spoken."""

import random
import unicodedata
from collections import defaultdict

import pytest

from asr_helpers.text.normaliser import Normaliser
from asr_helpers.text.sentences import count_script_letters, count_spoken_letters, script_of, sentence_key


def key(text, language="ur", **options):
    return sentence_key(Normaliser(language, **options)(text))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("یہ کیا ہے؟", "یہ کیا ہے"),  # U+061F question mark
        ("یہ  کیا ہے۔", " یہ کیا ہے "),  # spaces, U+06D4 full stop
        ("خوب صورت", "خوبصورت"),  # a space within a word
        ("میں\u200cنے", "میںنے"),  # zero-width non-joiner
        ("مَیں", "میں"),  # U+064E fatha
        ("عـــلم", "علم"),  # U+0640 tatweel
        ("کتاب", "كتاب"),  # U+06A9 against Arabic U+0643
        ("بیٹی", "بيٹي"),  # U+06CC against Arabic U+064A
        ("ہم", "هم"),  # U+06C1 against Arabic U+0647
        ("ہے", "ھے"),  # U+06C1 against U+06BE do-chashmi heh
        ("استاد", "أستاد"),  # U+0627 against U+0623 alef with hamza
        ("ہوئے", "ہوۓ"),  # U+0626 U+06D2 against U+06D3 bari ye with hamza
        ("پانچ لوگ", "5 لوگ"),
        ("پانچ لوگ", "۵ لوگ"),  # U+06F5
        ("پچاس فیصد", "۵۰٪"),  # U+066A percent
        ("آپ", unicodedata.normalize("NFD", "آپ")),  # U+0622 against U+0627 U+0653
        ("Hello, World!", "hello world"),
        ("ﻛﺘﺎﺏ", "کتاب"),  # presentation forms
    ],
)
def test_what_writers_vary_is_the_same_sentence(one, other):
    assert one != other
    assert key(one) == key(other) != ""


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Hello, World!", "hello world", True),
        ("straße", "STRASSE", True),
        ("مَیں", "میں", True),  # U+064E fatha: vowel points are left out at will in every language
        ("שָׁלוֹם", "שלום", True),
        ("बीस", "बास", False),  # Devanagari vowel signs are no decoration
        ("कुल", "कल", False),  # nor is this one, which is no letter to Unicode but a mark
        ("é", "e", False),
        ("5", "five", False),
    ],
)
def test_a_language_without_a_record_has_keys_too(one, other, same):
    assert (key(one, "none") == key(other, "none")) is same


@pytest.mark.parametrize(
    ("one", "other"),
    [("بات", "پات"), ("دس 10", "دس 11"), ("آم", "ام")],
)
def test_other_letters_are_another_sentence(one, other):
    assert key(one) != key(other)


def test_the_key_follows_the_options_of_the_normaliser():
    assert key("5 لوگ", digits="keep") == key("۵ لوگ", digits="keep") != key("پانچ لوگ", digits="keep")
    assert key("هم", "fa") == key("ہم", "fa") == "هم"


def test_one_normalised_text_has_one_key():
    """What makes a split by key fair: no two transcripts that 02 spells alike have different keys."""
    rng = random.Random(0)
    written = ["ھے", "ہے", "5", "۵", "پانچ", "أب", "اب", "ہوۓ", "ہوئے", "۵۰٪", "پچاس فیصد", "کتاب", "كتاب", "مَیں"]
    lines = [" ".join(rng.choices(written, k=rng.randint(1, 3))) for _ in range(3_000)]
    keys = defaultdict(set)
    for line in lines:
        keys[Normaliser("ur")(line)].add(key(line))
    assert len(keys) < len(set(lines)) and {len(found) for found in keys.values()} == {1}


@pytest.mark.parametrize("text", ["", "  ", "؟!۔", "\u064e\u0650"])
def test_nothing_spoken_has_no_key(text):
    assert key(text) == ""


@pytest.mark.parametrize(
    ("text", "letters"),
    [("", 0), ("پانی", 4), ("مَیں ہوں", 6), ("۱۲ دن", 10), ("a-b. c!", 3), ("\u200c\u200f", 0)],
)
def test_spoken_letters(text, letters):
    assert count_spoken_letters(text) == letters


@pytest.mark.parametrize(
    ("character", "script"),
    [
        ("ے", "ARABIC"),
        ("ﻼ", "ARABIC"),
        ("a", "LATIN"),
        ("ß", "LATIN"),
        ("क", "DEVANAGARI"),
        ("Ж", "CYRILLIC"),
        ("あ", "CJK"),
        ("ア", "CJK"),
        ("ー", "CJK"),
        ("本", "CJK"),
        ("Ａ", "LATIN"),
        ("ｱ", "CJK"),
        ("𝐀", "LATIN"),
    ],
)
def test_scripts_are_named_as_unicode_does(character, script):
    assert script_of(character) == script
    assert count_script_letters(f"1 {character}. {character}", script.lower()) == 2


@pytest.mark.parametrize("character", ["1", "۔", "\u064e", " ", "\x00", "\ufffd", "ʼ", "º", "µ"])
def test_what_is_no_letter_has_no_script(character):
    assert script_of(character) == ""

"""Which transcripts are the same sentence, and how much of one is spoken."""

import unicodedata

import pytest

from asr_helpers.text.sentences import count_script_letters, count_spoken_letters, script_of, sentence_key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("یہ کیا ہے؟", "یہ کیا ہے"),  # U+061F question mark
        ("یہ  کیا ہے۔", " یہ کیا ہے "),  # spaces, U+06D4 full stop
        ("میں\u200cنے", "میںنے"),  # zero-width non-joiner
        ("مَیں", "میں"),  # U+064E fatha
        ("عـــلم", "علم"),  # U+0640 tatweel
        ("کتاب", "كتاب"),  # U+06A9 against Arabic U+0643
        ("بیٹی", "بيٹي"),  # U+06CC against Arabic U+064A
        ("ہم", "هم"),  # U+06C1 against Arabic U+0647
        ("آپ", unicodedata.normalize("NFD", "آپ")),  # U+0622 against U+0627 U+0653
        ("Hello, World!", "hello world"),
        ("straße", "STRASSE"),
        ("ﻛﺘﺎﺏ", "کتاب"),  # presentation forms
    ],
)
def test_what_writers_vary_is_the_same_sentence(one, other):
    assert one != other
    assert sentence_key(one) == sentence_key(other) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("بات", "پات"),
        ("دس 10", "دس 11"),
        ("बीस", "बास"),  # Devanagari vowel signs are no decoration
        ("آم", "ام"),
    ],
)
def test_other_letters_are_another_sentence(one, other):
    assert sentence_key(one) != sentence_key(other)


@pytest.mark.parametrize("text", ["", "  ", "؟!۔", "\u064e\u0650"])
def test_nothing_spoken_has_no_key(text):
    assert sentence_key(text) == ""


@pytest.mark.parametrize(
    ("text", "letters"),
    [("", 0), ("پانی", 4), ("مَیں ہوں", 6), ("۱۲ دن", 10), ("a-b. c!", 3), ("\u200c\u200f", 0)],
)
def test_spoken_letters(text, letters):
    assert count_spoken_letters(text) == letters


@pytest.mark.parametrize(
    ("character", "script"),
    [("ے", "ARABIC"), ("ﻼ", "ARABIC"), ("a", "LATIN"), ("ß", "LATIN"), ("क", "DEVANAGARI"), ("Ж", "CYRILLIC")],
)
def test_scripts_are_named_as_unicode_does(character, script):
    assert script_of(character) == script
    assert count_script_letters(f"1 {character}. {character}", script.lower()) == 2


@pytest.mark.parametrize("character", ["1", "۔", "\u064e", " ", "\x00", "\ufffd"])
def test_what_is_no_letter_has_no_script(character):
    assert script_of(character) == ""

"""Test sentences in a language model's text: what counts as one, and what the error says."""

import pytest

from asr_helpers.decoding.language_model import Leak, find_leaks, refuse_leaks, without_leaks
from asr_helpers.text.normaliser import Normaliser

REFERENCES = ["بارش کل رات دیر تک ہوئی", "جی ہاں", ""]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("بارش کل رات دیر تک ہوئی", ["بارش کل رات دیر تک ہوئی"]),
        ("  بارش کل  رات دیر تک ہوئی ", ["بارش کل رات دیر تک ہوئی"]),
        ("سنا ہے بارش کل رات دیر تک ہوئی تھی", ["بارش کل رات دیر تک ہوئی"]),
        ("بارش کل رات دیر تک", []),  # not to its end
        ("نہیں بارش کل رات دیر تک رہی", []),
        ("سنا ہے بارش کل رات دیر تک ہوئیں", []),  # nor is another word its end
        ("بارش کل رات دیرتک ہوئی", ["بارش کل رات دیر تک ہوئی"]),  # a space less
        ("اب تو بارش کل راتدیر تک ہوئی تھی", ["بارش کل رات دیر تک ہوئی"]),
        ("جی ہاں", ["جی ہاں"]),
        ("جی ہاں میں آتا ہوں", []),  # a short sentence counts only as a whole line
        ("", []),
    ],
)
def test_a_line_leaks_when_it_holds_a_whole_test_sentence(line, found):
    assert find_leaks([line], REFERENCES) == [Leak(0, sentence) for sentence in found]


@pytest.mark.parametrize(
    ("language", "line", "reference"),
    [
        ("ur", "ھے 5 لوگ، ۵۰٪ أب", "ہے پانچ لوگ پچاس فیصد اب"),
        ("fa", "\u0643تاب‌ها را می‌خواهم", "کتاب ها را می خواهم"),
        ("none", "So: the quick brown FOX ran!", "The quick brown fox"),
        ("none", "Thank you.", "thank you"),
    ],
)
def test_a_leak_is_found_however_both_are_written(language, line, reference):
    normaliser = Normaliser(language)
    assert [leak.line for leak in find_leaks([normaliser(line)], [normaliser(reference)])] == [0]


def test_the_error_says_how_many_which_and_what_to_do():
    texts = ["نئی کتاب میز پر ہے", *[REFERENCES[0]] * 5, "جی ہاں"]
    with pytest.raises(ValueError, match=r"2 test sentences \(line 2: بارش .* and 3 more\).*Leave these lines out"):
        refuse_leaks(texts, REFERENCES)


def test_what_is_left_has_no_leak_and_its_order():
    texts = ["نئی کتاب میز پر ہے", REFERENCES[0], "وہ گھر گیا"]
    kept = without_leaks(texts, REFERENCES)
    assert kept == [texts[0], texts[2]]
    refuse_leaks(kept, REFERENCES)

"""Test sentences in a language model's text: what counts as one, and what is left."""

import re

import pytest

from asr_helpers.decoding.language_model import Leak, find_leaks, without_leaks
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


LONGER = f"سنا ہے {REFERENCES[0]} تھی"


@pytest.mark.parametrize(
    ("texts", "kept", "told"),
    [
        (["نئی کتاب", "", "وہ گھر گیا"], [0, 2], "0 of 3 lines left out of the language model's text."),
        (
            ["نئی کتاب", LONGER, "وہ گھر گیا"],
            [0, 2],
            "1 of 3 lines left out of the language model's text, since sentences that are tested or tuned on stand in "
            "them: «بارش کل رات دیر تک ہوئی» in «سنا ہے بارش کل رات دیر تک ہوئی تھی».",
        ),
        (["جی ہاں", *[LONGER] * 5, "نئی کتاب"], [6], "6 of 7 lines left out .*: «جی ہاں» in «جی ہاں», .* and 3 more."),
    ],
)
def test_what_is_left_keeps_its_order_and_it_is_said_what_was_left_out(texts, kept, told):
    lines, said = without_leaks(texts, REFERENCES)
    assert lines == [texts[i] for i in kept]
    assert re.fullmatch(told, said)
    assert not find_leaks(lines, REFERENCES)


@pytest.mark.parametrize(
    ("texts", "count"), [([LONGER, "جی ہاں"], "2 of 2 lines"), ([], "0 of 0 lines"), ([" "], "0 of 1")]
)
def test_a_text_of_which_nothing_is_left_is_refused_with_the_fix(texts, count):
    with pytest.raises(
        ValueError, match=rf"{count}.* No line is left to learn from; give language_model a larger text"
    ):
        without_leaks(texts, REFERENCES)

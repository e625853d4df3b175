"""Test sentences in a language model's text: what counts as one, and what the error says."""

import pytest

from asr_helpers.decoding.language_model import Leak, find_leaks, refuse_leaks, without_leaks

REFERENCES = ["بارش کل رات دیر تک ہوئی", "جی ہاں", ""]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("بارش کل رات دیر تک ہوئی", ["بارش کل رات دیر تک ہوئی"]),
        ("  بارش کل  رات دیر تک ہوئی ", ["بارش کل رات دیر تک ہوئی"]),
        ("سنا ہے بارش کل رات دیر تک ہوئی تھی", ["بارش کل رات دیر تک ہوئی"]),
        ("بارش کل رات دیر تک", []),  # not to its end
        ("نہیں بارش کل رات دیر تک رہی", []),
        ("جی ہاں", ["جی ہاں"]),
        ("جی ہاں میں آتا ہوں", []),  # a short sentence counts only as a whole line
        ("", []),
    ],
)
def test_a_line_leaks_when_it_holds_a_whole_test_sentence(line, found):
    assert find_leaks([line], REFERENCES) == [Leak(0, sentence) for sentence in found]


def test_the_error_says_how_many_which_and_what_to_do():
    texts = ["نئی کتاب میز پر ہے", *[REFERENCES[0]] * 5, "جی ہاں"]
    with pytest.raises(ValueError, match=r"2 test sentences \(line 2: بارش .* and 3 more\).*without_leaks"):
        refuse_leaks(texts, REFERENCES)


def test_what_is_left_has_no_leak_and_its_order():
    texts = ["نئی کتاب میز پر ہے", REFERENCES[0], "وہ گھر گیا"]
    kept = without_leaks(texts, REFERENCES)
    assert kept == [texts[0], texts[2]]
    refuse_leaks(kept, REFERENCES)

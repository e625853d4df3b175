"""One record a language: letters, numbers as they are said, letters that sound alike."""

import random
import unicodedata

import pytest

from asr_helpers.text.language import Language
from asr_helpers.text.languages import LANGUAGES, code_pages, language_of
from asr_helpers.text.normaliser import Normaliser
from asr_helpers.text.numerals import URDU_BELOW_HUNDRED

say_number = language_of("ur").say_number
fold = language_of("ur").fold
KNOWN = [language for language in LANGUAGES.values() if language.letters]

ALIKE = [
    ("سدا", "صدا"), ("ثواب", "صواب"), ("زن", "ظن"), ("نذر", "نظر"), ("ستر", "سطر"), ("زکوۃ", "زکوت"), ("ہال", "حال"),
    ("آم", "عام"), ("باد", "بعد"), ("علم", "الم"), ("علماء", "علما"), ("پتا", "پتہ"), ("راجا", "راجہ"),
    ("آزم", "اعظم"), ("صحیح", "سہیہ"),
]  # fmt: skip
UNLIKE = [
    ("بات", "باٹ"), ("آب", "اب"), ("قلب", "کلب"), ("بھائی", "بہائی"), ("کہ", "کا"), ("یہ", "یا"), ("راہ", "راا"),
    ("نہ", "نا"), ("کتاب", "کتب"), ("ژالہ", "زالہ"), ("گی", "گئی"), ("ماں", "مان"),
]  # fmt: skip


# --- the record -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", KNOWN, ids=lambda language: language.code)
def test_what_a_record_writes_is_written_in_its_letters(language):
    letters, plain = set(language.letters), Normaliser(language.code)
    assert len(letters) == len(language.letters)
    assert all(
        unicodedata.name(c).startswith(f"{language.script.upper()} ") and c.islower() >= c.isupper() for c in letters
    )
    assert letters >= set("".join(language.look_alikes.values()))
    assert not letters & set(language.look_alikes)
    said = [language.percent, language.decimal_point, language.words]
    said += [" ".join(language.say(10**power - 1)) for power in range(14) if language.say]
    assert letters >= set(plain(" ".join(said))) - set(language.inside + language.signs + " ")
    assert letters >= set("".join([*language.ordinals, *(sound.letters for sound in language.sounds)]))


@pytest.mark.parametrize("language", KNOWN, ids=lambda language: language.code)
def test_a_record_gives_its_normaliser_what_it_needs(language):
    normaliser, beh = Normaliser(language.code), {"arabic": "ب", "latin": "b", "cyrillic": "б"}[language.script]
    assert {rule.name for rule in normaliser.rules} == language.rules
    spelt = "".join(f"{beh}{letter}" for letter in language.letters)
    assert normaliser(spelt) == spelt
    assert normaliser("".join(language.look_alikes)) == normaliser("".join(language.look_alikes.values()))


@pytest.mark.parametrize("language", LANGUAGES.values(), ids=lambda language: language.code)
def test_digits_and_code_pages_of_a_record_exist(language):
    if language.digits:
        assert [unicodedata.decimal(digit) for digit in language.digits] == list(range(10))
        assert Normaliser(language.code, digits="keep")("0123456789") == language.digits
    assert all("1".encode(page) for page in language.code_pages)
    assert language.script == language.script.lower() and language.font in ("", "naskh", "nastaliq")


def test_a_language_is_added_by_its_record_alone(monkeypatch):
    """Sindhi, as somebody might begin it: its digits, its own kaf, and a number word or two."""
    words = {1: "هڪ", 2: "ٻه"}
    sindhi = Language(
        "sd",
        "Sindhi",
        script="arabic",
        look_alikes={"ک": "ڪ"},
        digits="٠١٢٣٤٥٦٧٨٩",
        say=lambda number: [words[number]],
        percent="{} سيڪڙو",
        rules=language_of("fa").rules,
        code_pages={"cp1006": "IBM 1006 (Urdu)"},
    )
    monkeypatch.setitem(LANGUAGES, "sd", sindhi)
    assert Normaliser("sd")("کتاب 2٪") == "ڪتاب ٻه سيڪڙو"
    assert Normaliser("sd", digits="keep")("۲") == "٢"
    assert sindhi.tag == "sd" and "cp1006" in code_pages("arabic") and "cp1251" not in code_pages("arabic")


def test_an_unknown_language_is_refused_with_those_that_are_known():
    with pytest.raises(ValueError, match=r"language is 'klingon'; use one of 'ur', 'fa', 'ar', .*'vi', 'none'"):
        language_of("klingon")
    with pytest.raises(ValueError, match="number words of any language are not known"):
        language_of("none").say_number("5")


# --- numbers --------------------------------------------------------------------------------------------------------


def test_urdu_numerals_are_a_hundred_different_words():
    assert len(set(URDU_BELOW_HUNDRED)) == 100
    assert all(Normaliser("ur")(word) == word and " " not in word for word in URDU_BELOW_HUNDRED)


def test_tens_carry_their_ending():
    """An independent check of the table's order: 9 is built on the next ten, the rest on their own."""
    endings = {20: "س", 30: "تیس", 40: "لیس", 50: "ن", 60: "سٹھ", 70: "تر", 80: "اسی", 90: "نوے"}
    special = {38: "اڑتیس", 49: "انچاس", 50: "پچاس", 60: "ساٹھ", 79: "اناسی", 89: "نواسی", 99: "ننانوے"}
    for number in range(20, 100):
        ten = number // 10 * 10 + (10 if number % 10 == 9 and number < 89 else 0)
        assert special.get(number, URDU_BELOW_HUNDRED[number]) == URDU_BELOW_HUNDRED[number]
        assert number in special or URDU_BELOW_HUNDRED[number].endswith(endings[ten]), number


@pytest.mark.parametrize(
    "digits, said",
    [
        ("0", "صفر"), ("7", "سات"), ("100", "ایک سو"), ("101", "ایک سو ایک"),
        ("999", "نو سو ننانوے"),
        ("1000", "ایک ہزار"), ("1099", "ایک ہزار ننانوے"), ("1100", "گیارہ سو"), ("1999", "انیس سو ننانوے"),
        ("2000", "دو ہزار"), ("99999", "ننانوے ہزار نو سو ننانوے"), ("100000", "ایک لاکھ"),
        ("9999999", "ننانوے لاکھ ننانوے ہزار نو سو ننانوے"), ("10000000", "ایک کروڑ"),
        ("1000000000", "ایک ارب"), ("00", "صفر"), ("05", "پانچ"), ("007", "صفر صفر سات"),
        ("1" + "0" * 13, " ".join(["ایک"] + ["صفر"] * 13)),
    ],
)  # fmt: skip
def test_urdu_numbers(digits, said):
    assert say_number(digits) == said


def value_of(words: str) -> int:
    """Read Urdu number words back: a scale multiplies what was said since the last larger scale."""
    scales = {"سو": 10**2, "ہزار": 10**3, "لاکھ": 10**5, "کروڑ": 10**7, "ارب": 10**9, "کھرب": 10**11}
    total = group = 0
    for word in words.split():
        if word == "سو":
            group *= 100
        elif word in scales:
            total, group = total + group * scales[word], 0
        else:
            group += URDU_BELOW_HUNDRED.index(word)
    return total + group


def test_urdu_numbers_read_back():
    rng = random.Random(3)
    numbers = [*range(2_100), *(rng.randrange(10 ** rng.randint(4, 13)) for _ in range(2_000))]
    assert [value_of(say_number(str(n))) for n in numbers] == numbers


@pytest.mark.parametrize(
    "digits, said",
    [("21", "بیست و یک"), ("110", "صد و ده"), ("1000", "هزار"), ("2023", "دو هزار و بیست و سه"),
     ("1000000", "یک میلیون"), ("3.5", "سه ممیز پنج")],
)  # fmt: skip
def test_persian_numbers(digits, said):
    assert language_of("fa").say_number(digits) == said


# --- sounds ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one, other", ALIKE)
def test_sounds_alike(one, other):
    assert fold(one) == fold(other)


@pytest.mark.parametrize("one, other", UNLIKE)
def test_sounds_different(one, other):
    assert fold(one) != fold(other)


@pytest.mark.parametrize("language", ["ur", "fa"])
def test_every_class_folds_its_own_example(language):
    fold = language_of(language).fold
    for sound in language_of(language).sounds:
        one, other = Normaliser(language)(sound.example).split()
        assert fold(one, only=sound.name) == fold(other, only=sound.name)


def test_folding_keeps_words_apart_and_folds_once():
    rng = random.Random(0)
    letters = "".join(sound.letters for sound in language_of("ur").sounds) + "بکوی "
    for _ in range(2_000):
        text = " ".join("".join(rng.choice(letters) for _ in range(12)).split())
        assert len(fold(text).split()) <= len(text.split())
        assert fold(fold(text)) == fold(text)
        assert fold(text) == " ".join(fold(word) for word in text.split())


def test_none_changes_nothing():
    assert language_of("none").fold("صحیح") == "صحیح"

"""The normaliser: a table of cases with their code points, and properties over random text."""

import pickle
import random
import unicodedata

import pytest

from asr_helpers.text.normaliser import Normaliser, code_point, letters

URDU = Normaliser("ur")


def normalise(text: str, **options: str) -> str:
    return Normaliser(**options)(text)


CASES = [
    # what, raw, normalised
    ("yeh, maksura, kaf, heh", "\u0643\u064a\u0627 \u0648\u0647 \u0639\u064a\u0633\u0649", "کیا وہ عیسی"),
    ("teh marbuta", "\u0632\u06a9\u0648\u0629", "زکوۃ"),
    ("NFD alef with madda", "\u0627\u0653م", "\u0622م"),
    ("NFD waw with hamza", "\u0648\u0654", "\u0624"),
    ("Arabic yeh with hamza above", "\u06af\u064a\u0654\u06cc", "گئی"),
    ("Urdu ye with hamza above, which NFC leaves", "\u06af\u06cc\u0654\u06cc", "گ\u0626ی"),
    ("alef maksura with hamza above", "\u06af\u0649\u0654\u06cc", "گ\u0626ی"),
    ("hamza behind a vowel sign", "\u06af\u06cc\u064e\u0654\u06cc", "گ\u0626ی"),
    ("bari ye with hamza", "\u06c1\u0648\u06d3", "ہو\u0626\u06d2"),
    ("goal heh with hamza, decomposed", "جذب\u06c1\u0654 دل", "جذب\u06c2 دل"),
    ("Arabic heh with hamza", "جذب\u0647\u0654 دل", "جذب\u06c2 دل"),
    ("Persian heh with yeh", "جذب\u06c0 دل", "جذب\u06c2 دل"),
    ("hamza on alef", "\u0623ستاد \u0625لا \u0671ل", "استاد الا ال"),
    ("stray hamza and madda", "کتا\u0654ب ن\u0653", "کتاب ن"),
    ("presentation forms", "\ufe91\ufeee\ufedf\ufee8\ufe8e", "بولنا"),
    ("ligature lam-alef", "\ufefb", "لا"),
    ("ligature of four words", "\ufdfa", "صلی اللہ علیہ وسلم"),
    ("bismillah", "\ufdfd", "بسم اللہ الرحمن الرحیم"),
    ("isolated haraka stays inside the word", "کتا\ufe76ب", "کتاب"),
    ("tatweel", "کتـــاب", "کتاب"),
    ("harakat do not split words", "مُحَمَّد کِتابٌ", "محمد کتاب"),
    ("superscript alef", "اعلی\u0670 زکو\u0670ۃ", "اعلی زکوۃ"),
    ("honorific sign", "محمد\u0610", "محمد"),
    ("ZWNJ after a joining letter shows", "خوب\u200cصورت", "خوب صورت"),
    ("ZWNJ after a letter that never joins", "کار\u200cخانہ", "کارخانہ"),
    ("ZWJ, bidi marks, BOM, soft hyphen", "\ufeff\u200fکتا\u200dب\u200e \u202bہے\u202c\u00ad", "کتاب ہے"),
    ("no-break, thin and zero-width space", "یہ\u00a0کتاب\u2009ہے\u200bاور", "یہ کتاب ہے اور"),
    ("line breaks, tabs, edges", " یہ\r\nکتاب\t ہے \n", "یہ کتاب ہے"),
    ("Urdu punctuation", "کیا؟ جی، ہاں۔ اچھا؛ «بس» ٭", "کیا جی ہاں اچھا بس"),
    ("ASCII punctuation and quotes", "کیا?! (جی), \"ہاں\" 'اچھا' “بس” – … /", "کیا جی ہاں اچھا بس"),
    ("what the tokenizer reserves", "یہ|کتاب [ہے]", "یہ کتاب ہے"),
    ("emoji", "اچھا 😀", "اچھا"),
    ("initial do-chashmi", "ھم ھیں راھ میں", "ہم ہیں راہ میں"),
    ("aspirates stay", "بھائی پھول تھا ٹھیک جھوٹ چھت دھوپ ڈھول پڑھ کھانا گھر دولھا ننھا", None),
    ("Extended Arabic-Indic digits", "۱۲ لوگ", "بارہ لوگ"),
    ("Arabic-Indic digits", "١٢ لوگ", "بارہ لوگ"),
    ("ASCII digits", "12 لوگ", "بارہ لوگ"),
    ("digits touch letters", "12کلو", "بارہ کلو"),
    ("year", "۱۹۴۷ء میں", "انیس سو سینتالیس میں"),
    ("thousands", "1,25,000 اور 1,000,000", "ایک لاکھ پچیس ہزار اور دس لاکھ"),
    ("Arabic thousands sign", "۱٬۵۰۰", "پندرہ سو"),
    ("a list is no number", "1,2,3", "ایک دو تین"),
    ("decimal", "3.5 اور ۲٫۲۵", "تین اعشاریہ پانچ اور دو اعشاریہ دو پانچ"),
    ("date is no decimal", "12.5.2020", "بارہ پانچ دو ہزار بیس"),
    ("time", "10:05", "دس پانچ"),
    ("telephone", "0300", "صفر تین صفر صفر"),
    ("percent", "50٪ لوگ، 7 % نہیں", "پچاس فیصد لوگ سات فیصد نہیں"),
    ("ordinal", "5ویں جماعت، 21واں دن", "پانچویں جماعت اکیسواں دن"),
    ("Latin", "Don't ABC کمپنی É", "dont abc کمپنی é"),
    ("empty", "", ""),
    ("nothing but marks", "۔\u200f،", ""),
]  # fmt: skip


@pytest.mark.parametrize("what, raw, expected", CASES, ids=[case[0] for case in CASES])
def test_urdu(what, raw, expected):
    expected = raw if expected is None else expected
    assert [code_point(c) for c in URDU(raw)] == [code_point(c) for c in expected], what


@pytest.mark.parametrize(
    "options, raw, expected",
    [
        ({"digits": "keep"}, "12 ١٣ ۱۴ 1,000 5ویں", "۱۲ ۱۳ ۱۴ ۱۰۰۰ ۵ویں"),
        ({"harakat": "keep"}, "مُحَمَّد اعلی\u0670", "مُحَمَّد اعلی\u0670"),
        ({"zwnj": "remove"}, "خوب\u200cصورت", "خوبصورت"),
        ({"zwnj": "space"}, "کار\u200cخانہ", "کار خانہ"),
        ({"language": "fa"}, "\u0643تاب\u200cها را می\u200cخواهم.", "کتاب ها را می خواهم"),
        ({"language": "fa"}, "خان\u06c1 خان\u0647\u0654 ما، دایرة", "خانه خان\u06c0 ما دایره"),
        ({"language": "fa"}, "سال ۱۴۰۲، 50٪", "سال هزار و چهارصد و دو پنجاه درصد"),
        ({"language": "none"}, " A\u0301b,  ي\u0643 12۔ ", "áb ي\u0643 12"),
    ],
)
def test_options(options, raw, expected):
    assert Normaliser(**{"language": "ur", **options})(raw) == expected


@pytest.mark.parametrize("option", ["language", "digits", "harakat", "zwnj"])
def test_unknown_option_is_named(option):
    with pytest.raises(ValueError, match=f"{option} is 'klingon'; use one of"):
        Normaliser(**{"language": "ur", option: "klingon"})


def random_texts(seed: int, number: int):
    """Strings of the characters where normalisers go wrong, and of the Arabic and Latin blocks."""
    rng = random.Random(seed)
    nasty = (
        "\u0653\u0654\u0655\u064e\u0670\u0640"
        "\u200b\u200c\u200d\u200f\ufeff\u00a0اأهہھهۀۂیيىۓےوؤپ۵5١0,.٫٬،%٪|_['’-\u0301\u0307İIiK\u212bواں"
    )
    blocks = [(0x20, 0x250), (0x300, 0x370), (0x600, 0x780), (0x8A0, 0x900), (0xFB50, 0xFF00)]
    everything = [chr(c) for block in blocks for c in range(*block)]
    for _ in range(number):
        yield "".join(
            rng.choice(nasty) if rng.random() < 0.7 else rng.choice(everything) for _ in range(rng.randint(1, 14))
        )


@pytest.mark.parametrize(
    "options",
    [{}, {"digits": "keep", "zwnj": "remove"}, {"harakat": "keep"}, {"language": "fa"}, {"language": "none"}],
    ids=str,
)
def test_twice_is_once(options):
    normaliser = Normaliser(**{"language": "ur", **options})
    for text in random_texts(seed=1, number=4_000):
        once = normaliser(text)
        assert normaliser(once) == once, [code_point(c) for c in text]
        assert unicodedata.is_normalized("NFC", once)
        assert once == " ".join(once.split())


def test_normalised_text_holds_only_letters_marks_and_spaces():
    for text in random_texts(seed=2, number=3_000):
        left = {unicodedata.category(c)[0] for c in URDU(text)} - {"C"}  # C: unassigned code points of the blocks
        assert left <= {"L", "M", "Z", "N"}
        assert not any(c.isdecimal() for c in URDU(text))


def test_counts_add_up():
    texts = ["\u0643ي", "کتاب", "\u064a 12", "ABC کتاب"]
    normalised, table = URDU.normalise_all(texts)
    rows = table.set_index("rule")
    assert normalised == ["کی", "کتاب", "ی بارہ", "abc کتاب"]
    assert rows.loc["letters", ["transcripts", "places"]].tolist() == [2, 3]
    assert rows.loc["digits", ["transcripts", "places"]].tolist() == [1, 1]
    assert rows.loc["latin", ["before", "after"]].tolist() == ["ABC کتاب", "abc کتاب"]
    assert rows.loc["tatweel", "places"] == 0
    assert table.rule.tolist() == [rule.name for rule in URDU.rules]


def test_steps_end_in_the_normalised_text():
    raw = "\u0643يا ۵ لوگ؟"
    steps = URDU.steps(raw)
    assert steps.text.iloc[-1] == URDU(raw)
    assert steps.rule.tolist() == ["letters", "digits", "punctuation", "spaces"]


def test_only_misplaced_do_chashmi_changes():
    assert URDU("بھھ") == "بھہ"


def test_letters_are_counted_in_code_point_order():
    assert letters(["با ب", "آ"]) == {"آ": 1, "ا": 1, "ب": 2}
    assert list(letters(["با ب", "آ"])) == sorted("آاب")


def test_goes_to_a_worker_process_after_use():
    used = Normaliser(language="fa", digits="keep")
    assert used("۱۲ ي") == "۱۲ ی"
    assert pickle.loads(pickle.dumps(used)) == used

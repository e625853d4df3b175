"""Sentences of many languages as people type them, and what the recogniser learns of them."""

import random
import unicodedata

import pytest

from asr_helpers.analysis.metrics import wer
from asr_helpers.text.languages import LANGUAGES, language_of
from asr_helpers.text.normaliser import Normaliser, code_point

JOINERS = "\u200c\u200d"

CASES = [
    # language, what, raw, normalised
    ("ar", "harakat, hamza, numbers", "اِشتَريتُ ٣ كُتُبٍ، أليس كذلك؟", "اشتريت ثلاثة كتب أليس كذلك"),
    ("ar", "Persian kaf and ye", "\u06a9تاب\u06cc", "\u0643تاب\u064a"),
    ("ar", "and is written onto the next word", "21", "واحد وعشرون"),
    ("ar", "teh marbuta and alef maksura stay", "مدرسة على", "مدرسة على"),
    ("ps", "Pashto's own letters stay", "ښځې په کور کې ډوډۍ پخوي.", "ښځې په کور کې ډوډۍ پخوي"),
    ("ps", "Persian gaf, Arabic kaf", "\u06afل \u0643ور", "\u06abل \u06a9ور"),
    ("ps", "digits in Eastern figures", "12 کاله", "۱۲ کاله"),
    ("sd", "signs that are words", "مان ۽ تون گهر ۾ آهيون.", "مان ۽ تون گهر ۾ آهيون"),
    ("sd", "kaf and keheh are two letters, Persian ye is one too many", "ڪتاب کٽ \u06cc", "ڪتاب کٽ \u064a"),
    ("pa-Arab", "as Urdu", "اوہ گھر وچ \u0643\u064a کردا اے؟", "اوہ گھر وچ کی کردا اے"),
    ("pa-Arab", "rnoon", "پا\u0768ی", "پا\u0768ی"),
    ("pa", "tippi, addak, nukta, danda", "ਮੈਂ ਸਕੂਲ ਜਾਂਦਾ ਹਾਂ। ਜ਼ਮੀਨ ਉੱਤੇ।", "ਮੈਂ ਸਕੂਲ ਜਾਂਦਾ ਹਾਂ ਜ\u0a3cਮੀਨ ਉੱਤੇ"),
    ("pa", "Gurmukhi digits", "5 ਕਿਤਾਬਾਂ", "੫ ਕਿਤਾਬਾਂ"),
    ("hi", "danda, candrabindu, virama", "क्या वह हँस रहा है? हाँ।", "क्या वह हँस रहा है हाँ"),
    ("hi", "nukta in one code point or two", "\u095b\u0930\u093e \u091c\u093c\u0930\u093e", "ज\u093cरा ज\u093cरा"),
    ("hi", "joiners are for the eye", "क्\u200dष हिन्\u200cदी", "क्ष हिन्दी"),
    ("hi", "digits are kept in Devanagari", "12 किताबें", "१२ किताबें"),
    ("bn", "danda, numbers", "আমি ২টি বই কিনেছি।", "আমি দুই টি বই কিনেছি"),
    ("bn", "joiners beside a virama stay", "র\u200d\u09cdযাব উদ\u09cd\u200cযাপন", "র\u200d\u09cdযাব উদ\u09cd\u200cযাপন"),
    ("bn", "joiners elsewhere go", "বা\u200cংলা", "বাংলা"),
    ("bn", "yya in one code point or two", "\u09df \u09af\u09bc", "\u09af\u09bc \u09af\u09bc"),
    ("ta", "vowel of two parts", "\u0b95\u0bc6\u0bbe \u0b95\u0bca", "\u0b95\u0bca \u0b95\u0bca"),
    ("ta", "Tamil numerals of ten and a hundred are signs", "நான் 5 ௰ வீடு!", "நான் 5 வீடு"),
    ("tr", "dotted and dotless i", "IĞDIR'da İyi günler, I\u0307zmir!", "ığdır'da iyi günler izmir"),
    ("tr", "numbers in words of their own", "21 yıl, %50", "yirmi bir yıl yüzde elli"),
    ("de", "capitals, umlaut in two code points, sharp s", "GRO\u1e9eE A\u0308pfel, bitte!", "große äpfel bitte"),
    ("de", "quotes and dashes", "„Er geht“ – sagte sie…", "er geht sagte sie"),
    ("de", "numbers", "1.000 Leute, 3,5 % im Jahr 1999", "eintausend leute drei komma fünf prozent im jahr "
     "neunzehnhundertneunundneunzig"),
    ("de", "hyphen", "E-Mail-Adresse", "e mail adresse"),
    ("fr", "apostrophe and hyphen are spelling", "L’été, peut‑être… c'est-à-dire !", "l'été peut-être c'est-à-dire"),
    ("fr", "ligatures", "Cœur, ﬁn", "cœur fin"),
    ("fr", "numbers", "le 1er et le 2e, 21 fois", "le premier et le deuxième vingt et un fois"),
    ("en", "the sentence of every tutorial", "Hello, World! It's five.", "hello world it's five"),
    ("en", "quotes are no apostrophes", "‘Don’t’ 'quote' rock 'n' roll", "don't quote rock n roll"),
    ("en", "numbers", "1,000 at 3.5%, the 21st of 1999", "one thousand at three point five percent the twenty first of "
     "nineteen ninety nine"),
    ("ru", "capitals, hyphen, yo", "Кто-то пришёл — «Ёлка»!", "кто-то пришёл ёлка"),
    ("ru", "numbers", "№ 12, 3,5", "двенадцать три запятая пять"),
    ("vi", "tones of their own", "Tie\u0302\u0301ng Vie\u0323\u0302t, 21 người!", "tiếng việt hai mươi mốt người"),
    ("th", "numbers join, marks stay", "ฉันมี 12 เล่ม (น้ำ)", "ฉันมี สิบสอง เล่ม น้ำ"),
    ("th", "sara am in two parts, two sara e", "น\u0e4d\u0e49า เเม่", "น้\u0e33 \u0e41ม่"),
    ("th", "repetition is said, an abbreviation's sign is not", "เด็กๆ กรุงเทพฯ", "เด็กๆ กรุงเทพ"),
    ("zh", "punctuation and spaces go, digits stay", "你好， 世界！我有 12 本书。", "你好世界我有 12 本书"),
    ("zh", "full width", "ＡＢＣ１２", "abc12"),
    ("ja", "half width kana", "ｶﾞｯｺｳへ、 行く。", "ガッコウへ行く"),
    ("none", "Catalan", "L’ENQUESTA: col·lega «sí»…", "l'enquesta col·lega sí"),
    ("none", "Catalan, middle dot at an edge", "· a·", "a"),
    ("none", "a hyphen", "Inek-nni", "inek nni"),
    ("none", "Breton and Uzbek apostrophes", "Cʼhoazh c'hoazh c’hoazh oʻzbek", "c'hoazh c'hoazh c'hoazh o'zbek"),
    ("none", "danda, BOM, soft hyphen", "\ufeffজাহা\u00adজ। সাজু হ'ল", "জাহাজ সাজু হ'ল"),
    ("none", "½, ² and ① are no labels", "½ x² ① ⅷ 5", "x viii 5"),
    ("none", "emoji with joiners and selectors", "a 👩\u200d👧\ufe0f 1\ufe0f\u20e3 b", "a 1 b"),
    ("none", "non-joiner between letters that would join", "می\u200cخواهم در\u200cخت", "می\u200cخواهم درخت"),
    ("none", "Armenian marks inside a word", "ինչո՞ւ։", "ինչու"),
    ("none", "Greek final sigma", "ΟΔΟΣ.", "οδος"),
    ("none", "Hebrew", "צה״ל, שלום־רב", "צה״ל שלום רב"),
    ("none", "a mark without a letter", "\u0301a \u0301\u0302 b\u0301", "a b\u0301"),
    ("none", "a capital dotted I", "İstanbul", "istanbul"),
    ("none", "Amharic", "ሰላም፡ ለዓለም።", "ሰላም ለዓለም"),
]  # fmt: skip


@pytest.mark.parametrize(("language", "what", "raw", "expected"), CASES, ids=lambda value: value[:30])
def test_a_sentence_is_reduced_to_what_is_heard(language, what, raw, expected):
    assert [code_point(c) for c in Normaliser(language)(raw)] == [code_point(c) for c in expected], what


def texts(seed, number):
    """Strings of every block's letters, marks and signs, most of all where scripts and joiners meet."""
    rng = random.Random(seed)
    nasty = (
        "".join(raw for _, _, raw, _ in CASES)
        + "\u200b\u200c\u200d\u00ad\ufeff\u0301\u0307\u094d\u09cd'’ʼ·-%٪½²①٫.,0۵५١İIıΣςﬁﷺ"
    )
    for _ in range(number):
        yield "".join(
            rng.choice(nasty)
            if rng.random() < 0.8
            else chr(rng.choice((rng.randrange(0x20, 0x3100), rng.randrange(0xFB00, 0xFFFF))))
            for _ in range(rng.randint(1, 14))
        )


@pytest.mark.parametrize("digits", ["words", "keep"])
@pytest.mark.parametrize("code", LANGUAGES)
def test_whatever_is_typed_becomes_letters_marks_digits_and_spaces(code, digits):
    language, normaliser = language_of(code), Normaliser(code, digits=digits)
    for text in texts(seed=4, number=1_500):
        once = normaliser(text)
        points = [code_point(c) for c in text]
        assert normaliser(once) == once, points
        assert unicodedata.is_normalized("NFC", once), points
        assert once == " ".join(once.split()), points
        kinds = {unicodedata.category(c) for c in set(once) - set(language.inside + language.signs)}
        joins = set(JOINERS) & set(once)
        assert not joins or language.zwnj == "keep", points
        assert {kind[0] for kind in kinds - ({"Cf"} if joins else set())} <= {"L", "M", "Z", "N"}, points
        assert not kinds & {"No", "Me"} and once == once.lower(), points
        assert not (kinds & {"Nd"} and digits == "words" and language.say), points


def test_punctuation_and_capitals_are_no_errors():
    for code in ("en", "none"):
        heard = Normaliser(code)("Hello, World! It's five.")
        assert wer([heard], ["hello world it's five"]) == 0 and wer(["hello world its five"], [heard]) == 0.25

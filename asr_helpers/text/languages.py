"""The languages that are known, a record each: letters, frequent words, digits, sounds, script, code pages."""

from __future__ import annotations

import unicodedata

from .language import ANY_RULES, Language, SoundClass
from .numerals import ordinals_of, persian_words, urdu_words, words_of

__all__ = ["LANGUAGES", "code_pages", "language_of"]

S = SoundClass("s", "سصث", "s", "ثواب صواب")
Z = SoundClass("z", "زذضظ", "z", "گزار گذار")

# What keyboards of other languages put in place of letters that Urdu and Persian share.
ALEFS = {"أ": "ا", "إ": "ا", "ٱ": "ا", "ٲ": "ا", "ٳ": "ا", "ٵ": "ا"}
HAMZAS = {"ٶ": "ؤ", "ٸ": "ئ", "ٴ": ""}
LOOK_ALIKES = {"ي": "ی", "ى": "ی", "ې": "ی", "ك": "ک", "ڪ": "ک", **ALEFS, **HAMZAS}
URDU_LOOK_ALIKES = LOOK_ALIKES | {"ه": "ہ", "ە": "ہ", "ۀ": "ۂ", "ة": "ۃ", "ۓ": "ئے"}
HEHS = {"ہ": "ه", "ە": "ه", "ھ": "ه"}

# A vowel sign of two parts typed as two, the second with or without a tone mark before it; an abbreviation's sign.
THAI_LOOK_ALIKES = {
    "เเ": "แ",
    "ฯ": "",
    **{f"\u0e4d{tone}\u0e32": f"{tone}\u0e33" for tone in ("", *"\u0e48\u0e49\u0e4a\u0e4b")},
}

ARABIC_DIGITS, EASTERN_DIGITS = "٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹"

URDU_LETTERS = "اآبپتٹثجچحخدڈذرڑزژسشصضطظعغفقکگلمنںوؤہھۂۃءیئے"

AZ = "abcdefghijklmnopqrstuvwxyz"

TONES = ("", "\u0300", "\u0301", "\u0303", "\u0309", "\u0323")

ARABIC_RULES = ANY_RULES | {
    "tatweel", "harakat", "superscript_alef", "letters", "stray_marks", "latin",
}  # fmt: skip

ARABIC_PAGES = {"cp1256": "Windows-1256 (Arabic)", "iso8859-6": "ISO 8859-6 (Arabic)"}

CYRILLIC_PAGES = {"cp1251": "Windows-1251 (Cyrillic)", "koi8-r": "KOI8-R (Cyrillic)"}

WESTERN_PAGES = {"cp1252": "Windows-1252 (Western)"}

CHINESE_PAGES = {"gb18030": "GB 18030 (Chinese)", "big5": "Big5 (Chinese)"}

URDU = Language(
    code="ur",
    name="Urdu",
    script="arabic",
    font="nastaliq",
    voice="ur",
    letters=URDU_LETTERS,
    words="ہے کے میں کی سے اور کا کو نے یہ ہیں وہ پر ایک نہیں تھا تھی بھی کہ ہو گیا رہا دو تین چار پانچ",
    look_alikes=URDU_LOOK_ALIKES,
    digits=EASTERN_DIGITS,
    say=urdu_words,
    percent="{} فیصد",
    decimal_point="اعشاریہ",
    ordinals=("واں", "ویں", "وں"),
    zwnj="seen",
    rules=ARABIC_RULES | {"do_chashmi"},
    sounds=(
        S,
        Z,
        SoundClass("t", "تطۃ", "t̪", "ستر سطر"),
        SoundClass("h", "ہح", "ɦ", "ہال حال"),
        # A long a is two alifs here, so that آم and عام meet (اام), and آب and اب stay apart. Hamza after it is silent.
        SoundClass("a", "اعءآ", "ə, aː", "آم عام", rules=(("ع", "ا"), ("آ", "اا"), ("(?<=ا)ء+", ""))),
        # In words of three letters or more, after a consonant: پتہ, not یہ, کہ or راہ.
        SoundClass("final a", "اہ", "aː", "پتا پتہ", rules=((r"(?<=\w\w)(?<![اوی])ہ(?!\w)", "ا"),)),
    ),
    code_pages=ARABIC_PAGES,
)

PERSIAN = Language(
    code="fa",
    name="Persian",
    script="arabic",
    font="naskh",
    letters="اآبپتثجچحخدذرزژسشصضطظعغفقکگلمنوؤهۀءیئ",
    words="است در به از که را این با برای آن بود شد می های یک تا هم خود کرد شما",
    look_alikes=LOOK_ALIKES | HEHS | {"ة": "ه", "ۃ": "ه", "ۂ": "ۀ"},
    digits=EASTERN_DIGITS,
    say=persian_words,
    percent="{} درصد",
    decimal_point="ممیز",
    zwnj="space",
    rules=ARABIC_RULES,
    sounds=(
        S,
        Z,
        SoundClass("t", "تط", "t", "حیات حیاط"),
        SoundClass("h", "هح", "h", "هال حال"),
        SoundClass("gh", "قغ", "ɢ", "قریب غریب"),
    ),
    code_pages=ARABIC_PAGES,
)

ARABIC = Language(
    code="ar",
    name="Arabic",
    script="arabic",
    font="naskh",
    letters="ءآأؤإئابةتثجحخدذرزسشصضطظعغفقكلمنهوىي",
    words="في على أن إلى عن هذا هذه التي الذي لا كان هو هي مع قد ذلك لم كل بعد إن",
    look_alikes={"ی": "ي", "ک": "ك", "ٱ": "ا", **HEHS},
    digits=ARABIC_DIGITS,
    say=words_of("ar"),
    percent="{} بالمئة",
    decimal_point="فاصلة",
    zwnj="seen",
    rules=ARABIC_RULES,
    code_pages=ARABIC_PAGES,
)

PASHTO = Language(
    code="ps",
    name="Pashto",
    script="arabic",
    font="naskh",
    letters="اآبپتټثجچځڅحخدډذرړزژږسشښصضطظعغفقکګلمنڼوؤهءیېيۍئ",
    words="په د چې دی ده او کې ته له یې دا څخه شو وي نه سره هم کړي کړ دي",
    look_alikes={"ك": "ک", "گ": "ګ", "ى": "ی", **HEHS, **ALEFS, **HAMZAS},
    digits=EASTERN_DIGITS,
    zwnj="seen",
    rules=ARABIC_RULES,
    code_pages=ARABIC_PAGES,
)

SINDHI = Language(
    code="sd",
    name="Sindhi",
    script="arabic",
    font="naskh",
    letters="اآبٻپڀتٿٽٺثجڄڃچڇحخدڌڊڏڍذرڙزژسشصضطظعغفڦقڪکگڳڱلمنڻوؤهھءيئ",
    words="۾ جي جو جا ۽ آهي آهن ته سان هن ان ڪري هو لاءِ کان تي ڪيو هڪ",
    look_alikes={"ی": "ي", "ى": "ي", "ك": "ڪ", "ہ": "ه", "ە": "ه", **ALEFS, **HAMZAS},
    signs="۽۾",
    digits=ARABIC_DIGITS,
    zwnj="seen",
    rules=ARABIC_RULES,
    code_pages=ARABIC_PAGES,
)

SHAHMUKHI = Language(
    code="pa-Arab",
    name="Punjabi in Arabic letters",
    script="arabic",
    font="nastaliq",
    letters=URDU_LETTERS + "ݨ\u08c7",
    words="دے دی دا وچ نوں اے تے ایہہ سی ہن کیتا توں نال اوہ وی ایس اوس جیہڑا",
    look_alikes=URDU_LOOK_ALIKES,
    digits=EASTERN_DIGITS,
    zwnj="seen",
    rules=ARABIC_RULES | {"do_chashmi"},
    code_pages=ARABIC_PAGES,
)

GURMUKHI = Language("pa", "Punjabi", script="gurmukhi", digits="੦੧੨੩੪੫੬੭੮੯")

HINDI = Language(
    "hi",
    "Hindi",
    script="devanagari",
    words="है हैं में और के का को से नहीं यह ने था थी वह हो कि पर एक भी",
    digits="०१२३४५६७८९",
)

BENGALI = Language(
    code="bn",
    name="Bengali",
    script="bengali",
    words="এবং করে আমি আমার তার তাকে থেকে একটি একটা হয় ছিল করা জন্য হয়ে করতে আর করেন হবে",
    digits="০১২৩৪৫৬৭৮৯",
    say=words_of("bn"),
    percent="{} শতাংশ",
    decimal_point="দশমিক",
    zwnj="keep",
)

TAMIL = Language("ta", "Tamil", script="tamil", zwnj="keep")

GERMAN = Language(
    code="de",
    name="German",
    script="latin",
    letters=AZ + "äöüß",
    words="der das und ist nicht ich zu ein eine mit sich auf dem auch es sie wird sind für von wir",
    inside="'",
    say=words_of("de", years=True),
    percent="{} Prozent",
    decimal_point="Komma",
    point=",",
    grouping=".\u00a0\u202f",
    code_pages=WESTERN_PAGES,
)

FRENCH = Language(
    code="fr",
    name="French",
    script="latin",
    letters=AZ + "àâæçéèêëîïôœùûüÿ",
    words="les des et est une dans pour pas je il vous nous sur du au ce avec mais elle le un",
    inside="'-",
    say=words_of("fr"),
    say_ordinal=ordinals_of("fr"),
    percent="{} pour cent",
    decimal_point="virgule",
    point=",",
    grouping=".\u00a0\u202f",
    ordinals=("er", "ère", "ème", "e"),
    code_pages=WESTERN_PAGES,
)

ENGLISH = Language(
    code="en",
    name="English",
    script="latin",
    letters=AZ,
    words="the and of to is that it was for with you have this not are be his they he she i",
    inside="'",
    say=words_of("en", years=True),
    say_ordinal=ordinals_of("en"),
    percent="{} percent",
    decimal_point="point",
    ordinals=("st", "nd", "rd", "th"),
    code_pages=WESTERN_PAGES,
)

TURKISH = Language(
    code="tr",
    name="Turkish",
    script="latin",
    letters="abcçdefgğhıijklmnoöprsştuüvyzâîû",
    words="bir ve bu için çok ben daha gibi olarak ama değil sonra kadar her olan olduğu ise şey bunu yok çünkü "
    "şimdi nasıl bütün bana gün kendi iki benim",
    inside="'",
    say=words_of("tr"),
    percent="yüzde {}",
    decimal_point="virgül",
    point=",",
    grouping=".",
    code_pages={"cp1254": "Windows-1254 (Turkish)"},
)

VIETNAMESE = Language(
    code="vi",
    name="Vietnamese",
    script="latin",
    letters="bcdđghklmnpqrstvx"
    + "".join(unicodedata.normalize("NFC", vowel + tone) for vowel in "aăâeêioôơuưy" for tone in TONES),
    words="là và của có không một người được cho trong đã với này tôi những đó các ở khi để",
    say=words_of("vi"),
    percent="{} phần trăm",
    decimal_point="phẩy",
    point=",",
    grouping=".",
)

RUSSIAN = Language(
    code="ru",
    name="Russian",
    script="cyrillic",
    letters="абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
    words="не что я он как это она но они мы вы было его был так если меня уже или для мне есть",
    inside="-",
    say=words_of("ru"),
    percent="{} процентов",
    decimal_point="запятая",
    point=",",
    grouping=".\u00a0\u202f",
    code_pages=CYRILLIC_PAGES,
)

THAI = Language(
    code="th",
    name="Thai",
    script="thai",
    look_alikes=THAI_LOOK_ALIKES,
    say=words_of("th"),
    percent="{}เปอร์เซ็นต์",
    decimal_point="จุด",
    rules=ANY_RULES | {"letters"},
    code_pages={"cp874": "Windows-874 (Thai)"},
)

CHINESE = Language("zh", "Chinese", script="cjk", rules=ANY_RULES | {"east_asian_spaces"}, code_pages=CHINESE_PAGES)

JAPANESE = Language(
    code="ja",
    name="Japanese",
    script="cjk",
    rules=ANY_RULES | {"east_asian_spaces"},
    code_pages={"cp932": "Windows-932 (Japanese)"},
)

ANY = Language(
    code="none",
    name="any language",
    inside="'·׳״",  # also Catalan's col·lega, Hebrew's abbreviations
    signs="۽۾၌၍၎၏",
    digits="",
    zwnj="keep",
    rules=ANY_RULES | {"tatweel"},
)

# In the order in which their code pages are tried: those of Latin letters, which can be anybody's, come last.
LANGUAGES = {
    language.code: language
    for language in (
        URDU, PERSIAN, ARABIC, PASHTO, SINDHI, SHAHMUKHI, GURMUKHI, HINDI, BENGALI, TAMIL, RUSSIAN, THAI, CHINESE,
        JAPANESE, GERMAN, FRENCH, ENGLISH, TURKISH, VIETNAMESE, ANY,
    )
}  # fmt: skip


def language_of(code: str) -> Language:
    """The record of a language.

    Raises:
        ValueError: There is none; the text lists those there are.
    """
    if code not in LANGUAGES:
        raise ValueError(f"language is {code!r}; use one of {', '.join(map(repr, LANGUAGES))}")
    return LANGUAGES[code]


def code_pages(script: str = "") -> dict[str, str]:
    """Encodings of the languages of a script (of all, where none is given), likeliest first → what people call them."""
    known = [language.code_pages for language in LANGUAGES.values() if script in ("", language.script)]
    return {page: name for pages in known for page, name in pages.items()}

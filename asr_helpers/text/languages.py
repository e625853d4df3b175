"""All that is known of a language, in one record: letters, digits, number words, sounds, script, code pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

__all__ = ["LANGUAGES", "Language", "SoundClass", "code_pages", "language_of"]


@dataclass(frozen=True)
class SoundClass:
    """Letters that write one sound.

    Attributes:
        name: Short name.
        letters: The letters; unless `rules` says otherwise, all fold to the first.
        sound: The sound, in IPA.
        example: Two words that sound the same.
        rules: Pairs of a regular expression and what it becomes, applied in order.
    """

    name: str
    letters: str
    sound: str
    example: str
    rules: tuple[tuple[str, str], ...] = ()

    def fold(self, text: str) -> str:
        """Spell the sound in one way throughout."""
        for pattern, into in self.rules or ((f"[{self.letters[1:]}]", self.letters[0]),):
            text = re.sub(pattern, into, text)
        return text


S = SoundClass("s", "سصث", "s", "ثواب صواب")

Z = SoundClass("z", "زذضظ", "z", "گزار گذار")

# What Arabic, Persian and Pashto keyboards put in place of letters that Urdu and Persian share.
LOOK_ALIKES = {
    "ي": "ی", "ى": "ی", "ې": "ی", "ك": "ک", "ڪ": "ک",
    "أ": "ا", "إ": "ا", "ٱ": "ا", "ٲ": "ا", "ٳ": "ا", "ٵ": "ا", "ٶ": "ؤ", "ٸ": "ئ", "ٴ": "",
}  # fmt: skip

# Every Urdu numeral up to 99 is a word of its own. Where two spellings are current, the one that a spelling
# guide recommends: ی in 51, 81, 91; ن in 33, 34, 35, 37, 45, 47, 65.
# Source: https://urdudarasgah.blogspot.com/2022/10/urdunoname.html
URDU_BELOW_HUNDRED = tuple(
    """
    صفر ایک دو تین چار پانچ چھ سات آٹھ نو
    دس گیارہ بارہ تیرہ چودہ پندرہ سولہ سترہ اٹھارہ انیس
    بیس اکیس بائیس تئیس چوبیس پچیس چھبیس ستائیس اٹھائیس انتیس
    تیس اکتیس بتیس تینتیس چونتیس پینتیس چھتیس سینتیس اڑتیس انتالیس
    چالیس اکتالیس بیالیس تینتالیس چوالیس پینتالیس چھیالیس سینتالیس اڑتالیس انچاس
    پچاس اکیاون باون ترپن چون پچپن چھپن ستاون اٹھاون انسٹھ
    ساٹھ اکسٹھ باسٹھ ترسٹھ چونسٹھ پینسٹھ چھیاسٹھ سڑسٹھ اڑسٹھ انہتر
    ستر اکہتر بہتر تہتر چوہتر پچھتر چھہتر ستتر اٹھہتر اناسی
    اسی اکیاسی بیاسی تراسی چوراسی پچاسی چھیاسی ستاسی اٹھاسی نواسی
    نوے اکیانوے بانوے ترانوے چورانوے پچانوے چھیانوے ستانوے اٹھانوے ننانوے
    """.split()  # noqa: SIM905 - a table is easier to check than a list
)

URDU_SCALES = (
    (10**11, "کھرب"), (10**9, "ارب"), (10**7, "کروڑ"), (10**5, "لاکھ"), (10**3, "ہزار"), (10**2, "سو"),
)  # fmt: skip

PERSIAN_BELOW_TWENTY = tuple(
    """
    صفر یک دو سه چهار پنج شش هفت هشت نه
    ده یازده دوازده سیزده چهارده پانزده شانزده هفده هجده نوزده
    """.split()  # noqa: SIM905 - a table is easier to check than a list
)

PERSIAN_TENS = tuple("بیست سی چهل پنجاه شصت هفتاد هشتاد نود".split())  # noqa: SIM905

PERSIAN_HUNDREDS = tuple("صد دویست سیصد چهارصد پانصد ششصد هفتصد هشتصد نهصد".split())  # noqa: SIM905

PERSIAN_SCALES = ((10**9, "میلیارد"), (10**6, "میلیون"), (10**3, "هزار"))


def _urdu_words(number: int) -> list[str]:
    """Say a whole number up to `LARGEST` in Urdu, on the South Asian scale (ہزار، لاکھ، کروڑ، ارب، کھرب).

    1100 to 1999 are counted in hundreds (انیس سو سینتالیس), as years and prices are usually read.
    """
    if number < 100:
        return [URDU_BELOW_HUNDRED[number]]
    scale, name = next(s for s in URDU_SCALES if number >= s[0])
    if 1100 <= number < 2000:
        scale, name = 100, "سو"
    many, rest = divmod(number, scale)
    return [*_urdu_words(many), name, *(_urdu_words(rest) if rest else [])]


def _persian_words(number: int) -> list[str]:
    """Say a whole number up to `LARGEST` in Persian, its parts joined by و."""
    if number < 20:
        return [PERSIAN_BELOW_TWENTY[number]]
    if number < 1000:
        size, names = (10, PERSIAN_TENS) if number < 100 else (100, PERSIAN_HUNDREDS)
        many, rest = divmod(number, size)
        said = [names[many - (2 if size == 10 else 1)]]
    else:
        scale, name = next(s for s in PERSIAN_SCALES if number >= s[0])
        many, rest = divmod(number, scale)
        said = [name] if number // 1000 == 1 else [*_persian_words(many), name]
    return [*said, "و", *_persian_words(rest)] if rest else said


LARGEST = 10**13 - 1  # 99 kharab 99 arab …: longer digit strings are codes, read digit by digit

ANY_RULES = frozenset({"compose", "spaces"})  # names of rules of the normaliser, which knows their order

ARABIC_RULES = ANY_RULES | {
    "presentation_forms", "unseen", "tatweel", "harakat", "superscript_alef", "letters", "stray_marks", "zwnj",
    "digits", "latin", "punctuation",
}  # fmt: skip

ARABIC_PAGES = {"cp1256": "Windows-1256 (Arabic)", "iso8859-6": "ISO 8859-6 (Arabic)"}


@dataclass(frozen=True, eq=False)
class Language:
    """One language; to add one is to add its record here, and a test.

    Attributes:
        code: BCP 47 tag, as parameters and HTML's ``lang`` take it; ``"none"`` for a language that is not known here.
        name: Its English name.
        script: Script of its transcripts, as Unicode's names begin (``"arabic"``, ``"latin"``); ``""``: any.
        font: How running text is set: ``"nastaliq"``, ``"naskh"``, or ``""`` as the page is.
        voice: What espeak-ng calls its voice; ``""`` where nothing is spoken.
        letters: Every letter that normalised transcripts may have, foreign words apart; ``""``: not known.
        look_alikes: What other keyboards put in place of its letters → its letters.
        digits: Its ten digits from 0, for transcripts that keep numbers in figures.
        say: Says a whole number up to `LARGEST` as words.
        percent: The word for the percent sign.
        decimal_point: The word between a whole number and its decimals.
        ordinals: Endings that are written right after a number and belong to its word.
        zwnj: What becomes of a zero-width non-joiner unless one says otherwise; see `Normaliser`.
        rules: Names of the normaliser's rules that run.
        sounds: Classes of letters that write one sound.
        code_pages: Encodings other than UTF-8 in which its texts lie about, likeliest first → what people call them.
    """

    code: str
    name: str
    script: str = ""
    font: str = ""
    voice: str = ""
    letters: str = ""
    look_alikes: Mapping[str, str] = field(default_factory=dict)
    digits: str = "0123456789"
    say: Callable[[int], list[str]] | None = None
    percent: str = ""
    decimal_point: str = ""
    ordinals: tuple[str, ...] = ()
    zwnj: str = "space"
    rules: frozenset[str] = ANY_RULES
    sounds: tuple[SoundClass, ...] = ()
    code_pages: Mapping[str, str] = field(default_factory=dict)

    @property
    def tag(self) -> str:
        """The value of HTML's ``lang``: ``"und"`` where the language is not known."""
        return "und" if self.code == "none" else self.code

    def fold(self, text: str, *, only: str | None = None) -> str:
        """Spell every sound of a normalised text in one way: two texts that fold alike sound alike.

        Args:
            text: Normalised text.
            only: Name of the one class to fold; all by default.
        """
        for sound in self.sounds:
            if only in (None, sound.name):
                text = sound.fold(text)
        return text

    def say_number(self, digits: str) -> str:
        """Write out a string of digits (any script's) with at most one decimal point as words.

        Three digits or more with a leading zero, or a number past `LARGEST`, are a code (a telephone number):
        they are read digit by digit, and so are the digits after a decimal point.

        Args:
            digits: Decimal digits, optionally with one ``.`` or ``٫`` between them.

        Returns:
            Words separated by single spaces.

        Raises:
            ValueError: The language's number words are not known.
        """
        if self.say is None:
            raise ValueError(f"the number words of {self.name} are not known; use digits 'keep'")
        whole, _, fraction = digits.replace("٫", ".").partition(".")
        code = (len(whole) > 2 and int(whole[0]) == 0) or int(whole) > LARGEST
        said = [word for d in whole for word in self.say(int(d))] if code else self.say(int(whole))
        if fraction:
            said += [self.decimal_point, *(word for d in fraction for word in self.say(int(d)))]
        return " ".join(said)


URDU = Language(
    code="ur",
    name="Urdu",
    script="arabic",
    font="nastaliq",
    voice="ur",
    letters="اآبپتٹثجچحخدڈذرڑزژسشصضطظعغفقکگلمنںوؤہھۂۃءیئے",
    look_alikes=LOOK_ALIKES | {"ه": "ہ", "ە": "ہ", "ۀ": "ۂ", "ة": "ۃ", "ۓ": "ئے"},
    digits="۰۱۲۳۴۵۶۷۸۹",
    say=_urdu_words,
    percent="فیصد",
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
    look_alikes=LOOK_ALIKES | {"ہ": "ه", "ە": "ه", "ھ": "ه", "ة": "ه", "ۃ": "ه", "ۂ": "ۀ"},
    digits="۰۱۲۳۴۵۶۷۸۹",
    say=_persian_words,
    percent="درصد",
    decimal_point="ممیز",
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

ANY = Language(
    code="none",
    name="any language",
    code_pages={"cp1251": "Windows-1251 (Cyrillic)", "cp1252": "Windows-1252 (Western)"},
)

LANGUAGES = {language.code: language for language in (URDU, PERSIAN, ANY)}


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

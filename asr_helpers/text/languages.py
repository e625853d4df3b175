"""All that is known of a language: letters, digits, number words, sounds, script."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["LANGUAGES", "Language", "SoundClass", "fold", "language_of"]


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

URDU = (
    S,
    Z,
    SoundClass("t", "تطۃ", "t̪", "ستر سطر"),
    SoundClass("h", "ہح", "ɦ", "ہال حال"),
    # A long a is two alifs here, so that آم and عام meet (اام), and آب and اب stay apart. Hamza after it is silent.
    SoundClass("a", "اعءآ", "ə, aː", "آم عام", rules=(("ع", "ا"), ("آ", "اا"), ("(?<=ا)ء+", ""))),
    # In words of three letters or more, after a consonant: پتہ, not یہ, کہ or راہ.
    SoundClass("final a", "اہ", "aː", "پتا پتہ", rules=((r"(?<=\w\w)(?<![اوی])ہ(?!\w)", "ا"),)),
)

PERSIAN = (
    S,
    Z,
    SoundClass("t", "تط", "t", "حیات حیاط"),
    SoundClass("h", "هح", "h", "هال حال"),
    SoundClass("gh", "قغ", "ɢ", "قریب غریب"),
)

# What Arabic, Persian and Pashto keyboards put in place of the language's own letters …
TO_EITHER = {
    "ي": "ی", "ى": "ی", "ې": "ی", "ك": "ک", "ڪ": "ک",
    "أ": "ا", "إ": "ا", "ٱ": "ا", "ٲ": "ا", "ٳ": "ا", "ٵ": "ا", "ٶ": "ؤ", "ٸ": "ئ", "ٴ": "",
}  # fmt: skip

TO_URDU = TO_EITHER | {"ه": "ہ", "ە": "ہ", "ۀ": "ۂ", "ة": "ۃ", "ۓ": "ئے"}

TO_PERSIAN = TO_EITHER | {"ہ": "ه", "ە": "ه", "ھ": "ه", "ة": "ه", "ۃ": "ه", "ۂ": "ۀ"}

PERCENT = {"ur": "فیصد", "fa": "درصد"}

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

DECIMAL_POINT = {"ur": "اعشاریہ", "fa": "ممیز"}


@dataclass(frozen=True)
class Language:
    """One language; to add one is to add its record here, and a test.

    Attributes:
        code: BCP 47 tag, as parameters and HTML's ``lang`` take it; ``"none"`` for a language that is not known here.
        name: Its English name.
        script: Script of its transcripts, as Unicode's names begin (``"arabic"``, ``"latin"``); ``""``: any.
        font: How running text is set: ``"nastaliq"``, ``"naskh"``, or ``""`` as the page is.
        sounds: Classes of letters that write one sound.
    """

    code: str
    name: str
    script: str = ""
    font: str = ""
    sounds: tuple[SoundClass, ...] = ()

    @property
    def tag(self) -> str:
        """The value of HTML's ``lang``: ``"und"`` where the language is not known."""
        return "und" if self.code == "none" else self.code


LANGUAGES = {
    language.code: language
    for language in (
        Language("ur", "Urdu", script="arabic", font="nastaliq", sounds=URDU),
        Language("fa", "Persian", script="arabic", font="naskh", sounds=PERSIAN),
        Language("none", "any language"),
    )
}


def language_of(code: str) -> Language:
    """The record of a language.

    Raises:
        ValueError: There is none; the text lists those there are.
    """
    if code not in LANGUAGES:
        raise ValueError(f"language is {code!r}; use one of {', '.join(map(repr, LANGUAGES))}")
    return LANGUAGES[code]


def fold(text: str, *, language: str = "ur", only: str | None = None) -> str:
    """Spell every sound of a normalised text in one way: two texts that fold alike sound alike.

    Args:
        text: Normalised text.
        language: ``"ur"``, ``"fa"`` or ``"none"`` (which has no classes and changes nothing).
        only: Name of the one class to fold; all by default.
    """
    for sound in language_of(language).sounds:
        if only in (None, sound.name):
            text = sound.fold(text)
    return text

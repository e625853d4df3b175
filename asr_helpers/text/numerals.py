"""Numbers as they are said: Urdu and Persian word for word, other languages by num2words where it knows them."""

from __future__ import annotations

import re
from collections.abc import Callable

from num2words import num2words

__all__ = ["LARGEST", "ordinals_of", "persian_words", "urdu_words", "words_of"]

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


def urdu_words(number: int) -> list[str]:
    """Say a whole number up to `LARGEST` in Urdu, on the South Asian scale (ہزار، لاکھ، کروڑ، ارب، کھرب).

    1100 to 1999 are counted in hundreds (انیس سو سینتالیس), as years and prices are usually read.
    """
    if number < 100:
        return [URDU_BELOW_HUNDRED[number]]
    scale, name = next(s for s in URDU_SCALES if number >= s[0])
    if 1100 <= number < 2000:
        scale, name = 100, "سو"
    many, rest = divmod(number, scale)
    return [*urdu_words(many), name, *(urdu_words(rest) if rest else [])]


def persian_words(number: int) -> list[str]:
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
        said = [name] if number // 1000 == 1 else [*persian_words(many), name]
    return [*said, "و", *persian_words(rest)] if rest else said


LARGEST = 10**13 - 1  # 99 kharab 99 arab …: longer digit strings are codes, read digit by digit

# Turkish writes each of these as a word of its own; num2words joins them, as cheques do.
TURKISH = re.compile(
    "sıfır|bir|iki|üç|dört|beş|altı|yedi|sekiz|dokuz|on|yirmi|otuz|kırk|elli|altmış|yetmiş|seksen|doksan|yüz|bin|"
    "milyon|milyar|trilyon"
)


def words_of(code: str, *, years: bool = False) -> Callable[[int], list[str]]:
    """What says a whole number in a language that num2words knows.

    Args:
        code: The language, as num2words calls it.
        years: Whether 1100 to 1999 are counted in hundreds, as years usually are (nineteen ninety-nine).
    """

    def say(number: int) -> list[str]:
        said = num2words(number, lang=code, to="year" if years and 1100 <= number < 2000 else "cardinal")
        if code == "tr":
            return TURKISH.findall(said)
        if code == "ar":  # "and" is written onto the next word, the case ending left out
            said = said.replace(" و ", " و").replace("\u064b", "")
        return said.replace(",", "").split()

    return say


def ordinals_of(code: str) -> Callable[[int], list[str]]:
    """What says a number as an ordinal (twenty-first), in a language that num2words knows."""
    return lambda number: num2words(number, lang=code, to="ordinal").replace(",", "").split()

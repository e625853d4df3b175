"""Numbers as a reader says them: digits in a transcript hide the words that the recogniser hears."""

from __future__ import annotations

from .languages import (
    DECIMAL_POINT,
    PERSIAN_BELOW_TWENTY,
    PERSIAN_HUNDREDS,
    PERSIAN_SCALES,
    PERSIAN_TENS,
    URDU_BELOW_HUNDRED,
    URDU_SCALES,
)

__all__ = ["say_number"]

LARGEST = 10**13 - 1  # 99 kharab 99 arab …: longer digit strings are codes, read digit by digit


def urdu_words(number: int) -> list[str]:
    """Say a whole number from 0 to `LARGEST` in Urdu, on the South Asian scale (ہزار، لاکھ، کروڑ، ارب، کھرب).

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
    """Say a whole number from 0 to `LARGEST` in Persian, its parts joined by و."""
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


SPEAKERS = {"ur": urdu_words, "fa": persian_words}


def say_number(digits: str, *, language: str = "ur") -> str:
    """Write out a string of digits (any script's) with at most one decimal point as words.

    Three digits or more with a leading zero, or a number past `LARGEST`, are a code (a telephone number):
    they are read digit by digit, and so are the digits after a decimal point.

    Args:
        digits: Decimal digits, optionally with one ``.`` or ``٫`` between them.
        language: ``"ur"`` or ``"fa"``.

    Returns:
        Words separated by single spaces.
    """
    speak = SPEAKERS[language]
    whole, _, fraction = digits.replace("٫", ".").partition(".")
    code = (len(whole) > 2 and int(whole[0]) == 0) or int(whole) > LARGEST
    said = [word for d in whole for word in speak(int(d))] if code else speak(int(whole))
    if fraction:
        said += [DECIMAL_POINT[language], *(word for d in fraction for word in speak(int(d)))]
    return " ".join(said)

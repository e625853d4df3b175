"""Pieces of HTML that notebooks and the report can both hold: escaped, themed, each text in its own language."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from asr_helpers.text.languages import language_of

from .markup import asset, element, escape

__all__ = ["Fragment", "direction", "font", "join", "naskh", "note", "phrase", "speech", "styled"]

ARABIC = "\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufefc"

# Words of Arabic script side by side; "said ← heard" is one of them, else its arrow would point at what was said.
QUOTED = re.compile(f"([{ARABIC}](?:[{ARABIC}\u200c\u200d ←]*[{ARABIC}])?)")

BEFORE_UNIT = re.compile(r"(?<=\d) (?=%(?!\w))")  # a number and its unit stay on one line


@dataclass(frozen=True)
class Fragment:
    """A piece of HTML with the same content as plain text.

    A notebook shows the HTML; papermill logs, nbval and a terminal show the text.

    Attributes:
        html: Markup without a style sheet of its own; everything in it that came from data is escaped.
        text: What a reader without HTML sees.
    """

    html: str
    text: str

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/html": styled(self), "text/plain": self.text}

    def __html__(self) -> str:
        return self.html

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__


def styled(content: object) -> Markup:
    """Wrap content so that it carries its own style; every output of a notebook has to stand alone."""
    return Markup(f"<style>{asset('page.css')}</style>") + element("div", content, class_="asr")


def direction(text: str) -> str:
    """Say which way a text runs: ``"rtl"`` if most of its letters do, else ``"ltr"``."""
    kinds = [unicodedata.bidirectional(c) for c in text]
    rightward, leftward = kinds.count("L"), kinds.count("R") + kinds.count("AL")
    return "rtl" if leftward > rightward else "ltr"


def naskh(text: str) -> str:
    """The class of single letters and of marked text: ``"naskh"`` where there are letters of Arabic script."""
    return "naskh" if any(unicodedata.bidirectional(c) == "AL" for c in text) else ""


def font(text: str, language: str) -> str:
    """The class of running text: the font of its language, and none for a text without letters of Arabic script."""
    return naskh(text) and (language_of(language).font or "naskh")


def speech(text: str, *, language: str) -> Markup:
    """Mark a text as one of the run's language, with its direction, isolated from the text around it."""
    tag = language_of(language).tag
    return element("span", text, class_=font(text, language), dir=direction(text), lang=tag)


def phrase(text: str, *, language: str) -> Markup:
    """Mark a text that may be speech or a remark about it.

    A sentence that begins in Latin letters stays left to right however much Urdu it quotes, and only that is marked.
    """
    begins = next((kind for kind in map(unicodedata.bidirectional, text) if kind in ("L", "R", "AL")), "L")
    if direction(text) == "rtl" and begins != "L":
        return speech(text, language=language)
    tag = language_of(language).tag
    parts = QUOTED.split(BEFORE_UNIT.sub("\u00a0", text))  # what is quoted stands at the odd places
    inner = [element("bdi", p, class_="naskh", dir="rtl", lang=tag) if i % 2 else p for i, p in enumerate(parts)]
    return element("span", Markup("").join(map(escape, inner)), dir="ltr")


def note(text: str) -> Fragment:
    """A remark beside a table or a picture."""
    return Fragment(element("p", text, class_="note"), text)


def join(fragments: Iterable[Fragment]) -> Fragment:
    """Put fragments below one another."""
    parts = list(fragments)
    return Fragment("\n".join(p.html for p in parts), "\n\n".join(p.text for p in parts))

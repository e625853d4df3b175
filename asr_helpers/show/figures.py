"""How pictures look here: size, colours, Urdu letters on an axis, files of a bounded size."""

from __future__ import annotations

import base64
import io
import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from markupsafe import Markup
from matplotlib import font_manager
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from asr_helpers.wording import visible

from .fragments import Fragment, naskh
from .markup import escape

__all__ = ["COLOURS", "MARK", "Picture", "axis_label", "finish", "letter_label", "picture", "png"]

# Okabe and Ito (2008), "Color Universal Design": told apart with every common kind of colour blindness.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DPI = 100  # a picture 10 inches wide is then as wide as a notebook's text, and stays under 100 kB

LABEL_LETTERS, TITLE_LETTERS = 40, 90  # longer ones leave their picture no room

MARK = "\u200e"  # left to right

WORDS = re.compile("[\u0600-\u06ff\u0750-\u077f](?:[\u0600-\u06ff\u0750-\u077f\u200c ]*[\u0600-\u06ff\u0750-\u077f])?")
PARTS = re.compile(r"\d+|.[\u064b-\u065f\u0670]*")

FONT = Path(__file__).parent / "fonts" / "UrduLabels.ttf"  # matplotlib's own font lacks ہ, ۂ and ے


def finish(ax: Axes, title: str, xlabel: str = "", ylabel: str = "") -> Axes:
    """Write the finding above the axes and the units beside them."""
    ax.spines[["top", "right"]].set_visible(False)
    # A left-to-right mark first: a title that begins with an Urdu letter is an English sentence all the same.
    ax.set_title(MARK + _line(title, TITLE_LETTERS) if title else "", loc="left", fontsize=11, wrap=True)
    if xlabel:
        ax.set_xlabel(axis_label(xlabel))
    if ylabel:
        ax.set_ylabel(axis_label(ylabel))
    _plain(ax)
    return ax


def axis_label(text: str) -> str:
    """Make a text from the data one short line, with what is invisible made visible, for an axis."""
    return joined(_line(text, LABEL_LETTERS))


def _line(text: str, most: int) -> str:
    line = " ".join(visible(text).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def joined(text: str, *, shapes: bool = matplotlib.__version_info__ >= (3, 11)) -> str:
    """Write words of Arabic script so that matplotlib draws them joined and from right to left.

    Before 3.11 it sets letter beside letter from left to right. There each letter becomes its shape within the word,
    which Unicode has a code point for, and the words turn round.

    Args:
        text: What is to be drawn.
        shapes: Whether matplotlib does all that by itself.
    """
    return text if shapes else WORDS.sub(lambda words: _shaped(words[0]), text)


def _shaped(words: str) -> str:
    drawn, forms = [], _forms()
    parts = PARTS.findall(words)  # a letter with its marks, a number, a space
    for before, part, behind in zip(["", *parts], parts, [*parts[1:], ""], strict=False):
        joins = "initial" in forms.get(before[:1], {}), "final" in forms.get(behind[:1], {})
        own = forms.get(part[0], {})
        kind = {(0, 0): "isolated", (0, 1): "initial", (1, 0): "final", (1, 1): "medial"}[joins]
        kind = kind if kind in own else {"initial": "isolated", "medial": "final"}.get(kind, kind)
        drawn.append(own.get(kind, part[0]) + part[1:])
    return "".join(reversed(drawn))


@cache
def _forms() -> dict[str, dict[str, str]]:
    """Each letter's shapes by their place in a word."""
    forms: dict[str, dict[str, str]] = {}
    for shape in map(chr, range(0xFB50, 0xFEFD)):
        kind, *letters = unicodedata.decomposition(shape).split() or [""]
        if len(letters) == 1:
            forms.setdefault(chr(int(letters[0], 16)), {})[kind.strip("<>")] = shape
    return forms


def _plain(drawn: Artist) -> None:
    """Draw every text as it stands, in a font with its letters: matplotlib takes names like ``$x^{$`` for formulas."""
    for text in drawn.findobj(Text):
        text.set_parse_math(False)
        order = 1 if naskh(text.get_text()) else -1  # the first font decides the height of a line
        text.set_fontfamily(_families()[::order])


def png(fig: Figure, *, limit: int = 100_000) -> bytes:
    """Save a figure as PNG below a size, with fewer colours first and fewer dots after that.

    Args:
        fig: Any figure.
        limit: Bytes at most.

    Returns:
        The file; the smallest tried if none is below the limit.
    """
    from PIL import Image

    _plain(fig)  # once more: a notebook may have written on the axes after they were finished
    for ax in fig.axes:
        ax.set_title(joined(ax.get_title(loc="left")), loc="left")
    for dpi in (fig.dpi, 0.75 * fig.dpi, 0.5 * fig.dpi):
        raw = io.BytesIO()
        fig.savefig(raw, format="png", dpi=dpi, metadata={"Software": None})
        if raw.tell() <= limit:
            return raw.getvalue()
        few = io.BytesIO()
        Image.open(raw).convert("RGB").quantize(128).save(few, format="PNG", optimize=True)
        if few.tell() <= limit:
            break
    return few.getvalue()


@dataclass(frozen=True)
class Picture(Fragment):
    """A figure of a bounded size: a notebook shows the PNG itself, a report holds it inline."""

    png: bytes = b""

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"image/png": base64.b64encode(self.png).decode("ascii"), "text/plain": self.text}


def picture(fig: Figure, *, alt: str = "", limit: int = 100_000) -> Picture:
    """Finish a figure as a picture of at most so many bytes, which a screen reader can name.

    As the last line of a cell it takes the place of ``plt.show()``, whose PNG of a spectrogram has three times the
    size that a committed notebook should carry.

    Args:
        fig: Any figure; it is closed, so that a notebook does not show it a second time.
        alt: What it shows, for a reader who cannot see it; its titles where nothing is said.
        limit: Bytes of the picture at most.
    """
    titles = [ax.get_title(loc="left") or ax.get_title() for ax in fig.axes]
    alt = (alt or "; ".join(filter(None, titles)) or "plot").replace(MARK, "")  # which a screen reader may read out
    width = round(fig.get_figwidth() * DPI)  # as wide as drawn, even if the file had to make do with fewer dots
    data = png(fig, limit=limit)
    plt.close(fig)
    uri = base64.b64encode(data).decode("ascii")
    markup = Markup('<img width="{}" alt="{}" src="data:image/png;base64,{}">').format(width, escape(alt), uri)
    return Picture(markup, f"[picture: {alt}]", data)


@cache
def _families() -> list[str]:
    """The fonts of a text: the one of this package for letters of Arabic script, matplotlib's own for all others."""
    font_manager.fontManager.addfont(FONT)
    return [font_manager.get_font(FONT).family_name, "DejaVu Sans"]


@cache
def _has(font: str, letter: str) -> bool:
    return ord(letter) in font_manager.get_font(font_manager.findfont(font)).get_charmap()


def letter_label(token: str) -> str:
    """Name a token on an axis: the letter itself, or its Unicode name where no font of the pictures has it.

    The blank becomes ``∅``, the word boundary ``␣`` and the unknown token ``?``.
    """
    special = {"[PAD]": "∅", "<pad>": "∅", "|": "␣", " ": "␣", "[UNK]": "?", "<unk>": "?", "": "∅"}
    if token in special:
        return special[token]
    if all(any(_has(font, c) for font in _families()) for c in token):
        return axis_label(token)
    return axis_label(" ".join(unicodedata.name(c, hex(ord(c))).removeprefix("ARABIC LETTER ").lower() for c in token))

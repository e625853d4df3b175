"""Pieces of HTML that notebooks and the report can both hold: escaped, themed, right to left."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["STYLE", "Fragment", "direction", "escape", "join", "note", "phrase", "styled", "visible"]

# Urdu is read in Nastaliq. Where single letters are marked it is set in Naskh, as other languages are everywhere: in
# Nastaliq the letters of a word stand above one another, and a mark on one lands on its neighbour.
NASKH = (
    '"Noto Naskh Arabic","Scheherazade New","Urdu Typesetting","Geeza Pro","Noto Nastaliq Urdu",'
    '"Jameel Noori Nastaleeq","Segoe UI","DejaVu Sans",sans-serif'
)

NASTALIQ = f'"Noto Nastaliq Urdu","Jameel Noori Nastaleeq","Urdu Typesetting",{NASKH}'

# Colours are half transparent or middling, so that they keep their contrast on a light and on a dark page
# without asking which one it is: JupyterLab, VS Code, Colab and a browser each say it in another way.
_RULES = """
.asr { --miss: #d5620f; --add: #2f86d6; --soft: rgba(128,128,128,.22); --faint: rgba(128,128,128,.10);
  font-size: 14px; line-height: 1.45; color: inherit }
.asr .scroll { overflow-x: auto }
.asr table.grid { border-collapse: collapse; border: 0; margin: .3em 0; font-size: inherit; direction: ltr;
  max-width: 100% }
.asr .grid th, .asr .grid td { padding: .35em .7em; border: 0; border-bottom: 1px solid var(--soft);
  text-align: left; vertical-align: middle; background: none; max-width: 46em; white-space: normal;
  overflow-wrap: break-word }
.asr .grid thead th { border-bottom: 2px solid var(--soft); font-weight: 600; vertical-align: bottom }
.asr .grid tbody tr:hover { background: var(--faint) }
.asr .grid .num { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.asr .grid .rtl { text-align: right }
.asr caption { caption-side: top; text-align: left; font-weight: 600; padding: .2em .7em .5em;
  color: inherit }
.asr .ur { font-family: NASKH; font-size: 1.25em; line-height: 1.9 }
.asr bdi.ur { font-size: 1.15em; line-height: 1 }
.asr .read:lang(ur) { font-family: NASTALIQ; font-size: 1.15em; line-height: 2.2 }
.asr .note { opacity: .75; font-size: .93em; margin: .25em .7em }
.asr .hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap }
.asr .tag { display: inline-block; border: 1px solid currentColor; border-radius: .7em; padding: 0 .55em;
  font-size: .9em; white-space: nowrap }
.asr .tag.error { color: var(--miss); font-weight: 600 }
.asr .pair { display: grid; justify-content: start; column-gap: .45em; margin: .1em 0 }
.asr .pair + .pair { border-top: 1px dashed var(--soft); margin-top: .35em; padding-top: .35em }
.asr .line { display: contents }
.asr .ref > * { grid-row: 1 }
.asr .hyp > * { grid-row: 2 }
.asr .key { font: 600 11px/1 sans-serif; opacity: .65; align-self: center; padding-inline-end: .4em }
.asr .word { text-align: center; border-radius: .25em; padding: 0 .18em }
.asr .gap { text-align: center }
.asr .gap::before { content: "·"; opacity: .55 }
.asr del, .asr ins { text-decoration: none; background: none; color: inherit }
.asr del.word { background: color-mix(in srgb, var(--miss) 20%, transparent);
  text-decoration: line-through 1.5px color-mix(in srgb, var(--miss) 65%, transparent) }
.asr ins.word { background: color-mix(in srgb, var(--add) 22%, transparent);
  text-decoration: underline double var(--add); text-underline-offset: .3em }
.asr .sub { background: var(--faint); box-shadow: inset 0 0 0 1px var(--soft) }
.asr .sub del { color: color-mix(in srgb, var(--miss) 70%, currentColor);
  text-decoration: underline dotted 2.5px; text-underline-offset: .32em }
.asr .sub ins { color: color-mix(in srgb, var(--add) 70%, currentColor);
  text-decoration: underline solid 2.5px; text-underline-offset: .32em }
.asr button.play { font: inherit; color: inherit; background: var(--faint); border: 1px solid var(--soft);
  border-radius: .35em; padding: 0 .4em; margin: .1em; cursor: pointer }
.asr button.play:hover, .asr button.play:focus-visible { outline: 2px solid var(--add); outline-offset: 1px }
.asr audio { width: 15em; max-width: 100%; height: 2.3em; vertical-align: middle }
.asr .listed { display: flex; gap: 1em; align-items: center; border-bottom: 1px solid var(--soft); padding: .2em 0 }
.asr .listed .note { flex: 0 0 13em; margin: 0 .7em }
.asr .listed .said { flex: 1 1 auto; text-align: end; min-width: 0 }
.asr table.frames { border-collapse: collapse; border: 0; margin: .3em 0; font-size: 13px }
.asr .frames th { text-align: left; white-space: nowrap; padding-right: .8em; font-weight: 600 }
.asr .frames td { text-align: center; padding: 0 2px; min-width: 24px; height: 26px; border: 1px solid var(--soft) }
.asr .frames .ur { line-height: 1.5 }
.asr .frames .letter { background: color-mix(in srgb, var(--add) calc(var(--p) * .55), transparent) }
.asr .frames .blank { opacity: .5 }
.asr .frames .here { outline: 2.5px solid var(--miss); outline-offset: -2px; opacity: 1 }
.asr table.bars { border-collapse: collapse; border: 0; margin: .3em 0; width: 20em; font-size: 13px }
.asr .bars td, .asr .bars th { padding: 0 .4em; border: 0; text-align: left; background: none }
.asr .bars td:nth-child(2) { width: 100% }
.asr .bar { background: var(--add); height: .8em; border-radius: .2em; min-width: 1px }
.asr .sentence { width: fit-content; margin-top: .3em }
.asr .beside { display: flex; flex-wrap: wrap; gap: .3em 1em; align-items: center; justify-content: space-between }
.asr .beside > div { flex: 1 1 20em }
.asr .say { font: inherit; color: inherit; background: none; border: 0; margin: 0; padding: 0; cursor: pointer;
  text-decoration: inherit; border-radius: .2em }
.asr .say:hover, .asr .say:focus-visible { outline: 2px solid var(--add); outline-offset: 1px }
.asr figure { margin: .6em 0 }
.asr .timeline { position: relative; height: 118px; width: 100%; direction: ltr; margin-top: .3em }
.asr .wave { position: absolute; inset: 0 0 auto 0; width: 100%; height: 64px; fill: currentColor; opacity: .75 }
.asr .band { position: absolute; top: 0; height: 98px; box-sizing: border-box; cursor: pointer; min-width: 2px;
  background: color-mix(in srgb, var(--add) 14%, transparent); border-inline: 1px solid var(--soft) }
.asr .band span { position: absolute; bottom: 0; left: 50%; transform: translateX(-50%); white-space: nowrap;
  font-size: .85em; line-height: 30px }
.asr .band:hover, .asr .on { background: color-mix(in srgb, var(--add) 38%, transparent) !important }
.asr .head { position: absolute; top: 0; left: 0; width: 2px; height: 98px; background: var(--miss) }
.asr .tick { position: absolute; bottom: 0; font-size: 11px; line-height: 16px; opacity: .7; padding-left: 3px;
  border-left: 1px solid var(--soft) }
.asr img { max-width: 100%; height: auto; border-radius: .3em }
@media (max-width: 640px) {
  .asr .pair, .asr .line { display: block }
  .asr .gap, .asr .key { display: none }
  .asr .word { padding: 0 }
  .asr .grid th, .asr .grid td { padding: .3em .4em }
  .asr audio { width: 11em }
  .asr .cards thead { display: none }
  .asr .cards tr { display: block; border-bottom: 2px solid var(--soft) }
  .asr .cards td { display: inline-block; border: 0; padding: .15em .5em }
  .asr .cards td:last-child { display: block }
}
@media print { .asr audio, .asr .key { display: none } .asr tr { break-inside: avoid } }
"""

STYLE = re.sub(r"\s+", " ", _RULES.replace("NASKH", NASKH).replace("NASTALIQ", NASTALIQ)).strip()

ARABIC = "\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufefc"

QUOTED = re.compile(f"([{ARABIC}](?:[{ARABIC}\u200c\u200d ]*[{ARABIC}])?)")  # words of Arabic script side by side


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
        return {"text/html": styled(self.html), "text/plain": self.text}

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__


def styled(markup: str) -> str:
    """Wrap markup so that it carries its own style; every output of a notebook has to stand alone."""
    return f'<style>{STYLE}</style><div class="asr">{markup}</div>'


def visible(text: str) -> str:
    """Show what would otherwise be invisible or move its neighbours: control characters and direction marks.

    Zero-width joiners stay: they shape Urdu words.
    """
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    code = ord(character)
    if code < 0x20 and character not in "\n\t":
        return chr(0x2400 + code)
    category = unicodedata.category(character)
    if category == "Cc" and character not in "\n\t":
        return "␡" if code == 0x7F else f"⟨U+{code:04X}⟩"
    if category == "Cs" or (category == "Cf" and character not in "\u200c\u200d"):
        return f"⟨U+{code:04X}⟩"
    return character


def escape(value: object) -> str:
    """Turn any value into text that HTML shows as it is, in an element and in a quoted attribute."""
    return html.escape(visible(str(value)), quote=True)


def direction(text: str) -> str:
    """Say which way a text runs: ``"rtl"`` if most of its letters do, else ``"ltr"``."""
    kinds = [unicodedata.bidirectional(c) for c in text]
    rightward, leftward = kinds.count("L"), kinds.count("R") + kinds.count("AL")
    return "rtl" if leftward > rightward else "ltr"


def phrase(text: str, *, lang: str = "ur") -> str:
    """Mark text with its language and direction, isolated from the text around it.

    A sentence in Latin letters that quotes Urdu stays left to right, and only what it quotes is marked.
    """
    if direction(text) == "ltr":
        parts = QUOTED.split(text)  # what is quoted stands at the odd places
        mark = f'<bdi class="ur" dir="rtl" lang="{escape(lang)}">'
        inner = "".join(f"{mark}{escape(p)}</bdi>" if i % 2 else escape(p) for i, p in enumerate(parts))
        return f'<span dir="ltr">{inner}</span>'
    return f'<span class="ur read" dir="rtl" lang="{escape(lang)}">{escape(text)}</span>'


def note(text: str) -> Fragment:
    """A remark beside a table or a picture."""
    return Fragment(f'<p class="note">{escape(text)}</p>', text)


def join(fragments: Iterable[Fragment]) -> Fragment:
    """Put fragments below one another."""
    parts = list(fragments)
    return Fragment("\n".join(p.html for p in parts), "\n\n".join(p.text for p in parts))

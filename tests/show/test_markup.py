"""Templates: what is not markup is shown as text, wherever it stands, and every file travels with the package."""

import html
import tomllib
from fnmatch import fnmatch
from importlib.resources import files
from pathlib import Path

import pytest
from markupsafe import Markup

from asr_helpers.show.fragments import Fragment
from asr_helpers.show.markup import asset, element, escape, render
from asr_helpers.wording import visible

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x00b", "a␀b"),
        ("a\x7fb", "a␡b"),
        ("\ufeffکتاب", "⟨U+FEFF⟩کتاب"),
        ("abc\u202edef", "abc⟨U+202E⟩def"),
        ("\ud800", "⟨U+D800⟩"),
        ("می\u200cروم", "می\u200cروم"),  # the zero-width non-joiner shapes Persian words
        ("دو\nسطر", "دو\nسطر"),
    ],
)
def test_invisible_characters_become_visible(text, shown):
    assert visible(text) == shown


def test_every_ascii_character_survives_escaping():
    everything = "".join(map(chr, range(32, 127)))
    assert html.unescape(escape(everything)) == everything and not set(escape(everything)) & set("<>\"'")


def test_templates_escape_what_is_no_markup_and_show_what_is_invisible():
    listed = render("listed", facts=["<b>\u202e", 3, None], text=Fragment("<i>x</i>", "x"))
    assert "&lt;b&gt;⟨U+202E⟩<br>3<br>None" in listed and "<i>x</i>" in listed


def test_a_template_without_one_of_its_values_is_an_error():
    with pytest.raises(Exception, match="'text' is undefined"):
        render("listed", facts=[])


def test_an_element_escapes_content_and_attributes_and_leaves_empty_ones_out():
    assert element("p", "<", class_='a"', title="") == '<p class="a&#34;">&lt;</p>'
    assert element("p", Markup("<b>x</b>")) == "<p><b>x</b></p>"


@pytest.mark.parametrize("name", ["page.css", "report.css", "play_word.js", "next_word.js", "follow.js"])
def test_assets_are_one_line_without_comments(name):
    assert len(asset(name)) > 100 and "\n" not in asset(name) and "/*" not in asset(name)


def test_every_file_of_the_page_is_package_data():
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for package, patterns in setup["tool"]["setuptools"]["package-data"].items():
        names = [file.name for file in (files(package) / "templates").iterdir()]
        assert names and all(any(fnmatch(f"templates/{name}", p) for p in patterns) for name in names)

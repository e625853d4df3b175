"""Each text is marked and set as the language of its run, whichever function shows it."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from asr_helpers import show
from asr_helpers.decoding.hypotheses import FrameClock
from asr_helpers.model.vocabulary import Alphabet
from asr_helpers.show.aligned import aligned
from asr_helpers.show.fragments import phrase, speech
from asr_helpers.show.markup import asset
from asr_helpers.show.players import word_player
from asr_helpers.text.languages import LANGUAGES

TEXTS = {"ur": "یہ کتاب ہے", "fa": "این کتاب است", "none": "das ist ein Buch"}
FONTS = {"ur": {"nastaliq", "naskh"}, "fa": {"naskh"}, "none": set()}
CLOCK = FrameClock(hop=320, field=400)
TAGS = {"ur": "ur", "fa": "fa", "none": "und"}


@pytest.mark.parametrize(
    ("text", "language", "font", "way", "tag"),
    [
        ("کتاب", "ur", "nastaliq", "rtl", "ur"),
        ("کتاب", "fa", "naskh", "rtl", "fa"),
        ("کتاب", "none", "naskh", "rtl", "und"),
        ("Buch", "none", None, "ltr", "und"),
        ("book", "ur", None, "ltr", "ur"),
        ("किताब", "none", None, "ltr", "und"),
        ("ספר", "none", None, "rtl", "und"),
    ],
)
def test_speech_has_the_tag_direction_and_font_of_its_language(text, language, font, way, tag):
    marks = dict(re.findall(r'(\w+)="([^"]*)"', speech(text, language=language)))
    assert marks == {"dir": way, "lang": tag} | ({"class": font} if font else {})


def test_a_remark_is_not_taken_for_speech():
    assert "lang" not in phrase("12 of 708 rows", language="fa")
    assert phrase("twice: کتاب", language="fa").count('lang="fa"') == 1


def shown(language: str, folder: Path) -> dict[str, str]:
    """The markup of everything that shows speech, by the function that made it."""
    text = TEXTS[language]
    rows = pd.DataFrame({"id": ["1"], "audio": ["1.wav"], "seconds": [1.0], "transcript": [text]})
    pairs = rows.assign(reference=text, hypothesis=text)
    problem = dict.fromkeys(["severity", "check", "utterance", "value", "advice"], text)
    tokens = ("[PAD]", "|", *sorted(set(text) - {" "}))
    alphabet, frames = Alphabet(tokens, 0, 1), np.log(np.eye(len(tokens)) * 0.9 + 0.01)
    browsers = {
        "sample_browser": show.sample_browser(rows, folder, language=language),
        "prediction_browser": show.prediction_browser(pairs, folder, language=language),
    }
    inspector = show.frame_inspector(frames, alphabet, CLOCK, language=language)
    return {
        "table": show.table(pairs, language=language).html,
        "problem_table": show.problem_table(pd.DataFrame([problem]), language=language).html,
        "utterance_table": show.utterance_table(rows, language=language).html,
        "prediction_table": show.prediction_table(pairs, language=language).html,
        "aligned": aligned(text, text, language=language).html,
        "word_player": word_player(np.ones(800), [{"word": text, "start": 0, "end": 0.01}], language=language),
        "collapse_steps": show.collapse_steps(frames, alphabet, CLOCK, language=language).html,
        "frame_inspector": inspector.children[2].value,
        **{name: box.children[2].children[1].value for name, box in browsers.items()},
    }


@pytest.mark.parametrize("language", TEXTS)
def test_every_function_speaks_the_language_it_is_told(language, tmp_path):
    for name, markup in shown(language, tmp_path).items():
        tags = set(re.findall(r'lang="(\w+)"', markup)) - {"en"}  # words of ours, as "reference"
        fonts = {c for names in re.findall(r'class="([^"]*)"', markup) for c in names.split()} & {"naskh", "nastaliq"}
        plain = language == "none" and name in ("table", "problem_table")  # Latin letters may be a remark
        assert tags == (set() if plain else {TAGS[language]}), name
        assert fonts <= FONTS[language] and (fonts or language == "none"), name
        assert ('dir="rtl"' in markup) == (language != "none"), name


def test_every_font_of_a_language_has_its_rule():
    assert all(f".asr .{language.font} {{" in asset("page.css") for language in LANGUAGES.values() if language.font)

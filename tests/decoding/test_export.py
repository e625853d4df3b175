"""What other programs read: TextGrid through praatio's own reader, SRT and labels by their grammar."""

import json
import re
import sys
from itertools import pairwise

import pytest

from asr_helpers.decoding.export import Span, cues, tiers_of, to_audacity, to_json, to_srt, to_textgrid
from asr_helpers.decoding.hypotheses import Hypothesis, Letter, Word


def word(text: str, start: float, step: float = 0.1) -> Word:
    letters = tuple(Letter(c, start + step * i, start + step * (i + 1), 0.9, 0, 0) for i, c in enumerate(text))
    return Word(text, start, letters[-1].end, 0.8, letters)


HEARD = Hypothesis("نئی کتاب", (word("نئی", 0.5), word("کتاب", 1.0)), 0.8)


def read_textgrid(text: str, folder):
    textgrid = pytest.importorskip("praatio.textgrid")
    path = folder / "read.TextGrid"
    path.write_text(text, encoding="utf-8")
    return textgrid.openTextgrid(str(path), includeEmptyIntervals=True, reportingMode="error")


def test_a_textgrid_comes_back_and_fills_each_tier_from_start_to_end(tmp_path):
    grid = read_textgrid(to_textgrid(tiers_of(HEARD, HEARD), seconds=2.0), tmp_path)
    assert grid.tierNames == ("words", "letters", "reference")
    for name in grid.tierNames:
        entries = grid.getTier(name).entries
        assert (entries[0].start, entries[-1].end) == (0, 2)
        assert all(one.end == other.start for one, other in pairwise(entries))
    texts = [(e.start, e.end, e.label) for e in grid.getTier("words").entries if e.label]
    assert texts == [(0.5, pytest.approx(0.8), "نئی"), (1.0, pytest.approx(1.4), "کتاب")]
    assert "".join(e.label for e in grid.getTier("letters").entries) == "نئیکتاب"


def test_a_recording_without_words_is_one_empty_interval(tmp_path):
    grid = read_textgrid(to_textgrid(tiers_of(Hypothesis("", (), 0.0)), seconds=1.5), tmp_path)
    assert [(e.start, e.end, e.label) for e in grid.getTier("words").entries] == [(0, 1.5, "")]


def test_quotes_and_touching_words_survive(tmp_path):
    texts = [Span('a "b"', 0.1, 0.2), Span("c", 0.2, 1.0000000001)]
    entries = read_textgrid(to_textgrid({"words": texts}, seconds=1.0), tmp_path).getTier("words").entries
    assert [(e.start, e.end, e.label) for e in entries[1:]] == [(0.1, 0.2, 'a "b"'), (0.2, 1.0, "c")]


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ([Span("a", 0.0, 0.5), Span("b", 0.4, 0.9)], r"'a' and 'b' in tier 'words' overlap at 0\.400 s"),
        ([Span("a", 1.2, 1.5)], r"'a' in tier 'words' lasts from 1\.200 to 1\.500 s, in a recording of 1\.000 s"),
        ([Span("a", 0.5, 0.5)], "lasts from 0.500 to 0.500"),
    ],
)
def test_what_a_textgrid_cannot_hold_is_named(spans, message):
    with pytest.raises(ValueError, match=message):
        to_textgrid({"words": spans}, seconds=1.0)


def test_without_praatio_the_error_says_how_to_go_on(monkeypatch):
    monkeypatch.setitem(sys.modules, "praatio", None)
    with pytest.raises(ImportError, match=r"pip install praatio==6\.2\.2"):
        to_textgrid({"words": []}, seconds=1.0)


def test_subtitles_break_at_pauses_and_before_they_grow_too_long():
    words = [
        Span("aaa", 0.0, 0.5),
        Span("bbb", 0.6, 1.2),
        Span("ccc", 2.0, 2.4),
        Span("ddd", 2.5, 2.9),
        Span("e", 3, 9),
    ]
    assert [c.text for c in cues(words)] == ["aaa bbb", "ccc ddd", "e"]
    assert [c.text for c in cues(words[2:4], line=7)] == ["ccc ddd"]
    assert [c.text for c in cues(words[2:4], line=6)] == ["ccc", "ddd"]


def test_a_short_subtitle_stays_readable_but_never_into_the_next():
    found = cues([Span("a", 0.0, 0.1), Span("b", 0.8, 0.9), Span("c", 5.0, 5.1)], pause=0.5)
    assert [(c.start, c.end) for c in found] == [(0.0, 0.8), (0.8, 1.8), (5.0, 6.0)]


def test_srt_blocks_follow_the_grammar_and_round_to_milliseconds():
    text = to_srt([Span("نئی کتاب", 0.9996, 1.25), Span("ہے", 3725.5, 3726)])
    block = re.compile(r"(\d+)\n(\d\d:\d\d:\d\d,\d{3}) --> (\d\d:\d\d:\d\d,\d{3})\n(.+)\n(?:\n|$)")
    assert block.sub("", text) == ""
    assert block.findall(text) == [
        ("1", "00:00:01,000", "00:00:01,250", "نئی کتاب"),
        ("2", "01:02:05,500", "01:02:06,000", "ہے"),
    ]


def test_audacity_labels_are_tab_separated_seconds():
    lines = [line.split("\t") for line in to_audacity(HEARD.words).splitlines()]
    assert [(float(a), float(b), c) for a, b, c in lines] == [
        (0.5, pytest.approx(0.8), "نئی"),
        (1.0, pytest.approx(1.4), "کتاب"),
    ]


def test_json_keeps_letters_readable_and_says_which_file():
    text = to_json(HEARD, file="1.wav")
    assert "کتاب" in text
    content = json.loads(text)
    assert (content["file"], content["text"], content["confidence"]) == ("1.wav", "نئی کتاب", 0.8)
    assert content["words"] == HEARD.rows()


def test_nothing_said_is_empty_files():
    assert (to_srt(cues([])), to_audacity([])) == ("", "")

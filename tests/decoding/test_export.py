"""What other programs read: each format through a reader that is not ours, or by its grammar."""

import csv
import io
import json
import sys
from itertools import pairwise
from xml.etree import ElementTree

import pysubs2
import pytest

from asr_helpers.decoding.export import FORMATS, render, tiers_of, to_audacity, to_elan, to_json, to_textgrid
from asr_helpers.decoding.hypotheses import Hypothesis, Letter, Word
from asr_helpers.decoding.subtitles import Span, cues, to_srt, to_vtt


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


@pytest.mark.parametrize(
    ("package", "write", "pin"), [("praatio", to_textgrid, "praatio==6.2.2"), ("pympi", to_elan, "pympi-ling==1.71")]
)
def test_without_its_package_the_error_says_how_to_go_on(package, write, pin, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=f"pip install {pin}"):
        write({"words": []}, seconds=1.0)


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


SPOKEN = [Span("نئی کتاب", 0.9996, 1.25), Span("a < b & c", 3725.5, 3726)]


@pytest.mark.parametrize("write", [to_srt, to_vtt])
def test_subtitles_are_read_by_another_program_to_the_millisecond(write):
    found = pysubs2.SSAFile.from_string(write(SPOKEN))
    assert [(line.start, line.end) for line in found] == [(1000, 1250), (3_725_500, 3_726_000)]
    assert found[0].plaintext == "نئی کتاب"


def test_srt_numbers_its_blocks_and_vtt_begins_with_its_name_and_escapes_markup():
    assert to_srt(SPOKEN).startswith("1\n00:00:01,000 --> 00:00:01,250\nنئی کتاب\n\n2\n01:02:05,500 --> ")
    assert to_vtt(SPOKEN).startswith("WEBVTT\n\n00:00:01.000 --> 00:00:01.250\nنئی کتاب\n\n01:02:05.500 --> ")
    assert to_vtt(SPOKEN).endswith("\na &lt; b &amp; c\n")


def test_an_elan_file_comes_back_and_names_its_recording(tmp_path):
    from pympi import Elan

    path = tmp_path / "a.eaf"
    path.write_text(to_elan(tiers_of(HEARD), seconds=2.0, file="tapes/a b.wav"), encoding="utf-8")
    found = Elan.Eaf(str(path))
    assert list(found.get_tier_names()) == ["words", "letters"]
    spans = [(start, end, text) for start, end, text, *_ in found.get_annotation_data_for_tier("words")]
    assert sorted(spans) == [(500, 800, "نئی"), (1000, 1400, "کتاب")]
    (media,) = found.get_linked_files()
    assert (media["RELATIVE_MEDIA_URL"], media["MIME_TYPE"]) == ("./a b.wav", "audio/x-wav")
    assert media["MEDIA_URL"].endswith("/tapes/a%20b.wav")


def test_an_elan_file_is_xml_whatever_the_text_holds():
    document = ElementTree.fromstring(to_elan({"words": [Span('<&">\x07', 0.1, 0.2)]}, seconds=1.0).encode())
    assert document.find(".//ANNOTATION_VALUE").text == '<&">'


def test_a_table_is_read_by_csv_and_holds_words_with_their_letters():
    text = render(HEARD, form="csv", seconds=2.0, file="=1.wav")
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert [(row["tier"], row["text"], float(row["start"]), float(row["confidence"])) for row in rows[:2]] == [
        ("word", "نئی", 0.5, 0.8),
        ("letter", "ن", 0.5, 0.9),
    ]
    assert {row["file"] for row in rows} == {"'=1.wav"}  # no formula
    assert len(rows) == 2 + len("نئیکتاب")


def test_a_format_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(ValueError, match="format is 'docx'; use one of text, json, csv"):
        render(HEARD, form="docx", seconds=2.0)


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
    assert [{name: word[name] for name in HEARD.rows()[0]} for word in content["words"]] == HEARD.rows()
    assert content["words"][0]["letters"][0] == {"letter": "ن", "start": 0.5, "end": 0.6, "confidence": 0.9}


def test_nothing_said_is_a_whole_file_of_every_format():
    written = {form: render(Hypothesis("", (), 0.0), form=form, seconds=1.0) for form in FORMATS}
    assert (written["srt"], written["audacity"], written["vtt"]) == ("", "", "WEBVTT\n")
    assert written["csv"].split() == ['\ufeff"file","tier","text","start","end","confidence"']

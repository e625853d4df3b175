"""Tables and alignments: escaped, right to left, and marked by more than colour."""

import base64
import io
import itertools
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import soundfile

from asr_helpers.analysis.edits import align_words
from asr_helpers.show.aligned import aligned, letter_runs
from asr_helpers.show.fragments import Fragment, direction, join, phrase
from asr_helpers.show.markup import asset
from asr_helpers.show.tables import prediction_table, problem_table, table, utterance_table, with_players
from asr_helpers.wording import percent

ATTACK = '<img src=x onerror="alert(1)"> & </td><script>alert(2)</script>'
REFERENCE, HYPOTHESIS = "کتاب میز پر رکھی ہے", "قطاب میز رکھی ہے تھا"


class Page(HTMLParser):
    """A browser's view of markup: which elements there are, with what attributes, and the text."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(str(markup))  # MarkupSafe's strings would join escaped
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def names(self) -> set[str]:
        return {tag for tag, _ in self.elements}


def predictions(**columns) -> pd.DataFrame:
    base = {"id": ["a", "b", "c"], "audio": ["a.wav", "b.wav", "c.wav"]}
    texts = {
        "reference": ["یہ درست ہے", REFERENCE, "دن"],
        "hypothesis": ["یہ درست ہے", HYPOTHESIS, "رات ہے"],
    }
    return pd.DataFrame({**base, **texts, **columns})


@pytest.mark.parametrize(
    "render",
    [
        lambda: table(pd.DataFrame({ATTACK: [ATTACK]}), caption=ATTACK),
        lambda: aligned(ATTACK, ATTACK + " " + ATTACK),
        lambda: aligned("", ATTACK, times=[{"start": 0, "end": 1}] * len(ATTACK.split())),
        lambda: problem_table(
            pd.DataFrame([dict.fromkeys(["severity", "check", "utterance", "value", "advice"], ATTACK)])
        ),
        lambda: utterance_table(pd.DataFrame({"id": [ATTACK], "transcript": [ATTACK], "seconds": [1.0]})),
        lambda: prediction_table(predictions(speaker=[ATTACK] * 3, reference=[ATTACK] * 3)),
    ],
    ids=["table", "aligned", "aligned with times", "problems", "utterances", "predictions"],
)
def test_markup_in_data_is_shown_as_text(render):
    page = Page(render().html)
    assert not page.names() & {"img", "script"}
    assert not any(name.startswith("onerror") for _, attributes in page.elements for name in attributes)
    assert "onerror" in page.text


@pytest.mark.parametrize(
    ("text", "way"),
    [("سلام", "rtl"), ("hello", "ltr"), ("", "ltr"), ("123", "ltr"), ("سلام دنیا ok", "rtl"), ("שלום", "rtl")],
)
def test_direction_follows_the_letters(text, way):
    assert direction(text) == way


def test_a_quotation_runs_its_own_way():
    page = Page(phrase("80 sentences, the first: «دریا کے موڑ» and <b>", language="ur"))
    assert page.text == "80 sentences, the first: «دریا کے موڑ» and <b>"
    assert [(t, a.get("dir")) for t, a in page.elements] == [("span", "ltr"), ("bdi", "rtl")]
    assert ">دریا کے موڑ</bdi>" in phrase("the first sentence: «دریا کے موڑ»", language="ur")


def column_words(markup: str, line: str) -> list[str]:
    """Words of one line of an alignment, gaps as empty strings, as a browser would lay them out."""
    found = []
    for inner in re.findall(rf'<div class="line {line}">(.*?)</div>', markup, flags=re.S):
        cells = re.split(r'<(?=(?:span|del|ins) class="(?:word|gap))', inner)[1:]
        found += [Page("<" + cell).text.strip() for cell in cells]
    return found


@pytest.mark.parametrize(
    ("reference", "hypothesis"),
    [
        (REFERENCE, HYPOTHESIS),
        ("گرامو فون کی آواز", "گراموفون کی اواز"),
        ("", "صرف پیش گوئی"),
        ("صرف حوالہ", ""),
        (" ".join(["بازار"] * 40), " ".join(["بازر"] * 38)),
    ],
)
def test_alignment_shows_every_word_of_both_sides_in_order(reference, hypothesis):
    markup = aligned(reference, hypothesis).html
    said, heard = column_words(markup, "ref"), column_words(markup, "hyp")
    assert len(said) == len(heard)
    assert " ".join(filter(None, said)) == reference and " ".join(filter(None, heard)) == hypothesis
    edits = align_words(reference.split(), hypothesis.split())
    assert [(e.reference, e.hypothesis) for e in edits] == list(zip(said, heard, strict=True))


def test_differences_are_marked_by_elements_and_lines_not_by_colour_alone():
    page = Page(aligned(REFERENCE, HYPOTHESIS).html)
    tags = [(tag, attributes.get("class")) for tag, attributes in page.elements]
    assert ("del", "word") in tags and ("ins", "word") in tags  # پر is missing, تھا was inserted
    assert ("span", "word sub") in tags and ("del", None) in tags and ("ins", None) in tags  # ک ت became ق ط
    assert "1 misread, 1 missing, 1 inserted, 5 words said" in page.text
    for rule in ("del.word", "ins.word", ".sub del", ".sub ins"):
        body = re.search(rf"\.asr {re.escape(rule)} \{{(.*?)\}}", asset("page.css"))[1]
        assert re.search(r"text-decoration: \w*(line-through|underline)", body), rule


def test_equal_sentences_carry_no_marks():
    assert not Page(aligned(REFERENCE, REFERENCE).html).names() & {"del", "ins"}
    assert aligned(REFERENCE, REFERENCE).text == f"reference:  {REFERENCE}\nprediction: {REFERENCE}"


def test_text_form_marks_the_same_differences():
    assert aligned("a b c", "a x c d").text == "reference:  a <b> c\nprediction: a <x> c {+d+}"
    assert aligned("a b", "a").text == "reference:  a [-b-]\nprediction: a"


@pytest.mark.parametrize(("one", "other"), [("کتاب", "قطاب"), ("", "ab"), ("abc", ""), ("وجہ", "وجا"), ("آ", "ا")])
def test_letter_runs_give_both_words_back(one, other):
    left, right = letter_runs(one, other)
    assert "".join(t for t, _ in left) == one and "".join(t for t, _ in right) == other
    assert [t for t, shared in left if shared] == [t for t, shared in right if shared]
    for runs in (left, right):
        assert all(a[1] != b[1] for a, b in itertools.pairwise(runs))


def test_words_with_times_become_buttons_of_their_own_times():
    words = HYPOTHESIS.split()
    times = [{"start": i, "end": i + 0.5} for i in range(len(words))]
    buttons = [a for tag, a in Page(aligned(REFERENCE, HYPOTHESIS, times=times).html).elements if tag == "button"]
    assert [float(b["data-start"]) for b in buttons] == pytest.approx([0, 0.97, 1.97, 2.97, 3.97])
    assert (
        "button" not in Page(aligned(REFERENCE, HYPOTHESIS, times=times[:-1]).html).names()
    )  # times of something else


def test_predictions_read_back_from_parquet_can_be_shown(tmp_path):
    words = [[{"word": w, "start": 0.1, "end": 0.2} for w in h.split()] for h in ("یہ درست ہے", HYPOTHESIS, "رات ہے")]
    predictions(words=words, confidence=[0.1, None, 0.3], speaker=None).to_parquet(tmp_path / "p.parquet")
    rows = pd.read_parquet(tmp_path / "p.parquet")
    for name in rows["audio"]:
        soundfile.write(tmp_path / name, np.full(1_600, 0.1), 16_000)
    page = Page(prediction_table(rows, corpus_root=tmp_path).html)
    assert sum(tag == "button" for tag, _ in page.elements) == 10 and sum(t == "audio" for t, _ in page.elements) == 3
    frame = pd.DataFrame({"hypothesis": ["رات"], "examples": [np.array(["c"], dtype=object)]})
    assert "<audio" in with_players(frame, rows, tmp_path)["examples"][0].html


def test_joined_words_play_as_one():
    times = [{"start": 0.0, "end": 0.3}, {"start": 0.4, "end": 0.9}, {"start": 1.0, "end": 1.2}]
    page = Page(aligned("گراموفون کی", "گرامو فون کی", times=times).html)
    spans = [(a["data-start"], a["data-end"]) for tag, a in page.elements if tag == "button"]
    assert spans == [("0.000", "0.930"), ("0.970", "1.230")]


def test_predictions_come_worst_first():
    rows = predictions(confidence=[0.9, 0.5, 0.1])
    html = prediction_table(rows).html
    assert re.findall(r"(\d+) of (\d+)", html) == [("3", "5"), ("2", "1"), ("0", "3")]
    assert re.findall(r"(\d+) of (\d+)", prediction_table(rows, worst_first=False, limit=1).html) == [("0", "3")]


def test_cells_are_written_as_a_person_would():
    frame = pd.DataFrame(
        {"n": [1234, 5], "x": [0.5, np.nan], "ok": [True, False], "rate": [0.25, 1.0], "who": ["z", None]}
    )
    shown = table(frame, formats={"rate": percent, "x": "{:.1f}"})
    cells = re.findall(r"<td.*?</td>", shown.html)
    assert [Page(c).text for c in cells] == ["1,234", "0.5", "yes", "25.0 %", "z", "5", "–", "no", "100.0 %", "–"]
    assert shown.text.split()[:5] == list(frame.columns) and "1,234" in shown.text


def test_headings_stand_over_right_to_left_columns():
    html = table(pd.DataFrame({"text": ["سلام", "دنیا"], "n": [1, 2], "name": ["a", "b"]})).html
    heads = [a.get("class") for tag, a in Page(html).elements if tag == "th"]
    assert heads == ["rtl", "num", None]


def test_headings_are_words_in_html_and_column_names_in_text():
    shown = table(pd.DataFrame({"sampling_rate": [22_050]}))
    assert ">sampling rate<" in shown.html and "sampling_rate" in shown.text and "22,050" in shown.text


def test_a_fragment_in_a_cell_is_shown_as_it_is():
    shown = table(pd.DataFrame({"x": [Fragment("<b>bold</b>", "bold")]}))
    assert "<b>bold</b>" in shown.html and "bold" in shown.text


def test_rows_left_out_are_counted():
    frame = pd.DataFrame({"x": range(1000)})
    assert "3 of 1,000 rows" in table(frame, limit=3).text
    assert "rows" not in table(frame.head(3), limit=3).text


def test_a_sentence_stands_below_its_row_in_full_width():
    frame = pd.DataFrame({"cause": ["noise", "speed", "x"], "advice": ["کم شور <b>", "", "do"], "n": [1, 2, 3]})
    rows = Page(table(frame, below="advice").html).elements
    assert [a["data-label"] for tag, a in rows if "data-label" in a] == ["cause", "n"] * 3
    assert [(a.get("class"), tag) for tag, a in rows if tag == "tr"][2:3] == [("below", "tr")]
    assert [a["colspan"] for tag, a in rows if "colspan" in a] == ["2", "2"]  # an empty sentence takes no room
    assert "کم شور &lt;b&gt;" in table(frame, below="advice").html and "کم شور" in table(frame, below="advice").text


def test_a_card_has_a_line_for_what_is_too_wide_for_a_column():
    html = table(
        pd.DataFrame({"n": [1], "s": ["ab"], "long": ["twenty letters of it"], "ur": ["یہ کتاب میز پر ہے"]})
    ).html
    assert [a.get("class") for tag, a in Page(html).elements if tag == "td"] == ["num", None, "wide", "rtl wide"]


def test_empty_tables_say_so():
    assert "no rows" in table(pd.DataFrame({"x": []})).text
    assert "Left out: nothing" in table(pd.DataFrame({"x": []}), caption="Left out").html
    assert (
        "nothing to mend"
        in problem_table(pd.DataFrame(columns=["severity", "check", "utterance", "value", "advice"])).text
    )


def test_problems_list_errors_first_with_counts():
    rows = [("warning", "clipping", "1"), ("error", "silence", "2"), ("warning", "clipping", "3")]
    frame = pd.DataFrame([(*r, "v", "do") for r in rows], columns=["severity", "check", "utterance", "value", "advice"])
    shown = problem_table(frame)
    assert shown.text.startswith("1 error and 2 warnings")
    assert shown.text.index("silence") < shown.text.index("clipping")
    assert "✖" in shown.html and "▲" in shown.html  # the severity is a sign as well as a colour


def test_utterances_skip_columns_that_say_nothing():
    frame = pd.DataFrame({"id": ["1"], "speaker": [None], "seconds": [2.0], "transcript": ["سلام"]})
    shown = utterance_table(frame)
    assert "speaker" not in shown.html and "2.00 s" in shown.html


def test_a_notebook_gets_html_and_text():
    bundle = join([table(pd.DataFrame({"x": [1]})), aligned("a", "b")])._repr_mimebundle_()
    assert bundle["text/html"].startswith("<style>") and "<table" in bundle["text/html"]
    assert "reference:  <a>" in bundle["text/plain"] and "<table" not in bundle["text/plain"]


def test_lists_in_cells_are_joined():
    assert table(pd.DataFrame({"ids": [["1", "2"], np.array([])]})).html.count("1, 2") == 1


def test_examples_play_just_the_words(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.repeat([0.0, 0.4, 0.0], 16_000), 16_000)  # loud in its second second
    words = [{"word": w, "start": t, "end": t + 0.4} for w, t in (("وہ", 0.3), ("سکول", 1.3), ("گیا", 2.3))]
    known = pd.DataFrame({"id": ["a", "b"], "audio": ["a.wav", "missing.wav"], "words": [words, None]})
    frame = pd.DataFrame(
        {"hypothesis": ["سکول", "وہ سکول", "کتاب", None], "examples": [["a"], ["a"], ["a", "b"], ["c"]]}
    )
    cells = with_players(frame, known, tmp_path)["examples"]
    uris = [re.findall(r'src="data:audio/mpeg;base64,([^"]*)"', cell.html) for cell in cells]
    heard = [[soundfile.read(io.BytesIO(base64.b64decode(u)))[0] for u in row] for row in uris]
    assert [[round(len(h) / 16_000, 2) for h in row] for row in heard] == [[0.9], [1.9], [3.0], []]
    assert "b: no audio" in cells[2].html and cells[3].html == "c" and cells[2].text == "a, b"
    assert np.mean(np.abs(heard[0][0]) > 0.1) > 0.7


def test_one_id_a_row_gets_one_player(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(1_600, 0.1), 16_000)
    known = pd.DataFrame({"id": ["ab"], "audio": ["a.wav"]})
    cells = with_players(pd.DataFrame({"id": ["ab"]}), known, tmp_path, column="id")["id"]
    assert cells[0].html.count("<button") == 1 and "▶ ab" in cells[0].html

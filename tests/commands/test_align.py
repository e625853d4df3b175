"""``align`` as a person types it: one pair, a corpus, and how a wrong text shows in the table."""

import csv
import io
import shutil

import pytest
from praatio import textgrid

from asr_helpers.__main__ import main


def align(model, *arguments) -> int:
    return main(["align", "--model", str(model), *map(str, arguments)])


def read_table(folder):
    text = (folder / "alignment.csv").read_text(encoding="utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def test_one_recording_is_aligned_with_the_text_beside_it(model, tapes, capsys):
    (tapes / "a.txt").write_text("  آب\nپت ", encoding="utf-16")
    assert align(model, tapes / "a.wav", "--beside") == 0
    grid = textgrid.openTextgrid(str(tapes / "a.TextGrid"), includeEmptyIntervals=False)
    assert [entry.label for entry in grid.getTier("words").entries] == ["آب", "پت"]
    assert [entry.label for entry in grid.getTier("letters").entries] == list("آبپت")
    assert "a.wav: score " in capsys.readouterr().err


def test_a_text_is_brought_into_the_spelling_that_the_model_was_taught(model, tapes, capsys):
    (tapes / "b.txt").write_text("ابّ، \u0640تا", encoding="utf-8")  # a vowel sign, a comma and a tatweel
    assert align(model, tapes / "a.wav", "--text", tapes / "b.txt", "--format", "text") == 0
    assert capsys.readouterr().out == "اب تا\n"


@pytest.fixture
def corpus(tapes):
    (tapes / "metadata.csv").write_text(
        "file_name,transcription\na.wav,اب تاپ\nday 2/b.flac,=ٹاٹ\nc.wav,\nlost.wav,اب\n", encoding="utf-8"
    )
    shutil.copy(tapes / "a.wav", tapes / "c.wav")
    return tapes


def test_a_corpus_gets_a_table_with_the_worst_first_and_keeps_what_is_there(model, corpus, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.json").write_text("by hand")
    assert align(model, corpus, "--format", "json", "--out", tmp_path / "out") == 1  # one has no text
    told = capsys.readouterr()
    assert "there is no text for c.wav" in told.err and "1 of 3 files there already" in told.err
    rows = read_table(tmp_path / "out")
    assert rows[0]["audio"] == "c.wav" and "no text" in rows[0]["problem"]
    scores = [float(row["score"]) for row in rows[1:]]
    assert [row["words"] for row in rows] == ["", *(str(len(row["text"].split())) for row in rows[1:])]
    assert len(scores) == 2 and scores == sorted(scores) and all(0 <= score <= 1 for score in scores)
    assert (tmp_path / "out" / "a.json").read_text() == "by hand"
    assert (tmp_path / "out" / "day 2" / "b.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["."], "is a folder: name another one for what is written (--out)"),
        (["a.wav"], "there is no text a.txt for a.wav; name the file that says what is said (--text)"),
        ([".", "--text", "notes.txt", "--out", "out"], "--text is for one recording"),
        (["a.wav", "--text", "empty.txt"], "empty.txt holds no text"),
        (["[an]*", "--text", "notes.txt"], "[an]* names 2 recordings, and a text belongs to one; name one of them"),
        (["a.wav", "--text", "notes.txt", "--out", "notes.txt"], "notes.txt is a file; name a folder"),
        (["a.wav", "--text", "notes.txt", "--language", "tlh"], "tlh"),
    ],
)
def test_what_cannot_be_aligned_says_what_to_do(arguments, message, model, tapes, monkeypatch, capsys):
    monkeypatch.chdir(tapes)
    (tapes / "empty.txt").write_text(" \n")
    assert align(model, *arguments) == 1
    assert message in capsys.readouterr().err


def test_a_model_that_does_not_say_its_spelling_asks_for_the_language(model, tapes, tmp_path, capsys):
    bare = shutil.copytree(model, tmp_path / "bare")
    (bare / "normalisation.json").unlink()
    assert align(bare, tapes / "a.wav", "--text", tapes / "notes.txt") == 1
    assert "name the language of the texts (--language ur)" in capsys.readouterr().err
    assert align(bare, tapes / "a.wav", "--text", tapes / "notes.txt", "--language", "ur") == 0

"""``metadata.csv`` and ``metadata.jsonl``: good lines are read, bad ones are named."""

import json
import shutil

import pytest
from conftest import found, write_csv

from asr_helpers.corpus.problems import ERROR, CorpusError
from asr_helpers.corpus.reading import read_corpus


def test_metadata_csv(recordings):
    header = ["file_name", "transcription", "speaker_id"]
    rows = [["clips/a.wav", 'اس نے کہا "ہاں، چلو"', "s1"], ["clips/b.wav", "دو", ""], ["clips/c.wav", "تین", "s2"]]
    write_csv(recordings / "metadata.csv", [header, *rows])
    corpus = read_corpus(recordings)
    assert corpus.layout == "audiofolder"
    assert corpus.problems == []
    assert corpus.rows["id"].tolist() == ["a", "b", "c"]
    assert corpus.rows["transcript"].tolist() == [row[1] for row in rows]
    assert corpus.rows["speaker"].isna().tolist() == [False, True, False]


def test_metadata_jsonl_with_bad_lines(recordings):
    lines = [
        json.dumps({"file_name": "clips/a.wav", "text": "ایک", "speaker": 7}),
        "{broken",
        "",
        '["clips/b.wav"]',
        json.dumps({"file_name": "clips/b.wav", "text": None}),
        '{"file_name": "clips/c.wav", "text": "\\ud800 x"}',
    ]
    (recordings / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")
    corpus = read_corpus(recordings)
    assert corpus.rows["transcript"].tolist() == ["ایک", "", "\ufffd x"], "half a surrogate pair fits in no file"
    assert corpus.rows["speaker"].iloc[0] == "7"
    assert found(corpus) == [
        (ERROR, "unreadable row", "line 2 of metadata.jsonl"),
        (ERROR, "unreadable row", "line 4 of metadata.jsonl"),
    ]


def test_metadata_in_subfolders_name_files_from_there(recordings):
    for folder in ("train", "test"):
        (recordings / folder).mkdir()
        shutil.copy(recordings / "clips" / "a.wav", recordings / folder / "1.wav")
        write_csv(recordings / folder / "metadata.csv", [["file_name", "text"], ["1.wav", folder]])
    corpus = read_corpus(recordings)
    assert corpus.rows["audio"].tolist() == ["test/1.wav", "train/1.wav"]
    assert corpus.rows["id"].tolist() == ["test_1", "train_1"], "stems that meet get their folders"
    only = read_corpus(recordings, transcripts_file="train/metadata.csv")
    assert only.rows["id"].tolist() == ["1"]


def test_columns_can_be_named_and_are_listed_when_missing(recordings):
    write_csv(recordings / "metadata.csv", [["file_name", "urdu", "text", "who"], ["clips/a.wav", "ایک", "one", "s"]])
    corpus = read_corpus(recordings, text_column="urdu", speaker_column="who")
    assert corpus.rows.loc[0, ["transcript", "speaker"]].tolist() == ["ایک", "s"]
    with pytest.raises(CorpusError, match=r"no column 'sentance': it has 'file_name', 'urdu', .*text_column"):
        read_corpus(recordings, text_column="sentance")
    write_csv(recordings / "metadata.csv", [["file_name;text"], ["clips/a.wav;one"]])
    with pytest.raises(CorpusError, match="separated by commas"):
        read_corpus(recordings)


def test_rows_with_too_many_or_too_few_fields_are_reported(recordings):
    rows = [["file_name", "text"], ["clips/a.wav", "one", "two"], ["clips/b.wav"], [], ["clips/c.wav", "three"]]
    write_csv(recordings / "metadata.csv", rows)
    corpus = read_corpus(recordings)
    assert corpus.rows["id"].tolist() == ["c"]
    assert [p.utterance for p in corpus.problems] == ["line 2 of metadata.csv", "line 3 of metadata.csv"]
    assert "3 fields, the header has 2" in corpus.problems[0].value


def test_a_field_without_end_does_not_stop_the_rest(recordings):
    rows = [["file_name", "text"], ["clips/a.wav", "x" * 200_000], ["clips/c.wav", "three"]]
    write_csv(recordings / "metadata.csv", rows)
    corpus = read_corpus(recordings)
    assert corpus.rows["id"].tolist() == ["c"]
    assert found(corpus) == [(ERROR, "unreadable row", "line 2 of metadata.csv")]


def test_two_kinds_of_metadata_side_by_side(recordings):
    write_csv(recordings / "metadata.csv", [["file_name", "text"], ["clips/a.wav", "one"]])
    (recordings / "metadata.jsonl").write_text('{"file_name": "clips/a.wav", "text": "two"}')
    with pytest.raises(CorpusError, match="side by side"):
        read_corpus(recordings)
    assert read_corpus(recordings, transcripts_file="metadata.jsonl").rows["transcript"].tolist() == ["two"]

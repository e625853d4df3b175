"""Paths and ids: nothing leads outside the folder, every recording has one short name."""

import json
import os
import shutil

import pytest
import soundfile
from conftest import RATE, found, speech_like, write_csv

from asr_helpers.corpus.problems import ERROR
from asr_helpers.corpus.reading import read_corpus
from asr_helpers.corpus.rows import unique_ids


def test_no_path_leads_outside_the_folder(recordings, tmp_path):
    outside = tmp_path / "secret.wav"
    soundfile.write(outside, speech_like(0.2), RATE)
    (recordings / "link.wav").symlink_to(outside)
    (recordings / "folder").symlink_to(tmp_path)
    (recordings / "inner.wav").symlink_to(recordings / "clips" / "a.wav")
    (recordings / "loop.wav").symlink_to(recordings / "loop.wav")
    refused = [
        "../secret.wav",
        "clips/../../secret.wav",
        str(outside),
        "link.wav",
        "folder/secret.wav",
        "C:\\secret.wav",
        "\\\\server\\share\\secret.wav",
        "..\\secret.wav",
        "file\0.wav",
    ]
    allowed = ["clips/../clips/b.wav", "inner.wav", "clips\\c.wav"]
    lines = [json.dumps({"file_name": name, "text": "متن"}) for name in [*refused, "loop.wav", *allowed]]
    (recordings / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")
    corpus = read_corpus(recordings)
    assert corpus.rows["audio"].tolist() == ["clips/b.wav", "inner.wav", "clips/c.wav"]
    assert [p.value for p in corpus.problems if p.check == "outside the folder"][: len(refused)] == refused
    assert all(p.severity == ERROR and p.utterance for p in corpus.problems)
    assert len(corpus.problems) == len(refused) + 1


def test_numbered_recordings_are_held_to_it_too(numbered_corpus, tmp_path):
    root = numbered_corpus(3)
    shutil.move(root / "2.wav", tmp_path / "2.wav")
    (root / "2.wav").symlink_to(tmp_path / "2.wav")
    corpus = read_corpus(root)
    assert corpus.rows["id"].tolist() == ["1", "3"]
    assert found(corpus) == [(ERROR, "outside the folder", "2")]


def test_the_corpus_folder_itself_may_be_a_link(numbered_corpus, tmp_path):
    root = numbered_corpus(3)
    (tmp_path / "link").symlink_to(root)
    assert len(read_corpus(tmp_path / "link").rows) == 3


def test_missing_files_are_all_named_with_what_comes_close(recordings):
    names = ["clips/A.WAV", "clips/none.wav", "", "clips/b.wav", "x" * 300 + ".wav", "clips"]
    write_csv(recordings / "metadata.csv", [["file_name", "text"], *([name, "متن"] for name in names)])
    corpus = read_corpus(recordings)
    assert corpus.rows["id"].tolist() == ["b"]
    assert [p.check for p in corpus.problems] == ["missing file"] * 5
    assert "(the folder has 'a.wav')" in corpus.problems[0].advice
    assert corpus.problems[2].value == "no file name"
    assert corpus.problems[2].utterance == "line 4 of metadata.csv"


def test_a_name_that_is_no_utf8_is_refused(numbered_corpus):
    root = numbered_corpus(2)
    os.rename(os.fsencode(root / "2.wav"), os.fsencode(root) + b"/\xe9_2.wav")
    os.rename(os.fsencode(root / "1.wav"), os.fsencode(root) + b"/\xe9_1.wav")
    corpus = read_corpus(root)
    assert len(corpus.rows) == 0
    assert [p.check for p in corpus.problems] == ["file name"] * 2
    assert all(p.value.isascii() and p.utterance.isascii() for p in corpus.problems)


@pytest.mark.parametrize(
    ("paths", "ids"),
    [
        (["clips/a.wav", "clips/b.wav"], ["a", "b"]),
        (["x/1.wav", "y/1.wav", "x/2.wav"], ["x/1", "y/1", "2"]),
        (["1.wav", "1.mp3"], ["1.wav", "1.mp3"]),
        (["1.wav", "1.wav", "1.wav"], ["1.wav", "1.wav#2", "1.wav#3"]),
        (["", "", "a.wav"], ["", "#2", "a"]),
        ([], []),
    ],
)
def test_ids_are_unique_and_as_short_as_they_can_be(paths, ids):
    assert unique_ids(paths) == ids

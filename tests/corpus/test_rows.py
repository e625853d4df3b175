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
        (["x/1.wav", "y/1.wav", "x/2.wav"], ["x_1", "y_1", "2"]),
        (["1.wav", "1.mp3"], ["1.wav", "1.mp3"]),
        (["1.wav", "1.wav", "1.wav"], ["1.wav", "1.wav#2", "1.wav#3"]),
        (["", "", "a.wav"], ["", "#2", "a"]),
        ([], []),
    ],
)
def test_ids_are_unique_and_as_short_as_they_can_be(paths, ids):
    assert unique_ids(paths) == ids


COMPOSED, TAKEN_APART = "über é.wav", "u\u0308ber e\u0301.wav"


@pytest.mark.parametrize(("there", "named"), [(TAKEN_APART, COMPOSED), (COMPOSED, TAKEN_APART)])
def test_names_that_differ_only_in_how_accents_are_composed_are_one(recordings, there, named):
    folder = recordings / "cafe\u0301"
    folder.mkdir()
    shutil.copy(recordings / "clips" / "a.wav", folder / there)
    write_csv(recordings / "metadata.csv", [["file_name", "text"], [f"café/{named}", "متن"]])
    corpus = read_corpus(recordings)
    assert corpus.problems == []
    assert (corpus.root / corpus.rows["audio"].iloc[0]).is_file()
    assert corpus.rows["id"].tolist() == ["über é"]


@pytest.mark.parametrize(
    ("name", "audio"),
    [
        ("{root}/clips/a.wav", "clips/a.wav"),
        ("{root}/clips/../clips/a.wav", "clips/a.wav"),
        ("clips\\a.wav", "clips/a.wav"),
        (".\\clips\\a.wav", "clips/a.wav"),
        ("./clips//a.wav", "clips/a.wav"),
        ("inner/a.wav", "clips/a.wav"),
        ("clips/voice (1).wav", "clips/voice (1).wav"),
        ("clips/back\\slash.wav", "clips/back\\slash.wav"),
    ],
)
def test_paths_that_lead_into_the_folder_are_read(recordings, name, audio):
    for other in ("voice (1).wav", "back\\slash.wav"):
        shutil.copy(recordings / "clips" / "a.wav", recordings / "clips" / other)
    (recordings / "inner").symlink_to(recordings / "clips")
    write_csv(recordings / "metadata.csv", [["file_name", "text"], [name.format(root=recordings), "متن"]])
    corpus = read_corpus(recordings)
    assert corpus.rows["audio"].tolist() == [audio] and corpus.problems == []


@pytest.mark.parametrize(
    ("name", "check", "hint"),
    [
        ("/data/elsewhere/clips/a.wav", "outside the folder", "(the folder has 'clips/a.wav')"),
        ("D:\\data\\clips\\a.wav", "outside the folder", "(the folder has 'clips/a.wav')"),
        ("other/clips/A.wav", "missing file", ""),
        ("wav/clips/a.wav", "missing file", "(the folder has 'clips/a.wav')"),
        ("clips/a.flac", "missing file", "(the folder has 'a.wav')"),
        ("clips/pipe.wav", "missing file", ""),
        ("clips/" + "x/" * 3000 + "a.wav", "missing file", ""),
        ("nul\0.wav", "missing file", ""),
        ("nul\0/a.wav", "missing file", ""),
        ("clips/half\ud800/a.wav", "missing file", ""),
        ("//server/a.wav", "outside the folder", ""),
        ("~/a.wav", "missing file", ""),
    ],
)
def test_paths_that_lead_nowhere_say_what_is_there(recordings, name, check, hint):
    os.mkfifo(recordings / "clips" / "pipe.wav")
    (recordings / "metadata.jsonl").write_text(json.dumps({"file_name": name, "text": "متن"}))
    corpus = read_corpus(recordings)
    assert [p.check for p in corpus.problems] == [check] and len(corpus.rows) == 0
    assert hint in corpus.problems[0].advice and len(corpus.problems[0].value) < 300


@pytest.mark.parametrize(
    ("paths", "ids"),
    [
        (["a/../../x.wav", "b/x.wav"], ["a_.._.._x", "b_x"]),
        (["..", "."], ["", "#2"]),
        ([".hidden.wav", "end. .wav"], ["hidden", "end"]),
        (['a<b>:"|?*\\c.wav'], ["a_b_______c"]),
        (["a\nb\u202ec\u2028d\ud800.wav"], ["a_b_c_d_"]),
        (["گھر\u200cوں.wav"], ["گھر\u200cوں"]),
        (["A.wav", "a.wav", "ä.wav", "a\u0308.wav"], ["A.wav", "a.wav#2", "ä.wav", "ä.wav#2"]),
    ],
)
def test_ids_can_be_the_names_of_files(paths, ids):
    assert unique_ids(paths) == ids


def test_long_names_keep_apart_and_fit_every_file_system():
    names = [f"{'گھر' * 40}{i}.wav" for i in range(3)] + ["x" * 250 + ".wav"]
    ids = unique_ids(names)
    assert len({name.casefold() for name in ids}) == 4
    assert all(len(name.encode()) <= 120 for name in ids) and ids[0].startswith("گھر" * 15)


def test_ids_of_hostile_paths_stay_in_the_folder_that_is_written_to(recordings, tmp_path):
    (recordings / "up").symlink_to(recordings / "clips")
    names = ["clips/../up/a.wav", "up/../clips/a.wav", "clips/a.wav", "./clips/./a.wav"]
    write_csv(recordings / "metadata.csv", [["file_name", "text"], *([name, "متن"] for name in names)])
    ids = read_corpus(recordings).rows["id"].tolist()
    assert len(set(ids)) == 4
    assert all((tmp_path / "exports" / f"{name}.srt").resolve().parent == tmp_path / "exports" for name in ids)


def test_an_endless_transcript_is_an_error_and_not_carried_on(recordings):
    write_csv(recordings / "metadata.csv", [["file_name", "text"], ["clips/a.wav", "لفظ " * 20_000]])
    corpus = read_corpus(recordings)
    assert found(corpus) == [(ERROR, "endless transcript", "a")]
    assert len(corpus.rows["transcript"].iloc[0]) == 10_000

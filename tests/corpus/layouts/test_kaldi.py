"""Kaldi's data folder: names pair the files, commands are never run."""

import pytest
from conftest import found

from asr_helpers.corpus.problems import ERROR, CorpusError
from asr_helpers.corpus.reading import read_corpus


@pytest.fixture
def kaldi(recordings):
    (recordings / "wav.scp").write_text(f"u1 clips/a.wav\nu2\t{recordings}/clips/b.wav\nu3 clips\\c.wav\n")
    (recordings / "text").write_text("u3 تین\nu1 ایک دو\nu2 \n", encoding="utf-8")
    (recordings / "utt2spk").write_text("u1 s1\nu2 s2\n")
    return recordings


def test_files_are_paired_by_name(kaldi):
    corpus = read_corpus(kaldi)
    assert (corpus.layout, corpus.told, corpus.problems) == ("kaldi", "text, utt2spk", [])
    assert corpus.rows["audio"].tolist() == ["clips/a.wav", "clips/b.wav", "clips/c.wav"]
    assert corpus.rows["transcript"].tolist() == ["ایک دو", "", "تین"]
    assert corpus.rows["speaker"].isna().tolist() == [False, False, True]
    (kaldi / "spoken").write_text("u1 ب\nu2 پ\nu3 ت\n", encoding="utf-8")
    (kaldi / "who").write_text("u3 s9\n")
    named = read_corpus(kaldi, transcripts_file="spoken", speakers_file="who")
    assert named.rows["transcript"].tolist() == ["ب", "پ", "ت"]
    assert named.rows["speaker"].iloc[2] == "s9"


@pytest.mark.parametrize("line", ["u1 sox clips/a.wav -t wav - |", "u1 touch ran |", "u1 raw.ark:17", "u1 -"])
def test_what_is_no_file_is_never_run(kaldi, line, monkeypatch):
    monkeypatch.chdir(kaldi)
    (kaldi / "wav.scp").write_text(f"{line}\nu2 clips/b.wav\nu3 clips/c.wav\n")
    corpus = read_corpus(kaldi)
    assert corpus.rows["id"].tolist() == ["b", "c"]
    assert found(corpus) == [(ERROR, "no file", "u1")]
    assert not (kaldi / "ran").exists()


def test_names_without_a_partner_and_names_that_come_twice_are_reported(kaldi):
    (kaldi / "wav.scp").write_text("u1 clips/a.wav\nu1 clips/b.wav\nu4 clips/c.wav\n")
    corpus = read_corpus(kaldi)
    assert corpus.rows["id"].tolist() == ["a"]
    assert found(corpus) == [
        (ERROR, "name twice", "u1"),
        (ERROR, "missing line", "u4"),
        (ERROR, "missing recording", "u3"),
        (ERROR, "missing recording", "u2"),
    ]


def test_segments_of_longer_recordings_are_refused_with_the_way_round(kaldi):
    (kaldi / "segments").write_text("u1 r1 0.0 1.5\n")
    with pytest.raises(CorpusError, match=r"segments .* longer recordings; write each as a file \(extract-segments"):
        read_corpus(kaldi)

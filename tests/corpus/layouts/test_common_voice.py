"""Common Voice's tables: which one, where the clips lie, what a stray tab does."""

import shutil

import pytest
import soundfile
from conftest import RATE, found, speech_like, write_tsv

from asr_helpers.corpus.problems import ERROR, CorpusError
from asr_helpers.corpus.reading import read_corpus


def test_common_voice_tables(recordings):
    header = ["client_id", "path", "sentence", "up_votes"]
    write_tsv(
        recordings / "validated.tsv",
        [header, ["s1", "a.wav", 'یہ "کیا', "2"], ["s2", "b.wav", "ہے", "0"], ["", "none.wav", "؟", "0"]],
    )
    write_tsv(recordings / "other.tsv", [header, ["s3", "c.wav", "اور", "0"]])
    write_tsv(recordings / "reported.tsv", [["sentence", "reason"], ["x", "y"]])
    corpus = read_corpus(recordings)
    assert corpus.layout == "common_voice"
    assert corpus.rows["audio"].tolist() == ["clips/a.wav", "clips/b.wav"]
    assert corpus.rows["transcript"].tolist() == ['یہ "کیا', "ہے"], "a lone quotation mark is text"
    assert corpus.rows["speaker"].tolist() == ["s1", "s2"]
    assert found(corpus) == [(ERROR, "missing file", "none")]
    assert read_corpus(recordings, transcripts_file="other.tsv").rows["id"].tolist() == ["c"]
    (recordings / "validated.tsv").unlink()
    assert read_corpus(recordings).rows["id"].tolist() == ["c"], "the only one there is"
    shutil.copy(recordings / "other.tsv", recordings / "train.tsv")
    with pytest.raises(CorpusError, match=r"sentence: other\.tsv, train\.tsv\. .*parameter transcripts_file"):
        read_corpus(recordings)
    with pytest.raises(CorpusError, match=r"'dev\.tsv' is no file .* other\.tsv, reported\.tsv, train\.tsv"):
        read_corpus(recordings, transcripts_file="dev.tsv")


def test_common_voice_rows_with_a_stray_tab(recordings):
    header = ["client_id", "path", "sentence"]
    write_tsv(recordings / "x.tsv", [header, ["s", "a.wav", "ایک", "دو"], ["s", "b.wav", "تین"]])
    corpus = read_corpus(recordings)
    assert corpus.rows["id"].tolist() == ["b"]
    assert found(corpus) == [(ERROR, "unreadable row", "line 2 of x.tsv")]


def test_the_oldest_common_voice_names_have_no_suffix(recordings):
    soundfile.write(recordings / "clips" / "abc123.mp3", speech_like(0.3), RATE)
    write_tsv(recordings / "x.tsv", [["client_id", "path", "sentence"], ["s", "abc123", "ایک"]])
    assert read_corpus(recordings).rows["audio"].tolist() == ["clips/abc123.mp3"]

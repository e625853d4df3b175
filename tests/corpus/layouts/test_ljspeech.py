"""LJSpeech's table without a header, whose quotation marks are text."""

import pytest

from asr_helpers.corpus.problems import CorpusError
from asr_helpers.corpus.reading import read_corpus


@pytest.fixture
def ljspeech(recordings):
    (recordings / "clips").rename(recordings / "wavs")
    lines = ['a|Dr. "X, 5|Doctor "X, five', "b|B|b", "c|C|c"]
    (recordings / "metadata.csv").write_text("\n".join(lines) + "\n")
    return recordings


def test_the_last_column_is_what_was_said(ljspeech):
    corpus = read_corpus(ljspeech)
    assert (corpus.layout, corpus.told, corpus.problems) == ("ljspeech", "normalized_text of metadata.csv", [])
    assert corpus.rows["audio"].tolist() == ["wavs/a.wav", "wavs/b.wav", "wavs/c.wav"]
    assert corpus.rows["transcript"].tolist() == ['Doctor "X, five', "b", "c"]
    assert read_corpus(ljspeech, text_column="text").rows["transcript"].iloc[0] == 'Dr. "X, 5'
    with pytest.raises(CorpusError, match="no column 'txt': it has 'file', 'text', 'normalized_text'"):
        read_corpus(ljspeech, text_column="txt")


def test_two_columns_are_enough_and_a_stray_bar_is_named(ljspeech):
    (ljspeech / "metadata.csv").write_text("a|one\nb.wav|two\nc|th|ree\n")
    corpus = read_corpus(ljspeech)
    assert corpus.rows["transcript"].tolist() == ["one", "two"]
    assert [p.utterance for p in corpus.problems] == ["line 3 of metadata.csv"]


def test_a_table_with_a_header_is_no_such_table(ljspeech):
    (ljspeech / "metadata.csv").write_text("file_name,text\nwavs/a.wav,x|y\n")
    assert read_corpus(ljspeech).layout == "audiofolder"

"""Numbered recordings and lines: what pairs, what is reported, what is refused."""

import shutil

import pytest
from conftest import found

from asr_helpers.corpus.problems import ERROR, WARNING, CorpusError
from asr_helpers.corpus.reading import read_corpus


def texts(root):
    return (root / "text.txt").read_text(encoding="utf-8").splitlines()


def write_texts(root, lines):
    (root / "text.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize("padding", [0, 2, 5])
def test_line_n_belongs_to_recording_n_in_the_order_of_numbers(numbered_corpus, padding):
    root = numbered_corpus(12, padding=padding)
    corpus = read_corpus(root)
    assert corpus.layout == "numbered"
    assert corpus.problems == []
    assert corpus.rows["transcript"].tolist() == texts(root)
    assert corpus.rows["id"].tolist() == [f"{n:0{padding}d}" for n in range(1, 13)], "2 before 10"
    assert corpus.rows["audio"].tolist() == [f"{n:0{padding}d}.wav" for n in range(1, 13)]
    assert corpus.rows["speaker"].isna().all()
    assert all((corpus.root / audio).is_file() for audio in corpus.rows["audio"])


def test_padding_may_differ_from_file_to_file(numbered_corpus):
    root = numbered_corpus(3)
    (root / "2.wav").rename(root / "0002.WAV")
    corpus = read_corpus(root)
    assert corpus.rows["id"].tolist() == ["1", "0002", "3"]
    assert corpus.rows["transcript"].tolist() == texts(root)


def test_a_common_prefix_is_allowed(numbered_corpus):
    root = numbered_corpus(11)
    for n in range(1, 12):
        (root / f"{n}.wav").rename(root / f"rec s2_{n}.wav")
    corpus = read_corpus(root)
    assert corpus.rows["id"].tolist() == [f"rec s2_{n}" for n in range(1, 12)]
    assert corpus.problems == []


def test_recordings_may_lie_in_one_subfolder(numbered_corpus):
    root = numbered_corpus(3)
    (root / "wav").mkdir()
    for n in range(1, 4):
        (root / f"{n}.wav").rename(root / "wav" / f"{n}.wav")
    corpus = read_corpus(root)
    assert corpus.rows["audio"].tolist() == ["wav/1.wav", "wav/2.wav", "wav/3.wav"]
    assert corpus.rows["transcript"].tolist() == texts(root)
    shutil.move(root / "text.txt", root / "wav" / "text.txt")
    assert len(read_corpus(root).rows) == 3, "the text may lie there too"
    shutil.copytree(root / "wav", root / "more")
    with pytest.raises(CorpusError, match=r"several subfolders \(more/, wav/\)"):
        read_corpus(root)


def test_hidden_files_are_not_seen(numbered_corpus):
    root = numbered_corpus(2)
    (root / "._1.wav").write_bytes(b"x")
    (root / "__MACOSX").mkdir()
    (root / "__MACOSX" / "3.wav").write_bytes(b"x")
    (root / ".text.txt").write_text("x")
    assert read_corpus(root).problems == []


def test_a_missing_number_is_reported_and_shifts_nothing(numbered_corpus):
    root = numbered_corpus(9)
    lines = texts(root)
    for n in (2, 5, 6):
        (root / f"{n}.wav").unlink()
    corpus = read_corpus(root)
    assert corpus.rows["id"].tolist() == ["1", "3", "4", "7", "8", "9"]
    assert corpus.rows["transcript"].tolist() == [lines[i - 1] for i in (1, 3, 4, 7, 8, 9)]
    assert found(corpus) == [
        (WARNING, "counts differ", ""),
        (ERROR, "missing recording", "2"),
        (ERROR, "missing recording", "5–6"),
    ]
    assert "9 lines (0 blank) in text.txt, 6 recordings" in corpus.problems[0].value
    assert "lines 5 to 6 (2)" in corpus.problems[2].value


def test_more_lines_than_recordings(numbered_corpus):
    root = numbered_corpus(4)
    write_texts(root, [*texts(root), "ایک اور", "اور ایک"])
    corpus = read_corpus(root)
    assert len(corpus.rows) == 4
    assert found(corpus) == [(WARNING, "counts differ", ""), (ERROR, "missing recording", "5–6")]


def test_fewer_lines_than_recordings(numbered_corpus):
    root = numbered_corpus(6)
    write_texts(root, texts(root)[:3])
    corpus = read_corpus(root)
    assert corpus.rows["id"].tolist() == ["1", "2", "3"]
    assert found(corpus) == [(WARNING, "counts differ", ""), (ERROR, "missing line", "4–6")]


def test_a_blank_line_holds_the_place_of_a_lost_recording(numbered_corpus):
    root = numbered_corpus(4)
    lines = texts(root)
    write_texts(root, [lines[0], "", *lines[2:]])
    (root / "2.wav").unlink()
    corpus = read_corpus(root)
    assert corpus.rows["id"].tolist() == ["1", "3", "4"]
    assert found(corpus) == [(WARNING, "counts differ", "")]
    assert "4 lines (1 blank)" in corpus.problems[0].value


def test_a_blank_line_with_a_recording_is_an_empty_transcript(numbered_corpus):
    root = numbered_corpus(3)
    lines = texts(root)
    write_texts(root, [lines[0], "", lines[2]])
    corpus = read_corpus(root)
    assert corpus.rows["transcript"].tolist() == [lines[0], "", lines[2]]


def test_two_recordings_of_one_number(numbered_corpus):
    root = numbered_corpus(3)
    shutil.copy(root / "2.wav", root / "002.wav")
    corpus = read_corpus(root)
    assert corpus.rows["id"].tolist() == ["1", "002", "3"]
    assert found(corpus) == [(ERROR, "number twice", "002")]
    assert corpus.problems[0].value == "002.wav, 2.wav"


def test_counting_from_zero_is_noticed(numbered_corpus):
    root = numbered_corpus(5)
    for n in range(1, 6):
        (root / f"{n}.wav").rename(root / f"{n - 1}.wav")
    corpus = read_corpus(root)
    assert (ERROR, "counted from 0", "") in found(corpus)
    (root / "0.wav").rename(root / "5.wav")
    shutil.copy(root / "1.wav", root / "0.wav")
    assert (ERROR, "missing line", "0") in found(read_corpus(root))


def test_lines_that_carry_their_number(numbered_corpus):
    root = numbered_corpus(5)
    write_texts(root, [f"{n}. {line}" for n, line in enumerate(texts(root), start=1)])
    assert found(read_corpus(root)) == [(ERROR, "numbers in the lines", "")]


def test_recordings_without_a_number_are_named(numbered_corpus):
    root = numbered_corpus(3)
    shutil.copy(root / "1.wav", root / "test take.wav")
    (root / "old").mkdir()
    shutil.copy(root / "1.wav", root / "old" / "1.wav")
    corpus = read_corpus(root)
    assert found(corpus) == [(WARNING, "ignored recordings", "")]
    assert corpus.problems[0].value == "test take.wav, old/ (1)"


def test_a_recording_of_a_foreign_format_is_kept_for_measuring_to_name(numbered_corpus):
    root = numbered_corpus(3)
    (root / "2.wav").rename(root / "2.m4a")
    assert read_corpus(root).rows["audio"].tolist() == ["1.wav", "2.m4a", "3.wav"]


def test_the_text_file_must_be_the_only_one_or_be_named(numbered_corpus):
    root = numbered_corpus(2)
    for name in ("README.txt", "LICENSE.txt", "speakers.txt"):
        (root / name).write_text("a\nb\n")
    assert len(read_corpus(root).rows) == 2
    (root / "other.txt").write_text("x\ny\n")
    with pytest.raises(CorpusError, match=r"found: other\.txt, text\.txt\. .*parameter transcripts"):
        read_corpus(root)
    assert read_corpus(root, transcripts_file="other.txt").rows["transcript"].tolist() == ["x", "y"]
    with pytest.raises(CorpusError, match=r"'tetx\.txt' is no file .* there: LICENSE\.txt, .*text\.txt"):
        read_corpus(root, transcripts_file="tetx.txt")
    for name in ("other.txt", "text.txt"):
        (root / name).unlink()
    with pytest.raises(CorpusError, match="found: none"):
        read_corpus(root)


def test_speakers_stand_on_the_line_of_their_recording(numbered_corpus):
    root = numbered_corpus(4)
    (root / "speakers.txt").write_text("آمنہ\nبلال\n\nآمنہ\n", encoding="utf-8")
    (root / "3.wav").unlink()
    rows = read_corpus(root).rows
    assert rows["speaker"].tolist() == ["آمنہ", "بلال", "آمنہ"]
    (root / "who.txt").write_text("s1\ns2\n")
    corpus = read_corpus(root, transcripts_file="text.txt", speakers_file="who.txt")
    assert corpus.rows["speaker"].tolist()[:2] == ["s1", "s2"]
    assert corpus.rows["speaker"].isna().tolist() == [False, False, True]
    assert (WARNING, "speakers file", "") in found(corpus)
    with pytest.raises(CorpusError, match=r"speakers_file: 'nobody\.txt' is no file"):
        read_corpus(root, transcripts_file="text.txt", speakers_file="nobody.txt")


def test_encoding_problems_of_the_text_file_are_passed_on(numbered_corpus):
    root = numbered_corpus(4)
    lines = texts(root)
    (root / "text.txt").write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*lines, "", ""]).encode())
    corpus = read_corpus(root)
    assert corpus.rows["transcript"].tolist() == lines
    assert found(corpus) == [(WARNING, "byte-order mark", ""), (WARNING, "line ends", "")]

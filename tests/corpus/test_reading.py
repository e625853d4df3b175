"""Corpus folders in every file layout: what pairs, what is reported, what is refused."""

import csv
import json
import os
import shutil

import pytest
import soundfile
from conftest import RATE, sentences, speech_like

from asr_helpers.corpus.problems import ERROR, WARNING, CorpusError
from asr_helpers.corpus.reading import find_layout, read_corpus
from asr_helpers.corpus.rows import unique_ids


def found(corpus):
    """Problems as (severity, check, utterance)."""
    return [(p.severity, p.check, p.utterance) for p in corpus.problems]


def texts(root):
    return (root / "text.txt").read_text(encoding="utf-8").splitlines()


def write_texts(root, lines):
    (root / "text.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


# --- numbered -------------------------------------------------------------------------------------------------------


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
    assert read_corpus(root, transcripts="other.txt").rows["transcript"].tolist() == ["x", "y"]
    with pytest.raises(CorpusError, match=r"'tetx\.txt' is no file .* other\.txt, text\.txt"):
        read_corpus(root, transcripts="tetx.txt")
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
    corpus = read_corpus(root, transcripts="text.txt", speakers="who.txt")
    assert corpus.rows["speaker"].tolist()[:2] == ["s1", "s2"]
    assert corpus.rows["speaker"].isna().tolist() == [False, False, True]
    assert (WARNING, "speakers file", "") in found(corpus)
    with pytest.raises(CorpusError, match=r"speakers: 'nobody\.txt' is no file"):
        read_corpus(root, transcripts="text.txt", speakers="nobody.txt")


def test_encoding_problems_of_the_text_file_are_passed_on(numbered_corpus):
    root = numbered_corpus(4)
    lines = texts(root)
    (root / "text.txt").write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*lines, "", ""]).encode())
    corpus = read_corpus(root)
    assert corpus.rows["transcript"].tolist() == lines
    assert found(corpus) == [(WARNING, "byte-order mark", ""), (WARNING, "line ends", "")]


# --- audiofolder ----------------------------------------------------------------------------------------------------


@pytest.fixture
def recordings(tmp_path):
    """Three recordings in ``clips/`` of a folder."""
    root = tmp_path / "corpus"
    (root / "clips").mkdir(parents=True)
    for name in ("a", "b", "c"):
        soundfile.write(root / "clips" / f"{name}.wav", speech_like(0.2), RATE)
    return root


def write_csv(path, rows):
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


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
    assert corpus.rows["id"].tolist() == ["test/1", "train/1"], "stems that meet get their folders"
    only = read_corpus(recordings, transcripts="train/metadata.csv")
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
    assert read_corpus(recordings, transcripts="metadata.jsonl").rows["transcript"].tolist() == ["two"]


# --- paths ----------------------------------------------------------------------------------------------------------


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


# --- Common Voice ---------------------------------------------------------------------------------------------------


def write_tsv(path, rows):
    path.write_text("\n".join("\t".join(row) for row in rows) + "\n", encoding="utf-8")


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
    assert read_corpus(recordings, transcripts="other.tsv").rows["id"].tolist() == ["c"]
    (recordings / "validated.tsv").unlink()
    assert read_corpus(recordings).rows["id"].tolist() == ["c"], "the only one there is"
    shutil.copy(recordings / "other.tsv", recordings / "train.tsv")
    with pytest.raises(CorpusError, match=r"Found: other\.tsv, train\.tsv\. .*parameter transcripts"):
        read_corpus(recordings)
    with pytest.raises(CorpusError, match=r"'dev\.tsv' is no file .* other\.tsv, reported\.tsv, train\.tsv"):
        read_corpus(recordings, transcripts="dev.tsv")


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


def test_an_empty_table_gives_an_empty_corpus(recordings):
    write_tsv(recordings / "x.tsv", [["client_id", "path", "sentence"]])
    assert len(read_corpus(recordings).rows) == 0


# --- which layout ---------------------------------------------------------------------------------------------------


def test_layouts_are_recognised_in_a_fixed_order(numbered_corpus):
    root = numbered_corpus(3)
    assert find_layout(root) == "numbered"
    write_tsv(root / "x.tsv", [["client_id", "path", "sentence"]])
    assert find_layout(root) == "common_voice"
    write_csv(root / "metadata.csv", [["file_name", "text"]])
    assert find_layout(root) == "audiofolder"
    (root / "state.json").write_text("{}")
    assert find_layout(root) == "datasets"
    assert read_corpus(root, layout="numbered").rows["transcript"].tolist() == texts(root)


def test_what_is_no_corpus_is_said_clearly(tmp_path):
    with pytest.raises(CorpusError, match=r"no known layout .* in it: none"):
        read_corpus(tmp_path)
    (tmp_path / "x.txt").write_text("x")
    with pytest.raises(CorpusError, match=r"in it: x\.txt"):
        read_corpus(tmp_path)
    with pytest.raises(CorpusError, match="is a file; give the folder"):
        read_corpus(tmp_path / "x.txt")
    with pytest.raises(CorpusError, match="there is no folder"):
        read_corpus(tmp_path / "no" / "such")
    with pytest.raises(CorpusError, match="there is no folder"):
        read_corpus(tmp_path / "none", layout="numbered")
    with pytest.raises(CorpusError, match="layout is 'kaldi'; use 'auto', 'numbered'"):
        read_corpus(tmp_path, layout="kaldi")
    for layout, says in (("numbered", "no numbered recordings"), ("audiofolder", "no metadata.csv")):
        with pytest.raises(CorpusError, match=says):
            read_corpus(tmp_path, layout=layout)
    with pytest.raises(CorpusError, match=r"\(columns path and sentence\).* Found: none"):
        read_corpus(tmp_path, layout="common_voice")


def test_parameters_of_another_layout_are_refused(numbered_corpus, recordings):
    with pytest.raises(CorpusError, match="the layout is numbered: use speakers"):
        read_corpus(numbered_corpus(2, folder="numbered"), speaker_column="who")
    write_csv(recordings / "metadata.csv", [["file_name", "text"], ["clips/a.wav", "one"]])
    with pytest.raises(CorpusError, match="the layout is audiofolder: use speaker_column"):
        read_corpus(recordings, speakers="speakers.txt")


def test_rows_are_the_same_every_time(numbered_corpus):
    root = numbered_corpus(25)
    first, second = read_corpus(root), read_corpus(root)
    assert first.rows.equals(second.rows)
    assert first.rows["transcript"].tolist() == sentences(25)

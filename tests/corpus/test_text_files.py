"""Text files as people save them: every encoding is named, every line keeps its number."""

import os

import pytest

from asr_helpers.corpus.problems import ERROR, WARNING, CorpusError
from asr_helpers.corpus.reading import read_corpus
from asr_helpers.corpus.text_files import decode_text, read_lines, read_text, split_lines

URDU = "یہ پہلا جملہ ہے\nدوسرا جملہ یہاں ہے\nتیسرا بھی\n"


def checks(problems):
    return [(p.severity, p.check) for p in problems]


def test_plain_utf8_is_taken_as_it_is():
    assert decode_text(URDU.encode(), "t.txt") == (URDU, [])


@pytest.mark.parametrize(
    ("data", "severity", "check", "says"),
    [
        (b"\xef\xbb\xbf" + URDU.encode(), WARNING, "byte-order mark", "EF BB BF"),
        (URDU.encode("utf-16"), ERROR, "encoding", "UTF-16-LE"),
        (URDU.encode("utf-16-be"), ERROR, "encoding", "UTF-16-BE"),
        (URDU.encode("utf-16-le"), ERROR, "encoding", "UTF-16-LE"),
        (URDU.encode("utf-32"), ERROR, "encoding", "UTF-32-LE"),
        (URDU.replace("ی", "ي").encode("cp1256"), ERROR, "encoding", "3 of 4 lines are not"),
    ],
)
def test_what_is_odd_is_said_once_for_the_file(data, severity, check, says):
    text, problems = decode_text(data, "t.txt")
    assert checks(problems) == [(severity, check)]
    assert problems[0].utterance == ""
    assert "t.txt" in problems[0].value
    assert says in problems[0].value
    assert problems[0].advice
    assert "جملہ" in text, "reading goes on with the right letters"
    assert not text.startswith("\ufeff")


@pytest.mark.parametrize(
    ("page", "line", "named"),
    [
        ("cp1256", "دوسرا جملہ یہاں", "Windows-1256"),
        ("iso8859-6", "الكتاب على المكتب في البيت", "ISO 8859-6"),
        ("cp1252", "größere Bären müssen weit fahren", "Windows-1252"),
        ("cp1252", "L'été où déjà c'était très tôt", "Windows-1252"),
        ("cp1254", "Ağaç şimdi çok büyük bir ağaç", "Windows-1254"),
        ("cp1251", "книга лежит на столе", "Windows-1251"),
        ("koi8-r", "это не книга и она не лежит на столе", "KOI8-R"),
        ("cp874", "หนังสืออยู่บนโต๊ะ", "Windows-874"),
        ("gb18030", "书在桌子上面", "GB 18030"),
        ("big5", "書在桌子上面", "Big5"),
    ],
)
def test_the_likeliest_code_page_is_suggested_with_a_sample(page, line, named):
    data = "\n".join([line] * 4).encode(page, errors="ignore")
    text, problems = decode_text(data, "t.txt")
    assert named in problems[0].advice
    assert "UTF-8" in problems[0].advice
    assert text == data.decode(page)


def test_a_few_bad_lines_are_marked_and_the_rest_is_kept():
    lines = [f"جملہ {i}".encode() for i in range(40)]
    lines[16] = b"caf\xe9 au lait"
    text, problems = decode_text(b"\n".join(lines), "t.txt")
    assert checks(problems) == [(WARNING, "encoding")]
    assert "line 17: byte 0xE9" in problems[0].value
    assert "1 of 40 lines" in problems[0].value
    assert split_lines(text)[16] == "caf\ufffd au lait"
    assert split_lines(text)[39] == "جملہ 39"


def test_only_line_ends_end_lines():
    assert split_lines("a\r\nb\rc\nd\u2028e\x0bf\x85g\x0ch") == ["a", "b", "c", "d\u2028e\x0bf\x85g\x0ch"]


def test_blank_lines_at_the_end_are_no_lines_but_those_within_are(tmp_path):
    path = tmp_path / "t.txt"
    path.write_bytes(b"one\n\nthree\n \n\n\t\n")
    assert read_lines(tmp_path, "t.txt") == (["one", "", "three"], [])


def test_carriage_returns_are_taken_off_and_said(tmp_path):
    path = tmp_path / "t.txt"
    path.write_bytes(b"one\r\ntwo\rthree\r\n\r\n")
    lines, problems = read_lines(tmp_path, "t.txt")
    assert lines == ["one", "two", "three"]
    assert checks(problems) == [(WARNING, "line ends")]
    assert "t.txt ends 4 lines with a carriage return" in problems[0].value


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_a_file_that_says_nothing_has_no_lines(tmp_path, data):
    path = tmp_path / "t.txt"
    path.write_bytes(data)
    assert read_lines(tmp_path, "t.txt")[0] == []


@pytest.mark.parametrize(
    ("data", "line", "count"),
    [
        (URDU.replace("\n", "\0\n", 1).encode(), 1, 1),
        (("plain text\n" * 3 + "a\0b\n").encode(), 4, 1),
        (URDU.encode() + b"\0\0", 4, 2),
        (b"RIFF\0\0\0\0WAVEfmt " + b"\0\x01" * 40, 1, 44),
    ],
)
def test_nul_bytes_make_no_utf16(data, line, count):
    text, problems = decode_text(data, "t.txt")
    assert (ERROR, "NUL bytes") in checks(problems)
    assert f"line {line}: a NUL byte, the first of {count}" in problems[-1].value
    assert "UTF-16" not in problems[0].value
    assert text.count("\0") == count


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", [URDU, "plain text\nof two lines\n", "книга лежит на столе\n"])
def test_utf16_without_a_mark_is_still_known(text, encoding):
    decoded, problems = decode_text(text.encode(encoding), "t.txt")
    assert decoded == text and encoding.upper() in problems[0].value


def test_no_text_outside_the_folder_is_read(tmp_path):
    root = tmp_path / "corpus"
    (root / "in").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("secret")
    (root / "t.txt").write_text("open\n")
    (root / "in" / "link.txt").symlink_to(root / "t.txt")
    assert read_lines(root, "in/link.txt")[0] == ["open"], "a link within the folder is fine"
    (root / "link.txt").symlink_to(tmp_path / "secret.txt")
    (root / "loop.txt").symlink_to(root / "loop.txt")
    (root / "folder").symlink_to(tmp_path)
    os.mkfifo(root / "pipe.txt")
    for name, says in (
        ("link.txt", "leads out of"),
        ("folder/secret.txt", "leads out of"),
        ("../secret.txt", "leads out of"),
        (str(tmp_path / "secret.txt"), "leads out of"),
        ("pipe.txt", "no ordinary file"),
        ("in", "no ordinary file"),
        ("loop.txt", "loop"),
        ("x" * 300 + ".txt", "too long"),
    ):
        with pytest.raises(CorpusError, match=says) as caught:
            read_text(root, name)
        assert "secret\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl", "validated.tsv", "t.txt", "manifest.json", "text"])
def test_a_table_that_is_a_link_out_of_the_folder_is_refused(recordings, tmp_path, name):
    secret = tmp_path / "passwd"
    secret.write_text('{"audio_filepath": "path\tsentence\n"}root:x:0:0\n')
    (recordings / name).symlink_to(secret)
    (recordings / "clips" / "a.wav").rename(recordings / "1.wav")
    (recordings / "wav.scp").write_text("u 1.wav\n")
    if name != "text":
        (recordings / "wav.scp").unlink()
    with pytest.raises(CorpusError, match=f"{name} leads out of") as caught:
        read_corpus(recordings)
    assert "root" not in str(caught.value).replace("pytest-of-root", "")


@pytest.mark.parametrize(
    "name", ["x.tsv", "metadata.csv", "x.json", "text.txt", "speakers.txt", "state.json", "a.TextGrid"]
)
def test_a_pipe_hangs_no_reading(numbered_corpus, name):
    root = numbered_corpus(3)
    (root / name).unlink(missing_ok=True)
    os.mkfifo(root / name)
    if name == "text.txt":
        with pytest.raises(CorpusError, match="found: none"):
            read_corpus(root)
    else:
        assert len(read_corpus(root).rows) == 3


def test_what_the_system_refuses_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "t.txt").write_text("x")

    def refuse(*_):
        raise PermissionError(13, "Permission denied", "t.txt")

    monkeypatch.setattr("asr_helpers.corpus.text_files.open", refuse, raising=False)
    with pytest.raises(CorpusError, match=r"t\.txt in .* cannot be read \(Permission denied\); check its permissions"):
        read_text(tmp_path, "t.txt")
    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(CorpusError, match=r"t\.txt cannot be read \(Permission denied\)"):
        read_corpus(tmp_path, layout="numbered")


@pytest.mark.parametrize("source", ["x" * 5000, "x/" * 3000, "nul\0", "~nobody-of-that-name/corpus"])
def test_impossible_folders_are_one_sentence(source):
    with pytest.raises(CorpusError, match=r"cannot be read|no folder|write the whole path"):
        read_corpus(source)


def test_a_file_too_large_to_be_text_is_not_read(tmp_path):
    with open(tmp_path / "t.txt", "wb") as file:
        file.truncate((1 << 30) + 1)  # a hole: no byte of it is on the disk
    with pytest.raises(CorpusError, match=r"t\.txt in .* has 1\.1 GB, too much for a text file"):
        read_text(tmp_path, "t.txt")

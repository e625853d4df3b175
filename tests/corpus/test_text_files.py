"""Text files as people save them: every encoding is named, every line keeps its number."""

import pytest

from asr_helpers.corpus.problems import ERROR, WARNING
from asr_helpers.corpus.text_files import decode_text, read_lines, split_lines

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
        ("cp1251", "книга лежит на столе", "Windows-1251"),
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
    assert read_lines(path, "t.txt") == (["one", "", "three"], [])


def test_carriage_returns_are_taken_off_and_said(tmp_path):
    path = tmp_path / "t.txt"
    path.write_bytes(b"one\r\ntwo\rthree\r\n\r\n")
    lines, problems = read_lines(path, "t.txt")
    assert lines == ["one", "two", "three"]
    assert checks(problems) == [(WARNING, "line ends")]
    assert "t.txt ends 4 lines with a carriage return" in problems[0].value


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_a_file_that_says_nothing_has_no_lines(tmp_path, data):
    path = tmp_path / "t.txt"
    path.write_bytes(data)
    assert read_lines(path, "t.txt")[0] == []

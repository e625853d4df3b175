"""Broken tables: every line has its row or its problem, and a fault of the whole file is said once, with the fix."""

import json

import pytest

from asr_helpers.corpus.problems import CorpusError
from asr_helpers.corpus.reading import read_corpus

HEADER = "file_name,text\n"
ROWS = [f"clips/{name}.wav,{text}" for name, text in zip("abc", ("ایک", "دو", "تین"), strict=True)]


def table(*lines):
    return HEADER + "\n".join(lines) + "\n"


def jsonl(*texts):
    return "\n".join(f'{{"file_name": "clips/{name}.wav", "text": {text}}}' for name, text in zip("abc", texts)) + "\n"  # noqa: B905


@pytest.mark.parametrize(
    ("content", "kept", "odd"),
    [
        (table('clips/a.wav,"ایک', *ROWS[1:]), "bc", {2: "opens a field and nothing closes it"}),
        (table('clips/a.wav,"ایک', ROWS[1], 'clips/c.wav,"تین"'), "bc", {2: "nothing closes it"}),
        (table('clips/a.wav,"ایک', 'clips/b.wav,دو"', ROWS[2]), "bc", {2: "nothing closes it"}),
        (table(ROWS[0], ROWS[1], 'clips/c.wav,"تین'), "ab", {4: "nothing closes it"}),
        (table('clips/a.wav,"ایک"دو', *ROWS[1:]), "bc", {2: "a quotation mark within a quoted field is written twice"}),
        (table('clips/a.wav,"ایک ""دو"""', *ROWS[1:]), "abc", {}),
        (table('clips/a.wav,ایک "دو" تین', *ROWS[1:]), "abc", {}),
        (table(f"{ROWS[0]},zu viel", *ROWS[1:]), "bc", {2: "3 fields, the header has 2"}),
        (table("clips/a.wav", "", *ROWS[1:]), "bc", {2: "1 fields, the header has 2"}),
        (table("clips/a.wav," + "x" * 200_000, *ROWS[1:]), "bc", {2: "field larger than field limit"}),
        ("file_name,text,note\n" + f'{ROWS[0]},"one\ntwo"\n{ROWS[1]},x\n{ROWS[2]},y\n', "abc", {}),
    ],
)
def test_a_bad_line_of_a_csv_costs_no_other(recordings, content, kept, odd):
    (recordings / "metadata.csv").write_text(content, encoding="utf-8")
    corpus = read_corpus(recordings)
    assert "".join(corpus.rows["id"]) == kept
    assert [p.utterance for p in corpus.problems] == [f"line {number} of metadata.csv" for number in odd]
    for problem, says in zip(corpus.problems, odd.values(), strict=True):
        assert says in problem.value and len(problem.value) < 300


def test_one_open_quotation_mark_in_forty_rows_costs_one_row(recordings):
    lines = [f'clips/{"abc"[i % 3]}.wav,"جملہ {i}, ہے"' for i in range(40)]
    lines[10] = lines[10].rstrip('"')
    (recordings / "metadata.csv").write_text(table(*lines), encoding="utf-8")
    corpus = read_corpus(recordings)
    assert len(corpus.rows) == 39 and [p.utterance for p in corpus.problems] == ["line 12 of metadata.csv"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("metadata.csv", "", "metadata.csv has no header (it is empty)"),
        ("metadata.csv", "\n , \n", "has no header (it is empty)"),
        ("metadata.csv", HEADER, "only a header ('file_name', 'text'); write a line for each"),
        ("metadata.csv", '"file_name,text\n' + ROWS[0], "has no header (a quotation mark"),
        ("metadata.csv", f"file_name,text,text\n{ROWS[0]},x\n", "has two columns 'text'; rename one"),
        ("metadata.csv", table(*(f"{row},x" for row in ROWS)), "no row of metadata.csv can be used; the first, line 2"),
        ("metadata.csv", "file_name;text\nclips/a.wav;x\n", "are the fields separated by commas?"),
        ("metadata.jsonl", "", "nothing in it"),
        ("metadata.jsonl", jsonl("[1]", "[2]", "[3]"), "'text' is a list, «[1]», where text belongs"),
        ("metadata.jsonl", jsonl("1", "2.5", "true"), "'text' is a int, «1»"),
        ("metadata.jsonl", '{"file_name": 1, "text": "x"}\n', "'file_name' is a int"),
        ("metadata.jsonl", '{"file_name": "clips/a.wav", "text": "x", "text": "y"}\n', "the key 'text' stands twice"),
        ("metadata.jsonl", "[" * 100_000, "can be used; the first, line 1"),
        ("x.tsv", "path\tsentence\n", "x.tsv has only a header"),
        ("x.tsv", "path\tsentence\tsentence\na.wav\tx\ty\n", "x.tsv has two columns 'sentence'"),
    ],
)  # fmt: skip
def test_a_fault_of_the_whole_file_is_said_once(recordings, name, content, says):
    (recordings / name).write_text(content, encoding="utf-8")
    with pytest.raises(CorpusError) as caught:
        read_corpus(recordings)
    assert says in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"file_name": "clips/a.wav", "text": ["x"]}', "'text' is a list"),
        ('{"file_name": "clips/a.wav", "text": 12}', "'text' is a int"),
        ('{"file_name": "clips/a.wav", "text": "x", "speaker": {"name": "s"}}', "'speaker' is a dict"),
        ('{"file_name": "clips/a.wav", "text": "x", "a": 1, "a": 2}', "the key 'a' stands twice"),
        ('{"file_name": "clips/a.wav", "text": ' + "9" * 5000 + "}", "digits"),
        ('["clips/a.wav", "x"]', "no JSON object"),
        ('{"file_name": "clips/a.wav", "text": "x"', "delimiter"),
    ],
)
def test_a_bad_line_of_json_costs_no_other(recordings, line, says):
    (recordings / "metadata.jsonl").write_text(f"{jsonl(*map(json.dumps, 'xy'))}{line}\n", encoding="utf-8")
    corpus = read_corpus(recordings)
    assert corpus.rows["id"].tolist() == ["a", "b"]
    assert [p.utterance for p in corpus.problems] == ["line 3 of metadata.jsonl"]
    assert says in corpus.problems[0].value and len(corpus.problems[0].value) < 200


def test_messages_can_be_written_down(recordings):
    (recordings / "metadata.jsonl").write_text(
        '{"file_name": "a", "text": "x", "n\\ud800": [1]}\n{"a\\ud800": 1, "a\\ud800": 2}\n'
    )
    for problem in read_corpus(recordings).problems:
        (problem.value + problem.advice + problem.utterance).encode()
    (recordings / "metadata.jsonl").write_text(json.dumps({f"{'x' * 5000}\ud800\n": 1}) + "\n")
    with pytest.raises(CorpusError) as caught:
        read_corpus(recordings)
    assert len(str(caught.value).encode()) < 1100 and "\n" not in str(caught.value)


def test_messages_list_ten_of_a_hundred_columns(recordings):
    names = [f"c{i}" for i in range(100)]
    (recordings / "metadata.csv").write_text(",".join(names) + "\n" + ",".join(names) + "\n")
    with pytest.raises(CorpusError, match="'c9' and 90 more"):
        read_corpus(recordings)

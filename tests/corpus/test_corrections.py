"""What a person corrects is kept letter by letter, applied where it fits, and said where it does not."""

from pathlib import Path

import pandas as pd
import pytest

from asr_helpers import storage
from asr_helpers.corpus.corrections import MARKS, Correction, Corrections, apply_corrections
from asr_helpers.corpus.problems import CorpusError
from asr_helpers.corpus.reading import Corpus, find_layout, read_corpus

HEADER = "id,transcript,mark,corrected\n"

TEXTS = [
    "کتاب میز پر ہے", "خوب\u200cصورت", "آ", "a\u0653", "=1+1", "'=1+1", "''-x", "'tis", "@SUM(A1)", "＝۱",
    "\r=1", "a,b;c\td", 'he said "no"', "two\nlines", "carriage\rreturn", "<img src=x onerror=alert(1)>",
    "007", "1e5", "NA", "", "'", "'''", "\u202eabc", "\ufeffmark",
]  # fmt: skip


@pytest.fixture
def kept(tmp_path):
    return Corrections(tmp_path / "corrections.csv")


def corpus_of(**transcripts) -> Corpus:
    rows = pd.DataFrame({"id": list(transcripts), "transcript": list(transcripts.values())})
    rows = rows.assign(audio=rows["id"] + ".wav", speaker=None, age=range(len(rows)))
    return Corpus(Path(), "numbered", rows[["id", "audio", "transcript", "speaker", "age"]], [])


def test_every_text_comes_back_as_it_was_and_no_spreadsheet_computes_it(kept):
    rows = [Correction(f"{n}{text}", text, "wrong transcript", text.strip() + "۔") for n, text in enumerate(TEXTS)]
    for row in rows:
        kept.mark(row.id, row.transcript, row.mark, row.corrected)
    assert list(kept.read().values()) == rows
    written = kept.file.read_bytes().decode("utf-8-sig")
    assert not [line for line in written.split('","') if line.startswith(("=", "+", "-", "@", "＝", "\r", "\t"))]


MARKING = {
    # transcripts as the person saw them, with the mark and what was typed, one after the other → what is kept
    "a wrong transcript": ([("ab", "wrong transcript", " abc ")], ("ab", "wrong transcript", "abc")),
    "nobody knows the right one yet": ([("ab", "wrong transcript", "ab")], ("ab", "wrong transcript", "")),
    "what is typed belongs to a wrong transcript": ([("ab", "bad audio", "abc")], ("ab", "bad audio", "")),
    "half a surrogate pair": ([("ab", "wrong transcript", "a\ud800")], ("ab", "wrong transcript", "a\ufffd")),
    "the last one counts": ([("ab", "bad audio", ""), ("ab", "fine", "")], ("ab", "fine", "")),
    "again before it is applied": (
        [("ab", "wrong transcript", "abc"), ("ab", "wrong transcript", "abd")], ("ab", "wrong transcript", "abd"),
    ),
    "again after it was applied": (
        [("ab", "wrong transcript", "abc"), ("abc", "wrong transcript", "abd")], ("ab", "wrong transcript", "abd"),
    ),
    "confirmed after it was applied": (
        [("ab", "wrong transcript", "abc"), ("abc", "wrong transcript", "abc")], ("ab", "wrong transcript", "abc"),
    ),
    "the corpus was mended meanwhile": (
        [("ab", "wrong transcript", "abc"), ("x", "wrong transcript", "y")], ("x", "wrong transcript", "y"),
    ),
    "taken back": ([("ab", "bad audio", ""), ("ab", "", "")], None),
}  # fmt: skip


@pytest.mark.parametrize("case", MARKING)
def test_a_mark_keeps_the_transcript_of_the_corpus_beside_what_is_said(kept, case):
    steps, expected = MARKING[case]
    for shown, mark, typed in steps:
        Corrections(kept.file).mark("1", shown, mark, typed)
    assert kept.read() == ({"1": Correction("1", *expected)} if expected else {})
    assert kept.file.exists() == bool(expected)


def test_a_write_that_fails_leaves_the_file_of_before(kept, monkeypatch):
    kept.mark("1", "ab", "bad audio")
    before = kept.file.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage, "_sync", full)
    with pytest.raises(OSError, match="the disk is full"):
        kept.mark("2", "ab", "fine")
    assert kept.file.read_bytes() == before and [p.name for p in kept.file.parent.iterdir()] == ["corrections.csv"]


NEW = {"wrong": ("1", "ab", "wrong transcript", "abc"), "bad": ("1", "ab", "bad audio", "")}
APPLIED = {
    # a correction, the transcript of "1" now → that transcript afterwards (None: left out), the problem
    "corrected": (NEW["wrong"], "ab", "abc", None),
    "already so in the corpus": (NEW["wrong"], "abc", "abc", None),
    "another transcript than then": (NEW["wrong"], "xy", "xy", ("error", "«ab», and the transcript is «xy»")),
    "bad audio": (NEW["bad"], "ab", None, None),
    "bad audio of another transcript": (NEW["bad"], "xy", "xy", ("error", "bad audio, said of «ab»")),
    "bad audio, and no transcript any more": (NEW["bad"], "", "", ("error", "the transcript is «»")),
    "the right one is not known": (("1", "ab", "wrong transcript", ""), "ab", None, None),
    "fine": (("1", "ab", "fine", ""), "ab", "ab", None),
    "fine of another transcript": (("1", "ab", "fine", ""), "xy", "xy", ("warning", "fine, said of «ab»")),
    "an utterance that is gone": (("7", "ab", "bad audio", ""), "ab", "ab", ("warning", "bad audio")),
}  # fmt: skip


@pytest.mark.parametrize("case", APPLIED)
def test_a_correction_is_applied_where_it_fits_and_named_where_it_does_not(case):
    row, now, after, problem = APPLIED[case]
    corpus = corpus_of(**{"0": "zz", "1": now})
    applied, table = apply_corrections(corpus, {row[0]: Correction(*row)})
    assert dict(zip(applied.rows["id"], applied.rows["transcript"], strict=True)) == {
        "0": "zz", **({} if after is None else {"1": after})
    }  # fmt: skip
    assert list(applied.rows) == list(corpus.rows) and applied.further == ["age"]
    assert corpus.rows["transcript"].tolist() == ["zz", now]
    found = [(p.severity, p.utterance, p.value) for p in applied.problems]
    assert [p[:2] for p in found] == ([(problem[0], row[0])] if problem else [])
    assert not problem or problem[1] in found[0][2]
    changed = after != now
    assert table[["id", "before", "after"]].values.tolist() == ([["1", now, after or ""]] if changed else [])
    assert table["left_out"].tolist() == ([""] if changed and after else [table.left_out[0]] if changed else [])
    assert after is not None or row[2] in table["left_out"][0]


DAMAGED = {
    b"id;transcript;mark;corrected\n1;ab;fine;\n": "has the columns 'id;transcript;mark;corrected', not 'id', 'trans",
    b"": "has the columns none, not 'id'",
    HEADER.encode("utf-16"): "cannot be read .* save it as CSV in UTF-8",
    f"{HEADER}1,\xfc,fine,\n".encode("latin-1"): "cannot be read .* save it as CSV in UTF-8",
    f'{HEADER}1,"ab,fine,\n'.encode(): "cannot be read .* save it as CSV",
    f"{HEADER}1,ab,fine\n".encode(): r"row 2 of corrections.csv has 3 fields, the header 4: «1 \| ab \| fine»; put",
    f"{HEADER}\n1,ab,wrong,\n".encode(): "row 3 of corrections.csv, 1: the mark is «wrong»; write wrong tr",
    f"{HEADER}1,ab,fine,\n1,ab,fine,\n".encode(): "row 3 of corrections.csv: 1 stands there twice; keep one",
}


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_file_is_named_with_its_row_and_never_overwritten(kept, content):
    kept.file.write_bytes(content)
    for act in (kept.read, lambda: kept.mark("2", "ab", "fine")):
        with pytest.raises(CorpusError, match=DAMAGED[content]):
            act()
    assert kept.file.read_bytes() == content


def test_a_person_may_write_the_file_by_hand(kept):
    kept.file.write_bytes(f"{HEADER}1,ab,wrong transcript,'tis\r\n\r\n".encode())
    assert kept.read() == {"1": Correction("1", "ab", "wrong transcript", "'tis")}
    kept.file.write_text(HEADER)
    assert kept.read() == {} and len(MARKS) == 3


def test_a_link_out_of_the_folder_is_not_read(tmp_path):
    (tmp_path / "secret").write_text(f"{HEADER}1,ab,fine,\n")
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "corrections.csv").symlink_to(tmp_path / "secret")
    with pytest.raises(CorpusError, match=r"corrections.csv leads out of .*corpus"):
        Corrections(tmp_path / "corpus" / "corrections.csv").read()


def test_no_layout_takes_the_file_for_a_part_of_the_corpus(numbered_corpus):
    root = numbered_corpus(3)
    before = read_corpus(root)
    Corrections(root / "corrections.csv").mark("1", before.rows["transcript"][0], "bad audio")
    assert find_layout(root).name == "numbered"
    pd.testing.assert_frame_equal(read_corpus(root).rows, before.rows)
    assert read_corpus(root).problems == before.problems

"""Transcripts that are empty, misread or hold what no transcript may hold."""

import pytest
from conftest import sentences

from asr_helpers.corpus.checks.transcripts import check_transcripts
from asr_helpers.corpus.problems import ERROR, WARNING

GOOD = "یہ ایک صاف جملہ ہے"


def look(text, *, script="arabic"):
    """Check one transcript among good ones."""
    rows = [("first", GOOD), ("x", text), *((f"g{i}", line) for i, line in enumerate(sentences(5)))]
    return [p for p in check_transcripts(rows, script=script) if p.utterance in ("x", "")]


@pytest.mark.parametrize(
    "text",
    [GOOD, "آج ۱۲ بجے", "می‌خواهم", "کیا؟", "اُردُو", "ﻼ", "قیمت: 100 روپے (تقریباً)!", "۱۹۴۷"],
)
def test_ordinary_transcripts_have_no_problem(text):
    assert look(text) == []


@pytest.mark.parametrize(
    ("text", "severity", "check", "says"),
    [
        ("", ERROR, "empty transcript", "nothing"),
        (" \u00a0 ", ERROR, "empty transcript", "nothing"),
        ("؟ ۔۔ !", ERROR, "empty transcript", "no letter in"),
        ("???? ??", ERROR, "empty transcript", "no letter in"),
        ("this is English", ERROR, "wrong script", "no Arabic letter in «this is English»"),
        (GOOD + "\ufffd", ERROR, "lost letters", "1 × U+FFFD"),
        ("ایک | دو", ERROR, "reserved token", "| in"),
        ("ایک [UNK] دو [pad]", ERROR, "reserved token", "[PAD] and [UNK] in"),
        ("ایک\tدو", ERROR, "control character", "U+0009"),
        ("ایک\nدو", ERROR, "control character", "U+000A"),
        ("ایک\u2028دو", ERROR, "control character", "U+2028 LINE SEPARATOR"),
        ("ایک\x00دو", ERROR, "control character", "U+0000"),
        ("ایک \ue000", ERROR, "control character", "U+E000"),
        ("\u202bایک\u202c", WARNING, "bidi character", "U+202B RIGHT-TO-LEFT EMBEDDING, U+202C"),
        ("\u200fایک", WARNING, "bidi character", "U+200F RIGHT-TO-LEFT MARK"),
    ],
)
def test_each_fault_is_found_once_with_its_value_and_a_fix(text, severity, check, says):
    problems = look(text)
    assert [(p.severity, p.check, p.utterance) for p in problems] == [(severity, check, "x")]
    assert says in problems[0].value
    assert problems[0].advice


@pytest.mark.parametrize(
    ("written_as", "read_as"),
    [("utf-8", "cp1252"), ("utf-8", "cp1256"), ("utf-8", "latin-1"), ("cp1256", "cp1252"), ("cp1256", "latin-1")],
)
@pytest.mark.parametrize("text", ["یہ سڑک بازار کو جاتی ہے", "پانی", "آج ۱۲ بجے چائے"])
def test_text_read_through_the_wrong_code_page_is_shown_as_it_was(written_as, read_as, text):
    if written_as == "cp1256":
        text = text.replace("ی", "ي").translate({ord(c): str(i) for i, c in enumerate("۰۱۲۳۴۵۶۷۸۹")})
    data = text.encode(written_as)
    misread = "".join(bytes([b]).decode(read_as, errors="ignore") or chr(b) for b in data)
    problems = look(misread)
    assert "wrong code page" in [p.check for p in problems]
    found = next(p for p in problems if p.check == "wrong code page")
    assert text in found.value
    assert "wrong script" not in [p.check for p in problems], "said once"


def test_right_text_is_never_taken_for_misread():
    assert check_transcripts(enumerate(sentences(1000, seed=5)), script="arabic") == []
    words = {word for line in sentences(200) for word in line.split()} | {"دک", "عک", "گژ", "چڈ", "غں"}
    assert check_transcripts(enumerate(words), script="arabic") == []


GERMAN = ("Die Tür ist für dich offen", "Größe und Länge", "Fußgänger überqueren die Straße", "Er ist da")


@pytest.mark.parametrize(
    ("script", "texts"),
    [
        ("latin", GERMAN),
        ("latin", ("il va à Paris à pied à midi", "À table", "É", "CAFÉ… et «À»")),
        ("latin", ("Dziękuję bardzo, żółć", "Ağaç şimdi çok büyük", "één geïnteresseerde coöperatie")),
        ("cyrillic", ("Это не книга", "à la carte, это да")),
        ("devanagari", ("यह मेरा घर है",)),
        ("arabic", ("é à ç یہ", "دک", "یہ کیا ہے؟")),
    ],
)
def test_no_repair_is_offered_that_changes_nothing_or_mixes_scripts(script, texts):
    rows = [(str(i), text) for i, text in enumerate(texts)]
    assert [p for p in check_transcripts(rows, script=script) if p.severity == ERROR] == []


def test_german_in_a_corpus_of_urdu_is_of_the_wrong_script_and_no_more():
    (problem,) = check_transcripts(enumerate(GERMAN), script="arabic")
    assert (problem.check, problem.utterance) == ("wrong script", "") and " was " not in problem.value


def test_a_misreading_names_the_characters_that_differ():
    """One umlaut is little, and three in a corpus are enough; a sentence without any was read right."""
    rows = [(str(i), text.encode().decode("cp1252")) for i, text in enumerate([*GERMAN, *["Das ist gut"] * 9])]
    problems = check_transcripts(rows, script="latin")
    assert [(p.check, p.utterance) for p in problems] == [("wrong code page", str(i)) for i in range(3)]
    assert problems[0].value.endswith("was «Die Tür ist für dich offen»: Ã¼ → ü")
    assert problems[2].value.endswith(": ÃŸ → ß, Ã¤ → ä, Ã¼ → ü")


def test_a_whole_file_misread_is_one_problem_of_the_corpus():
    rows = [(str(i), line.encode().decode("cp1252", errors="replace")) for i, line in enumerate(sentences(30))]
    rows = [(name, text.replace("\ufffd", "")) for name, text in rows]
    problems = [p for p in check_transcripts(rows, script="arabic") if p.check in ("wrong code page", "wrong script")]
    assert problems
    assert all(p.utterance == "" and p.severity == ERROR for p in problems)
    english = check_transcripts([(str(i), f"sentence {i}") for i in range(30)], script="arabic")
    assert [(p.check, p.utterance) for p in english] == [("wrong script", "")]
    assert "30 of 30 transcripts, the first: 0" in english[0].value


def test_letters_of_other_scripts_are_told_once():
    rows = [("1", "یہ GPS ہے"), ("2", GOOD), ("3", "وہ P ہے")]
    problems = check_transcripts(rows, script="arabic")
    assert [(p.severity, p.check, p.utterance) for p in problems] == [(WARNING, "other scripts", "")]
    assert problems[0].value == "P (2), G (1), S (1) in 2 transcripts: 1, 3"


def test_other_scripts_can_be_expected():
    assert look("hello world", script=None) == []
    latin = check_transcripts([("1", "héllo"), ("2", "wörld"), ("3", "دنیا"), ("4", "good")], script="latin")
    assert [(p.check, p.utterance) for p in latin] == [("wrong script", "3")]
    with pytest.raises(ValueError, match=r"script is 'urdu'; use .*'arabic', 'latin'"):
        check_transcripts([], script="urdu")


def test_problems_come_check_by_check_in_the_order_of_the_rows():
    rows = [("1", "a|b"), ("2", ""), ("3", "ا|"), ("4", ""), ("5", GOOD), ("6", GOOD), ("7", GOOD)]
    order = [(p.check, p.utterance) for p in check_transcripts(rows, script="arabic")]
    assert order == [
        ("empty transcript", "2"),
        ("empty transcript", "4"),
        ("wrong script", "1"),
        ("reserved token", "1"),
        ("reserved token", "3"),
    ]

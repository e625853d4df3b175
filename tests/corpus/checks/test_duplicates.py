"""Sentences and recordings that a corpus holds more than once, told once and with their places."""

import pandas as pd
from conftest import sentences

from asr_helpers.corpus.checks.duplicates import check_repeated_recordings, check_repeated_sentences
from asr_helpers.corpus.problems import ERROR, WARNING
from asr_helpers.text.normaliser import Normaliser
from asr_helpers.text.sentences import sentence_key


def named(problems):
    return [(p.severity, p.check, p.utterance) for p in problems]


def utterances(transcripts, speakers=None, recordings=None):
    count = len(transcripts)
    return pd.DataFrame(
        {
            "id": [str(i) for i in range(1, count + 1)],
            "transcript": transcripts,
            "sentence_key": [sentence_key(Normaliser("ur")(text)) for text in transcripts],
            "speaker": pd.Series(speakers or [None] * count, dtype="str"),
            "recording": recordings or [f"d{i}" for i in range(count)],
            "seconds": 1.0,
        }
    )


def test_a_sentence_read_again_is_told_with_all_its_places():
    lines = sentences(3)
    problems = check_repeated_sentences(utterances([*lines, f"{lines[1]}۔", lines[1]]))
    assert named(problems) == [(WARNING, "same sentence", "2")]
    assert problems[0].value.endswith("also in 4, 5")
    spelt = check_repeated_sentences(utterances([*lines, "5 ھے", "پانچ ہے", "ہوۓ", "ہوئے"]))
    assert [p.value for p in spelt] == ["«5 ھے» also in 5", "«ہوۓ» also in 7"]


def test_a_sentence_read_by_several_speakers_is_told_once_for_all():
    lines = sentences(6)
    problems = check_repeated_sentences(utterances(lines * 2, ["a"] * 6 + ["b"] * 6))
    assert named(problems) == [(WARNING, "sentences shared by speakers", "")]
    assert problems[0].value.startswith("6 sentences are read by several speakers")
    again = check_repeated_sentences(utterances([*lines, lines[0]], ["a"] * 7))
    assert named(again) == [(WARNING, "same sentence", "1")]


def test_transcripts_without_letters_are_not_the_same_sentence():
    assert check_repeated_sentences(utterances(["", "", "؟"])) == []


def test_a_recording_copied_with_its_text_is_a_warning_with_another_an_error():
    lines = sentences(5)
    table = utterances([*lines, lines[0], "دوسرا متن"], recordings=["a", "b", "c", "d", "e", "a", "b"])
    assert named(check_repeated_recordings(table)) == [
        (WARNING, "same recording", "1"),
        (ERROR, "same recording, other text", "2"),
        (ERROR, "same recording, other text", "7"),
    ]
    table["seconds"] = 0.0
    assert check_repeated_recordings(table) == [], "empty recordings are reported as such"


def test_what_has_the_sound_of_a_whole_corpus_names_a_few_others():
    told = [p.value for p in check_repeated_recordings(utterances(sentences(30), recordings=["a"] * 30))]
    assert "the sound of 2, 3, 4, 5, 6 and 24 more, and another" in told[0]
    assert "the sound of 1, 2, 3, 5, 6 and 24 more, and another" in told[3]
    assert "the sound of 1, 2, 3, 4, 5 and 24 more, and another" in told[29]

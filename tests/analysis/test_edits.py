"""Alignments: split and joined words, totals that add up to jiwer's."""

import random

import jiwer
import pandas as pd
import pytest

from asr_helpers.analysis.edits import align_words, letter_edits, word_edits

VOCABULARY = ["گرامو", "فون", "گراموفون", "اس", "لیے", "اسلیے", "کتاب", "کتب", "ہے", "یہ", "خوب", "صورت", "خوبصورت"]


def edits(reference: str, hypothesis: str) -> list[tuple[str, str, str]]:
    found = align_words(reference.split(), hypothesis.split())
    return [(e.kind, e.reference, e.hypothesis) for e in found if e.kind != "equal"]


@pytest.mark.parametrize(
    "reference, hypothesis, expected",
    [
        ("یہ کتاب ہے", "یہ کتاب ہے", []),
        ("یہ کتاب ہے", "یہ کتب ہے", [("substitution", "کتاب", "کتب")]),
        ("گرامو فون بجا", "گراموفون بجا", [("joined", "گرامو فون", "گراموفون")]),
        ("گراموفون بجا", "گرامو فون بجا", [("split", "گراموفون", "گرامو فون")]),
        ("گرامو فون", "گراموفوں", [("joined", "گرامو فون", "گراموفوں")]),  # nearly: one letter of eight
        ("گھر میں", "گھرمیں", [("joined", "گھر میں", "گھرمیں")]),
        ("اس لیے وہ گیا", "اسلیے وو گیا", [("joined", "اس لیے", "اسلیے"), ("substitution", "وہ", "وو")]),
        ("نا قابل برداشت", "ناقابلبرداشت", [("joined", "نا قابل برداشت", "ناقابلبرداشت")]),
        ("یہ کام", "کتاب", [("deletion", "یہ", ""), ("substitution", "کام", "کتاب")]),  # too unlike to be joined
        ("گھر میں", "گھڑ", [("substitution", "گھر", "گھڑ"), ("deletion", "میں", "")]),
        ("", "یہ ہے", [("insertion", "", "یہ"), ("insertion", "", "ہے")]),
        ("یہ ہے", "", [("deletion", "یہ", ""), ("deletion", "ہے", "")]),
        ("", "", []),
    ],
)
def test_kinds(reference, hypothesis, expected):
    assert edits(reference, hypothesis) == expected


def pairs(seed: int, number: int):
    rng = random.Random(seed)
    for _ in range(number):
        yield tuple(" ".join(rng.choice(VOCABULARY) for _ in range(rng.randint(0, 7))) for _ in "rh")


def test_errors_add_up_to_jiwers_and_every_word_is_used_once():
    for reference, hypothesis in pairs(1, 400):
        found = align_words(reference.split(), hypothesis.split())
        theirs = jiwer.process_words(reference, hypothesis)
        assert sum(e.errors for e in found) == theirs.substitutions + theirs.deletions + theirs.insertions
        assert sum(e.kind == "equal" for e in found) == theirs.hits
        assert " ".join(e.reference for e in found if e.reference) == reference
        assert " ".join(e.hypothesis for e in found if e.hypothesis) == hypothesis
        assert [i for e in found for i in range(e.start, e.stop)] == list(range(len(reference.split())))
        spoken = [i for e in found for i in range(e.hypothesis_start, e.hypothesis_stop)]
        assert spoken == list(range(len(hypothesis.split())))


def test_a_joined_word_costs_what_the_plain_alignment_costs():
    """One substitution and one deletion in jiwer's counts, for every joined pair of a text."""
    for reference, hypothesis in pairs(2, 300):
        theirs = jiwer.process_words(reference, hypothesis)
        counts = {"substitution": 0, "deletion": 0, "insertion": 0}
        for edit in align_words(reference.split(), hypothesis.split()):
            if edit.kind in ("joined", "split"):
                counts["substitution"] += 1
                counts["deletion" if edit.kind == "joined" else "insertion"] += edit.errors - 1
            elif edit.kind != "equal":
                counts[edit.kind] += 1
        assert tuple(counts.values()) == (theirs.substitutions, theirs.deletions, theirs.insertions)


def table(*rows: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame([(f"u{i}", *row) for i, row in enumerate(rows)], columns=["id", "reference", "hypothesis"])


def test_word_edits_name_the_utterance_and_the_place():
    found = word_edits(table(("یہ ہے", "یہ ہے"), ("یہ گرامو فون ہے", "گراموفون ہے")))
    assert found.utterance.tolist() == ["u1", "u1"]
    assert found.kind.tolist() == ["deletion", "joined"]
    assert found.loc[1, ["start", "stop", "hypothesis_start", "hypothesis_stop", "errors"]].tolist() == [1, 3, 0, 1, 2]
    assert len(word_edits(table(("یہ ہے", "یہ ہے")), equal=True)) == 2
    assert word_edits(table()).empty


def test_letter_edits_add_up_to_the_cer():
    rows = list(pairs(3, 60))
    found = letter_edits(table(*rows)).groupby("kind").size()
    theirs = jiwer.process_characters([r for r, _ in rows], [h for _, h in rows])
    assert found.to_dict() == {
        "substitution": theirs.substitutions, "deletion": theirs.deletions, "insertion": theirs.insertions,
    }  # fmt: skip


def test_letter_edits_name_the_letters():
    found = letter_edits(table(("کتاب ہے", "کتب یے")))
    assert found[["kind", "reference", "hypothesis"]].values.tolist() == [
        ["deletion", "ا", ""], ["substitution", "ہ", "ی"],
    ]  # fmt: skip

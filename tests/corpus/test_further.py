"""Further columns: what is a number, what is text, which names are taken."""

import math
from pathlib import Path

import nbformat
import pytest

from asr_helpers.corpus.checking import MEASURES
from asr_helpers.corpus.further import MOST, OWN_COLUMNS, further_columns

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        (["1", "2.5", " -3e2 "], [1.0, 2.5, -300.0]),
        ([1, None, ""], [1.0, None, None]),
        ([True, False, None], ["true", "false", None]),
        (["1", "two", 3], ["1", "two", "3"]),
        (["01", "02", "3"], ["01", "02", "3"]),
        (["1234567890123456", "2", "3"], ["1234567890123456", "2", "3"]),
        (["٣", "2", "1"], ["٣", "2", "1"]),
        ([math.nan, math.inf, 2.0], [None, None, 2.0]),
        (["1e999", "1", "2"], ["1e999", "1", "2"]),
        (["a\ud800", "\ud83d", ""], ["a\ufffd", "\ufffd", None]),
    ],
)
def test_a_column_is_a_number_where_all_of_it_reads_as_one(values, kept):
    columns, problems = further_columns([{"x": value} for value in values])
    assert [None if value != value else value for value in columns["x"].astype(object)] == kept
    assert problems == []


def test_names_of_ours_are_kept_for_ours():
    columns, _ = further_columns(
        [{"text": "a", "corpus_text": "b", "id": "c", "": "d", " y ": "e", "a\0b\n\u202e": "f"}]
    )
    assert {name: values.tolist() for name, values in columns.items()} == {
        "corpus_text": ["a"], "corpus_corpus_text": ["b"], "corpus_id": ["c"], "y": ["e"], "a␀b ⟨U+202E⟩": ["f"],
    }  # fmt: skip


def test_what_is_nested_or_too_much_is_left_out_and_said():
    columns, problems = further_columns([{f"x{i}": "a"} for i in range(MOST + 7)] + [{"x0": [1], "x1": {"a": 1}}])
    assert list(columns) == [f"x{i}" for i in range(2, MOST)]
    assert [p.value for p in problems] == ["x0, x1: lists or objects", f"7 columns after the first {MOST}"]


def test_every_column_of_the_notebooks_is_known_to_be_ours():
    kept = {}
    for name, last in (("01_data_inspection", "utterances.columns"), ("05_error_analysis", "predictions.columns")):
        (cell,) = [
            c
            for c in nbformat.read(NOTEBOOKS / f"{name}.ipynb", 4).cells
            if f"in {last}" in c.source or f"join({last}" in c.source
        ]
        kept[name] = cell.outputs[0]["text"].strip().split(", ")
    assert len(kept) == 2 and all(len(columns) > 8 for columns in kept.values())
    assert {*kept["01_data_inspection"], *kept["05_error_analysis"], *MEASURES} <= OWN_COLUMNS

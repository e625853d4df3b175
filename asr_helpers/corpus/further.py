"""A corpus's further columns (accent, age, a phonetician's own): text or numbers, under names that are not ours."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from asr_helpers.wording import listed, visible

from .problems import SURROGATE, WARNING, Problem

__all__ = ["LONGEST", "OWN_COLUMNS", "further_columns"]

OWN_COLUMNS = frozenset(
    """
    id audio transcript speaker seconds sampling_rate channels peak rms_db clipped snr_db digest recording split
    sentence_key text labels raw_reference reference hypothesis confidence words beam_hypothesis letters_per_second
    """.split()  # noqa: SIM905 - what notebooks 01 to 05 call their own columns
)

MOST = 50  # columns; a file whose every line has names of its own would fill the memory

LONGEST = 1_000  # characters of a name or value; a longer one is cut

NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d+)?(?:[eE][+-]?\d{1,2})?", re.ASCII)  # 007 is a name


def further_columns(rows: Sequence[Mapping[str, Any]]) -> tuple[dict[str, pd.Series], list[Problem]]:
    """Lay out what rows say beyond our own columns.

    A column of which every value reads as a number is a number (float64), any other is text. One with the name of a
    column of ours gets ``corpus_`` before it. Empty columns are left out, and so are, with a warning, those that hold
    lists or objects, and those after the first `MOST`.

    Args:
        rows: One mapping an utterance, column → value as written; a column may be missing.

    Returns:
        Name → values, in the order of the corpus; and the warnings.
    """
    names = list(dict.fromkeys(name for row in rows for name in row if name.strip()))
    kept: dict[str, pd.Series] = {}
    nested = []
    for name in names[:MOST]:
        values = [row.get(name) for row in rows]
        if any(isinstance(value, (list, dict, tuple, bytes)) for value in values):
            nested.append(name)
            continue
        column = _typed([_said(value) for value in values])
        if column.notna().any():
            own = " ".join(visible(name).split())[:LONGEST]  # datasets cuts a name at a NUL
            while own in OWN_COLUMNS or own in kept:
                own = f"corpus_{own}"
            kept[own] = column
    told = [f"{listed(nested, most=10)}: lists or objects"] if nested else []
    told += [f"{len(names) - MOST} columns after the first {MOST}"] if len(names) > MOST else []
    advice = "they are not kept; give each utterance one text or number"
    return kept, [Problem(WARNING, "further columns", "", what, advice) for what in told]


def _said(value: Any) -> str | None:
    """Take a value as text; None where it says nothing."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    said = str(value).lower() if isinstance(value, bool) else str(value)
    return SURROGATE.sub("\ufffd", said[:LONGEST]).strip() or None


def _typed(values: list[str | None]) -> pd.Series:
    if all(value is None or NUMBER.fullmatch(value) for value in values):
        return pd.Series([math.nan if value is None else float(value) for value in values], dtype="float64")
    return pd.Series(values, dtype="str")

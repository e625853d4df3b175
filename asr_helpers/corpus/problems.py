"""What is wrong with a corpus, as data: one problem, one row, one thing to do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import pandas as pd

__all__ = ["ERROR", "SURROGATE", "WARNING", "CorpusError", "Problem", "problems_table"]

ERROR, WARNING = "error", "warning"
COLUMNS = ["severity", "check", "utterance", "value", "advice"]


SURROGATE = re.compile("[\ud800-\udfff]")  # a byte of a file name that is no UTF-8, or half a pair: no file can hold it

LONGEST_MESSAGE = 1_000  # characters; column names and paths come from somebody else, and some are endless


class CorpusError(ValueError):
    """The corpus cannot be used as it is; the text names the row, the value and the fix."""

    def __init__(self, text: str) -> None:
        super().__init__(_sayable(text))


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with one utterance, or with the whole corpus.

    Attributes:
        severity: ``"error"`` stops notebook 01 (or drops the utterance on request), ``"warning"`` does not.
        check: Short name of the check, e.g. ``"silence"``.
        utterance: The utterance's id; empty when the problem belongs to the whole corpus.
        value: What was found, as a person would say it (``"0.02 s"``).
        advice: What to do about it.
    """

    severity: str
    check: str
    utterance: str
    value: str
    advice: str

    def __post_init__(self) -> None:
        if self.severity not in (ERROR, WARNING):
            raise ValueError(f"severity is {self.severity!r}; use {ERROR!r} or {WARNING!r}")
        for name in ("utterance", "value", "advice"):
            if isinstance(text := getattr(self, name), str):
                object.__setattr__(self, name, _sayable(text))


def _sayable(text: str) -> str:
    """Make one line of a text that every file and screen takes."""
    text = SURROGATE.sub("\ufffd", text).replace("\n", " ")
    half = LONGEST_MESSAGE // 2  # the end says what to do
    return text if len(text) <= LONGEST_MESSAGE else f"{text[:half]} … {text[-half:]}"


def problems_table(problems: Iterable[Problem]) -> pd.DataFrame:
    """Lay problems out one a row, errors first, otherwise in the order in which they were found."""
    table = pd.DataFrame([asdict(p) for p in problems], columns=COLUMNS)
    return table.sort_values("severity", kind="stable", ignore_index=True)  # "error" < "warning"

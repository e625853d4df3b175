"""What is wrong with a corpus, as data: one problem, one row, one thing to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import pandas as pd

__all__ = ["ERROR", "WARNING", "CorpusError", "Problem", "problems_table"]

ERROR, WARNING = "error", "warning"

COLUMNS = ["severity", "check", "utterance", "value", "advice"]


class CorpusError(ValueError):
    """The corpus cannot be used as it is; the text names the row, the value and the fix."""


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


def problems_table(problems: Iterable[Problem]) -> pd.DataFrame:
    """Lay problems out one a row, errors first, otherwise in the order in which they were found."""
    table = pd.DataFrame([asdict(p) for p in problems], columns=COLUMNS)
    return table.sort_values("severity", kind="stable", ignore_index=True)  # "error" < "warning"

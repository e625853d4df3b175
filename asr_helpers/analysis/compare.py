"""Is one model better than another: their predictions on the same test utterances, compared in pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from asr_helpers.wording import counted, listed, percent

from .metrics import LEVEL, RESAMPLES, UNITS, bootstrap_rates, corpus_rate, count_errors, interval_of

__all__ = ["Comparison", "DifferentTests", "compare_runs", "how_tests_differ"]


class DifferentTests(ValueError):
    """Two runs were tested on different references; the text says how they differ and what to do."""


@dataclass(frozen=True)
class Comparison:
    """Two runs on the same test utterances.

    Attributes:
        names: What the runs are called.
        rates: One row for each of (word, character) × what is resampled (utterance; speaker too, where at least two are
            known): unit, by, groups, a, b (error rates), difference (b − a), low, high (of the difference; NaN with
            too few groups), b_better (share of resamples in which b has fewer errors).
        utterances: One row an utterance, the largest change first: id, speaker, reference, a, b (hypotheses), errors_a,
            errors_b (words), difference, better (``"a"``, ``"b"`` or ``""``).
        level: Confidence level of the intervals.
    """

    names: tuple[str, str]
    rates: pd.DataFrame
    utterances: pd.DataFrame
    level: float

    @property
    def wins(self) -> tuple[int, int, int]:
        """Utterances on which a has fewer word errors, on which b has, and on which both have as many."""
        better = self.utterances.better
        return int((better == "a").sum()), int((better == "b").sum()), int((better == "").sum())

    @property
    def verdict(self) -> str:
        """One sentence: which is better, by how much, and whether the test set is large enough to tell."""
        words = self.rates.iloc[0]
        a, b = self.names
        change = f"WER {percent(words.a)} for {a}, {percent(words.b)} for {b}"
        if np.isnan(words.low):
            return f"{change}: {counted(len(self.utterances), 'utterance')} cannot tell which is better."
        low, high = signed(words.low), signed(words.high)
        span = f"difference {signed(words.difference)} points, {percent(self.level, 0)} interval {low} to {high}"
        if words.low <= 0 <= words.high:
            return f"{change}: {len(self.utterances)} utterances do not tell which is better ({span})."
        return f"{change}: {b if words.difference < 0 else a} is better ({span})."


def signed(rate: float) -> str:
    return f"{100 * rate:+.1f}".replace("-", "−")


def how_tests_differ(a: pd.DataFrame, b: pd.DataFrame) -> list[str]:
    """Say how two predictions tables differ in what they were tested on; empty when they do not.

    Args:
        a: With id, reference and, where known, raw_reference.
        b: The same.
    """
    left, right = a.set_index("id"), b.set_index("id")
    found = []
    for name, ids in (("first", left.index.difference(right.index)), ("second", right.index.difference(left.index))):
        if len(ids):
            found.append(f"{len(ids)} utterances are only in the {name} run ({listed(ids)})")
    shared = left.index.intersection(right.index, sort=False)
    left, right = left.loc[shared], right.loc[shared]
    other = shared[(left.reference != right.reference).to_numpy()]
    if len(other):
        one = other[0]
        found.append(
            f"{len(other)} of {len(shared)} shared utterances have other references "
            f"({listed(other)}; {one}: {left.reference[one]!r} and {right.reference[one]!r})"
        )
        if "raw_reference" in left and "raw_reference" in right:
            same = (left.raw_reference[other] == right.raw_reference[other]).sum()
            if same:
                found.append(f"for {same} of those the transcripts are the same, so the runs normalise differently")
    return found


def compare_runs(
    predictions_a: pd.DataFrame,
    predictions_b: pd.DataFrame,
    *,
    seed: int,
    names: tuple[str, str] = ("A", "B"),
    shared: bool = False,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> Comparison:
    """Compare two runs by a paired bootstrap of the difference of their error rates.

    Pairing is what makes small differences visible: an utterance that is hard for both says nothing about either, and
    cancels.

    Args:
        predictions_a: With id, reference, hypothesis and speaker.
        predictions_b: The same of the other run; the order of its rows does not matter.
        seed: For the intervals.
        names: What to call the runs.
        shared: Where the tests differ, compare on the utterances with equal references instead of refusing.
        resamples: For the intervals.
        level: Confidence level.

    Raises:
        DifferentTests: The test sets or their references differ (with ``shared``: have nothing in common).

    Source: Bisani and Ney, "Bootstrap estimates for confidence intervals in ASR performance evaluation" (2004).
    """
    for name, table in zip(names, (predictions_a, predictions_b), strict=True):
        if table.id.duplicated().any():
            twice = table.id[table.id.duplicated()].iloc[0]
            raise ValueError(f"the predictions of {name} hold utterance {twice} twice; run notebook 05 of it again")
    differences = how_tests_differ(predictions_a, predictions_b)
    if differences and not shared:
        raise DifferentTests(
            f"{names[0]} and {names[1]} were not tested on the same references: {'; '.join(differences)}. Run both "
            "with the same corpus, split and normalisation, or ask for the shared utterances only"
        )
    both = predictions_a.merge(
        predictions_b[["id", "reference", "hypothesis"]], on=["id", "reference"], suffixes=("_a", "_b")
    )
    if both.empty:
        raise DifferentTests(f"{names[0]} and {names[1]} share no test utterance with the same reference")
    return Comparison(tuple(names), rate_table(both, seed, resamples, level), utterance_table(both), level)


def rate_table(both: pd.DataFrame, seed: int, resamples: int, level: float) -> pd.DataFrame:
    speakers = both.speaker.replace({"": None})
    groupings = [("utterance", None)]
    if speakers.notna().all() and speakers.nunique() > 1:
        groupings.append(("speaker", speakers.tolist()))
    rows = []
    for unit in UNITS:
        a = count_errors(both.reference, both.hypothesis_a, unit=unit)
        b = count_errors(both.reference, both.hypothesis_b, unit=unit)
        rate_a, rate_b = (float(corpus_rate(c.errors.to_numpy(), c.length.to_numpy())) for c in (a, b))
        for by, groups in groupings:
            units = len(both) if groups is None else len(set(groups))
            errors_a, errors_b, length = bootstrap_rates(
                [a.errors, b.errors, a.length], seed=seed, resamples=resamples, groups=groups
            )
            drawn = (errors_b - errors_a) / np.maximum(length, 1)
            low, high = interval_of(drawn, units, level=level)
            rows.append((unit, by, units, rate_a, rate_b, rate_b - rate_a, low, high, float((drawn < 0).mean())))
    columns = ["unit", "by", "groups", "a", "b", "difference", "low", "high", "b_better"]
    return pd.DataFrame(rows, columns=columns)


def utterance_table(both: pd.DataFrame) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "id": both.id,
            "speaker": both.speaker,
            "reference": both.reference,
            "a": both.hypothesis_a,
            "b": both.hypothesis_b,
            "errors_a": count_errors(both.reference, both.hypothesis_a).errors.to_numpy(),
            "errors_b": count_errors(both.reference, both.hypothesis_b).errors.to_numpy(),
        }
    )
    table["difference"] = table.errors_b - table.errors_a
    table["better"] = table.difference.map(lambda d: "b" if d < 0 else "a" if d > 0 else "")
    order = table.difference.abs().sort_values(ascending=False, kind="stable").index
    return table.loc[order].reset_index(drop=True)

"""How an error rate falls with the hours of training speech, and what twice the hours would bring.

Error rates of speech recognisers fall with the amount of training speech about as a power law, ``factor · hours ^
-exponent``, a straight line on logarithmic axes: after a stretch in which nothing is read yet, and before a floor below
which no amount of the same data leads (Hestness et al., "Deep Learning Scaling is Predictable, Empirically", 2017).
Three points tell a line and whether they lie on it. They do not tell a floor, so none is fitted.

**The interval** is that of the gain, in points of the error rate. It comes from resampled test utterances, the same for
every training (Bisani and Ney, 2004): what is hard for all of them cancels. Each resample is gone on with in two ways,
along the line through all points and along the last two of them: where the points bend, the interval is wide. The
chance of a training (its seed, the choice of the part) shows in no test utterance; so every rate varies by
``TRAINING_NOISE``, also that of the training to come. In simulations whose trainings vary by 3 %, 95 % intervals held
the gain in 98 % of 118 cases where a power law holds, and in 94 and 83 % of about as many where two fifths and a half
of the last rate never go away.

Source of the fit: Cortes et al., "Learning Curves: Asymptotic Values and Rate of Convergence" (1993); of the trouble
with it: Viering and Loog, "The Shape of Learning Curves: a Review" (2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from asr_helpers.wording import counted, percent

from .metrics import LEVEL, RESAMPLES, UNITS, bootstrap_rates, corpus_rate, count_errors, interval_of

__all__ = ["UNKNOWN", "CurvePoint", "LearningCurve", "PowerLaw", "fit_curve"]

LEAST_POINTS = 3
READS_NOTHING = 0.95  # an error rate from which on a recogniser has not begun to read, and no law holds yet

# Standard deviation, relative, of the error rate of trainings that differ by chance alone. An assumption: three of the
# sample run that round differently ended at 17.6, 19.4 and 19.7 % WER, whose deviation is 0.060 of their mean.
TRAINING_NOISE = 0.05

NAMES = dict(zip(UNITS, ("WER", "CER"), strict=True))

UNKNOWN = (
    f"The interval knows the chance of the test utterances, and takes {percent(TRAINING_NOISE, 0)} for that of a "
    "training, which was not repeated. It does not know whether the law holds beyond the last point; and twice the "
    "recordings are twice of the same: new voices, rooms or texts may bring more or less."
)


@dataclass(frozen=True)
class CurvePoint:
    """One training: how much it learnt from, and what the model reads in the test split.

    Attributes:
        hours: Of speech.
        utterances: How many.
        hypotheses: Of the test utterances, in their order.
    """

    hours: float
    utterances: int
    hypotheses: tuple[str, ...]


@dataclass(frozen=True)
class PowerLaw:
    """An error rate gone on with to more hours, or why it is not.

    Attributes:
        unit: ``"word"`` or ``"character"``.
        factor: Error rate that the line gives for one hour; NaN where it was not fitted.
        exponent: How steeply it falls: twice the hours give ``2 ** -exponent`` of the errors.
        hours: Of speech, to which it is gone on with.
        before: The rate that was measured at the last point.
        value: The rate that the line gives for ``hours``.
        low: Lower end of the interval of the gain, ``before - value``; NaN where no line was fitted.
        high: Upper end.
        level: The interval's confidence level.
        why: Why the data do not say; ``""``: they do.
    """

    unit: str
    factor: float
    exponent: float
    hours: float
    before: float
    value: float
    low: float
    high: float
    level: float
    why: str

    @property
    def headline(self) -> str:
        """A few words for a picture."""
        name, now = NAMES[self.unit], f"{percent(self.before)} at {self.hours / 2:.2g} h"
        return f"{name} {now}, {'then open' if self.why else f'about {percent(self.value)} at {self.hours:.2g} h'}"

    def __str__(self) -> str:
        gain, low, high = (f"{100 * points:.1f}" for points in (self.before - self.value, self.low, self.high))
        return (
            f"the {NAMES[self.unit]} from {percent(self.before)} to about {percent(self.value)}, "
            f"{gain} points less ({percent(self.level, 0)} interval {low} to {high})"
        )


@dataclass(frozen=True)
class LearningCurve:
    """The trainings of a curve, and what they promise.

    Attributes:
        points: One row a unit and a training, the smallest first: unit, hours, utterances, value (the error rate), low,
            high.
        laws: Of words and of characters, gone on with to twice the hours of the last point.
        tried: The same through all points but the last, gone on with to the last, where enough are left.
        tested: Test utterances.
    """

    points: pd.DataFrame
    laws: tuple[PowerLaw, ...]
    tried: tuple[PowerLaw, ...]
    tested: int

    def of(self, unit: str) -> pd.DataFrame:
        """The points of one unit."""
        return self.points[self.points["unit"] == unit].reset_index(drop=True)

    @property
    def verdict(self) -> str:
        """One sentence: what twice the recordings would bring, or that these data do not say."""
        clear = [law for law in self.laws if not law.why]
        reasons = "; ".join(f"{NAMES[law.unit]} {law.why}" for law in self.laws if law.why)
        if not clear:
            return f"What twice the recordings would bring, these data do not say: {reasons}."
        said = " and ".join(map(str, clear))
        twice = clear[0].hours
        amount = f"{twice:.2g} h of training speech instead of {twice / 2:.2g} h"
        rest = f"; of the rest these data do not say it: {reasons}" if reasons else ""
        return f"Twice the recordings ({amount}) would bring {said}, on {counted(self.tested, 'test utterance')}{rest}."

    @property
    def trial(self) -> str:
        """What the points before the last would have promised for it, and what it gave; empty for few points."""
        came = {law.unit: f"{100 * law.before:.1f}" for law in self.laws}
        said = [
            f"they promise {f'nothing ({NAMES[law.unit]} {law.why})' if law.why else law}, and {came[law.unit]} % came"
            for law in self.tried
        ]
        return f"Tried on the last point, from those before it: {'; '.join(said)}." if said else ""


def fit_curve(
    points: Sequence[CurvePoint],
    references: Sequence[str],
    *,
    seed: int,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> LearningCurve:
    """Fit how the error rates fall with the hours, and go on with it to twice the hours.

    Args:
        points: Trainings that differ in how much they learnt from; in any order.
        references: Of the test utterances.
        seed: For the intervals.
        resamples: For the intervals.
        level: For the intervals.

    Raises:
        ValueError: A point has not as many hypotheses as there are references.
    """
    points = sorted(points, key=lambda point: point.hours)
    hours = np.array([point.hours for point in points])
    chance = np.exp(TRAINING_NOISE * np.random.default_rng(seed).standard_normal((len(points) + 1, resamples)))
    rows, laws, tried = [], [], []
    for unit in UNITS:
        counts = [count_errors(references, point.hypotheses, unit=unit) for point in points]
        *errors, lengths = bootstrap_rates(
            [*(c.errors for c in counts), counts[0].length], seed=seed, resamples=resamples
        )
        drawn = np.maximum(errors, 0.5) / np.maximum(lengths, 1)  # half an error: a logarithm needs one
        rates = np.array([corpus_rate(c.errors.to_numpy(), c.length.to_numpy()) for c in counts])
        for point, rate, resampled in zip(points, rates, drawn, strict=True):
            low, high = interval_of(resampled, len(references), level=level)
            rows.append((unit, point.hours, point.utterances, rate, low, high))
        about = {"unit": unit, "tested": len(references), "level": level}
        laws.append(_law(hours, rates, drawn, 2 * hours[-1], chance, **about))
        if len(points) > LEAST_POINTS:
            tried.append(_law(hours[:-1], rates[:-1], drawn[:-1], hours[-1], chance[1:], **about))
    columns = ["unit", "hours", "utterances", "value", "low", "high"]
    return LearningCurve(pd.DataFrame(rows, columns=columns), tuple(laws), tuple(tried), len(references))


def _law(
    hours: np.ndarray,
    rates: np.ndarray,
    drawn: np.ndarray,
    target: float,
    chance: np.ndarray,
    *,
    unit: str,
    tested: int,
    level: float,
) -> PowerLaw:
    """Go on with the rates of trainings to ``target`` hours.

    Args:
        hours: Of speech, (points,), rising.
        rates: Measured, (points,).
        drawn: Of resampled test utterances, (points, resamples).
        target: Hours.
        chance: What trainings multiply their rates by, (points + 1, resamples).
        unit: As in `PowerLaw`.
        tested: Test utterances.
        level: As in `PowerLaw`.
    """
    if why := _too_little(hours, rates, tested):
        nan = float("nan")
        return PowerLaw(unit, nan, nan, target, rates[-1], nan, nan, nan, level, why)
    x, y = np.log(hours), np.log(np.column_stack([rates, drawn * chance[:-1]]))
    slope, height = np.polyfit(x, y, 1)
    last = (y[-1] - y[-2]) / (x[-1] - x[-2])
    reached = np.exp([height + slope * np.log(target), y[-1] + last * (np.log(target) - x[-1])])  # in two ways
    gains = np.exp(y[-1, 1:]) - reached[:, 1:] * chance[-1]
    low, high = interval_of(gains.ravel(), tested, level=level)
    span = f"{percent(level, 0)} interval of the gain {100 * low:.1f} to {100 * high:.1f} points".replace("-", "−")
    span = f"their line goes on to {percent(reached[0, 0])}; {span}"
    why = "" if low > 0 else f"{_series(hours, rates)} leave open whether there is any gain ({span})"
    return PowerLaw(unit, np.exp(height[0]), -slope[0], target, rates[-1], reached[0, 0], low, high, level, why)


def _too_little(hours: np.ndarray, rates: np.ndarray, tested: int) -> str:
    """Why no line can be laid through these points; ``""`` where one can."""
    if len(np.unique(hours)) < LEAST_POINTS:
        return f"it takes {LEAST_POINTS} amounts of speech, and there are {len(np.unique(hours))}"
    if np.isnan(interval_of(np.zeros(1), tested)[0]):
        return f"{counted(tested, 'test utterance')} are too few for an interval"
    if (rates >= READS_NOTHING).any():
        return f"{_series(hours, rates)}: the recogniser reads next to nothing yet, and no law holds there"
    if (rates == 0).any():
        return f"{_series(hours, rates)}: without errors nothing is left to fall"
    return ""


def _series(hours: np.ndarray, rates: np.ndarray) -> str:
    shown = ", ".join(f"{100 * rate:.1f}" for rate in rates)
    return f"{shown} % at {', '.join(f'{h:.2g}' for h in hours)} h"

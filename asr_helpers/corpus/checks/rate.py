"""Recordings that last implausibly long or short for their text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..problems import ERROR, WARNING, Problem

__all__ = ["check_speaking_rate", "expected_seconds"]

# Tuned on 2,188 Common Voice clips: their robust spread (1.4826 MAD of the log ratio) is 0.18; seven clips lie beyond
# both bounds, one word or a few and seconds of pause.
FACTOR = 2.5  # times as long, or as short, as the corpus says
SPREADS = 4.5  # and so many robust standard deviations away
LEAST_SPREAD = 0.05  # natural logarithm; below it a corpus is synthetic and its spread says little
FEWEST = 12  # utterances before the corpus has a rate to compare with
FASTEST = 35.0  # letters a second; nobody speaks so: the fastest of those clips has 14.7
SLOWEST = 0.25  # letters a second; the slowest of those clips, a single word with pauses, has 0.53


def check_speaking_rate(ids: Sequence[str], seconds: np.ndarray, letters: np.ndarray) -> list[Problem]:
    """Report utterances whose duration does not fit their number of letters.

    A wrong transcript, a cut recording or one with much else in it shows in this. Compared are letters a second
    with fixed bounds, and the duration with what this corpus's own utterances of so many letters usually last.

    Args:
        ids: One an utterance.
        seconds: Durations, shape (utterances,); 0 or NaN is passed over.
        letters: Spoken letters of the transcripts, shape (utterances,); 0 is passed over.

    Returns:
        Problems in the order of the utterances.
    """
    use = np.flatnonzero((letters > 0) & (seconds > 0))
    rate = letters[use] / seconds[use]
    ratio, spread = np.ones(len(use)), np.inf
    if len(use) >= FEWEST:
        ratio = seconds[use] / expected_seconds(seconds[use], letters[use])
        logs = np.log(ratio)
        spread = max(LEAST_SPREAD, 1.4826 * float(np.median(np.abs(logs - np.median(logs)))))
    odd = np.maximum(ratio, 1 / ratio) >= max(FACTOR, float(np.exp(min(50.0, SPREADS * spread))))
    problems = []
    for i, row in enumerate(use):
        told = f"{letters[row]:.0f} letters in {seconds[row]:.2f} s ({rate[i]:.1f} a second"
        usual = f"; so many usually last {seconds[row] / ratio[i]:.1f} s here)" if np.isfinite(spread) else ")"
        if rate[i] > FASTEST or (odd[i] and ratio[i] < 1):
            advice = "listen: is the recording cut off, or is this another sentence's text?"
            severity = ERROR if rate[i] > FASTEST else WARNING
            problems.append(Problem(severity, "speech too fast", ids[row], told + usual, advice))
        elif rate[i] < SLOWEST or odd[i]:
            advice = "listen: long pauses, more said than written, or another sentence's text?"
            problems.append(Problem(WARNING, "speech too slow", ids[row], told + usual, advice))
    return problems


def expected_seconds(seconds: np.ndarray, letters: np.ndarray) -> np.ndarray:
    """Fit how long an utterance of so many letters lasts in this corpus: a pause plus a time per letter.

    The pause matters: a single word between a second of silence and another is not slow speech. The line minimises
    the absolute deviation of the log ratio, by reweighted least squares, so that wrong pairs do not bend it.

    Args:
        seconds: Durations, shape (utterances,), all positive.
        letters: Spoken letters, shape (utterances,).

    Returns:
        Expected durations in seconds, shape (utterances,).
    """
    pause, each = 0.5 * float(np.median(seconds)), 0.5 * float(np.median(seconds / np.maximum(letters, 1)))
    columns = np.stack([np.ones(len(letters)), letters.astype(float)], axis=1)
    for _ in range(30):
        expected = columns @ (pause, each)
        weights = 1 / np.maximum(np.abs(np.log(seconds / expected)), 0.02) / expected**2
        weighted = columns * weights[:, None]
        solution, *_ = np.linalg.lstsq(weighted.T @ columns, weighted.T @ seconds, rcond=None)
        pause, each = max(0.0, float(solution[0])), max(1e-3, float(solution[1]))
    return columns @ (pause, each)

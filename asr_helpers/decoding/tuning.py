"""How much a language model should count: weights of beam search, found on the validation split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from asr_helpers.analysis.metrics import cer, wer

from .beam_search import BeamSearch, Weights
from .hypotheses import FrameClock, greedy

__all__ = ["Tuned", "tune"]

LM = (0.2, 5.0)  # range of the language model's weight, searched on a logarithmic scale
WORD = (-2.0, 4.0)  # range of what a word (or a boundary's frame) adds
NEAR = 0.25  # the second half of the trials stays within this share of the ranges around the best of the first


@dataclass(frozen=True)
class Tuned:
    """The best search, and all that were tried, best first: unit (letters, words or greedy), lm, word, wer, cer."""

    search: BeamSearch
    table: pd.DataFrame


def tune(
    searches: Sequence[BeamSearch],
    log_probs: Sequence[np.ndarray],
    references: Sequence[str],
    *,
    seed: int,
    trials: int = 16,
    at_most: int = 200,
) -> Tuned:
    """Find the language model and the weights with the lowest word error rate on the validation split.

    Trials are drawn at random, half over the whole ranges and half near the best so far: with two weights of unequal
    importance that finds more than a grid of the same size. The weights of ``searches`` are tried first.

    Args:
        searches: One a language model; all are tuned, and the best is chosen.
        log_probs: ``(frames, vocabulary)`` of each validation utterance, natural logarithms.
        references: Their normalised transcripts; never those of the test split.
        seed: The same seed tries the same weights.
        trials: Weights tried for each language model.
        at_most: Utterances used, a seeded choice where there are more: two numbers need no large sample.

    Returns:
        The best search. Equal word error rates are decided by the character error rate, then by the earlier trial.

    Raises:
        ValueError: There is no utterance, or not a reference for each.

    Source: Bergstra and Bengio (2012) for random trials in place of a grid.
    """
    if not references or len(log_probs) != len(references):
        raise ValueError(f"{len(log_probs)} utterances and {len(references)} references; tuning needs one for each")
    chosen = np.sort(np.random.default_rng(seed).permutation(len(references))[:at_most])
    log_probs, references = [log_probs[i] for i in chosen], [references[i] for i in chosen]
    plain = [greedy(each, searches[0].alphabet, FrameClock(1, 1)).text for each in log_probs]
    rows = [_row("greedy", Weights(0.0, 0.0), references, plain)]
    tried: list[BeamSearch] = []
    for search in searches:
        rng = np.random.default_rng(seed)
        first = len(rows)
        draft = search.beam // 2 if search.unit == "character" else search.beam  # slow, and half ranks weights as well
        for trial in range(trials):
            weights = search.weights if not trial else _draw(rng, _best(rows[first:]) if 2 * trial >= trials else None)
            tried.append(search.having(weights=weights))
            found = [tried[-1].having(beam=draft).text(each) for each in log_probs]
            rows.append(_row(search.name, weights, references, found))
    best = tried[min(range(len(tried)), key=lambda i: (rows[i + 1]["wer"], rows[i + 1]["cer"]))]
    return Tuned(best, pd.DataFrame(rows).sort_values(["wer", "cer"], kind="stable", ignore_index=True))


def _row(unit: str, weights: Weights, references: Sequence[str], found: Sequence[str]) -> dict:
    scores = {"wer": wer(references, found), "cer": cer(references, found)}
    return {"unit": unit, "lm": weights.lm, "word": weights.word, **scores}


def _best(rows: Sequence[dict]) -> dict:
    return min(rows, key=lambda row: (row["wer"], row["cer"]))


def _draw(rng: np.random.Generator, around: dict | None) -> Weights:
    """Draw weights from the whole ranges, or near a row of the table."""
    lm, word = rng.uniform(np.log(LM)[0], np.log(LM)[1]), rng.uniform(*WORD)
    if around:
        centre = np.log(np.clip(around["lm"], *LM)), around["word"]
        lm, word = (c + NEAR * (x - np.mean(r)) for c, x, r in zip(centre, (lm, word), (np.log(LM), WORD), strict=True))
    return Weights(round(float(np.exp(lm)), 3), round(float(word), 3))

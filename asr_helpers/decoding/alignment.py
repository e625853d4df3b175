"""Where in the recording a known text was said: CTC forced alignment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from asr_helpers.model.frames import ctc_frames_needed
from asr_helpers.model.vocabulary import Alphabet

from .hypotheses import LOG_ZERO, FrameClock, Hypothesis, hypothesis_of

__all__ = ["BestPath", "TooFewFrames", "align", "best_path"]


class TooFewFrames(ValueError):
    """The text has more letters than the recording has frames to say them in."""


@dataclass(frozen=True)
class BestPath:
    """The likeliest way to say given ids: one id a frame ``(frames,)``, and its log-probability."""

    ids: np.ndarray
    score: float


def align(log_probs: np.ndarray, text: str, alphabet: Alphabet, clock: FrameClock) -> Hypothesis:
    """Give every word and letter of a known text its seconds in the recording.

    A letter that the model has no output for (one that no training transcript holds) is placed where some letter is
    said, whichever is likeliest; its confidence is 0, and so is its word's.

    Args:
        log_probs: ``(frames, vocabulary)``, natural logarithms.
        text: Normalised text, spaces between words: the reference, or a hypothesis of beam search.
        alphabet: What each output means.
        clock: Seconds of a frame.

    Returns:
        The text with times; its confidences say how well the recording supports it (as in ``hypothesis_of``).

    Raises:
        TooFewFrames: The text is too long for the recording.
    """
    unknown = sorted(set(text.replace(" ", "")) - set(alphabet.tokens))
    if not unknown:
        path = best_path(log_probs, alphabet.encode(text), blank=alphabet.blank)
        return hypothesis_of(path.ids, log_probs, alphabet, clock)
    wider = replace(alphabet, tokens=(*alphabet.tokens, *unknown))
    letters = np.setdiff1d(np.arange(len(alphabet.tokens)), [alphabet.blank, alphabet.boundary])
    some = np.repeat(log_probs[:, letters].max(-1, keepdims=True), len(unknown), axis=1)
    path = best_path(np.concatenate([log_probs, some], axis=1), wider.encode(text), blank=alphabet.blank)
    return hypothesis_of(path.ids, np.concatenate([log_probs, np.full_like(some, -np.inf)], axis=1), wider, clock)


def best_path(log_probs: np.ndarray, ids: Sequence[int], *, blank: int) -> BestPath:
    """Find the likeliest path through the frames that collapses to ``ids`` (Viterbi, all states at once).

    The states are the ids with a blank before, between and after. A frame stays in its state, goes on to the
    next, or skips a blank between two different ids.

    Args:
        log_probs: ``(frames, vocabulary)``, natural logarithms.
        ids: Output ids without blanks, ``(letters,)``; may be empty.
        blank: Id of the blank.

    Raises:
        TooFewFrames: Fewer frames than ``ctc_frames_needed(ids)``.
        ValueError: ``ids`` contains the blank.

    Source: Graves et al. (2006), section 4.1, with the maximum in place of the sum.
    """
    _check(len(log_probs), ids, blank)
    states = np.full(2 * len(ids) + 1, blank)
    states[1::2] = ids
    emitted = np.maximum(log_probs[:, states], LOG_ZERO, dtype=np.float64)  # (frames, states)
    # How a state was reached: from itself (0), from the one before (1) or from the one before that (2).
    came = np.zeros(emitted.shape, dtype=np.int8)
    can_skip = np.zeros(len(states), dtype=bool)
    can_skip[3::2] = states[3::2] != states[1:-2:2]
    if not len(emitted):
        return BestPath(np.zeros(0, dtype=np.int64), 0.0)
    ways = np.full((3, len(states)), -np.inf)
    score = np.full(len(states), -np.inf)
    score[:2] = emitted[0, :2]
    for frame in range(1, len(emitted)):
        ways[0], ways[1, 1:] = score, score[:-1]
        ways[2, 2:] = np.where(can_skip[2:], score[:-2], -np.inf)
        came[frame] = ways.argmax(0)
        score = ways.max(0) + emitted[frame]
    last = len(states) - 1 if len(states) == 1 or score[-1] >= score[-2] else len(states) - 2
    return BestPath(states[_trace(came, last)], float(score[last]))


def _trace(came: np.ndarray, last: int) -> np.ndarray:
    """Walk back from the last state to the first frame; one state a frame."""
    path = np.empty(len(came), dtype=np.int64)
    state = last
    for frame in range(len(came) - 1, -1, -1):
        path[frame] = state
        state -= int(came[frame, state])
    return path


def _check(frames: int, ids: Sequence[int], blank: int) -> None:
    if blank in ids:
        raise ValueError(f"the text holds the blank (id {blank}), which stands for no letter; remove it")
    if frames < (needed := ctc_frames_needed(ids)):
        raise TooFewFrames(
            f"{len(ids)} letters need at least {needed} frames, the recording has {frames}; "
            "check that the text belongs to this recording"
        )

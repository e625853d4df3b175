"""Where in the recording a known text was said: CTC forced alignment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from asr_helpers.model.frames import ctc_frames_needed
from asr_helpers.model.vocabulary import Alphabet

from .hypotheses import LOG_ZERO, FrameClock, Hypothesis, hypothesis_of

__all__ = ["BestPath", "TooFewFrames", "align", "align_scored", "best_path"]

MOST_CELLS = 1 << 31  # frames times states that are searched, a byte each: 20 minutes with their text


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
        ValueError: Recording and text are too long to be aligned in one go.
    """
    return align_scored(log_probs, text, alphabet, clock)[0]


def align_scored(log_probs: np.ndarray, text: str, alphabet: Alphabet, clock: FrameClock) -> tuple[Hypothesis, float]:
    """Align a text, and say how well the recording supports it, by which a wrong text shows.

    The score compares the likeliest way to say the text with the likeliest way to say anything: the ratio of the two
    probabilities, as the geometric mean over the text's letters, times the share of letters that the model knows. It is
    1 where the text is what was heard; on the sample's test split 0.43 or more for the right text (median 0.88) and
    0.005 or less for another sentence's.

    Args:
        log_probs: ``(frames, vocabulary)``, natural logarithms.
        text: As in `align`.
        alphabet: What each output means.
        clock: Seconds of a frame.

    Returns:
        The hypothesis as `align` gives it, and the score in 0..1 (0 for an empty text).

    Raises:
        TooFewFrames, ValueError: As in `align`.
    """
    letters = text.replace(" ", "")
    unknown = sorted(set(letters) - set(alphabet.tokens))
    known, emitted = alphabet, log_probs
    if unknown:
        alphabet = replace(alphabet, tokens=(*alphabet.tokens, *unknown))
        heard = np.setdiff1d(np.arange(len(known)), [known.blank, known.boundary])
        some = np.repeat(log_probs[:, heard].max(-1, keepdims=True), len(unknown), axis=1)
        emitted = np.concatenate([log_probs, some], axis=1)
        log_probs = np.concatenate([log_probs, np.full_like(some, -np.inf)], axis=1)
    path = best_path(emitted, alphabet.encode(text), blank=alphabet.blank)
    hypothesis = hypothesis_of(path.ids, log_probs, alphabet, clock)
    if not letters:
        return hypothesis, 0.0
    missing = path.score - float(emitted.max(-1).sum(dtype=np.float64))
    share = sum(letter not in unknown for letter in letters) / len(letters)
    return hypothesis, share * float(np.exp(min(0.0, missing) / len(letters)))


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
        ValueError: ``ids`` contains the blank, or there are more than ``MOST_CELLS`` to search.

    Source: Graves et al. (2006), section 4.1, with the maximum in place of the sum.
    """
    _check(len(log_probs), ids, blank)
    states = np.full(2 * len(ids) + 1, blank)
    states[1::2] = ids
    emitted = np.maximum(log_probs, LOG_ZERO, dtype=np.float64)
    # How a state was reached: from itself (0), from the one before (1) or from the one before that (2).
    came = np.zeros((len(emitted), len(states)), dtype=np.int8)
    can_skip = np.zeros(len(states), dtype=bool)
    can_skip[3::2] = states[3::2] != states[1:-2:2]
    if not len(emitted):
        return BestPath(np.zeros(0, dtype=np.int64), 0.0)
    ways = np.full((3, len(states)), -np.inf)
    score = np.full(len(states), -np.inf)
    score[:2] = emitted[0, states[:2]]
    for frame in range(1, len(emitted)):
        ways[0], ways[1, 1:] = score, score[:-1]
        ways[2, 2:] = np.where(can_skip[2:], score[:-2], -np.inf)
        came[frame] = ways.argmax(0)
        score = ways.max(0) + emitted[frame, states]
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
    if frames * (2 * len(ids) + 1) > MOST_CELLS:
        raise ValueError(
            f"{frames} frames and {len(ids)} letters are too much to align in one go; cut the recording and its text"
        )

"""From log-probabilities to text: greedy decoding, times of words and letters, what every frame did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from asr_helpers.audio.reading import SAMPLING_RATE
from asr_helpers.model.frames import hop, receptive_field
from asr_helpers.model.vocabulary import Alphabet

__all__ = [
    "FrameClock",
    "Hypothesis",
    "Letter",
    "Word",
    "frame_table",
    "greedy",
    "hypothesis_of",
    "parted_at_pauses",
]

LOG_ZERO = -1e4  # in place of the logarithm of 0, so that sums over paths stay finite

PAUSE = 0.5  # seconds without a letter that end a word; words of the sample's test split have 0.36 at most inside

REACH = 0.04  # seconds; synthetic words began 0.036 s before their first letter's frame (median of 1,032)

NEW_LETTER, NEW_BOUNDARY, REPEAT, BLANK = "new letter", "word boundary", "repeats the frame before", "blank"

PAUSED = "word boundary in a pause"  # where the model says none

Stretch = tuple[int, int, int]  # an output id, and the first and last frame that name it


@dataclass(frozen=True)
class FrameClock:
    """Which seconds of the recording a frame of the model speaks for.

    A frame hears ``field`` samples; its own share is the ``hop`` samples in the middle of them. Neighbouring frames
    then touch without overlapping, and no frame lies outside the recording.

    Attributes:
        hop: Samples from one frame to the next.
        field: Samples that one frame hears.
        origin: Frames of the recording before the first row of the log-probabilities, where these are a later part.
    """

    hop: int
    field: int
    origin: int = 0

    @classmethod
    def of(cls, source: Any) -> FrameClock:
        """Derive the clock from a CTC model or its configuration."""
        return cls(hop(source), receptive_field(source))

    @property
    def seconds(self) -> float:
        """Seconds from one frame to the next."""
        return self.hop / SAMPLING_RATE

    def start(self, frame: int) -> float:
        """Second at which the share of ``frame`` begins."""
        first = (self.origin + frame) * self.hop + (self.field - self.hop) / 2
        return max(0.0, first / SAMPLING_RATE)

    def end(self, frame: int) -> float:
        """Second at which the share of ``frame`` ends: where that of the next begins."""
        return self.start(frame + 1)


@dataclass(frozen=True)
class Letter:
    """One output token: its text, its seconds, its confidence in 0..1, and the first and last frame that name it."""

    text: str
    start: float
    end: float
    confidence: float
    first: int
    last: int


@dataclass(frozen=True)
class Word:
    """One word: its text, seconds, confidence in 0..1 and letters."""

    text: str
    start: float
    end: float
    confidence: float
    letters: tuple[Letter, ...]


@dataclass(frozen=True)
class Hypothesis:
    """What the model understood of one utterance: text, words with times, and a confidence in 0..1."""

    text: str
    words: tuple[Word, ...]
    confidence: float

    def rows(self) -> list[dict[str, Any]]:
        """Words as plain rows (word, start, end, confidence), as the predictions table keeps them."""
        return [{"word": w.text, "start": w.start, "end": w.end, "confidence": w.confidence} for w in self.words]


def _runs(ids: np.ndarray) -> Iterator[tuple[int, int]]:
    """First and last frame of each stretch of equal ids."""
    if not len(ids):
        return
    cuts = np.flatnonzero(np.diff(ids)) + 1
    yield from zip([0, *cuts.tolist()], [*(cuts - 1).tolist(), len(ids) - 1], strict=True)


def greedy(log_probs: np.ndarray, alphabet: Alphabet, clock: FrameClock) -> Hypothesis:
    """Take the likeliest token of every frame, collapse, and say when each word and letter was heard.

    Args:
        log_probs: ``(frames, vocabulary)``, natural logarithms.
        alphabet: What each output means.
        clock: Seconds of a frame.
    """
    log_probs = parted_at_pauses(log_probs, alphabet, clock)
    return hypothesis_of(log_probs.argmax(-1), log_probs, alphabet, clock)


def parted_at_pauses(log_probs: np.ndarray, alphabet: Alphabet, clock: FrameClock) -> np.ndarray:
    """Make sure that no word runs across a pause: wherever ``PAUSE`` goes by without a letter, a boundary is certain.

    A model that has learnt from single utterances has never heard what lies between two: it names no boundary there,
    and the last word before a pause and the first after it would be one.

    Args:
        log_probs: ``(frames, vocabulary)``, natural logarithms.
        alphabet: What each output means.
        clock: Seconds of a frame.

    Returns:
        The same, or a copy in which a frame of every pause names a boundary and nothing else: the first that does so
        anyway, or the middle one.
    """
    path = log_probs.argmax(-1)
    letters = np.flatnonzero((path != alphabet.blank) & (path != alphabet.boundary)).tolist()
    pauses = []
    for one, other in pairwise(letters):
        if (other - one - 1) * clock.seconds >= PAUSE:
            named = one + np.flatnonzero(path[one:other] == alphabet.boundary)
            pauses.append(int(named[0]) if len(named) else (one + other) // 2)
    if not pauses:
        return log_probs
    parted = log_probs.copy()
    parted[pauses] = LOG_ZERO
    parted[pauses, alphabet.boundary] = 0.0
    return parted


def hypothesis_of(path: np.ndarray, log_probs: np.ndarray, alphabet: Alphabet, clock: FrameClock) -> Hypothesis:
    """Read words, times and confidences off a path through the frames (greedy, or a forced alignment).

    CTC names a letter in its middle, for a frame or two. A word therefore lasts from ``REACH`` before its first
    letter's frames to as long after its last's, or to the middle of the time to its neighbour if that is nearer; its
    letters meet in the middle between their frames.

    A letter's confidence is its highest posterior over its frames. A word's is the CTC probability of the word and the
    boundaries beside it, summed over every path through the frames between its neighbours' letters: it sees letters
    that might be missing and words that might be one, which a product over the letters does not. An utterance's is the
    mean of its words', the share of words expected to be right; without words, the mean posterior of the blank.

    Args:
        path: One id a frame, ``(frames,)``.
        log_probs: ``(frames, vocabulary)``, natural logarithms.
        alphabet: What each output means.
        clock: Seconds of a frame.
    """
    spoken: list[list[Stretch]] = [[]]  # the letters of each word
    for first, last in _runs(path):
        token = int(path[first])
        if token == alphabet.boundary:
            spoken.append([])
        elif token != alphabet.blank:
            spoken[-1].append((token, first, last))
    spoken = [word for word in spoken if word]
    if not spoken:
        return Hypothesis("", (), float(np.exp(log_probs[:, alphabet.blank]).mean()) if len(path) else 0.0)
    confidences = _word_posteriors(spoken, path, log_probs, alphabet)
    words = []
    for runs, edges, confidence in zip(spoken, _edges(spoken, len(path), clock), confidences.tolist(), strict=True):
        best = [min(1.0, float(np.exp(log_probs[first : last + 1, token].max()))) for token, first, last in runs]
        letters = tuple(
            Letter(alphabet.tokens[token], start, end, posterior, first, last)
            for (token, first, last), (start, end), posterior in zip(runs, pairwise(edges), best, strict=True)
        )
        words.append(Word("".join(each.text for each in letters), edges[0], edges[-1], confidence, letters))
    return Hypothesis(" ".join(word.text for word in words), tuple(words), float(confidences.mean()))


def _edges(spoken: Sequence[Sequence[Stretch]], frames: int, clock: FrameClock) -> Iterator[list[float]]:
    """Where each word begins, where its letters meet, and where it ends, in seconds."""
    for i, runs in enumerate(spoken):
        first, last = clock.start(runs[0][1]), clock.end(runs[-1][2])
        before = (clock.end(spoken[i - 1][-1][2]) + first) / 2 if i else clock.start(0)
        after = (last + clock.start(spoken[i + 1][0][1])) / 2 if i + 1 < len(spoken) else clock.start(frames)
        inner = [(clock.end(one[2]) + clock.start(other[1])) / 2 for one, other in pairwise(runs)]
        yield [max(first - REACH, before), *inner, min(last + REACH, after)]


def _word_posteriors(
    spoken: Sequence[Sequence[Stretch]], path: np.ndarray, log_probs: np.ndarray, alphabet: Alphabet
) -> np.ndarray:
    """CTC probability of each word between its neighbours, ``(words,)`` float64; all words in one batch."""
    import torch

    starts = [0, *(word[-1][2] + 1 for word in spoken[:-1])]
    stops = [*(word[0][1] for word in spoken[1:]), len(path)]
    targets = []
    for word, start, stop in zip(spoken, starts, stops, strict=True):
        before = alphabet.boundary in path[start : word[0][1]]
        after = alphabet.boundary in path[word[-1][2] + 1 : stop]
        targets.append([*[alphabet.boundary] * before, *(token for token, _, _ in word), *[alphabet.boundary] * after])
    frames = torch.tensor(stops) - torch.tensor(starts)
    emitted = torch.zeros(int(frames.max()), len(spoken), log_probs.shape[1], dtype=torch.float64)
    for i, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        emitted[: stop - start, i] = torch.from_numpy(np.maximum(log_probs[start:stop], LOG_ZERO, dtype=np.float64))
    losses = torch.nn.functional.ctc_loss(
        emitted,
        torch.tensor([token for target in targets for token in target]),
        frames,
        torch.tensor([len(target) for target in targets]),
        blank=alphabet.blank,
        reduction="none",
    )
    return torch.exp(-losses).clamp(max=1.0).numpy()


def frame_table(log_probs: np.ndarray, alphabet: Alphabet, clock: FrameClock) -> pd.DataFrame:
    """Lay out what every frame of one utterance said and what collapsing made of it.

    Returns:
        One row a frame: ``frame``, ``start`` and ``end`` (seconds), ``token``, ``probability`` of it,
        ``blank`` (probability of the blank), ``kept`` (whether it reaches the text) and ``why``.
    """
    path = parted_at_pauses(log_probs, alphabet, clock).argmax(-1)
    frames = np.arange(len(path))
    before = np.concatenate([[-1], path[:-1]]).astype(int)
    reasons = [_reason(int(now), int(old), alphabet) for now, old in zip(path, before, strict=True)]
    for frame in np.flatnonzero(path != log_probs.argmax(-1)):
        reasons[frame] = PAUSED
    return pd.DataFrame(
        {
            "frame": frames,
            "start": [clock.start(f) for f in frames],
            "end": [clock.end(f) for f in frames],
            "token": [alphabet.tokens[i] for i in path],
            "probability": np.exp(log_probs[frames, path]),
            "blank": np.exp(log_probs[:, alphabet.blank]),
            "kept": [why in (NEW_LETTER, NEW_BOUNDARY, PAUSED) for why in reasons],
            "why": reasons,
        }
    )


def _reason(token: int, before: int, alphabet: Alphabet) -> str:
    """Why collapsing keeps or drops a frame, given the frame before."""
    if token == alphabet.blank:
        return BLANK
    if token == before:
        return REPEAT
    return NEW_BOUNDARY if token == alphabet.boundary else NEW_LETTER

"""Use what was trained: a recording of any length to its text, or its text to the recording, word by word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from .alignment import align_scored
from .beam_search import BeamSearch
from .hypotheses import Hypothesis, greedy
from .recogniser import Heard, Recogniser
from .windows import segments

__all__ = ["Aligned", "Transcript", "align_file", "transcribe_file"]

SEGMENT_SECONDS = 30.0  # longest stretch decoded at once; bounds the memory of beam search


@dataclass(frozen=True)
class Transcript:
    """What was said in a recording: its length in seconds, and the hypotheses of its stretches in order."""

    seconds: float
    parts: tuple[Hypothesis, ...]

    @property
    def hypothesis(self) -> Hypothesis:
        """The whole recording as one hypothesis; its confidence is the mean of its words'."""
        words = tuple(word for part in self.parts for word in part.words)
        confidence = [word.confidence for word in words] or [part.confidence for part in self.parts] or [0.0]
        return Hypothesis(" ".join(word.text for word in words), words, float(np.mean(confidence)))


@dataclass(frozen=True)
class Aligned:
    """A recording with its text: its length in seconds, the words with their times, and the score of `align_scored`."""

    seconds: float
    hypothesis: Hypothesis
    score: float


def transcribe_file(
    path: str | Path,
    recogniser: Recogniser,
    *,
    search: BeamSearch | None = None,
    progress: Callable[[float], object] | None = None,
    **hearing: float | None,
) -> Transcript:
    """Turn a recording of any length into text with times, in memory that does not grow with its audio.

    Args:
        path: A recording of any kind that ``read_audio`` reads, of any rate.
        recogniser: Who hears it.
        search: Beam search with a language model; greedy decoding without.
        progress: Called with the seconds transcribed so far.
        hearing: ``channel``, ``window_seconds`` and ``overlap_seconds``, as `Heard` takes them.

    Raises:
        AudioError: The recording cannot be decoded or is empty; says what to do.
    """
    heard, alphabet, clock = Heard(recogniser, path, **hearing), recogniser.alphabet, recogniser.clock
    parts = []
    for first, part in segments(heard, longest=round(SEGMENT_SECONDS / clock.seconds), alphabet=alphabet):
        at = replace(clock, origin=first)
        parts.append(search.hypothesis(part, at) if search else greedy(part, alphabet, at))
        if progress:
            progress(at.start(len(part)))
    return Transcript(heard.seconds, tuple(parts))


def align_file(path: str | Path, text: str, recogniser: Recogniser, **hearing: float | None) -> Aligned:
    """Say when each word and letter of a known text was said in a recording, and how well the two fit.

    Args:
        path: A recording of any kind that ``read_audio`` reads, of any rate.
        text: What is said in it, in the spelling that the model was taught.
        recogniser: Who hears it.
        hearing: As in `transcribe_file`.

    Raises:
        AudioError: The recording cannot be decoded or is empty; says what to do.
        TooFewFrames: The text is too long for the recording.
        ValueError: Recording and text are too long to be aligned in one go.
    """
    heard = Heard(recogniser, path, **hearing)
    parts = [np.zeros((0, len(recogniser.alphabet)), dtype=np.float32), *heard]
    return Aligned(heard.seconds, *align_scored(np.concatenate(parts), text, recogniser.alphabet, recogniser.clock))

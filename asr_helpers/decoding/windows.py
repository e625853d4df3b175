"""Recordings of any length in little memory: audio in blocks, windows that overlap, and one row of frames again."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from asr_helpers.audio.reading import SAMPLING_RATE
from asr_helpers.model.frames import hop, samples_needed
from asr_helpers.model.vocabulary import Alphabet

__all__ = ["Window", "Windows", "segments", "stitch"]

SMOOTH = 9  # frames over which a cut has to be quiet, so that it falls into a pause rather than between two letters

PAUSE_SECONDS = 0.3  # a silence this long is a pause; closures within words are shorter
RANGE_DB = 40.0  # how far below speech a recording's noise is looked for; digital silence lies deeper
QUIET = 0.3  # share of the way from noise to speech, in dB, below which it is quiet


@dataclass(frozen=True)
class Window:
    """A stretch of a recording: its samples, int16, and how many frames it shares with the window before."""

    samples: np.ndarray
    shared: int


@dataclass(frozen=True)
class Windows:
    """How a long recording is cut for a model that has learnt from utterances of a few seconds.

    A recording that fits one window is one. A longer one is cut in its pauses, into stretches like those that the
    model has learnt from. Where no pause comes for the length of a window, neighbours share some frames: near its
    edge a window lacks context, and its neighbour has it. All begin on the model's frame grid, so that their
    frames are those of the whole recording.

    Attributes:
        size: Samples of a window at most.
        shortest: Samples before a pause is looked for.
        overlap: Frames that neighbours share where there is no pause.
        hop: Samples from one frame to the next.
        field: Samples that one frame hears.
    """

    size: int
    shortest: int
    overlap: int
    hop: int
    field: int

    @classmethod
    def of(cls, source: Any, *, seconds: float, overlap_seconds: float, shortest_seconds: float = 2.0) -> Windows:
        """Fit windows to a model's frames.

        Args:
            source: A CTC model or its configuration.
            seconds: Length of a window at most.
            overlap_seconds: What neighbours share where there is no pause.
            shortest_seconds: How early a pause may end a window.

        Raises:
            ValueError: Windows would not move on, or are shorter than two overlaps.
        """
        step = hop(source)
        frames, overlap = round(seconds * SAMPLING_RATE / step), round(overlap_seconds * SAMPLING_RATE / step)
        if overlap < 4 or frames < 2 * overlap:
            raise ValueError(
                f"windows of {seconds} s that share {overlap_seconds} s do not fit frames of {step / SAMPLING_RATE} s; "
                "use an overlap of at least 4 frames and windows of at least two overlaps"
            )
        shortest = round(shortest_seconds * SAMPLING_RATE)
        return cls(samples_needed(source, frames), shortest, overlap, step, samples_needed(source, 1))

    def cut(self, blocks: Iterable[np.ndarray]) -> Iterator[Window]:
        """Yield the windows of a recording.

        Args:
            blocks: The recording's samples, int16, in blocks of any size.
        """
        source = iter(blocks)
        held, ended = self._fill(np.zeros(0, dtype=np.int16), source)
        if ended:
            yield Window(held, 0)
            return
        shared = 0
        while len(held) >= self.field:
            frames = self._pause(held, max(self.shortest, shared * self.hop))
            if frames:
                yield Window(held[: (frames - 1) * self.hop + self.field], shared)
                held, shared = held[frames * self.hop :], 0
            elif ended:
                yield Window(held, shared)
                return
            else:
                yield Window(held[: self.size], shared)
                held = held[self.size - self.field + self.hop - self.overlap * self.hop :]
                shared = self.overlap
            held, ended = self._fill(held, source)

    def _fill(self, held: np.ndarray, source: Iterator[np.ndarray]) -> tuple[np.ndarray, bool]:
        """Read until a window and a frame after it are there; says whether the recording ended before."""
        pieces, samples = [held], len(held)
        while samples < self.size + self.hop:
            block = next(source, None)
            if block is None:
                return np.concatenate(pieces), True
            pieces.append(block)
            samples += len(block)
        return np.concatenate(pieces), False

    def _pause(self, held: np.ndarray, earliest: int) -> int:
        """Frames up to the middle of the first pause that is not over at ``earliest``; 0 where there is none."""
        frames = len(held[: self.size]) // self.hop
        power = (held[: frames * self.hop].reshape(frames, self.hop).astype(np.float32) ** 2).mean(-1)
        level = 10 * np.log10(power + 1)  # 0 dB is one step of 16 bits
        floor, loud = np.quantile(level, [0.1, 0.95])
        floor = max(floor, loud - RANGE_DB)
        quiet = level < floor + QUIET * (loud - floor)
        edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]]).astype(np.int8)))
        for first, stop in edges.reshape(-1, 2):
            middle = int(first + stop) // 2
            if (stop - first) * self.hop >= PAUSE_SECONDS * SAMPLING_RATE and middle * self.hop >= earliest:
                return middle
        return 0


def stitch(windows: Iterable[tuple[np.ndarray, int]], *, alphabet: Alphabet) -> Iterator[np.ndarray]:
    """Join the log-probabilities of windows into those of the recording, frame for frame.

    Of two neighbours that share frames, each gives those on its side of a cut. The cut lies in the middle half of what
    they share, where both are surest that no letter is said: a letter that one puts a frame earlier than the other can
    then neither be lost nor doubled. Neighbours that share none were cut in a pause, of whose two sides
    neither knows that words meet there: in the last frame before it a boundary becomes as likely as the blank.

    Args:
        windows: ``(frames, vocabulary)`` natural logarithms of each window in order, and how many of its first
            frames it shares with the window before.
        alphabet: What each output means.

    Yields:
        ``(frames, vocabulary)`` parts, which together are the recording.
    """
    silent = [alphabet.blank, alphabet.boundary]
    held: np.ndarray | None = None
    for window, shared in windows:
        if held is not None and shared:
            start = len(held) - shared
            agreed = np.minimum(np.exp(held[start:, silent]), np.exp(window[:shared, silent])).sum(-1)
            cut = _quietest(agreed)
            held, window = held[: start + cut], window[cut:]
        elif held is not None and len(held) and held[-1].argmax() == alphabet.blank:
            held = held.copy()
            held[-1, alphabet.boundary] = np.nextafter(held[-1, alphabet.blank], np.float32(1))
        if held is not None:
            yield held
        held = window
    if held is not None:
        yield held


def _quietest(agreed: np.ndarray) -> int:
    """The frame of the middle half before which to cut: both windows are silent on its two sides and all around.

    Of places that are as quiet, the one nearest the middle.
    """
    frames = len(agreed)
    around = np.convolve(agreed, np.ones(SMOOTH) / SMOOTH, mode="same")
    places = np.arange(max(1, frames // 4), frames - frames // 4)
    quiet = around[places] * np.minimum(agreed[places - 1], agreed[places])
    distance = np.abs(places - frames / 2)
    return int(places[np.lexsort((distance, -quiet.round(6)))[0]])


def segments(parts: Iterable[np.ndarray], *, longest: int, alphabet: Alphabet) -> Iterator[tuple[int, np.ndarray]]:
    """Cut the frames of a recording into stretches that can be decoded one by one, between words.

    Args:
        parts: ``(frames, vocabulary)`` natural logarithms, in order, as ``stitch`` yields them.
        longest: Frames of a stretch at most; each is at least half as long, but for the last.
        alphabet: Tells which frames hold a blank or a boundary, where a cut parts no word.

    Yields:
        The number of the first frame in the recording, and the stretch.
    """
    held, first = None, 0
    for part in parts:
        held = part if held is None else np.concatenate([held, part])
        while len(held) > longest:
            cut = _between_words(held[:longest], alphabet)
            yield first, held[:cut]
            held, first = held[cut:], first + cut
    if held is not None and len(held):
        yield first, held


def _between_words(log_probs: np.ndarray, alphabet: Alphabet) -> int:
    """The middle of the longest pause between words in the second half; failing that, between letters."""
    path = log_probs.argmax(-1)
    letters = np.flatnonzero((path != alphabet.blank) & (path != alphabet.boundary))
    edges = np.concatenate([[-1], letters, [len(path)]])
    best, cut = (False, 0), len(path)
    for one, other in itertools.pairwise(edges):
        middle = (one + 1 + other) // 2
        rank = bool((path[one + 1 : other] == alphabet.boundary).any()), int(other - one)
        if middle >= len(path) // 2 and rank > best and other - one > 1:
            best, cut = rank, middle
    return cut

"""Recordings of any length in little memory: audio in blocks, windows that overlap, and one row of frames again."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from .audio import SAMPLING_RATE, AudioError, _blocks, _check_channel, _mono, _open, to_int16
from .decoding import Alphabet
from .frames import hop, samples_needed

__all__ = ["Windows", "read_blocks", "segments", "stitch"]

SMOOTH = 9  # frames over which a cut has to be quiet, so that it falls into a pause rather than between two letters


def read_blocks(path: str | Path, *, channel: int | None = None) -> Iterator[np.ndarray]:
    """Decode a recording block by block, as the prepared dataset holds it: 16 kHz, mono, int16.

    Args:
        path: A WAV, FLAC, Ogg or MP3 file.
        channel: 0-based channel to take; None mixes down by the mean.

    Yields:
        ``(samples,)`` int16; together what ``read_audio`` and ``to_int16`` give, of at most a few seconds
        each.

    Raises:
        AudioError: The file is missing, is not audio, breaks off, holds what is no sound, or lacks the
            channel.
    """
    file, _ = _open(path)
    with file:
        _check_channel(path, file, channel)
        try:
            for block in _resampled((_mono(block, channel) for block in _blocks(file)), file.samplerate):
                yield to_int16(block)
        except soundfile.LibsndfileError as error:
            raise AudioError(path, f"breaks off while decoding ({error})", "copy or record it again") from error
        except ValueError as error:
            found, _, fix = str(error).partition("; ")
            raise AudioError(path, found, fix) from error


def _resampled(blocks: Iterable[np.ndarray], rate: int) -> Iterator[np.ndarray]:
    """Bring blocks of one recording to 16 kHz; the resampler keeps its state from one block to the next."""
    if rate == SAMPLING_RATE:
        yield from blocks
        return
    import soxr

    stream = soxr.ResampleStream(rate, SAMPLING_RATE, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros(0, dtype=np.float32), last=True)


@dataclass(frozen=True)
class Windows:
    """How a long recording is cut for a model that hears a few seconds at a time.

    Windows begin on the model's frame grid, so that their frames are those of the whole recording. Neighbours
    share ``overlap`` frames: near its edges a window lacks context, and the neighbour has it.

    Attributes:
        size: Samples of a window.
        step: Samples from one window to the next.
        more: Samples that have to follow a window, for the recording to have a frame that the window lacks.
        overlap: Frames that neighbours share.
    """

    size: int
    step: int
    more: int
    overlap: int

    @classmethod
    def of(cls, source: Any, *, seconds: float, overlap_seconds: float) -> Windows:
        """Fit windows to a model's frames.

        Args:
            source: A Wav2Vec2 model or its configuration.
            seconds: Length of a window, about.
            overlap_seconds: What neighbours share, about.

        Raises:
            ValueError: Windows would not move on, or are shorter than two overlaps.
        """
        step = hop(source)
        frames, overlap = round(seconds * SAMPLING_RATE / step), round(overlap_seconds * SAMPLING_RATE / step)
        if overlap < 4 or frames < 2 * overlap:
            raise ValueError(
                f"windows of {seconds} s that share {overlap_seconds} s do not fit frames of "
                f"{step / SAMPLING_RATE} s; use an overlap of at least 4 frames and windows of at least two "
                "overlaps"
            )
        return cls(samples_needed(source, frames), (frames - overlap) * step, step, overlap)

    def cut(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield windows of a recording; the last is shorter, or the only one.

        Args:
            blocks: The recording's samples, in blocks of any size.
        """
        held = np.zeros(0, dtype=np.int16)
        for block in blocks:
            held = np.concatenate([held, block])
            while len(held) >= self.size + self.more:
                yield held[: self.size]
                held = held[self.step :]
        if len(held):
            yield held


def stitch(windows: Iterable[np.ndarray], *, overlap: int, alphabet: Alphabet) -> Iterator[np.ndarray]:
    """Join the log-probabilities of overlapping windows into those of the recording, frame for frame.

    Of two neighbours each gives the frames on its side of a cut. The cut lies in the middle half of what they
    share, where both are surest that no letter is said: a letter that one puts a frame earlier than the other
    can then neither be lost nor doubled.

    Args:
        windows: ``(frames, vocabulary)`` each, natural logarithms, in order.
        overlap: Frames that neighbours share.
        alphabet: What each output means.

    Yields:
        ``(frames, vocabulary)`` parts, which together are the recording.
    """
    silent = [alphabet.blank, alphabet.boundary]
    held: np.ndarray | None = None
    for window in windows:
        if held is not None:
            start = len(held) - overlap
            agreed = np.minimum(np.exp(held[start:, silent]), np.exp(window[:overlap, silent])).sum(-1)
            cut = _quietest(agreed)
            yield held[: start + cut]
            window = window[cut:]
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

"""Decode recordings to mono at one sampling rate, whole or block by block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import soundfile

from .recording import AudioError, Recording

__all__ = ["CANCELLED", "LOUD", "SAMPLING_RATE", "from_int16", "read_audio", "read_blocks", "to_int16"]

SAMPLING_RATE = 16_000  # Hz; every checkpoint that is taken was pretrained at this rate

LOUD, SILENT = 0.01, 0.001  # of full scale: a channel with sound in it, and a mix with none

CANCELLED = "its channels may cancel each other: set channel to 0 or 1"


def read_audio(
    path: str | Path, *, sampling_rate: int | None = SAMPLING_RATE, channel: int | None = None
) -> tuple[np.ndarray, int]:
    """Decode a WAV, FLAC, Ogg (Vorbis, Opus), MP3, AIFF, CAF, AU, W64 or Sphere file to mono float32.

    Args:
        path: The recording.
        sampling_rate: Hz to resample to (soxr, high quality); None keeps the stored rate.
        channel: 0-based channel to take; None mixes down by the mean. A mono file has only its own.

    Returns:
        Samples of shape (samples,), float32, full scale at 1.0; and their rate in Hz.

    Raises:
        AudioError: The file is missing, is not audio, breaks off while decoding, lacks the channel, or is silent as a
            mix of channels that are not.
    """
    with Recording(path) as recording:
        blocks, rate = list(_mixed(recording, channel)), recording.sampling_rate
    samples = np.concatenate(blocks) if blocks else np.zeros(0, dtype=np.float32)
    if sampling_rate is None or rate == sampling_rate:
        return samples, rate
    import soxr  # only here: 01 measures thousands of files and resamples none

    return soxr.resample(samples, rate, sampling_rate, quality="HQ"), sampling_rate


def to_int16(samples: np.ndarray) -> np.ndarray:
    """Round float samples (full scale 1.0) to 16-bit PCM, clipping what lies beyond.

    Raises:
        ValueError: A sample is NaN or infinite: 16 bits cannot say so, and it would become an arbitrary value.
    """
    if not np.isfinite(samples).all():
        first = int(np.flatnonzero(~np.isfinite(samples))[0])
        raise ValueError(f"sample {first} is {samples[first]}, which 16 bits cannot hold; export the recording again")
    return np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)


def from_int16(samples: np.ndarray) -> np.ndarray:
    """Turn 16-bit PCM into float32 with full scale at 1.0."""
    return np.asarray(samples, dtype=np.int16).astype(np.float32) / 32768.0


def _mixed(recording: Recording, channel: int | None) -> Iterator[np.ndarray]:
    """Decode to mono blocks, and refuse a mix in which the channels cancelled each other."""
    recording.check_channel(channel)
    mixing = channel is None and recording.channels > 1
    loud = heard = 0.0
    try:
        for block in recording.blocks():
            mono = _mono(block, channel)
            if mixing:
                loud, heard = max(loud, float(np.abs(block).max())), max(heard, float(np.abs(mono).max()))
            yield mono
    except soundfile.LibsndfileError as error:
        raise AudioError(recording.path, f"breaks off while decoding ({error})", "copy or record it again") from error
    if heard < SILENT and loud > LOUD:
        raise AudioError(recording.path, "the mix of its channels is silent", CANCELLED)


def _mono(block: np.ndarray, channel: int | None) -> np.ndarray:
    """Reduce (frames, channels) to a new array (frames,) of float32."""
    mono = block[:, channel if channel is not None and block.shape[1] > 1 else 0].copy()
    if channel is None:
        for other in range(1, block.shape[1]):  # several times as fast as a mean over so short an axis
            mono += block[:, other]
        mono /= block.shape[1]
    return mono


def read_blocks(path: str | Path, *, channel: int | None = None) -> Iterator[np.ndarray]:
    """Decode a recording block by block, as the prepared dataset holds it: 16 kHz, mono, int16.

    Args:
        path: The recording.
        channel: 0-based channel to take; None mixes down by the mean.

    Yields:
        ``(samples,)`` int16; together what ``read_audio`` and ``to_int16`` give, of at most a few seconds
        each.

    Raises:
        AudioError: The file is missing, is not audio, breaks off, holds what is no sound, or lacks the
            channel.
    """
    with Recording(path) as recording:
        for block in _resampled(_mixed(recording, channel), recording.sampling_rate):
            try:
                yield to_int16(block)
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

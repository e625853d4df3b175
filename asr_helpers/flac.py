"""Samples as FLAC: what the prepared dataset stores, exactly the 16-bit samples in about half of their bytes."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import soundfile

__all__ = ["decode", "encode", "samples_of"]


def encode(samples: np.ndarray, *, sampling_rate: int) -> bytes:
    """Compress a clip without loss.

    Measured on one core: 60 clips of Common Voice become 0.90 bytes a sample, 100 of the synthetic sample corpus
    1.31, at about 4,000 times the speed at which they are spoken. Level 0 is no faster in several threads.

    Args:
        samples: (samples,) int16.
        sampling_rate: Hz, noted in the stream.
    """
    stream = io.BytesIO()
    soundfile.write(stream, samples, sampling_rate, format="FLAC", subtype="PCM_16")
    return stream.getvalue()


def decode(stream: bytes | memoryview) -> np.ndarray:
    """Give back the samples of ``encode``, (samples,) int16; 0.2 ms for a second of audio."""
    return soundfile.read(io.BytesIO(stream), dtype="int16")[0]


def samples_of(audio: Any) -> np.ndarray:
    """Read the audio of a row: as ``datasets`` hands it out (``{"bytes": FLAC, ...}``), or samples as they are."""
    return decode(audio["bytes"]) if isinstance(audio, dict) else np.asarray(audio)

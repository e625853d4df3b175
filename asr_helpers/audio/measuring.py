"""Measure recordings: length, level, clipping, noise; an hour takes no more memory than a second."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile

from . import mpeg
from .recording import Recording

__all__ = ["CLIPPED", "AudioMeasures", "measure"]

FRAME_SECONDS = 0.02  # NIST's stnr measures power over windows of 20 ms
SPEECH_SHARE, NOISE_SHARE = 0.95, 0.15  # percentiles of frame power taken as speech and as noise
FLOOR_DB = -101.0  # dBFS; the rounding noise of 16 bits: 20 log10(2**-15 / sqrt(12)). Nothing quieter is told apart.
BINS_PER_DB = 10
BINS = (30 - int(FLOOR_DB)) * BINS_PER_DB  # up to +30 dBFS, for float files that go beyond full scale

CELLS, DEPTH = 24, 30.0  # stretches of an envelope; dB

ENVELOPE_SECONDS = 60  # of the beginning; an hour takes no more memory than this

LEAST_CHANGE = 2.0  # dB, standard deviation of an envelope; noise and tones have less, read speech about 11

UNKNOWN_FRAMES = 1 << 62  # libsndfile's count for a stream whose header does not say

CLIPPED = 1e-3  # share of samples at full scale; the loudest of 2,188 Common Voice clips, undistorted, has 0.0002

FULL_SCALE = 32766.5 / 32768  # the largest 16-bit sample after rounding


@dataclass(frozen=True)
class AudioMeasures:
    """What a recording is like, as the recogniser will hear it.

    Attributes:
        seconds: Duration of what was decoded.
        sampling_rate: Hz, as stored.
        channels: As stored.
        peak: Largest absolute sample of any channel heard; 1.0 is full scale, float files can go beyond.
        rms_db: Level of the mono signal about its mean (a constant offset is not loudness), dBFS, not below
            ``FLOOR_DB``.
        clipped: Share of samples at or beyond full scale, 0 to 1.
        snr_db: Estimated speech-to-noise ratio (see `measure`).
        digest: SHA-256 (hex) of the decoded samples: equal for the same audio as WAV and as FLAC.
        envelope: Level of ``CELLS`` equal stretches of the first minute in dB about their mean, at most ``DEPTH`` below
            the loudest: what gain and container leave as it is. Empty where the level hardly changes.
        finite: False when a sample is NaN or infinite (possible in float files only).
        truncated: How the file breaks off, in words; ``""`` when it is whole.
    """

    seconds: float
    sampling_rate: int
    channels: int
    peak: float
    rms_db: float
    clipped: float
    snr_db: float
    digest: str
    envelope: tuple[float, ...]
    finite: bool
    truncated: str


def measure(path: str | Path, *, channel: int | None = None) -> AudioMeasures:
    """Measure a recording block by block, so that an hour of audio takes no more memory than a second.

    ``snr_db`` compares loud frames with quiet ones: the 95th against the 15th percentile of the power (variance) of
    20 ms frames, collected in a histogram of 0.1 dB bins. A recording without pauses, or with digital silence
    around the speech, misleads it: it ranks recordings, it is no laboratory value.

    Args:
        path: The recording.
        channel: 0-based channel to measure; None measures the mix-down.

    Returns:
        The measures. A file that breaks off is measured as far as it goes, and says so in ``truncated``.

    Raises:
        AudioError: The file is missing, is not audio, or lacks the channel.

    Source: frames and peak power, NIST's ``stnr`` (its documentation in the SPQA package); percentiles 95 and 15, the
        "popular choices" of ISIP's signal-to-noise tool (isip.piconepress.com, legacy software, signal_to_noise).
    """
    with Recording(path) as recording:
        recording.check_channel(channel)
        meter = _Meter(frame=max(1, round(FRAME_SECONDS * recording.sampling_rate)))
        broken = ""
        try:
            for block in recording.blocks():
                meter.add(block if channel is None or block.shape[1] == 1 else block[:, [channel]])
        except soundfile.LibsndfileError as error:
            broken = f"decoding breaks off ({error})"
        truncated = _missing(recording, meter.samples) or broken or _shortfall(recording, meter.samples)
        return meter.result(recording.sampling_rate, recording.channels, truncated)


def _missing(recording: Recording, decoded: int) -> str:
    """Say what the file's container lacks, by its own account."""
    if recording.pages:
        return recording.pages.broken
    if recording.frames:
        return mpeg.missing_frames(recording.frames)
    return recording.extent.fault(decoded / recording.sampling_rate) if recording.extent else ""


def _shortfall(recording: Recording, decoded: int) -> str:
    """Compare what decoded with the count in the header, or of an MP3's frames."""
    found = recording.frames
    promised, slack = (found.total, found.slack) if found else (recording.promised, 0)
    missing, rate = promised - decoded, recording.sampling_rate
    if missing <= slack or promised >= UNKNOWN_FRAMES:
        return ""
    return f"of {promised / rate:.2f} s the last {missing / rate:.2f} s do not decode"


@dataclass
class _Meter:
    """Running sums over blocks; `frame` is the length of a power frame in samples."""

    frame: int
    samples: int = 0
    peak: float = 0.0
    clipped: int = 0
    values: int = 0
    total: float = 0.0
    squares: float = 0.0
    finite: bool = True
    rest: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    histogram: np.ndarray = field(default_factory=lambda: np.zeros(BINS, dtype=np.int64))
    powers: list[np.ndarray] = field(default_factory=list)
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def add(self, block: np.ndarray) -> None:
        """Take in a block of shape (frames, channels)."""
        self.digest.update(np.ascontiguousarray(block))
        if not np.isfinite(block).all():
            self.finite = False
            block = np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0)
        magnitude = np.abs(block)
        self.samples += len(block)
        self.values += block.size
        self.peak = max(self.peak, float(magnitude.max()))
        self.clipped += int((magnitude >= FULL_SCALE).sum())
        mono = block.mean(axis=1, dtype=np.float64)
        self.total += float(mono.sum())
        self.squares += float(mono @ mono)
        self._add_frames(np.concatenate([self.rest, mono]))

    def _add_frames(self, mono: np.ndarray) -> None:
        whole = len(mono) // self.frame * self.frame
        self._count(mono[:whole].reshape(-1, self.frame))
        self.rest = mono[whole:]

    def _count(self, frames: np.ndarray) -> None:
        power = np.maximum(frames.var(axis=1), 10 ** (FLOOR_DB / 10))
        if sum(map(len, self.powers)) < ENVELOPE_SECONDS / FRAME_SECONDS:
            self.powers.append(power)
        decibels = 10 * np.log10(power)
        bins = np.rint((decibels - FLOOR_DB) * BINS_PER_DB).astype(int)
        self.histogram += np.bincount(np.minimum(bins, BINS - 1), minlength=BINS)

    def result(self, sampling_rate: int, channels: int, truncated: str) -> AudioMeasures:
        """Close the sums."""
        if self.samples and not self.histogram.any():  # shorter than one frame
            self._count(self.rest[None, :])
        return AudioMeasures(
            seconds=self.samples / sampling_rate,
            sampling_rate=sampling_rate,
            channels=channels,
            peak=self.peak,
            rms_db=self._rms_db(),
            clipped=self.clipped / max(1, self.values),
            snr_db=self._level(SPEECH_SHARE) - self._level(NOISE_SHARE),
            digest=self.digest.hexdigest(),
            envelope=self._envelope(),
            finite=self.finite,
            truncated=truncated,
        )

    def _envelope(self) -> tuple[float, ...]:
        """Average the power over equal stretches, which begin and end within frames."""
        power = np.concatenate([*self.powers, np.zeros(0)])[: round(ENVELOPE_SECONDS / FRAME_SECONDS)]
        if len(power) < CELLS:
            return ()
        sums = np.concatenate([[0.0], np.cumsum(power)])
        edges = np.linspace(0, len(power), CELLS + 1)
        level = 10 * np.log10(np.maximum(np.diff(np.interp(edges, np.arange(len(sums)), sums)), 1e-30))
        level = np.maximum(level, level.max() - DEPTH)
        return tuple((level - level.mean()).tolist()) if level.std() >= LEAST_CHANGE else ()

    def _rms_db(self) -> float:
        if not self.samples:
            return FLOOR_DB
        variance = self.squares / self.samples - (self.total / self.samples) ** 2
        return max(FLOOR_DB, 10 * math.log10(max(variance, 1e-30)))

    def _level(self, share: float) -> float:
        """Find the level, in dBFS, that ``share`` of the frames do not exceed."""
        if not self.histogram.any():
            return FLOOR_DB
        counts = np.cumsum(self.histogram)
        rank = math.ceil(share * counts[-1])
        return FLOOR_DB + int(np.searchsorted(counts, rank)) / BINS_PER_DB

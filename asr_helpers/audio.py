"""Decode recordings to mono at one sampling rate, and measure them without holding more than a block in memory."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile

from . import mpeg
from .audio_files import AUDIO_SUFFIXES, kind_of_bytes, missing_end, suffix_of_bytes
from .problems import CorpusError

__all__ = ["SAMPLING_RATE", "AudioError", "AudioMeasures", "from_int16", "measure", "read_audio", "to_int16"]

SAMPLING_RATE = 16_000  # Hz; every Wav2Vec2 checkpoint was pretrained at this rate
BLOCK_SAMPLES = 1 << 18  # samples of all channels held at once: 1 MiB of float32
FRAME_SECONDS = 0.02  # NIST's stnr measures power over windows of 20 ms
SPEECH_SHARE, NOISE_SHARE = 0.95, 0.15  # percentiles of frame power taken as speech and as noise
FLOOR_DB = -101.0  # dBFS; the rounding noise of 16 bits: 20 log10(2**-15 / sqrt(12)). Nothing quieter is told apart.
BINS_PER_DB = 10
BINS = (30 - int(FLOOR_DB)) * BINS_PER_DB  # up to +30 dBFS, for float files that go beyond full scale
UNKNOWN_FRAMES = 1 << 62  # libsndfile's count for a stream whose header does not say
FULL_SCALE = 32766.5 / 32768  # the largest 16-bit sample after rounding


class AudioError(CorpusError):
    """A recording cannot be decoded; the text names the file, what was found, and the fix.

    Attributes:
        found: What the file is, or lacks.
        fix: What to do about it.
    """

    def __init__(self, path: str | Path, found: str, fix: str) -> None:
        super().__init__(f"{path}: {found}; {fix}")
        self.found, self.fix = found, fix


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
    finite: bool
    truncated: str


def read_audio(
    path: str | Path, *, sampling_rate: int | None = SAMPLING_RATE, channel: int | None = None
) -> tuple[np.ndarray, int]:
    """Decode a WAV, FLAC, Ogg (Vorbis, Opus) or MP3 file to mono float32.

    Args:
        path: The recording.
        sampling_rate: Hz to resample to (soxr, high quality); None keeps the stored rate.
        channel: 0-based channel to take; None mixes down by the mean. A mono file has only its own.

    Returns:
        Samples of shape (samples,), float32, full scale at 1.0; and their rate in Hz.

    Raises:
        AudioError: The file is missing, is not audio, breaks off while decoding, or lacks the channel.
    """
    file, _ = _open(path)
    with file:
        _check_channel(path, file, channel)
        try:
            blocks = [_mono(block, channel) for block in _blocks(file)]
        except soundfile.LibsndfileError as error:
            raise AudioError(path, f"breaks off while decoding ({error})", "copy or record it again") from error
        rate = file.samplerate
    samples = np.concatenate(blocks) if blocks else np.zeros(0, dtype=np.float32)
    if sampling_rate is None or rate == sampling_rate:
        return samples, rate
    import soxr  # only here: 01 measures thousands of files and resamples none

    return soxr.resample(samples, rate, sampling_rate, quality="HQ"), sampling_rate


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
    file, frames = _open(path)
    with file:
        _check_channel(path, file, channel)
        meter = _Meter(frame=max(1, round(FRAME_SECONDS * file.samplerate)))
        broken = ""
        try:
            for block in _blocks(file):
                meter.add(block if channel is None or block.shape[1] == 1 else block[:, [channel]])
        except soundfile.LibsndfileError as error:
            broken = f"decoding breaks off ({error})"
        truncated = mpeg.missing_frames(frames) if frames else missing_end(path)
        truncated = truncated or broken or _shortfall(file, frames, meter.samples)
        return meter.result(file.samplerate, file.channels, truncated)


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


class _Sequential(soundfile.SoundFile):
    """A sound file that is read from front to back.

    soundfile seeks after every read of a file that can be sought in. That re-decodes MP3 (other last bits for other
    block lengths) and fails on a FLAC whose length is unknown, as encoders that write to a pipe leave it.
    """

    def seekable(self) -> bool:
        return False


def _open(path: str | Path) -> tuple[soundfile.SoundFile, mpeg.MpegScan | None]:
    """Open a recording, with what a walk over its frames found if it is an MP3; or say what the file is instead."""
    path = Path(path)
    if not path.is_file():
        raise AudioError(path, "no such file", "correct the name, or put the recording in its place")
    try:
        return _whole_mp3(path, _Sequential(str(path)))
    except (soundfile.SoundFileError, TypeError, OSError) as error:  # TypeError: a ``.raw`` without parameters
        with open(path, "rb") as file:
            head = file.read(512)
        raise AudioError(path, *_what_instead(head, error)) from error


def _whole_mp3(path: Path, file: soundfile.SoundFile) -> tuple[soundfile.SoundFile, mpeg.MpegScan | None]:
    """Open an MP3 anew, with a count of its frames before it, where libsndfile would stop too early."""
    found = mpeg.scan(path) if file.format == "MP3" else None
    if found is not None and found.total - file.frames > (0 if found.tagged is None else found.slack):
        file.close()
        file = _Sequential(io.BytesIO(mpeg.with_length_tag(path.read_bytes(), found)))
    return file, found


def _what_instead(head: bytes, error: Exception) -> tuple[str, str]:
    """Say what an unreadable file is and what to do about it."""
    kind = f"the file is {kind_of_bytes(head)}"
    if not head:
        return kind, "copy or record it again"
    if suffix_of_bytes(head) in AUDIO_SUFFIXES:  # the right kind of file, so something in it is wrong
        reason = str(error).rsplit(": ", 1)[-1]  # soundfile's text begins with the whole path
        return f"{kind}, damaged, cut off or of a rare coding ({reason})", "copy it again, or export it as WAV"
    return f"{kind}, which cannot be decoded", "convert or export the recording as WAV or FLAC"


def _check_channel(path: str | Path, file: soundfile.SoundFile, channel: int | None) -> None:
    if channel is not None and file.channels > 1 and not 0 <= channel < file.channels:
        found = f"{file.channels} channels, and channel {channel} was asked for"
        raise AudioError(path, found, f"choose 0 to {file.channels - 1}, or None to mix them down")


def _blocks(file: soundfile.SoundFile) -> Iterator[np.ndarray]:
    """Yield decoded blocks of shape (frames, channels), float32, valid until the next one is asked for.

    Not ``SoundFile.blocks``: that trusts libsndfile's count, and where an MP3 decodes to fewer frames than guessed (all
    2,188 of a Common Voice set, by 240 to 933) it yields a buffer whose end was never written, new on every reading.
    """
    dtype = "int16" if file.subtype == "PCM_16" else "float32"  # libsndfile's own conversion takes twice as long
    buffer = np.empty((max(1, BLOCK_SAMPLES // file.channels), file.channels), dtype=dtype)
    while frames := file.buffer_read_into(buffer, dtype=dtype):
        block = buffer[:frames]
        yield block if dtype == "float32" else block * np.float32(1 / 32768)


def _mono(block: np.ndarray, channel: int | None) -> np.ndarray:
    """Reduce (frames, channels) to a new array (frames,) of float32."""
    mono = block[:, channel if channel is not None and block.shape[1] > 1 else 0].copy()
    if channel is None:
        for other in range(1, block.shape[1]):  # several times as fast as a mean over so short an axis
            mono += block[:, other]
        mono /= block.shape[1]
    return mono


def _shortfall(file: soundfile.SoundFile, frames: mpeg.MpegScan | None, decoded: int) -> str:
    """Compare what decoded with the count in the header, or of an MP3's frames."""
    promised, slack = (frames.total, frames.slack) if frames else (file.frames, 0)
    missing = promised - decoded
    if missing <= slack or promised >= UNKNOWN_FRAMES:
        return ""
    return f"of {promised / file.samplerate:.2f} s the last {missing / file.samplerate:.2f} s do not decode"


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
        decibels = 10 * np.log10(np.maximum(frames.var(axis=1), 10 ** (FLOOR_DB / 10)))
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
            finite=self.finite,
            truncated=truncated,
        )

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

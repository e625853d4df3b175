"""Decode recordings to mono at one sampling rate, and measure them without holding more than a block in memory."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import soundfile

from . import mpeg
from .files import AUDIO_SUFFIXES, kind_of_bytes, suffix_of_bytes

__all__ = ["SAMPLING_RATE", "AudioError", "read_audio", "read_blocks", "to_int16"]

SAMPLING_RATE = 16_000  # Hz; every Wav2Vec2 checkpoint was pretrained at this rate

BLOCK_SAMPLES = 1 << 18  # samples of all channels held at once: 1 MiB of float32


class AudioError(ValueError):
    """A recording cannot be decoded; the text names the file, what was found, and the fix.

    Attributes:
        found: What the file is, or lacks.
        fix: What to do about it.
    """

    def __init__(self, path: str | Path, found: str, fix: str) -> None:
        super().__init__(f"{path}: {found}; {fix}")
        self.found, self.fix = found, fix


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
    file, _ = open_recording(path)
    with file:
        check_channel(path, file, channel)
        try:
            blocks = [_mono(block, channel) for block in decoded_blocks(file)]
        except soundfile.LibsndfileError as error:
            raise AudioError(path, f"breaks off while decoding ({error})", "copy or record it again") from error
        rate = file.samplerate
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


class _Sequential(soundfile.SoundFile):
    """A sound file that is read from front to back.

    soundfile seeks after every read of a file that can be sought in. That re-decodes MP3 (other last bits for other
    block lengths) and fails on a FLAC whose length is unknown, as encoders that write to a pipe leave it.
    """

    def seekable(self) -> bool:
        return False


def open_recording(path: str | Path) -> tuple[soundfile.SoundFile, mpeg.MpegScan | None]:
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


def check_channel(path: str | Path, file: soundfile.SoundFile, channel: int | None) -> None:
    if channel is not None and file.channels > 1 and not 0 <= channel < file.channels:
        found = f"{file.channels} channels, and channel {channel} was asked for"
        raise AudioError(path, found, f"choose 0 to {file.channels - 1}, or None to mix them down")


def decoded_blocks(file: soundfile.SoundFile) -> Iterator[np.ndarray]:
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
    file, _ = open_recording(path)
    with file:
        check_channel(path, file, channel)
        try:
            for block in _resampled((_mono(block, channel) for block in decoded_blocks(file)), file.samplerate):
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

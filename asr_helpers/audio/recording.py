"""Open a recording: refuse what is none, find what would not be heard of it, and decode it block by block."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile, gettempdir
from typing import IO, BinaryIO

import numpy as np
import soundfile

from asr_helpers.storage import FULL, write_errors

from . import containers, flac, mpeg, ogg
from .files import AUDIO_SUFFIXES, CONTAINERS, kind_of_bytes, suffix_of_bytes

__all__ = ["AudioError", "Recording"]

BLOCK_SAMPLES = 1 << 18  # samples of all channels held at once: 1 MiB of float32

COPY_BYTES = 1 << 20

LEAST_RATE, MOST_RATE = 4_000, 768_000  # Hz; telephones have 8,000, the best converters 768,000

MOST_CHANNELS = 64  # what the largest arrays of microphones record into one file

EXPORT = "convert or export the recording as WAV or FLAC"

SPLIT = "cut it into one file a recording, or export it anew as WAV or FLAC"


class AudioError(ValueError):
    """A recording cannot be decoded; the text names the file, what was found, and the fix.

    Attributes:
        found: What the file is, or lacks.
        fix: What to do about it.
    """

    def __init__(self, path: str | Path, found: str, fix: str) -> None:
        super().__init__(f"{path}: {found}; {fix}")
        self.found, self.fix = found, fix


class _Sequential(soundfile.SoundFile):
    """A sound file that is read from front to back.

    soundfile seeks after every read of a file that can be sought in. That re-decodes MP3 (other last bits for other
    block lengths) and fails on a FLAC whose length is unknown, as encoders that write to a pipe leave it.
    """

    def seekable(self) -> bool:
        return False


class Recording:
    """An open recording: what its header says, and its sound in blocks. A context manager.

    Attributes:
        path: Where it lies.
        sampling_rate: Hz, as stored.
        channels: As stored.
        promised: Samples a channel that the header counts, of the streams begun so far.
        pages: Of an Ogg file, what a walk over its pages found.
        frames: Of an MP3, what a walk over its frames found.
        extent: Of other containers, what the header says of the audio's length.
    """

    def __init__(self, path: str | Path) -> None:
        """Open a file.

        Raises:
            AudioError: It is missing, is no regular file, is not audio, or cannot be read whole.
        """
        self.path, self.promised = path, 0
        self.pages: ogg.OggScan | None = None
        self.frames: mpeg.MpegScan | None = None
        self._kept = ExitStack()
        with self._kept as kept:
            self._file = kept.enter_context(_regular_file(path))
            self.extent = containers.examine(self._file)
            if self.extent and self.extent.joined:
                raise AudioError(path, f"the file holds {self.extent.joined}, which would not be heard", SPLIT)
            self._sound = kept.enter_context(self._first())
            self.sampling_rate, self.channels = self._sound.samplerate, self._sound.channels
            self._refuse_odd()
            self._kept = kept.pop_all()

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *error: object) -> None:
        self._kept.close()

    def check_channel(self, channel: int | None) -> None:
        """Refuse a channel that the file lacks; None and the only channel of a mono file are right.

        Raises:
            AudioError: There is no such channel.
        """
        if channel is not None and self.channels > 1 and not 0 <= channel < self.channels:
            found = f"{self.channels} channels, and channel {channel} was asked for"
            raise AudioError(self.path, found, f"choose 0 to {self.channels - 1}, or leave channel out to mix them")

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield decoded blocks of shape (samples, channels), float32, valid until the next one is asked for.

        Raises:
            AudioError: A joined stream has another rate, or another number of channels.
            soundfile.LibsndfileError: The file breaks off while decoding.
        """
        yield from _decoded_blocks(self._sound)
        for link in self.pages.links[1:] if self.pages else ():
            with self._copy(*link) as copy, self._opened(copy) as sound:
                found = sound.samplerate, sound.channels
                if found != (self.sampling_rate, self.channels):
                    told = "joined streams of {} Hz and {} channels, and of {} Hz and {} channels"
                    raise AudioError(self.path, told.format(self.sampling_rate, self.channels, *found), SPLIT)
                yield from _decoded_blocks(sound)

    def _first(self) -> soundfile.SoundFile:
        """Open the file, or the first of its joined streams, or say what the file is instead."""
        self._file.seek(0)
        head = self._file.read(512)
        try:
            if head[:4] == b"OggS":
                self.pages = ogg.scan(self.path)
                if self.pages.beside > 1:
                    raise AudioError(self.path, f"{self.pages.beside} recordings run side by side in the file", SPLIT)
                joined = len(self.pages.links) > 1
                return self._opened(self._keep(self._copy(*self.pages.links[0])) if joined else self._file)
            if self.extent and self.extent.mend:
                return self._mended(*self.extent.mend)
            sound = self._opened(self._file)
            if sound.format == "FLAC" and flac.length(self.path) > sound.frames:
                sound.close()
                return self._mended(*flac.no_promise(self.path))
            if sound.format == "MP3":
                self.frames = mpeg.scan(self.path)
            if self.frames is not None and self.frames.total - sound.frames > self._slack():
                sound.close()  # libsndfile would stop too early
                tagged = self._copy(self.frames.start, None, before=mpeg.length_tag(self.frames))
                sound = self._opened(self._keep(tagged))
            return sound
        except soundfile.SoundFileError as error:
            raise AudioError(self.path, *_what_instead(head, error)) from error
        except OSError as error:
            if error.errno in FULL:  # no fault of the recording, which would be left out
                raise
            raise AudioError(self.path, *_what_fails(error)) from error

    def _slack(self) -> int:
        """Give the samples by which the decoder's count may differ from that of the frames."""
        return 0 if self.frames is None or self.frames.tagged is None else self.frames.slack

    def _opened(self, file: IO[bytes]) -> soundfile.SoundFile:
        """Hand a file to libsndfile by its descriptor, not by its name.

        Where libsndfile does not know a file's first bytes (MP3), it looks for a Macintosh resource fork, ``._name``
        or ``.AppleDouble/name``, beside the path that it was given, and in the working directory where it was given
        none. It takes what it finds for the recording. Beside ``/dev/fd`` there is nothing.
        """
        file.seek(0)  # writes what was held back, and macOS shares the position
        by_number = f"/dev/fd/{file.fileno()}"
        sound = _Sequential(by_number if os.path.exists(by_number) else file)
        self.promised += sound.frames
        return sound

    def _mended(self, position: int, data: bytes) -> soundfile.SoundFile:
        """Open a copy whose header does not say what made libsndfile stop too early."""
        copy = self._keep(self._copy(0, None))
        copy.seek(position)
        copy.write(data)
        return self._opened(copy)

    def _keep(self, file: IO[bytes]) -> IO[bytes]:
        return self._kept.enter_context(file)

    def _copy(self, start: int, stop: int | None, before: bytes = b"") -> IO[bytes]:
        """Write a part of the file into a temporary one.

        Raises:
            OSError: The disk for temporary files is full.
        """
        copy = TemporaryFile()  # noqa: SIM115 - the caller closes it
        with write_errors(Path(gettempdir())):
            copy.write(before)
            self._file.seek(start)
            while data := self._file.read(COPY_BYTES if stop is None else min(COPY_BYTES, stop - self._file.tell())):
                copy.write(data)
            copy.flush()
        return copy

    def _refuse_odd(self) -> None:
        """Refuse what no recording has: resampling from 1 Hz would take gigabytes for a small file."""
        if self._sound.format not in CONTAINERS:
            raise AudioError(self.path, f"the file is {self._sound.format_info}, which is not read", EXPORT)
        if not LEAST_RATE <= self.sampling_rate <= MOST_RATE:
            told = f"its header says {self.sampling_rate} Hz, and recordings have {LEAST_RATE} to {MOST_RATE} Hz"
            raise AudioError(self.path, told, "export it again with its true rate")
        if self.channels > MOST_CHANNELS:
            raise AudioError(self.path, f"its header says {self.channels} channels, at most {MOST_CHANNELS}", EXPORT)


def _regular_file(path: str | Path) -> BinaryIO:
    """Open a file to read, and nothing else: a named pipe or a device would be waited for, maybe for ever."""
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISREG(mode):
            return open(path, "rb")
    except FileNotFoundError as error:
        raise AudioError(path, "no such file", "correct the name, or put the recording in its place") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL within the name
        raise AudioError(path, *_what_fails(error)) from error
    kind = next((name for test, name in _KINDS if test(mode)), "no regular file")
    raise AudioError(path, f"it is {kind}, no file", "put the recording in its place")


_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def _what_fails(error: Exception) -> tuple[str, str]:
    told = getattr(error, "strerror", None) or error
    return f"the system cannot read it ({told})", "check its name, its permissions and the disk"


def _what_instead(head: bytes, error: Exception) -> tuple[str, str]:
    """Say what an unreadable file is and what to do about it."""
    kind = f"the file is {kind_of_bytes(head)}"
    if not head:
        return kind, "copy or record it again"
    if suffix_of_bytes(head) in AUDIO_SUFFIXES:  # the right kind of file, so something in it is wrong
        reason = str(error).rsplit(": ", 1)[-1]  # soundfile's text begins with the whole path
        return f"{kind}, damaged, cut off or of a rare coding ({reason})", "copy it again, or export it as WAV"
    return f"{kind}, which cannot be decoded", EXPORT


def _decoded_blocks(file: soundfile.SoundFile) -> Iterator[np.ndarray]:
    """Yield decoded blocks of shape (frames, channels), float32, valid until the next one is asked for.

    Not ``SoundFile.blocks``: that trusts libsndfile's count, and where an MP3 decodes to fewer frames than guessed (all
    2,188 of a Common Voice set, by 240 to 933) it yields a buffer whose end was never written, new on every reading.
    """
    dtype = "int16" if file.subtype == "PCM_16" else "float32"  # libsndfile's own conversion takes twice as long
    size = max(1, BLOCK_SAMPLES // file.channels)
    if file.frames % size == 0:  # a FLAC joined behind is noticed by whoever asks for more than the first holds
        size -= 1
    buffer = np.empty((size, file.channels), dtype=dtype)
    while frames := file.buffer_read_into(buffer, dtype=dtype):
        block = buffer[:frames]
        yield block if dtype == "float32" else block * np.float32(1 / 32768)

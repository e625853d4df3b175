"""What a container's header says of its audio: how many bytes there are, and what stands behind them.

libsndfile reads what it finds: an AIFF or AU whose end is missing decodes without complaint, and of two recordings
that were joined into one file only the first is heard. FLAC is judged by what decodes and by its last frame,
MP3 and Ogg by their frames and pages, see `flac`, `mpeg` and `ogg`.
"""

from __future__ import annotations

import os
import re
import struct
from dataclasses import dataclass, replace
from typing import BinaryIO, NamedTuple

__all__ = ["Extent", "examine"]

# A program that writes into a pipe cannot go back to fill in the length. It leaves one near the largest that its
# number type holds (SoX 7ffff000, ALSA 80000000, FFmpeg ffffffff, others less a header's length), or 0: no promise.
NO_PROMISE = tuple(range(2**bits - (1 << 16), 2**bits + (1 << 8)) for bits in (31, 32, 63, 64))

BEGINNINGS = (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b"caff", b"riff", b"fLaC", b".snd", b"NIST", b"OggS")

MOST_CHUNKS = 10_000  # that are looked at; recordings have tens, and nothing but empty ones would take minutes

LEAST_SECONDS = 0.02  # some programs miscount by a header's length, which costs nobody a word

LEAST_STRANGE = 0.1  # seconds; a tag for a player's display, or what is left of one, is shorter


class _Layout(NamedTuple):
    """How a family of containers writes its chunks."""

    first: int  # where the first chunk begins
    header: struct.Struct  # name and length
    inclusive: bool  # whether the length counts the header
    align: int  # chunks begin at multiples of it
    audio: bytes  # name of the chunk that holds the samples
    skip: int  # bytes in that chunk before the samples


_RIFF = _Layout(12, struct.Struct("<4sI"), False, 2, b"data", 0)
_AIFF = _Layout(12, struct.Struct(">4sI"), False, 2, b"SSND", 8)
_CAF = _Layout(8, struct.Struct(">4sQ"), False, 1, b"data", 4)
_W64 = _Layout(40, struct.Struct("<16sQ"), True, 8, b"data", 0)


@dataclass(frozen=True)
class Extent:
    """Where the audio of a file ends, by its header and by its size.

    Attributes:
        promised: Bytes of audio that the header counts; None where it makes no promise.
        present: Bytes from the audio's beginning to the file's end.
        joined: What else the file holds that would not be heard, in words; ``""`` if nothing.
        strange: Bytes behind the audio that are no chunk and not zero throughout.
        mend: Where to write what, so that libsndfile reads to the end; it takes a length of 0 at its word.
    """

    promised: int | None
    present: int
    joined: str = ""
    strange: int = 0
    mend: tuple[int, bytes] | None = None

    def fault(self, seconds: float) -> str:
        """Say what is missing at the end, or left over, of a file of which ``seconds`` decode; ``""`` if nothing."""
        if self.promised is None or not self.promised:
            return ""
        if not self.present or not seconds:
            return f"the header promises {self.promised} bytes of audio, and none decode"
        second = min(self.promised, self.present) / seconds  # bytes
        missing = (self.promised - self.present) / second
        if missing >= LEAST_SECONDS:
            return f"the header promises {self.promised / second:.2f} s, the last {missing:.2f} s are missing"
        if self.strange / second >= LEAST_STRANGE:
            return f"behind the audio that the header counts lie {self.strange} bytes of something else"
        return ""


def examine(file: BinaryIO) -> Extent | None:
    """Find the audio in a WAV, RF64, W64, AIFF, CAF, AU or NIST Sphere file.

    Args:
        file: The file, open; its position is moved.

    Returns:
        What its header says; None for other kinds of files, and where no audio was found.
    """
    file.seek(0)
    head = file.read(16)
    size = os.fstat(file.fileno()).st_size
    if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return _walk(file, size, _RIFF)
    if head[:4] == b"RIFX" and head[8:12] == b"WAVE":
        return _walk(file, size, _RIFF._replace(header=_AIFF.header))
    if head[:4] == b"FORM" and head[8:11] == b"AIF":
        return _walk(file, size, _AIFF)
    if head[:4] == b"caff":
        return _walk(file, size, _CAF)
    if head[:5] == b"riff.":
        return _walk(file, size, _W64)
    if head[:4] in (b".snd", b"dns.") and len(head) == 16:
        start, length = struct.unpack("<II" if head[:4] == b"dns." else ">II", head[4:12])
        return _extent(file, size, start, length, None)
    if head[:8] == b"NIST_1A\n":
        return _sphere(file, size)
    return None


def _walk(file: BinaryIO, size: int, layout: _Layout) -> Extent | None:
    """Go from chunk to chunk to the one that holds the samples."""
    position, long, mend = layout.first, None, None
    for _ in range(MOST_CHUNKS):
        chunk = _chunk(file, position, layout) if position < size else None
        if chunk is None:
            return None
        name, start, length = chunk
        if name == b"ds64" and len(body := file.read(16)) == 16:  # RF64 keeps lengths beyond 4 GB here
            long, mend = struct.unpack("<Q", body[8:])[0], (start + 8, struct.pack("<Q", 2**63 - 1))
        if name == layout.audio:
            length = length if long is None else long
            if length == 0 and _is_chunk(_chunk(file, start, layout), size):
                return Extent(0, 0)  # empty, and more chunks behind
            mend = mend or (start - 4, b"\xff" * 4)
            extent = _extent(file, size, start + layout.skip, max(0, length - layout.skip), layout)
            return replace(extent, mend=mend) if length in (0, 2**64 - 1) and layout.first == _RIFF.first else extent
        position = _aligned(start + length, layout)
    return None


def _is_chunk(chunk: tuple[bytes, int, int] | None, size: int | None = None) -> bool:
    """Tell a chunk from other bytes: its name can be printed, and it ends within a file of ``size`` bytes."""
    if chunk is None or not chunk[0].isascii() or not chunk[0].decode("ascii").isprintable():
        return False
    return size is None or chunk[1] + chunk[2] <= size


def _chunk(file: BinaryIO, position: int, layout: _Layout) -> tuple[bytes, int, int] | None:
    """Read a chunk's name, where its content begins, and its length; None where there is none."""
    file.seek(position)
    header = file.read(layout.header.size)
    if len(header) < layout.header.size:
        return None
    name, length = layout.header.unpack(header)
    if layout.inclusive and length < len(header):
        return None
    return name[:4], position + len(header), length - layout.inclusive * len(header)


def _aligned(position: int, layout: _Layout) -> int:
    return position + -position % layout.align


def _sphere(file: BinaryIO, size: int) -> Extent | None:
    """Read the text header of a NIST Sphere file."""
    file.seek(0)
    text = file.read(1024)
    fields = dict(re.findall(rb"(?m)^(\w+) -i (\d+)", text))
    try:
        start = int(text[8:16])
        counts = [int(fields[name]) for name in (b"sample_count", b"channel_count", b"sample_n_bytes")]
    except (KeyError, ValueError):
        return None
    return _extent(file, size, start, counts[0] * counts[1] * counts[2], None)


def _extent(file: BinaryIO, size: int, start: int, length: int, layout: _Layout | None) -> Extent:
    present = max(0, size - start)
    if length == 0 or any(length in near for near in NO_PROMISE):
        return Extent(None, present)
    joined, strange = _behind(file, size, start + length, layout) if length < present else ("", 0)
    return Extent(length, present, joined, strange)


def _behind(file: BinaryIO, size: int, position: int, layout: _Layout | None) -> tuple[str, int]:
    """Look at what follows the samples: further chunks, another recording, or something else."""
    position = _aligned(position, layout) if layout else position
    for _ in range(MOST_CHUNKS):
        if position >= size:
            break
        file.seek(position)
        if file.read(4) in BEGINNINGS:
            return f"another recording joined to its end, at byte {position}", 0
        chunk = _chunk(file, position, layout) if layout else None
        if not _is_chunk(chunk):
            file.seek(position)
            rest = file.read(1 << 16)
            if any(beginning in rest for beginning in BEGINNINGS):
                return f"another recording joined to its end, behind byte {position}", 0
            return "", size - position if any(rest) else 0
        name, start, length = chunk
        if layout and name == layout.audio:
            return f"a second part of audio, of {length} bytes", 0
        position = _aligned(start + length, layout) if layout else size
    return "", 0

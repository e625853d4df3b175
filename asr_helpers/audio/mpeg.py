"""How long an MP3 really is: libsndfile believes its length tag, and guesses from the file's size without one.

Where the guess is too small (a variable bit rate that is high at the beginning), or where files were joined and only
the first one's tag counts, decoding stops early and says nothing. Counting the frames and telling libsndfile mends
both. No clip of a Common Voice set (2,188) has a tag, so this is no rare case; their constant rate makes the guess
right there.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MpegScan", "after_id3", "length_tag", "missing_frames", "scan"]

KILOBITS = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # MPEG-1, layer III
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # MPEG-2 and 2.5
}

RATES = (44_100, 48_000, 32_000)  # Hz; half of it in MPEG-2, a quarter in MPEG-2.5
SLACK = 4  # frames (0.1 s) by which a tag may differ from the count, for encoders' padding and the tag's own frame
RESYNC = 1 << 16  # bytes of something else that are searched for the next frame


@dataclass(frozen=True)
class MpegScan:
    """What a walk over the frames of an MP3 found.

    Attributes:
        start: Position of the first frame.
        header: Its four header bytes.
        frames: Complete frames that hold audio, the tag's own not counted.
        tagged: Frames that its length tag (Xing, Info, VBRI) promises; None where there is none.
        missing: Bytes that the last frame lacks; 0 where the file is whole.
        samples: Samples a channel in a frame.
        rate: Samples a second.
    """

    start: int
    header: bytes
    frames: int
    tagged: int | None
    missing: int
    samples: int
    rate: int

    @property
    def total(self) -> int:
        """Samples a channel in the complete frames."""
        return self.frames * self.samples

    @property
    def slack(self) -> int:
        """Samples by which a decoder's count may differ without losing anything."""
        return SLACK * self.samples


def scan(path: str | Path) -> MpegScan | None:
    """Walk over the frames of an MP3 without decoding them.

    Args:
        path: The file.

    Returns:
        What was found; None where there is no layer III frame of a stated bit rate.

    Source: ISO/IEC 11172-3, 2.4.2.3 (frame header); the tags as LAME and Fraunhofer's encoder write them.
    """
    with open(path, "rb") as file:
        if file.read(1) == b"":
            return None
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _scan(data)


def missing_frames(found: MpegScan) -> str:
    """Say how an MP3 breaks off, by its tag or its last frame; ``""`` where it does not."""
    lacking = 0 if found.tagged is None else found.tagged - found.frames
    if lacking > SLACK:
        promised, missing = (count * found.samples / found.rate for count in (found.tagged, lacking))
        return f"the header promises {promised:.2f} s, the last {missing:.2f} s are missing"
    return f"the last MP3 frame lacks {found.missing} bytes" if found.missing else ""


def length_tag(found: MpegScan) -> bytes:
    """Make a frame with a length tag, to stand before an MP3's own first frame: a decoder then knows when to stop."""
    header = bytearray(found.header)
    header[1] |= 0x01  # no checksum follows
    offset = _tag_offset(found.header)
    for kilobits in range(1, 15):  # the smallest bit rate whose frame has room for the tag
        header[2] = (header[2] & 0x0F) | kilobits << 4
        length = _frame(bytes(header))[0]
        if length >= offset + 12:
            break
    tag = b"Info" + (1).to_bytes(4, "big") + found.frames.to_bytes(4, "big")  # flag 1: a count of frames follows
    return bytes(header) + bytes(offset - 4) + tag + bytes(length - offset - 12)


def _scan(data: mmap.mmap) -> MpegScan | None:
    position = after_id3(data)
    start = position = _next_frame(data, position)
    if start is None:
        return None
    header = data[start : start + 4]
    length, samples, rate = _frame(header)
    tagged = _tagged_frames(data[start : start + length])
    frames, missing = 0 if tagged is None else -1, 0  # a tag's frame holds no audio
    while position is not None:
        position += _frame(data[position : position + 4])[0]
        missing = max(0, position - len(data))
        frames += missing == 0
        position = _next_frame(data, position)
    return MpegScan(start, header, max(0, frames), tagged, missing, samples, rate)


def after_id3(data: mmap.mmap) -> int:
    """Where a file goes on behind its ID3v2 tags: each has ten bytes and a length in four times seven bits."""
    position = 0
    while data[position : position + 3] == b"ID3" and len(data) >= position + 10:
        size = 0
        for byte in data[position + 6 : position + 10]:
            size = size << 7 | byte & 0x7F
        position += 10 + size + (10 if data[position + 5] & 0x10 else 0)
    return position


def _next_frame(data: mmap.mmap, position: int) -> int | None:
    """Find the next frame at or after ``position``; elsewhere than there, only one that another frame follows."""
    if _frame(data[position : position + 4]) is not None:
        return position
    end = min(len(data), position + RESYNC)
    while (position := data.find(b"\xff", position + 1, end)) >= 0:
        frame = _frame(data[position : position + 4])
        if frame and _frame(data[position + frame[0] : position + frame[0] + 4]):
            return position
    return None


def _frame(header: bytes) -> tuple[int, int, int] | None:
    """Read a layer III header: length in bytes, samples a channel, samples a second; None where it is none."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return None
    version, kilobits, rate = header[1] >> 3 & 3, header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or kilobits in (0, 15) or rate == 3:  # reserved, free or forbidden
        return None
    mpeg1 = version == 3
    hertz = RATES[rate] >> {3: 0, 2: 1, 0: 2}[version]
    length = (144_000 if mpeg1 else 72_000) * KILOBITS[mpeg1][kilobits] // hertz + (header[2] >> 1 & 1)
    return length, 1152 if mpeg1 else 576, hertz


def _tag_offset(header: bytes) -> int:
    """Tell where a Xing or Info tag stands in a frame: after the header and the side information."""
    mpeg1, mono = header[1] >> 3 & 3 == 3, header[3] >> 6 == 3
    return 4 + {(True, False): 32, (True, True): 17, (False, False): 17, (False, True): 9}[mpeg1, mono]


def _tagged_frames(frame: bytes) -> int | None:
    """Read how many frames the first one promises, if it is a tag that says so."""
    offset = _tag_offset(frame[:4])
    if frame[offset : offset + 4] in (b"Xing", b"Info"):
        has_count = len(frame) >= offset + 12 and frame[offset + 7] & 1
        return int.from_bytes(frame[offset + 8 : offset + 12], "big") if has_count else None
    if frame[36:40] == b"VBRI" and len(frame) >= 54:
        return int.from_bytes(frame[50:54], "big")
    return None

"""How long a FLAC really is: libsndfile decodes as many samples as its header counts, and stops there without a word.

Programs that cut, join or are killed leave too small a count. Each frame says which one it is, so the last one tells.
"""

from __future__ import annotations

import mmap
from pathlib import Path

from .mpeg import after_id3

__all__ = ["length", "no_promise"]

TAIL = 1 << 19  # bytes that are searched for the last frame; 65,535 samples of 24 bits in two channels have 393 kB

HEADER = 16  # bytes of the longest frame header

STREAMINFO = 8  # bytes before it: the file's magic and the block's header


def length(path: str | Path) -> int:
    """Samples a channel up to the end of the last frame; 0 where no frame is found.

    Bytes that look like a header and have its checksum by chance are found in one of hundreds of files: a length beyond
    the header's count is a reason to decode without that count (`no_promise`), not yet the truth.

    Source: RFC 9639, sections 8.2 (streaminfo) and 9.1 (frame header).
    """
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        start = after_id3(data) + STREAMINFO
        block = int.from_bytes(data[start + 2 : start + 4], "big")  # samples, in a stream of equal blocks
        first, position = max(start, len(data) - TAIL), len(data)
        while (position := data.rfind(b"\xff", first, position)) >= 0:
            if end := _end(data[position : position + HEADER], block):
                return end
    return 0


def no_promise(path: str | Path) -> tuple[int, bytes]:
    """Where to write which bytes into the file, so that its header says "unknown" where it counts the samples."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        place = after_id3(data) + STREAMINFO + 13  # the count is the last 36 bits of the block's bytes 10 to 17
        return place, bytes([data[place] & 0xF0, 0, 0, 0, 0])


def _end(header: bytes, block: int) -> int:
    """Samples up to the end of the frame that begins with these bytes; 0 where they begin none."""
    if len(header) < 6 or header[1] & 0xFE != 0xF8 or header[3] & 1:
        return 0
    more = max(0, 7 - (header[4] ^ 0xFF).bit_length())  # a number as in UTF-8, of up to 36 bits
    number = header[4] & (0x7F >> more)
    for byte in header[5 : 5 + more]:
        number = number << 6 | byte & 0x3F
    code, place = header[2] >> 4, 5 + more
    samples = {1: 192, **{n: 576 << n - 2 for n in range(2, 6)}, **{n: 1 << n for n in range(8, 16)}}.get(code, 0)
    if code in (6, 7):
        samples = int.from_bytes(header[place : place + code - 5], "big") + 1
        place += code - 5
    place += {12: 1, 13: 2, 14: 2}.get(header[2] & 0x0F, 0)  # the rate, where it is none of the usual ones
    if not samples or _crc8(header[:place]) != header[place : place + 1]:
        return 0
    return (number if header[1] & 1 else number * block) + samples


def _crc8(data: bytes) -> bytes:
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value << 1 ^ 0x107 if value & 0x80 else value << 1
    return bytes([value])

"""The pages of an Ogg file: its joined streams one by one, and what is missing of them.

Files of Ogg that are joined (``cat a.ogg b.ogg``) or recorded from a radio are valid Ogg, a chain of streams (RFC 3533,
section 4). libsndfile hears the first and says nothing.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path

__all__ = ["OggScan", "scan"]

FIRST_PAGE = 0x02  # flag of a page with which a stream begins

AUDIO = (b"OpusHead", b"\x01vorbis", b"\x7fFLAC", b"Speex   ")  # how the first packet of a stream of sound begins


@dataclass(frozen=True)
class OggScan:
    """What a walk over the pages of an Ogg file found.

    Attributes:
        links: Positions of the first byte and after the last of each stream of the chain.
        beside: Streams of sound that run side by side, at most; only one of them would be heard.
        broken: What is missing, in words; ``""`` where nothing is.
    """

    links: tuple[tuple[int, int], ...]
    beside: int
    broken: str


def scan(path: str | Path) -> OggScan:
    """Walk over the pages of an Ogg file without decoding them.

    Args:
        path: The file; not empty.

    Source: RFC 3533, section 6 (page header).
    """
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return _scan(data)


def _scan(data: mmap.mmap) -> OggScan:
    starts: list[int] = []
    voices, beside, lost, lacking = 0, 0, 0, ""
    expected: dict[bytes, int] = {}  # number of the next page of each stream
    opening = False  # whether the page before began a stream
    position, end = data.find(b"OggS"), 0
    while position >= 0:
        lost += position != end and end > 0
        header = data[position : position + 27]
        table = data[position + 27 : position + 27 + header[26]] if len(header) == 27 else b""
        if len(header) < 27 or len(table) < header[26]:
            lacking = "the last Ogg page breaks off in its header"
            break
        serial, number = header[14:18], int.from_bytes(header[18:22], "little")
        body = position + 27 + len(table)
        end = body + sum(table)
        if header[5] & FIRST_PAGE:
            if not opening:
                starts.append(position)
                voices, expected = 0, {}
            voices += data[body : body + 8].startswith(AUDIO)
            beside = max(beside, voices)
        else:
            lost += number != expected.get(serial, number)
        opening, expected[serial] = bool(header[5] & FIRST_PAGE), number + 1
        if end > len(data):
            lacking = f"the last Ogg page lacks {end - len(data)} bytes"
        position = data.find(b"OggS", end)
    stops = [*starts[1:], len(data)][: len(starts)]  # a file may begin within a stream, and hold no other
    gaps = f"Ogg pages are missing or damaged in {lost} place{'s' if lost > 1 else ''}" if lost else ""
    return OggScan(tuple(zip(starts, stops, strict=True)), beside, lacking or gaps)

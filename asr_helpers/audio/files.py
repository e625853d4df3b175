"""What the bytes of an audio file say before they are decoded: its kind, and whether its end is missing.

libsndfile reads a WAV whose end is missing without complaint (it believes the file's length, not the header's), and
says of a text file called ``.wav`` only that its format is not recognised. A person needs more than that.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

__all__ = ["AUDIO_SUFFIXES", "FOREIGN_SUFFIXES", "kind_of_bytes", "missing_end", "suffix_of_bytes"]

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3")  # what libsndfile decodes, FFmpeg or not

FOREIGN_SUFFIXES = (".m4a", ".mp4", ".aac", ".wma", ".amr", ".3gp", ".webm", ".mkv", ".mov")  # what it does not

UNKNOWN_SIZES = (0x7FFFFFFF, 0xFFFFFFFF)  # written by programs that stream a WAV: no promise, so nothing is missing

OGG_TAIL = 1 << 17  # bytes; an Ogg page is at most 65,307 long, so the last one begins in here (RFC 3533, section 6)

_MAGIC = (
    (0, b"RIFF", "a RIFF file", ".wav"),
    (0, b"RF64", "a RIFF file", ".wav"),
    (0, b"fLaC", "a FLAC file", ".flac"),
    (0, b"OggS", "an Ogg file", ".ogg"),
    (0, b"ID3", "an MP3 file", ".mp3"),
    (4, b"ftyp", "an MP4 (M4A, 3GP) file", ".m4a"),
    (0, b"\x1aE\xdf\xa3", "a WebM or Matroska file", ".webm"),
    (0, b"#!AMR", "an AMR file", ".amr"),
    (0, b"\x30\x26\xb2\x75", "a WMA file", ".wma"),
    (0, b"PK\x03\x04", "a ZIP archive", ""),
    (0, b"%PDF", "a PDF document", ""),
    (0, b"version https://git-lfs", "a Git LFS pointer: the recording itself was never downloaded", ""),
)


def kind_of_bytes(head: bytes) -> str:
    """Say in a person's words what a file is, from its first bytes; ``"unknown data"`` where nothing is known."""
    if not head:
        return "empty (0 bytes)"
    for offset, magic, name, _ in _MAGIC:
        if head[offset:].startswith(magic):
            return name
    if _is_mpeg(head):
        return "an MP3 file"
    return "text" if _is_text(head) else "unknown data"


def suffix_of_bytes(head: bytes) -> str:
    """Give the file suffix that fits the first bytes, ``""`` where nothing fits."""
    for offset, magic, _, suffix in _MAGIC:
        if head[offset:].startswith(magic):
            return suffix
    return ".mp3" if _is_mpeg(head) else ""


def missing_end(path: str | Path) -> str:
    """Say how much of a WAV or Ogg file's end is missing, from its header and its size; ``""`` if nothing is.

    FLAC is judged by what decodes, because its header counts the samples; MP3 by its frames, see `mpeg`.
    """
    with open(path, "rb") as file:
        head = file.read(12)
        size = os.fstat(file.fileno()).st_size
        if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and head[8:12] == b"WAVE":
            return _wav_missing(file, size, ">" if head[:4] == b"RIFX" else "<")
        if head[:4] == b"OggS":
            return _ogg_missing(file, size)
    return ""


def _wav_missing(file: BinaryIO, size: int, order: str) -> str:
    """Compare the ``data`` chunk's length with the bytes that follow it."""
    bytes_per_second, long_data = 0, None
    while len(header := file.read(8)) == 8:
        name, length = struct.unpack(order + "4sI", header)
        start = file.tell()
        if name == b"fmt " and len(body := file.read(12)) == 12:
            bytes_per_second = struct.unpack(order + "I", body[8:12])[0]
        elif name == b"ds64" and len(body := file.read(16)) == 16:  # RF64 keeps lengths beyond 4 GB here
            long_data = struct.unpack(order + "Q", body[8:16])[0]
        elif name == b"data":
            if length == 0 and size - start > 0 and not _is_chunk_name(file.read(4)):
                return "the header was never completed: it says 0 s, and data follow"
            return _wav_shortfall(_data_length(length, long_data), size - start, bytes_per_second)
        file.seek(start + length + length % 2)  # chunks are padded to even lengths
    return ""


def _data_length(length: int, long_data: int | None) -> int | None:
    """Resolve what a WAV promises: its own field, the 64-bit one, or nothing."""
    if length == 0xFFFFFFFF and long_data is not None:
        return long_data
    return None if length in UNKNOWN_SIZES else length


def _is_chunk_name(data: bytes) -> bool:
    return len(data) == 4 and all(0x20 <= byte < 0x7F for byte in data)


def _wav_shortfall(promised: int | None, present: int, bytes_per_second: int) -> str:
    if promised is None or bytes_per_second == 0:
        return ""
    missing = (promised - present) / bytes_per_second
    if missing < 0.02:  # seconds; some programs miscount by a header's length, which costs nobody a word
        return ""
    return f"the header promises {promised / bytes_per_second:.2f} s, the last {missing:.2f} s are missing"


def _ogg_missing(file: BinaryIO, size: int) -> str:
    """Find the last page and compare the length it declares with the bytes that are there."""
    file.seek(max(0, size - OGG_TAIL))
    tail = file.read()
    page = tail[tail.rfind(b"OggS") :]
    segments = page[26] if len(page) > 26 else None
    if segments is None or len(page) < 27 + segments:
        return "the last Ogg page breaks off in its header"
    missing = 27 + segments + sum(page[27 : 27 + segments]) - len(page)
    return f"the last Ogg page lacks {missing} bytes" if missing > 0 else ""


def _is_mpeg(head: bytes) -> bool:
    """Recognise an MPEG audio frame: eleven set bits, then a layer that is not the reserved one."""
    return len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x06 != 0


def _is_text(head: bytes) -> bool:
    text = head.decode("utf-8", errors="ignore")  # a cut through a letter at the end is no reason to doubt
    return bool(text) and b"\x00" not in head and sum(c.isprintable() or c.isspace() for c in text) > 0.95 * len(text)

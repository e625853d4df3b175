"""What kind of file this is, by its name and by its first bytes.

libsndfile says of a text file called ``.wav`` only that its format is not recognised. A person needs more than that.
"""

from __future__ import annotations

__all__ = ["AUDIO_SUFFIXES", "CONTAINERS", "FOREIGN_SUFFIXES", "kind_of_bytes", "suffix_of_bytes"]

# libsndfile's names of the containers that are read: those whose missing or unheard parts are found. It decodes others
# (VOC, SVX, MAT, …), which no corpus uses, and of which a cut end would pass unseen.
CONTAINERS = ("WAV", "WAVEX", "RF64", "W64", "AIFF", "CAF", "AU", "NIST", "FLAC", "OGG", "MP3")

AUDIO_SUFFIXES = (
    *(".wav", ".wave", ".bwf", ".rf64", ".w64", ".aif", ".aiff", ".aifc", ".caf", ".au", ".sph"),
    *(".flac", ".ogg", ".oga", ".opus", ".mp3"),
)

# What needs FFmpeg: video, the codecs of telephones and dictating machines, and rarer music formats.
FOREIGN_SUFFIXES = (
    *(".m4a", ".mp4", ".aac", ".wma", ".amr", ".awb", ".3gp", ".webm", ".mkv", ".mka", ".mov", ".spx", ".dss"),
    *(".ape", ".wv", ".voc"),
)

_MAGIC = (
    (0, b"RIFF", "a RIFF file", ".wav"),
    (0, b"RF64", "a RIFF file", ".wav"),
    (0, b"RIFX", "a RIFF file", ".wav"),
    (0, b"BW64", "a RIFF file", ".wav"),
    (0, b"riff.\x91\xcf\x11", "a Wave64 file", ".w64"),
    (8, b"AIFF", "an AIFF file", ".aiff"),
    (8, b"AIFC", "an AIFF file", ".aiff"),
    (0, b"caff", "a CAF file", ".caf"),
    (0, b".snd", "an AU file", ".au"),
    (0, b"NIST_1A", "a NIST Sphere file", ".sph"),
    (0, b"\x00\x05\x16\x07", "an AppleDouble sidecar, which macOS keeps beside a file: no recording", ""),
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


def _is_mpeg(head: bytes) -> bool:
    """Recognise an MPEG audio frame: eleven set bits, then a layer that is not the reserved one."""
    return len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x06 != 0


def _is_text(head: bytes) -> bool:
    text = head.decode("utf-8", errors="ignore")  # a cut through a letter at the end is no reason to doubt
    return bool(text) and b"\x00" not in head and sum(c.isprintable() or c.isspace() for c in text) > 0.95 * len(text)

"""Speech from text with espeak-ng, for the sample corpus and the starter checkpoint.

The library comes with the PyPI package ``espeakng-loader``; nothing has to be installed on the system. espeak-ng
(GPL-3) is used as a tool: its speech is an output, and no code of it is part of this project.
"""

from __future__ import annotations

import ctypes
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np

from asr_helpers.text.languages import language_of
from asr_helpers.wording import listed

__all__ = ["LANGUAGE", "NATIVE_RATE", "Line", "Voice", "espeak", "speak", "speak_lines"]

LANGUAGE = language_of("ur")  # of everything that is synthesised here

NATIVE_RATE = 22_050  # Hz, what espeak-ng writes
LINES_PER_PROCESS = 60  # fixed, so that the bytes do not depend on the number of processors

# From speak_lib.h, espeak-ng's public header.
_RETRIEVAL = 1  # samples come to the callback, nothing is played
_DONT_EXIT = 0x8000
_RATE, _PITCH, _RANGE, _WORD_GAP = 1, 3, 4, 7
_UTF8 = 1
_SEED = 1

_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
_engine: ctypes.CDLL | None = None
_pieces: list[np.ndarray] = []


@dataclass(frozen=True)
class Voice:
    """How one speaker speaks.

    Attributes:
        variant: Name of an espeak-ng voice variant, e.g. ``"f2"``.
        rate: Words a minute, 80 to 450.
        pitch: Base pitch, 0 to 99 (50 is the variant's own).
        pitch_range: Liveliness of the intonation, 0 to 99 (50 is the variant's own).
        word_gap: Pause between words, in 10 ms at the default rate; 0 runs the words into each other.
        language: espeak-ng language code.
    """

    variant: str
    rate: int = 160
    pitch: int = 50
    pitch_range: int = 50
    word_gap: int = 0
    language: str = LANGUAGE.voice


@dataclass(frozen=True)
class Line:
    """One line of a script: a text and the voice that reads it."""

    text: str
    voice: Voice


def speak(line: Line) -> np.ndarray:
    """Synthesise one utterance.

    espeak-ng carries state from one utterance to the next, so the same line may come out a little differently later
    in a process; ``speak_lines`` gives the same samples every time.

    Args:
        line: What to say, and who says it.

    Returns:
        Mono PCM, int16, shape ``(samples,)``, at ``NATIVE_RATE``.

    Raises:
        ValueError: espeak-ng has no such voice, or says nothing for this text.
    """
    engine = espeak()
    voice = line.voice
    name = f"{voice.language}+{voice.variant}"
    if voice.variant not in _variants() or engine.espeak_SetVoiceByName(name.encode()) != 0:
        raise ValueError(f"espeak-ng has no voice {name!r}; its variants are {listed(sorted(_variants()), most=10)}")
    settings = {_RATE: voice.rate, _PITCH: voice.pitch, _RANGE: voice.pitch_range, _WORD_GAP: voice.word_gap}
    for parameter, value in settings.items():
        engine.espeak_SetParameter(parameter, value, 0)
    engine.espeak_ng_SetRandSeed(_SEED)
    _pieces.clear()
    raw = line.text.encode("utf-8") + b"\0"
    engine.espeak_Synth(raw, ctypes.c_size_t(len(raw)), 0, 0, 0, _UTF8, None, None)
    engine.espeak_Synchronize()
    samples = np.concatenate([np.zeros(0, np.int16), *_pieces])
    if not samples.any():
        raise ValueError(f"espeak-ng said nothing for {line.text!r}; is it empty or only punctuation?")
    return samples


def speak_lines(lines: Sequence[Line], *, workers: int | None = None) -> Iterator[np.ndarray]:
    """Synthesise a script in parallel, the same samples every time on one machine.

    Each block of ``LINES_PER_PROCESS`` lines is spoken in order by a fresh process: espeak-ng has one global state a
    process, which threads cannot share and which the next utterance inherits.

    Args:
        lines: The script.
        workers: Number of processes at a time; all processors when not given. Does not change the result.

    Yields:
        What ``speak`` returns, in the order of ``lines``.

    Raises:
        RuntimeError: A process failed; the text holds its last line.
    """
    blocks = [lines[i : i + LINES_PER_PROCESS] for i in range(0, len(lines), LINES_PER_PROCESS)]
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for block in pool.map(_speak_block, blocks):
            yield from block


def _speak_block(lines: Sequence[Line]) -> list[np.ndarray]:
    """Speak lines in a process of their own: a script as JSON goes in, an ``npz`` comes out."""
    script = json.dumps([asdict(line) for line in lines]).encode()
    done = subprocess.run([sys.executable, "-m", __name__], input=script, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"speech synthesis failed: {done.stderr.decode().strip().splitlines()[-1]}")
    with np.load(io.BytesIO(done.stdout)) as clips:
        return [clips[str(i)] for i in range(len(lines))]


def _main() -> None:
    """Read a script from standard input, write its clips to standard output."""
    script = json.load(sys.stdin)
    clips = [speak(Line(row["text"], Voice(**row["voice"]))) for row in script]
    buffer = io.BytesIO()
    np.savez(buffer, **{str(i): clip for i, clip in enumerate(clips)})
    sys.stdout.buffer.write(buffer.getvalue())


@cache
def _variants() -> frozenset[str]:
    """Names of the voice variants; espeak-ng itself falls back to its default for an unknown one, in silence."""
    import espeakng_loader

    return frozenset(path.name for path in Path(espeakng_loader.get_data_path(), "voices", "!v").iterdir())


def espeak() -> ctypes.CDLL:
    """The library, loaded and initialised once a process: what every function of its public header can be called on."""
    global _engine
    if _engine is None:
        import espeakng_loader

        library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = str(Path(espeakng_loader.get_data_path()).parent).encode()
        rate = library.espeak_Initialize(_RETRIEVAL, 0, data, _DONT_EXIT)
        if rate != NATIVE_RATE:
            raise RuntimeError(
                f"espeak-ng starts with {rate} Hz instead of {NATIVE_RATE} Hz; reinstall espeakng-loader==0.2.4"
            )
        library.espeak_SetSynthCallback(_collect)
        _engine = library
    return _engine


@_CALLBACK
def _collect(wave: ctypes.POINTER(ctypes.c_short), samples: int, _events: ctypes.c_void_p) -> int:
    if wave and samples > 0:
        _pieces.append(np.ctypeslib.as_array(wave, shape=(samples,)).copy())
    return 0


if __name__ == "__main__":
    _main()

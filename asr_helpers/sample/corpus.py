"""The sample corpus: the project's own Urdu sentences, read by espeak-ng, in the layout that users of PRUS have."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from tqdm.auto import tqdm

from asr_helpers.storage import write_text

from .synthesis import LANGUAGE, NATIVE_RATE, Line, Voice, speak_lines

__all__ = ["SPEAKERS", "Reading", "make_sample", "script", "spoken"]

SPEAKERS = {"amna": "f2", "bilal": "m3", "dania": "f4", "faraz": "m7"}  # speaker → espeak-ng voice variant
TWO_CHANNEL = ("dania",)  # this speaker's recordings have two channels, so that mixing down has work to do
READ_TWICE = 80  # sentences that a second speaker reads too, so that grouping the split by sentence matters
RECIPE = 2  # raise it when the recordings change: an existing folder is then made again


@dataclass(frozen=True)
class Reading:
    """One recording to make: which sentence, by whom, how loud against how much noise."""

    sentence: str
    speaker: str
    voice: Voice
    peak: float  # of full scale
    snr_db: float  # of the background noise that is mixed in


def script(sentences: Sequence[str], *, seed: int = 7) -> list[Reading]:
    """Give every sentence a speaker, and ``READ_TWICE`` of them a second one, in a seeded order."""
    rng = np.random.default_rng(seed)
    names = sorted(SPEAKERS)
    first = rng.integers(len(names), size=len(sentences))
    again = rng.choice(len(sentences), size=min(READ_TWICE, len(sentences)), replace=False)
    pairs = [(i, first[i]) for i in range(len(sentences))]
    pairs += [(i, (first[i] + 1 + rng.integers(len(names) - 1)) % len(names)) for i in again]
    return [_reading(sentences[pairs[k][0]], names[pairs[k][1]], rng) for k in rng.permutation(len(pairs))]


def spoken(sentence: str) -> str:
    """Write numbers out: espeak-ng skips ۵۰, and reads 1992 in another way than people say a year."""
    return re.sub(r"\d+", lambda digits: LANGUAGE.say_number(digits.group()), sentence)


def _reading(sentence: str, speaker: str, rng: np.random.Generator) -> Reading:
    voice = Voice(
        variant=SPEAKERS[speaker],
        rate=int(rng.integers(130, 186)),
        pitch=int(rng.integers(40, 61)),
        pitch_range=int(rng.integers(40, 61)),
        word_gap=int(rng.integers(1, 4)),  # a person who reads a prompt sets the words a little apart
    )
    return Reading(sentence, speaker, voice, float(rng.uniform(0.3, 0.9)), float(rng.uniform(20, 45)))


def make_sample(transcripts: Path, folder: Path, *, seed: int = 7, workers: int | None = None) -> Path:
    """Write ``1.wav``, ``2.wav``, … with ``transcripts.txt`` and ``speakers.txt``, line *n* for recording *n*.

    The bytes are the same every time on one machine. A folder that is already complete is left as it is.

    Args:
        transcripts: The sentences, one a line.
        folder: Where the corpus goes.
        seed: For speakers, rates, pitches, levels and noise.
        workers: Processes that speak at a time; does not change the result.

    Returns:
        ``folder``.
    """
    sentences = transcripts.read_text(encoding="utf-8").splitlines()
    recipe = hashlib.sha256(f"{RECIPE} {seed} {sentences}".encode()).hexdigest()
    write_text("synthetic speech\n", folder / ".about")  # every figure that is measured on it says so
    marker = folder / ".recipe"  # written last: a folder without it is not whole
    if marker.exists() and marker.read_text() == recipe:
        return folder
    for old in [marker, *folder.glob("*.wav")]:
        old.unlink(missing_ok=True)
    readings = script(sentences, seed=seed)
    clips = speak_lines([Line(spoken(r.sentence), r.voice) for r in readings], workers=workers)
    rng = np.random.default_rng([seed, 1])
    for number, (reading, clip) in enumerate(
        zip(readings, tqdm(clips, total=len(readings), desc="sample corpus", unit="recording"), strict=True), start=1
    ):
        soundfile.write(folder / f"{number}.wav", _record(clip, reading, rng), NATIVE_RATE, subtype="PCM_16")
    write_text("".join(f"{r.sentence}\n" for r in readings), folder / "transcripts.txt")
    write_text("".join(f"{r.speaker}\n" for r in readings), folder / "speakers.txt")
    write_text(recipe, marker)
    return folder


def _record(clip: np.ndarray, reading: Reading, rng: np.random.Generator) -> np.ndarray:
    """Put a clip in a quiet room with a little background noise; float, ``(samples,)`` or ``(samples, 2)``."""
    pause = np.zeros(int(0.15 * NATIVE_RATE))
    speech = np.concatenate([pause, clip / np.abs(clip).max(), pause])
    noise = rng.standard_normal(len(speech)) * np.sqrt(np.mean(speech**2)) * 10 ** (-reading.snr_db / 20)
    mixed = speech + noise
    mixed *= reading.peak / np.abs(mixed).max()
    if reading.speaker not in TWO_CHANNEL:
        return mixed
    return np.stack([mixed, 0.8 * np.roll(mixed, 4)], axis=1)  # the second microphone: later and quieter

"""Small corpora of synthetic tones: what the file-reading modules are tested on, without any recording."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr_helpers.corpus.reading import Corpus

RATE = 16_000
WORDS = [
    "پانی",
    "گھر",
    "کتاب",
    "لڑکا",
    "بازار",
    "درخت",
    "چائے",
    "سڑک",
    "بارش",
    "استاد",
    "دوست",
    "پرندہ",
    "کھڑکی",
    "روشنی",
    "شہر",
    "دریا",
    "سورج",
    "باغ",
    "ہوا",
    "کمپیوٹر",
]


def sentences(count: int, *, seed: int = 0) -> list[str]:
    """Make ``count`` different sentences of 2 to 9 Urdu words."""
    rng = np.random.default_rng(seed)
    made: dict[str, None] = {}
    while len(made) < count:
        made[" ".join(rng.choice(WORDS, size=rng.integers(2, 10)))] = None
    return list(made)


def speech_like(seconds: float, *, rate: int = RATE, level: float = 0.2, seed: int = 0) -> np.ndarray:
    """Make a tone that comes and goes four times a second over faint noise: about as loud and lively as speech."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    syllables = np.maximum(0, np.sin(2 * np.pi * 4 * time)) ** 2
    pitch = rng.uniform(150, 300)
    return (level * syllables * np.sin(2 * np.pi * pitch * time) + 1e-3 * rng.standard_normal(len(time))).astype("f4")


def seconds_for(sentence: str) -> float:
    """Say how long a sentence lasts in these corpora: a pause and 20 characters a second, a fast reader."""
    return 0.3 + 0.05 * len(sentence)


@pytest.fixture
def numbered_corpus(tmp_path: Path) -> Callable[..., Path]:
    """Make a folder with ``1.wav`` … and ``text.txt``; see the function's arguments for what can be varied."""

    def make(count: int, *, padding: int = 0, folder: str = "corpus", seed: int = 0) -> Path:
        root = tmp_path / folder
        root.mkdir()
        lines = sentences(count, seed=seed)
        for number, line in enumerate(lines, start=1):
            path = root / f"{number:0{padding}d}.wav"
            soundfile.write(path, speech_like(seconds_for(line), seed=1000 * seed + number), RATE)
        (root / "text.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return root

    return make


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Three recordings in ``clips/`` of a folder that has no table yet."""
    root = tmp_path / "corpus"
    (root / "clips").mkdir(parents=True)
    for name in ("a", "b", "c"):
        soundfile.write(root / "clips" / f"{name}.wav", speech_like(0.2), RATE)
    return root


def write_csv(path: Path, rows: list[list[str]]) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


def write_tsv(path: Path, rows: list[list[str]]) -> None:
    path.write_text("\n".join("\t".join(row) for row in rows) + "\n", encoding="utf-8")


def found(corpus: Corpus) -> list[tuple[str, str, str]]:
    """A corpus's problems as (severity, check, utterance)."""
    return [(p.severity, p.check, p.utterance) for p in corpus.problems]

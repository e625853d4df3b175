"""Disturb a recording as rooms, noise, microphones and haste would, so that no corpus's one channel is learnt by heart.

`Augmentation` is what a training calls; `DISTURBANCES` has each kind alone, to listen to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import soxr

from .reading import SAMPLING_RATE

__all__ = ["DISTURBANCES", "Augmentation", "change_length", "disturb"]

LARGEST = 32767  # of an int16 sample

ECHO_SECONDS, ECHO = (0.05, 0.4), (0.02, 0.15)  # until it is 60 dB down; its strength, the direct sound having 1
SNR = (5.0, 40.0)  # dB
LOW, HIGH = (50.0, 300.0), (2500.0, 7500.0)  # Hz, where a microphone or a line stops hearing
GAIN = (-20.0, 6.0)  # dB; above full scale it clips, as a recorder does


def _room(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add the echo of a room, whose energy falls by 60 dB; the level stays."""
    from scipy.signal import fftconvolve  # only here and below: it takes a second to import

    tail = np.arange(int(rng.uniform(*ECHO_SECONDS) * SAMPLING_RATE))
    echo = rng.standard_normal(len(tail)) * 10 ** (-3 * tail / len(tail)) * rng.uniform(*ECHO)
    echo[0] = 1
    heard = fftconvolve(samples, echo)[: len(samples)]
    return heard * np.sqrt(_power(samples) / max(_power(heard), 1e-12))


def _noise(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add white noise (hiss) or red noise (rumble) at a signal-to-noise ratio of 5 to 40 dB."""
    noise = rng.standard_normal(len(samples))
    if rng.random() < 0.5:
        noise = np.cumsum(noise) - np.linspace(0, noise.sum(), len(noise))  # ends where it begins
        noise -= noise.mean()
    return samples + noise * np.sqrt(_power(samples) / max(_power(noise), 1e-12)) * _factor(-rng.uniform(*SNR))


def _band(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Keep the frequencies that a poor microphone or a telephone lets through."""
    from scipy.signal import butter, sosfilt

    edges = rng.uniform(*LOW), rng.uniform(*HIGH)
    return sosfilt(butter(2, edges, "bandpass", fs=SAMPLING_RATE, output="sos"), samples)


def _gain(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Record it softer, down to where 16 bits are coarse, or louder, up to where peaks are cut off."""
    return samples * _factor(rng.uniform(*GAIN))


def _power(samples: np.ndarray) -> float:
    return float(np.mean(np.square(samples, dtype=np.float64)))


def _factor(decibels: float) -> float:
    return 10 ** (decibels / 20)


# name → what it does to float samples; in the order in which sound meets them on its way into a file
DISTURBANCES: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "room": _room,
    "noise": _noise,
    "band": _band,
    "gain": _gain,
}


def disturb(
    samples: np.ndarray, rng: np.random.Generator, *, kinds: tuple[str, ...] = tuple(DISTURBANCES)
) -> np.ndarray:
    """Disturb a recording in so many ways; its length stays.

    Args:
        samples: (samples,) int16 at 16 kHz.
        rng: What the strength of each disturbance is drawn from.
        kinds: Names of ``DISTURBANCES``, in the order in which they are to happen.

    Returns:
        (samples,) int16; what exceeds full scale is clipped.
    """
    heard = samples.astype(np.float32)
    for kind in kinds:
        heard = DISTURBANCES[kind](heard, rng)
    return _to_int16(heard)


def change_length(samples: np.ndarray, length: int) -> np.ndarray:
    """Play a recording faster or slower, voice and all, so that it has ``length`` samples.

    Args:
        samples: (samples,) int16.
        length: Samples of the result, 1 or more.

    Returns:
        (length,) int16.
    """
    if length == len(samples):
        return samples
    return _to_int16(soxr.resample(samples.astype(np.float32), len(samples), length, quality="HQ"))


def _to_int16(samples: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(samples), -LARGEST, LARGEST).astype(np.int16)


@dataclass(frozen=True)
class Augmentation:
    """What a training does to its utterances before it hears them, anew in every epoch.

    Seed, epoch and utterance alone decide: how many processes or workers there are, and where a training was resumed,
    changes no sample.

    Attributes:
        chance: That each of ``DISTURBANCES`` happens to an utterance, 0 to 1.
        speed_change: Share by which an utterance may become faster or slower, 0 to below 1: with 0.1 it is played at
            0.9 to 1.1 of its speed.
        seed: Of everything that is drawn.
    """

    chance: float = 0.0
    speed_change: float = 0.0
    seed: int = 0

    def __bool__(self) -> bool:
        return self.chance > 0 or self.speed_change > 0

    @property
    def lengths(self) -> tuple[float, float]:
        """The least and the most that a length can be multiplied by."""
        return 1 / (1 + self.speed_change), 1 / (1 - self.speed_change)

    def __call__(self, samples: np.ndarray, *, epoch: int, utterance: str, least: int = 1) -> np.ndarray:
        """Give what is heard of an utterance in an epoch.

        Args:
            samples: (samples,) int16 at 16 kHz.
            epoch: Number of the epoch.
            utterance: The utterance's id.
            least: Samples that its label needs: it is not played so fast that fewer are left.

        Returns:
            (samples,) int16; how many, the speed says.
        """
        digest = hashlib.sha256(utterance.encode()).digest()
        rng = np.random.default_rng([self.seed, epoch, int.from_bytes(digest[:8], "little")])
        speed = 1 + self.speed_change * rng.uniform(-1, 1)
        length = max(round(len(samples) / speed), min(least, len(samples)))
        happen = rng.random(len(DISTURBANCES)) < self.chance
        kinds = tuple(kind for kind, happens in zip(DISTURBANCES, happen, strict=True) if happens)
        heard = change_length(samples, length)
        return disturb(heard, rng, kinds=kinds) if kinds else heard

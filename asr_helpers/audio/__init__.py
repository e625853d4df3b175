"""What is heard: recordings read as mono samples, and measured."""

from .measuring import AudioMeasures, measure
from .reading import SAMPLING_RATE, AudioError, read_audio

__all__ = [
    "SAMPLING_RATE",
    "AudioError",
    "AudioMeasures",
    "measure",
    "read_audio",
]

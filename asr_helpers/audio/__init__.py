"""What is heard: recordings read as mono samples, and measured."""

from .measuring import AudioMeasures, measure
from .reading import SAMPLING_RATE, read_audio
from .recording import AudioError

__all__ = [
    "SAMPLING_RATE",
    "AudioError",
    "AudioMeasures",
    "measure",
    "read_audio",
]

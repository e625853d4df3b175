"""What is heard: recordings read as mono samples, and measured."""

from .augmentation import DISTURBANCES, Augmentation, change_length, disturb
from .measuring import AudioMeasures, measure
from .reading import SAMPLING_RATE, read_audio
from .recording import AudioError

__all__ = [
    "DISTURBANCES",
    "SAMPLING_RATE",
    "AudioError",
    "AudioMeasures",
    "Augmentation",
    "change_length",
    "disturb",
    "measure",
    "read_audio",
]

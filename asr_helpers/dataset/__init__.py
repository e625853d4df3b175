"""Utterances become 16 kHz audio and labels on the disk, and rows become batches."""

from .collator import Collator
from .preparing import prepare_dataset
from .reading import Utterances, load_prepared, stream_prepared

__all__ = [
    "Collator",
    "Utterances",
    "load_prepared",
    "prepare_dataset",
    "stream_prepared",
]

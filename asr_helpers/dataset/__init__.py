"""Utterances become 16 kHz audio and labels on the disk, and rows become batches."""

from .collator import Collator
from .fit import made_for, require_fit
from .preparing import prepare_dataset, require_all_splits
from .reading import Utterances, load_prepared, stream_prepared

__all__ = [
    "Collator",
    "Utterances",
    "load_prepared",
    "made_for",
    "prepare_dataset",
    "require_all_splits",
    "require_fit",
    "stream_prepared",
]

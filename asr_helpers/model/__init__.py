"""The checkpoint: found, loaded with a head for an alphabet, exact in batches, its frames and its tokens."""

from .families import inputs_of
from .frames import ctc_frames_needed, frame_seconds, output_frames, samples_needed
from .hub import locate_checkpoint
from .loading import kept_outputs, load_config, load_for_ctc, load_trained
from .masking import spec_augment
from .processor import load_processor, make_processor, make_tokenizer, round_trip
from .vocabulary import Alphabet, build_vocab, collapse, unseen_letters

__all__ = [
    "Alphabet",
    "build_vocab",
    "collapse",
    "ctc_frames_needed",
    "frame_seconds",
    "inputs_of",
    "kept_outputs",
    "load_config",
    "load_for_ctc",
    "load_processor",
    "load_trained",
    "locate_checkpoint",
    "make_processor",
    "make_tokenizer",
    "output_frames",
    "round_trip",
    "samples_needed",
    "spec_augment",
    "unseen_letters",
]

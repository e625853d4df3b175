"""Frames become text, with times: greedily, by beam search, or along a text that is known."""

from .alignment import align
from .beam_search import BeamSearch, no_search, write_language_model
from .export import cues, tiers_of, to_audacity, to_json, to_srt, to_textgrid
from .hypotheses import FrameClock, Hypothesis, frame_table, greedy
from .inference import log_probs_of
from .language_model import without_leaks
from .transcribe import transcribe_file, transcribe_files
from .tuning import tune

__all__ = [
    "BeamSearch",
    "FrameClock",
    "Hypothesis",
    "align",
    "cues",
    "frame_table",
    "greedy",
    "log_probs_of",
    "no_search",
    "tiers_of",
    "to_audacity",
    "to_json",
    "to_srt",
    "to_textgrid",
    "transcribe_file",
    "transcribe_files",
    "tune",
    "without_leaks",
    "write_language_model",
]

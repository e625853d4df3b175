"""Frames become text, with times: greedily, by beam search, or along a text that is known."""

from .alignment import align
from .beam_search import BeamSearch, no_search, write_language_model
from .export import render, tiers_of, to_audacity, to_elan, to_json, to_textgrid
from .hypotheses import FrameClock, Hypothesis, frame_table, greedy
from .inference import log_probs_of
from .language_model import without_leaks
from .recogniser import Recogniser
from .subtitles import cues, to_srt, to_vtt
from .transcribe import align_file, transcribe_file
from .tuning import tune

__all__ = [
    "BeamSearch",
    "FrameClock",
    "Hypothesis",
    "Recogniser",
    "align",
    "align_file",
    "cues",
    "frame_table",
    "greedy",
    "log_probs_of",
    "no_search",
    "render",
    "tiers_of",
    "to_audacity",
    "to_elan",
    "to_json",
    "to_srt",
    "to_textgrid",
    "to_vtt",
    "transcribe_file",
    "tune",
    "without_leaks",
    "write_language_model",
]

"""Predictions become tables: how many errors, of what kind, where and why. Most callers want `score_table`."""

from .calibration import calibration_error, reliability, word_outcomes
from .causes import errors_by_cause, ids_by_cause
from .compare import compare_runs
from .confusions import confused_words, confusion_matrix, ids_by_kind, kind_table, letter_table
from .edits import word_edits
from .label_errors import correct_first, possible_label_errors
from .metrics import cer, score_table, wer
from .power_law import fit_curve
from .slices import ids_by_slice, slice_table, word_slices
from .spelling import class_table, folded_scores

__all__ = [
    "calibration_error",
    "cer",
    "class_table",
    "compare_runs",
    "confused_words",
    "confusion_matrix",
    "correct_first",
    "errors_by_cause",
    "fit_curve",
    "folded_scores",
    "ids_by_cause",
    "ids_by_kind",
    "ids_by_slice",
    "kind_table",
    "letter_table",
    "possible_label_errors",
    "reliability",
    "score_table",
    "slice_table",
    "wer",
    "word_edits",
    "word_outcomes",
    "word_slices",
]

"""A folder becomes utterances: read, checked, split."""

from .checking import check_corpus, measure_corpus, without_errors
from .corrections import Corrections, apply_corrections
from .layouts.registry import LAYOUTS
from .problems import CorpusError, Problem, problems_table
from .reading import Corpus, read_corpus
from .splits import refuse_shared_texts, shared_between_splits, split_utterances

__all__ = [
    "LAYOUTS",
    "Corpus",
    "CorpusError",
    "Corrections",
    "Problem",
    "apply_corrections",
    "check_corpus",
    "measure_corpus",
    "problems_table",
    "read_corpus",
    "refuse_shared_texts",
    "shared_between_splits",
    "split_utterances",
    "without_errors",
]

"""What is written: the spelling of a language, its letters, what two sentences have in common."""

from .detection import Writing, find_writing
from .language import SPACELESS
from .languages import language_of
from .normaliser import Normaliser, code_point, letters
from .sentences import script_of, sentence_key

__all__ = [
    "SPACELESS",
    "Normaliser",
    "Writing",
    "code_point",
    "find_writing",
    "language_of",
    "letters",
    "script_of",
    "sentence_key",
]

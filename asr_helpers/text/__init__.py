"""What is written: the spelling of a language, its letters, what two sentences have in common."""

from .languages import language_of
from .normaliser import Normaliser, code_point, letters
from .sentences import script_of, sentence_key

__all__ = [
    "Normaliser",
    "code_point",
    "language_of",
    "letters",
    "script_of",
    "sentence_key",
]

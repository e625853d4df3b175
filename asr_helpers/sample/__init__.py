"""The sample corpus: our own sentences, spoken by a computer."""

from .corpus import make_sample

__all__ = [
    "make_sample",
]

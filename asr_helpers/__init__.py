"""Helpers behind the five notebooks: from a folder of recordings to a fine-tuned, measured CTC recogniser."""

__version__ = "0.1.0"

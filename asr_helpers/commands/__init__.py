"""Commands that use what was trained, on recordings of anybody's: one module each."""

from .align import add_align
from .serve import add_serve
from .transcribe import add_transcribe

__all__ = ["add_align", "add_serve", "add_transcribe"]

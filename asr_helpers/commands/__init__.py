"""Commands that use what was trained, one module each."""

from .align import add_align
from .export import add_export
from .publish import add_publish
from .serve import add_serve
from .transcribe import add_transcribe

__all__ = ["add_align", "add_export", "add_publish", "add_serve", "add_transcribe"]

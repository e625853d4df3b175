"""All layouts, in the order in which a folder is asked for them. A new one is its module, a line here, and a test."""

from __future__ import annotations

from .audiofolder import AUDIOFOLDER
from .common_voice import COMMON_VOICE
from .numbered import NUMBERED
from .saved import SAVED

__all__ = ["LAYOUTS"]

LAYOUTS = {layout.name: layout for layout in (SAVED, AUDIOFOLDER, COMMON_VOICE, NUMBERED)}

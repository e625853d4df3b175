"""All layouts, in the order in which a folder is asked for them. A new one is its module, a line here, and a test."""

from __future__ import annotations

from .audiofolder import AUDIOFOLDER
from .common_voice import COMMON_VOICE
from .kaldi import KALDI
from .ljspeech import LJSPEECH
from .nemo import NEMO
from .numbered import NUMBERED
from .saved import SAVED
from .textgrid import TEXTGRID

__all__ = ["LAYOUTS"]

LAYOUTS = {
    layout.name: layout for layout in (SAVED, KALDI, NEMO, LJSPEECH, AUDIOFOLDER, COMMON_VOICE, TEXTGRID, NUMBERED)
}

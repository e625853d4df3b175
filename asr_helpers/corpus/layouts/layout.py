"""What a layout is: a name, how a folder of it is recognised, and how it is read."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..problems import Problem
from ..rows import Row

__all__ = ["Layout", "Reading"]


@dataclass(frozen=True)
class Reading:
    """What the files of a layout say.

    Attributes:
        rows: One an utterance, in the order of the files.
        problems: What was wrong with reading them.
        root: The folder that audio paths are relative to, where it is not the corpus folder.
        told: Where transcripts and speakers were found, for people to check.
    """

    rows: list[Row]
    problems: list[Problem]
    root: Path | None = None
    told: str = ""


@dataclass(frozen=True)
class Layout:
    """One way in which a corpus can lie in a folder.

    Attributes:
        name: As the parameter ``layout`` takes it.
        holds: What lies in the folder, in a few words.
        recognise: Tells a folder of this layout from others.
        read: Reads it; its keyword-only arguments are the parameters of notebook 01 that the layout knows (and
            ``cache_dir``, where a Hub id's recordings are written).
        on_hub: A Hub id can be read instead of a folder.
    """

    name: str
    holds: str
    recognise: Callable[[Path], bool]
    read: Callable[..., Reading]
    on_hub: bool = False

    @property
    def options(self) -> list[str]:
        """The parameters of notebook 01 that the layout knows."""
        parameters = inspect.signature(self.read).parameters.values()
        return [
            parameter.name
            for parameter in parameters
            if parameter.kind is parameter.KEYWORD_ONLY and parameter.name != "cache_dir"
        ]

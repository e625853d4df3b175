"""Praat's layout: beside each recording a TextGrid of the same name, one of whose tiers says what is spoken."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path, PurePosixPath

from asr_helpers.audio.files import AUDIO_SUFFIXES
from asr_helpers.wording import listed

from ..problems import ERROR, CorpusError, Problem
from ..rows import Row
from ..text_files import find_files, read_text
from .layout import Layout, Reading
from .numbered import text_files

__all__ = ["TEXTGRID"]

KNOWN = ("sentence", "sentences", "utterance", "utterances", "transcript", "transcription", "orthography", "text")

KNOWN += ("words", "word")  # their labels, joined, are the sentence

# How many tiers there are and how many entries each has, in the long and in the short form: praatio does not count.
SIZES = re.compile(
    r'<exists>\s+(\d+)|size = (\d+)|"(?:IntervalTier|TextTier)"\s+"(?:[^"]|"")*"\s+[\d.]+\s+[\d.]+\s+(\d+)\s'
)

Tiers = dict[str, list[str]]  # name of an interval tier → its labels


def _grids(root: Path) -> dict[str, str]:
    """Find the TextGrids that have a recording beside them, grid → recording."""
    grids = {str(PurePosixPath(name).with_suffix("")): name for name in find_files(root, "*.textgrid", below=True)}
    sounds = (PurePosixPath(name) for name in (find_files(root, "*.*", below=True) if grids else []))
    beside = {str(sound.with_suffix("")): str(sound) for sound in sounds if sound.suffix.lower() in AUDIO_SUFFIXES}
    return {grid: beside[stem] for stem, grid in grids.items() if stem in beside}


def _read(root: Path, *, text_column: str = "") -> Reading:
    """Join the labels of one interval tier; which one is the parameter ``text_column``, or found by its name.

    Raises:
        CorpusError: No recording has a TextGrid, or which tier is meant is open; the text names those there are.
    """
    grids = _grids(root)
    if not grids:
        raise CorpusError(f"{root} has no recording with a TextGrid of the same name beside it")
    problems: list[Problem] = []
    tiers = {grid: found for grid in grids if (found := _tiers(root, grid, problems)) is not None}
    names = Counter(name for found in tiers.values() for name in found)
    chosen = text_column or next((name for name in names if name.lower() in KNOWN and names[name] == len(tiers)), "")
    if not chosen and len(names) == 1:
        chosen = next(iter(names))
    if chosen not in names:
        told = listed((f"{name!r} ({times})" for name, times in names.most_common()), most=10)
        raise CorpusError(f"which tier of the TextGrids in {root} is the transcript? There are {told}; see text_column")
    rows = []
    for grid, found in tiers.items():
        if chosen in found:
            rows.append(Row(grids[grid], " ".join(filter(None, found[chosen])), None, grid))
        else:
            told = f"no tier {chosen!r}, only {listed(map(repr, found), most=10)}"
            problems.append(Problem(ERROR, "missing tier", grid, told, "name its tier as in the other TextGrids"))
    return Reading(rows, problems, told=f"tier {chosen!r}")


def _tiers(root: Path, grid: str, problems: list[Problem]) -> Tiers | None:
    """Read a TextGrid's interval tiers; None where it cannot be read."""
    from praatio.utilities.textgrid_io import parseTextgridStr  # which takes what is decoded here

    text, odd = read_text(root, grid)
    problems += [problem for problem in odd if "UTF-16" not in problem.value and problem.check != "byte-order mark"]
    try:
        tiers = parseTextgridStr(text, includeEmptyIntervals=True)["tiers"]
        promised = [int("".join(sizes)) for sizes in SIZES.findall(text)]
        if promised != [len(tiers), *(len(tier["entries"]) for tier in tiers)] and not text.startswith("{"):
            raise ValueError(f"the sizes {promised} are promised and not there: the file breaks off")
        return {
            tier["name"]: [entry[2] for entry in tier["entries"]] for tier in tiers if tier["class"] == "IntervalTier"
        }
    except Exception as error:  # praatio fails with whatever Python says of the first line that it does not expect
        told = f"no TextGrid that can be read ({type(error).__name__}: {str(error)[:100]})"
        problems.append(Problem(ERROR, "unreadable TextGrid", grid, told, "open it in Praat and save it as text again"))
        return None


TEXTGRID = Layout(
    "textgrid",
    "a TextGrid of the same name beside each recording, and no other text",
    lambda root: not text_files(root) and bool(_grids(root)),
    _read,
)

"""The numbered layout: ``1.wav``, ``2.wav``, … and a text file whose line *n* belongs to recording *n*."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path, PurePosixPath

from asr_helpers.audio.files import AUDIO_SUFFIXES, FOREIGN_SUFFIXES
from asr_helpers.wording import listed

from ..problems import ERROR, WARNING, CorpusError, Problem
from ..rows import Row
from ..text_files import HIDDEN, find_files, given_file, read_lines
from .layout import Layout, Reading

__all__ = ["NUMBERED", "text_files"]

SPEAKERS_FILE = "speakers.txt"
NOT_TRANSCRIPTS = re.compile(r"speakers?|readme.*|licen[cs]e.*|copying.*|changelog.*|requirements.*", re.IGNORECASE)

SUFFIXES = frozenset(AUDIO_SUFFIXES + FOREIGN_SUFFIXES)

NUMBER_AT_END = re.compile(r"(.*?)(\d+)\)?", re.DOTALL)  # "voice (1)" is how Windows numbers files

NUMBER_AT_START = re.compile(r"\s*(\d{1,9})(?!\w)")  # in any script's digits

NUMBERED_LINE = 0.9  # share of lines that begin with their own number before it counts as a numbering


def _read(root: Path, *, transcripts_file: str = "", speakers_file: str = "") -> Reading:
    """Pair recordings with lines by number, 1-based, and report every number that has only one of the two.

    Recordings lie in the folder or in one subfolder; zero padding may differ from file to file, and a common prefix
    (``rec_0001.wav``) is allowed. The text file is found by itself where the folder holds one ``.txt`` (besides
    ``speakers.txt``, a README and the like).

    Args:
        root: The corpus folder.
        transcripts_file: The text file, relative to the folder.
        speakers_file: A text file whose line *n* names recording *n*'s speaker; ``speakers.txt`` is found by itself.

    Returns:
        One row a recording that has a line, in the order of the numbers; and the problems of pairing and encoding.

    Raises:
        CorpusError: No recordings, or no single text file, can be found; the text names the candidates.
    """
    found = _numbered_folder(root)
    if found is None:
        raise CorpusError(f"{root} has no numbered recordings (1.wav, 2.wav, … or 0001.flac …), nor has a subfolder")
    place, sounds = found
    text = given_file(root, transcripts_file, "transcripts_file") if transcripts_file else _text_file(root, place)
    lines, problems = read_lines(root, text)
    who = given_file(root, speakers_file, "speakers_file") if speakers_file else _speakers_file(root, place)
    names, more = read_lines(root, who) if who else ([], [])
    numbered = _numbered(sounds)
    recordings, doubles = _by_number(numbered, place)
    loose = sorted(set(sounds) - {name for _, name in numbered})
    problems += more + doubles + _ignored(root, place, loose)
    problems += _unpaired(recordings, lines, text) + _numbering(lines, text)
    if names and len(names) != len(lines):
        told = f"{len(names)} lines for {len(lines)} transcripts"
        advice = "give every transcript its speaker's line; recordings beyond the end have no speaker"
        problems.append(Problem(WARNING, "speakers file", "", told, advice))
    rows = [
        Row(path, lines[n - 1], names[n - 1] if n <= len(names) else None, f"line {n} of {text}")
        for n, path in recordings.items()
        if 1 <= n <= len(lines)
    ]
    return Reading(rows, problems, told=f"{text}, {who or 'no speakers file'}")


def _numbered_folder(root: Path) -> tuple[str, list[str]] | None:
    """Find numbered recordings in ``root`` or in one subfolder of it: which (``""``, ``"wav/"``), and all sounds there.

    Raises:
        CorpusError: Several subfolders have some.
    """
    found = [("", _recordings(root))]
    if not _numbered(found[0][1]):
        found = [(f"{folder}/", _recordings(root / folder)) for folder in _subfolders(root)]
        found = [(place, sounds) for place, sounds in found if _numbered(sounds)]
    if len(found) > 1:
        places = listed((place for place, _ in found), most=10)
        raise CorpusError(f"{root} has numbered recordings in several subfolders ({places}); keep one there")
    return found[0] if found else None


def _subfolders(root: Path) -> list[str]:
    with os.scandir(root) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith(HIDDEN))


def _recordings(folder: Path) -> list[str]:
    """List the names of recordings, those too that measuring will tell to convert."""
    with os.scandir(folder) as entries:
        sounds = (entry for entry in entries if os.path.splitext(entry.name)[1].lower() in SUFFIXES)
        return sorted(entry.name for entry in sounds if entry.is_file() and not entry.name.startswith(HIDDEN))


def _numbered(names: list[str]) -> list[tuple[int, str]]:
    """Find the recordings whose stems differ in a number at their end only (the commonest prefix counts)."""
    matches = [(NUMBER_AT_END.fullmatch(os.path.splitext(name)[0]), name) for name in names]
    found = [(match[1], int(match[2]), name) for match, name in matches if match]
    if not found:
        return []
    counts = Counter(prefix for prefix, _, _ in found)
    common = min(counts, key=lambda prefix: (-counts[prefix], prefix))
    return sorted((number, name) for prefix, number, name in found if prefix == common)


def _by_number(numbered: list[tuple[int, str]], place: str) -> tuple[dict[int, str], list[Problem]]:
    """Give each number its recording (path below the corpus folder); of several the first, and that is reported."""
    recordings: dict[int, str] = {}
    problems = []
    for number, same in groupby(numbered, key=lambda pair: pair[0]):
        names = [name for _, name in same]
        recordings[number] = f"{place}{names[0]}"
        if len(names) > 1:
            told, advice = listed(names, most=10), f"keep one recording for number {number}"
            problems.append(Problem(ERROR, "number twice", PurePosixPath(names[0]).stem, told, advice))
    return recordings, problems


def _ignored(root: Path, place: str, loose: list[str]) -> list[Problem]:
    """Report recordings that carry no number, and those of other folders."""
    others = {f"{folder}/": len(_recordings(root / folder)) for folder in _subfolders(root) if f"{folder}/" != place}
    others |= {"the folder itself": len(_recordings(root))} if place else {}
    loose = loose + [f"{other} ({count})" for other, count in others.items() if count]
    if not loose:
        return []
    advice = "these recordings have no number in the corpus and are not used; number them or move them away"
    return [Problem(WARNING, "ignored recordings", "", listed(loose), advice)]


def text_files(root: Path, place: str = "") -> list[str]:
    """List the text files of a corpus that may hold transcripts: no README and the like."""
    files = [f"{at}{name}" for at in dict.fromkeys(("", place)) for name in find_files(root / at, "*.txt")]
    return [file for file in files if not NOT_TRANSCRIPTS.fullmatch(PurePosixPath(file).stem)]


def _text_file(root: Path, place: str) -> str:
    candidates = text_files(root, place)
    if len(candidates) != 1:
        raise CorpusError(
            f"{root} must hold one text file with a line for each recording; found: {listed(candidates, most=10)}. "
            "Name the right one with the parameter transcripts_file"
        )
    return candidates[0]


def _speakers_file(root: Path, place: str) -> str:
    """Find the speakers' file; empty where there is none."""
    return next((f"{at}{SPEAKERS_FILE}" for at in ("", place) if (root / at / SPEAKERS_FILE).is_file()), "")


def _unpaired(recordings: dict[int, str], lines: list[str], name: str) -> list[Problem]:
    """Report numbers with a line and no recording, recordings without a line, and that the counts differ."""
    filled = [n for n, line in enumerate(lines, start=1) if line.strip()]
    problems = []
    if 0 in recordings:
        problems.append(_from_zero(recordings, len(lines)))
    if len(recordings) != len(lines):
        told = f"{len(lines)} lines ({len(lines) - len(filled)} blank) in {name}, {len(recordings)} recordings"
        advice = "line n belongs to recording n; the numbers without a partner are listed one by one"
        problems.append(Problem(WARNING, "counts differ", "", told, advice))
    for first, last in _runs(n for n in filled if n not in recordings):
        told = f"{_lines(first, last)} of {name}, and no recording of that number"
        advice = "put the recording in its place, or make the line blank (deleting it would shift all later lines)"
        problems.append(Problem(ERROR, "missing recording", _span(first, last), told, advice))
    for first, last in _runs(n for n in recordings if n > len(lines)):
        told = f"recording {_span(first, last)}, and {name} ends at line {len(lines)}"
        advice = "add the line, or move the recording away"
        problems.append(Problem(ERROR, "missing line", _span(first, last), told, advice))
    return problems


def _from_zero(recordings: dict[int, str], lines: int) -> Problem:
    """Report a recording 0: line 1 belongs to recording 1, unless everything is counted from 0."""
    if len(recordings) == lines and max(recordings) == lines - 1:
        told = f"recordings {min(recordings)} to {max(recordings)} for lines 1 to {lines}"
        advice = "the recordings seem to be counted from 0: rename each to the next number"
        return Problem(ERROR, "counted from 0", "", told, advice)
    advice = "lines are counted from 1; rename the recording or move it away"
    return Problem(ERROR, "missing line", Path(recordings[0]).stem, "recording 0", advice)


def _numbering(lines: list[str], name: str) -> list[Problem]:
    """Report lines that repeat their own number: it would be learnt as text."""
    first = [NUMBER_AT_START.match(line) for line in lines]
    own = sum(match is not None and int(match[1]) == n for n, match in enumerate(first, start=1))
    if len(lines) < 3 or own < NUMBERED_LINE * len(lines):
        return []
    told = f"{own} of {len(lines)} lines begin with their own number"
    advice = f"take the numbers out of {name}; they would count as spoken text"
    return [Problem(ERROR, "numbers in the lines", "", told, advice)]


def _runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Join consecutive numbers to (first, last)."""
    runs = (list(run) for _, run in groupby(enumerate(sorted(numbers)), key=lambda pair: pair[1] - pair[0]))
    return [(run[0][1], run[-1][1]) for run in runs]


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}–{last}"


def _lines(first: int, last: int) -> str:
    return f"line {first}" if first == last else f"lines {first} to {last} ({last - first + 1})"


NUMBERED = Layout(
    "numbered", "numbered recordings and one text file", lambda root: _numbered_folder(root) is not None, _read
)

"""The numbered layout: ``1.wav``, ``2.wav``, … and a text file whose line *n* belongs to recording *n*."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from asr_helpers.audio.files import AUDIO_SUFFIXES, FOREIGN_SUFFIXES

from ..problems import ERROR, WARNING, CorpusError, Problem
from ..rows import Row
from ..text_files import given_file, read_lines
from .layout import Layout, Reading

__all__ = ["NUMBERED"]

SPEAKERS_FILE = "speakers.txt"

NOT_TRANSCRIPTS = re.compile(r"speakers?|readme.*|licen[cs]e.*|copying.*|changelog.*|requirements.*", re.IGNORECASE)

NUMBER_AT_END = re.compile(r"(.*?)(\d+)", re.DOTALL)

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
    folder = _folder(root)
    if folder is None:
        raise CorpusError(f"{root} has no numbered recordings (1.wav, 2.wav, … or 0001.flac …), nor has a subfolder")
    text = given_file(root, transcripts_file, "transcripts_file") if transcripts_file else _text_file(root, folder)
    lines, problems = read_lines(text, text.name)
    names, more = _speaker_lines(root, folder, speakers_file)
    recordings, doubles = _by_number(folder, root)
    problems += more + doubles + _ignored(root, folder)
    problems += _unpaired(recordings, lines, text.name) + _numbering(lines, text.name)
    if names and len(names) != len(lines):
        told = f"{len(names)} lines for {len(lines)} transcripts"
        advice = "give every transcript its speaker's line; recordings beyond the end have no speaker"
        problems.append(Problem(WARNING, "speakers file", "", told, advice))
    rows = [
        Row(path, lines[n - 1], names[n - 1] if n <= len(names) else None, f"line {n} of {text.name}")
        for n, path in recordings.items()
        if 1 <= n <= len(lines)
    ]
    return Reading(rows, problems)


def _folder(root: Path) -> Path | None:
    """Find the folder that holds numbered recordings: ``root``, or one subfolder of it; None if there is none.

    Raises:
        CorpusError: Several subfolders do.
    """
    if _numbered_files(root):
        return root
    found = [folder for folder in _visible(root) if folder.is_dir() and _numbered_files(folder)]
    if len(found) > 1:
        names = ", ".join(f"{folder.name}/" for folder in found)
        raise CorpusError(f"{root} has numbered recordings in several subfolders ({names}); keep one there")
    return found[0] if found else None


def _visible(folder: Path) -> list[Path]:
    """List a folder in the order of names, without hidden files and those of macOS archives."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith((".", "__MACOSX")))


def _recordings(folder: Path) -> list[Path]:
    suffixes = AUDIO_SUFFIXES + FOREIGN_SUFFIXES  # the foreign ones too: measuring says what to convert them to
    return [path for path in _visible(folder) if path.suffix.lower() in suffixes and path.is_file()]


def _numbered_files(folder: Path) -> list[tuple[int, Path]]:
    """Find the recordings whose stems differ in a number at their end only (the commonest prefix counts)."""
    matches = [(NUMBER_AT_END.fullmatch(path.stem), path) for path in _recordings(folder)]
    found = [(match[1], int(match[2]), path) for match, path in matches if match]
    if not found:
        return []
    counts = Counter(prefix for prefix, _, _ in found)
    common = min(counts, key=lambda prefix: (-counts[prefix], prefix))
    return sorted((number, path) for prefix, number, path in found if prefix == common)


def _by_number(folder: Path, root: Path) -> tuple[dict[int, str], list[Problem]]:
    """Give each number its recording (path below ``root``, POSIX); of several with one number the first, reported."""
    recordings: dict[int, str] = {}
    problems = []
    for number, same in groupby(_numbered_files(folder), key=lambda found: found[0]):
        paths = [path for _, path in same]
        recordings[number] = paths[0].relative_to(root).as_posix()
        if len(paths) > 1:
            told, advice = " and ".join(path.name for path in paths), f"keep one recording for number {number}"
            problems.append(Problem(ERROR, "number twice", paths[0].stem, told, advice))
    return recordings, problems


def _ignored(root: Path, folder: Path) -> list[Problem]:
    """Report recordings that carry no number, and those of other folders."""
    used = {path for _, path in _numbered_files(folder)}
    loose = [path.name for path in _recordings(folder) if path not in used]
    others = [root] * (folder != root) + [sub for sub in _visible(root) if sub.is_dir() and sub != folder]
    loose += [f"{sub.name}/ ({len(files)})" for sub in others if (files := _recordings(sub))]
    if not loose:
        return []
    told = ", ".join(loose[:5]) + (f" and {len(loose) - 5} more" if len(loose) > 5 else "")
    advice = "these recordings have no number in the corpus and are not used; number them or move them away"
    return [Problem(WARNING, "ignored recordings", "", told, advice)]


def _text_file(root: Path, folder: Path) -> Path:
    """Find the transcripts: the one text file that is no README and the like."""
    candidates = [
        path
        for place in dict.fromkeys((root, folder))
        for path in _visible(place)
        if path.suffix.lower() == ".txt" and path.is_file() and not NOT_TRANSCRIPTS.fullmatch(path.stem)
    ]
    if len(candidates) != 1:
        names = ", ".join(path.relative_to(root).as_posix() for path in candidates) or "none"
        raise CorpusError(
            f"{root} must hold one text file with a line for each recording; found: {names}. "
            "Name the right one with the parameter transcripts_file"
        )
    return candidates[0]


def _speaker_lines(root: Path, folder: Path, given: str) -> tuple[list[str], list[Problem]]:
    """Read the speakers' file, if there is one."""
    found = [place / SPEAKERS_FILE for place in (root, folder) if (place / SPEAKERS_FILE).is_file()]
    path = given_file(root, given, "speakers_file") if given else next(iter(found), None)
    return read_lines(path, path.name) if path else ([], [])


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
    own = sum(bool(re.match(rf"\s*0*{n}\b", line)) for n, line in enumerate(lines, start=1))
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


NUMBERED = Layout("numbered", "numbered recordings and one text file", lambda root: _folder(root) is not None, _read)

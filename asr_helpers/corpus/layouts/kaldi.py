"""Kaldi's data folder: ``wav.scp``, ``text`` and perhaps ``utt2spk``, one utterance a line under its name."""

from __future__ import annotations

import re
from pathlib import Path

from ..problems import ERROR, CorpusError, Problem
from ..rows import Row
from ..text_files import given_file, read_lines
from .layout import Layout, Reading

__all__ = ["KALDI"]

RECORDINGS, TRANSCRIPTS, SPEAKERS, SEGMENTS = "wav.scp", "text", "utt2spk", "segments"

NO_FILE = re.compile(r"\|\s*$|^\s*\||\.ark:\d+\s*$|^\s*-\s*$")  # a command, a place in an archive, standard input


def _read(root: Path, *, transcripts_file: str = "", speakers_file: str = "") -> Reading:
    """Pair ``wav.scp`` with ``text`` (or ``transcripts_file``) and ``utt2spk`` (or ``speakers_file``) by name.

    Raises:
        CorpusError: A file is missing, or ``segments`` cuts the utterances out of longer recordings.
    """
    if (root / SEGMENTS).exists():
        fix = "write each as a file (extract-segments in Kaldi) and take segments away"
        raise CorpusError(f"{SEGMENTS} in {root} cuts utterances out of longer recordings; {fix}")
    text = given_file(root, transcripts_file or TRANSCRIPTS, "transcripts_file")
    who = given_file(root, speakers_file, "speakers_file") if speakers_file else SPEAKERS
    problems: list[Problem] = []
    recordings = _by_name(root, RECORDINGS, problems)
    transcripts = _by_name(root, text, problems)
    speakers = _by_name(root, who, problems) if (root / who).exists() else {}
    rows = []
    for name, (where, audio) in recordings.items():
        if NO_FILE.search(audio):
            advice = "write the recording as a file and name that; a corpus runs no command"
            problems.append(Problem(ERROR, "no file", name, f"{where}: {audio[:100]}", advice))
        elif name not in transcripts:
            advice = f"write its line into {text}, or take it out of {RECORDINGS}"
            problems.append(Problem(ERROR, "missing line", name, where, advice))
        else:
            rows.append(Row(audio, transcripts[name][1], speakers.get(name, ("", None))[1], where))
    for name in (name for name in transcripts if name not in recordings):
        advice = f"name its recording in {RECORDINGS}, or take the line out"
        problems.append(Problem(ERROR, "missing recording", name, transcripts[name][0], advice))
    return Reading(rows, problems, told=f"{text}, {who if speakers else 'no ' + SPEAKERS}")


def _by_name(root: Path, file: str, problems: list[Problem]) -> dict[str, tuple[str, str]]:
    """Read lines of a name and what belongs to it, name → where it stands and the rest of the line."""
    lines, found = read_lines(root, file)
    problems += found
    table: dict[str, tuple[str, str]] = {}
    for number, line in enumerate(lines, start=1):
        name, rest = (*line.split(maxsplit=1), "", "")[:2]
        where = f"line {number} of {file}"
        if name in table:
            advice = f"keep one of them ({table[name][0]} has it too)"
            problems.append(Problem(ERROR, "name twice", name, where, advice))
        elif name:
            table[name] = (where, rest.strip())
    return table


KALDI = Layout(
    "kaldi",
    "wav.scp, text and perhaps utt2spk, as Kaldi has them",
    lambda root: (root / RECORDINGS).is_file() and (root / TRANSCRIPTS).is_file(),
    _read,
)

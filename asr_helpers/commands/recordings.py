"""What commands work on and where they write: files, folders, patterns, lists; beside the recordings or elsewhere."""

from __future__ import annotations

import argparse
import glob
import shutil
import sys
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from asr_helpers.audio.files import AUDIO_SUFFIXES, FOREIGN_SUFFIXES
from asr_helpers.corpus.text_files import decode_text, find_files, split_lines
from asr_helpers.storage import LONGEST_NAME, fitting_name, write_text
from asr_helpers.wording import counted, listed, visible

__all__ = [
    "ARGUMENT_FORMATS",
    "Source",
    "add_output",
    "deliver",
    "find_recordings",
    "open_standard_input",
    "read_words",
    "still_to_do",
    "tell_error",
    "where_to",
]

STANDARD_INPUT = "-"

ARGUMENT_FORMATS = ("text", "json", "csv", "srt", "vtt", "textgrid", "elan", "audacity")  # without loading torch


@dataclass(frozen=True)
class Source:
    """A recording: where it lies, how it is called, and its place below the folder that was asked for."""

    path: Path
    name: str
    below: Path


def add_output(command: argparse.ArgumentParser, *, default: str) -> None:
    """Give a command the arguments that say what is written, and where."""
    command.add_argument("--format", choices=ARGUMENT_FORMATS, default=default, help=f"default: {default}")
    where = command.add_mutually_exclusive_group()
    where.add_argument("--out", type=Path, metavar="FOLDER", help="write one file a recording into this folder")
    where.add_argument("--beside", action="store_true", help="write one file a recording beside it")
    command.add_argument("--again", action="store_true", help="write files anew that are there already")


def find_recordings(names: Sequence[str], list_file: Path | None = None) -> list[Source]:
    """Find the recordings that are meant, each once, in the order given.

    Args:
        names: Files, folders (with what is below them), patterns with ``*``, ``?`` or ``[]`` (a Windows shell does not
            expand them; ``**`` stands for any folders), and ``-`` for what comes from standard input.
        list_file: A text file with more of them, one a line; relative to the working directory, as on a command line.

    Raises:
        ValueError: A folder holds no recording, a pattern fits nothing, or nothing is asked for.
        OSError: The list cannot be read.
    """
    lines = split_lines(decode_text(list_file.read_bytes(), str(list_file))[0]) if list_file else []
    inside = (line.strip().strip('"') for line in lines)  # Windows copies paths in quotes
    found = [source for name in [*names, *filter(None, inside)] for source in _expand(name)]
    if not found:
        raise ValueError("there is no recording to work on; name files, folders, patterns, or a list of them (--list)")
    first: dict[Path, Source] = {}
    for source in found:
        first.setdefault(source.path.absolute(), source)
    return list(first.values())


def _expand(name: str) -> Iterator[Source]:
    path = Path(name).expanduser()
    if name == STANDARD_INPUT or not (path.is_dir() or (glob.has_magic(name) and not path.exists())):
        yield Source(path, name, Path(path.name))
        return
    if path.is_dir():
        suffixes = (*AUDIO_SUFFIXES, *FOREIGN_SUFFIXES)  # of the latter each is told how to convert it
        inside = [file for file in find_files(path, "*", below=True) if file.lower().endswith(suffixes)]
        if not inside:
            raise ValueError(f"the folder {name} holds no recording ({', '.join(AUDIO_SUFFIXES)}); correct the name")
        yield from (Source(path / file, str(path / file), Path(file)) for file in inside)
        return
    fitting = sorted(glob.glob(str(path), recursive=True))
    if not fitting:
        raise ValueError(f"no file fits {name}; correct the pattern (it is taken from {Path.cwd()})")
    for file in fitting:
        yield from _expand(glob.escape(file) if glob.has_magic(file) and not Path(file).exists() else file)


def where_to(sources: Sequence[Source], suffix: str, *, out: Path | None, beside: bool) -> dict[Source, Path | None]:
    """Say where what is written of each recording goes: into a file, or None for standard output.

    Args:
        sources: The recordings.
        suffix: How the files end.
        out: A folder, in which the recordings' folders are kept.
        beside: Write beside the recordings instead.

    Raises:
        ValueError: Two recordings would be written to one file, one from standard input beside itself, or into a file.
    """
    if out and Path(out).is_file():
        raise ValueError(f"{out} is a file; name a folder for what is written (--out)")
    if out is None and not beside:
        return dict.fromkeys(sources)
    if beside and any(source.name == STANDARD_INPUT for source in sources):
        raise ValueError("what comes from standard input has no place beside it; name a folder (--out)")
    targets = {}
    for source in sources:
        stem = "standard input" if source.name == STANDARD_INPUT else source.path.stem
        folder = source.path.parent if beside else Path(out or "") / source.below.parent
        targets[source] = folder / f"{fitting_name(stem, LONGEST_NAME - len(suffix))}{suffix}"
    count = Counter(str(target).casefold() for target in targets.values())
    if twice := [target for target in targets.values() if count[str(target).casefold()] > 1]:
        same = listed(s.name for s, target in targets.items() if str(target).casefold() == str(twice[0]).casefold())
        raise ValueError(f"{same} would all be written to {twice[0]}; work on them one by one, in different folders")
    return targets


def still_to_do(targets: Mapping[Source, Path | None], *, again: bool) -> list[Source]:
    """Leave out whose file is there already, whoever wrote it, and say so: nothing is overwritten unasked."""
    left = [source for source, target in targets.items() if again or target is None or not target.exists()]
    if kept := len(targets) - len(left):
        told = f"{kept} of {counted(len(targets), 'file')} there already and kept (--again writes them anew)"
        print(told, file=sys.stderr)
    return left


def deliver(text: str, target: Path | None) -> None:
    """Write a file whole or not at all, or to standard output."""
    if target is None:
        print(text, end="", flush=True)
    else:
        write_text(text, target)


@contextmanager
def open_standard_input(sources: Iterable[Source]) -> Iterator[list[Source]]:
    """Put what comes from standard input into a temporary file, where one of the sources asks for it."""
    with TemporaryDirectory() as folder:
        opened = []
        for source in sources:
            if source.name == STANDARD_INPUT:
                path = Path(folder) / "standard input"
                with path.open("wb") as file:
                    shutil.copyfileobj(sys.stdin.buffer, file)
                source = Source(path, "standard input", source.below)
            opened.append(source)
        yield opened


def read_words(file: Path) -> str:
    """Read the text of a recording from a file, whatever its encoding is.

    Raises:
        ValueError: It says nothing.
        OSError: It cannot be read.
    """
    text = " ".join(decode_text(file.read_bytes(), str(file))[0].split())
    if not text:
        raise ValueError(f"{file} holds no text; write into it what is said in the recording")
    return text


def tell_error(error: Exception, source: Source, *, debug: bool) -> None:
    """Say on standard error what is wrong with one recording, so that the others can go on."""
    if debug:
        traceback.print_exception(error)
    told = str(error).replace(str(source.path), source.name)
    print(visible(told if source.name in told else f"{source.name}: {told}"), file=sys.stderr)

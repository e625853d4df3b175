"""The manifest: what every notebook of a run read, wrote and was, and whether that still holds.

``manifest.json`` is the only record; ``files.json`` beside it keeps size, time and digest of the single files, so that
what has not changed is not read again, and what has can be named.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from asr_helpers.corpus.corrections import CORRECTIONS_FILE
from asr_helpers.storage import write_json, write_text

from .fingerprints import File, Files, changes, fingerprint, notebook_fingerprint, package_fingerprint
from .places import ARTIFACTS, NOTEBOOKS, corrections_file, repository, resolve, short, source

__all__ = ["BrokenRecord", "Manifest"]

MANIFEST, FILES = "manifest.json", "files.json"

# notebook → its parameters that name what it reads from outside the run folder
OUTSIDE = {
    "01": ("corpus", "transcripts_file", "speakers_file", "corrections"),
    "02": ("checkpoint",),
    "03": ("checkpoint",),
    "04": ("checkpoint", "stream_from"),
    "05": ("language_model",),
}

WORDS = ("", "train", "off")  # of `language_model` and `corrections`, which are no file

# Parameters that say where a run lies and how it got onto Colab: another value changes no figure.
IDLE = ("run_folder", "project_url")

REPORTS = r".*/dataset/\w+/\d+\.json"  # beside the shards: from which recordings, of which time, they were made


class BrokenRecord(ValueError):
    """A record of the run folder cannot be read; the text names it, the place and the fix."""


class Manifest:
    """The manifest of one run folder, as it lies there.

    Attributes:
        entries: Notebook number → ``notebook``, ``parameters``, ``inputs`` (from outside the run folder), ``reads``
            (artifacts of earlier notebooks), ``artifacts``, ``code``, ``versions``, ``device``, ``seconds``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries: dict[str, dict[str, Any]] = _entries(folder / MANIFEST)
        self.known: dict[str, Files] | None = None

    def enter(self, number: str, entry: Mapping[str, Any]) -> None:
        """Record what a notebook did, and the files behind its fingerprints."""
        self.entries = dict(sorted({**self.entries, number: dict(entry)}.items()))
        write_json(self.entries, self.folder / MANIFEST)
        write_text(json.dumps(self._known()), self.folder / FILES)

    def forget(self, number: str) -> None:
        """Drop a notebook's entry, since it is about to run again."""
        if self.entries.pop(number, None):
            write_json(self.entries, self.folder / MANIFEST)

    def artifact(self, name: str) -> str:
        """The present fingerprint of an artifact; ``""`` where there is none."""
        return self._fingerprint(self.folder / ARTIFACTS[name][0], REPORTS)

    def inputs(self, number: str, parameters: Mapping[str, Any]) -> dict[str, str]:
        """The present fingerprints of what a notebook reads from outside the run folder, by parameter."""
        own = rf"{re.escape(str(self.folder))}|.*[/\\]{re.escape(CORRECTIONS_FILE)}"
        return {
            name: self._fingerprint(place, own) if isinstance(place, Path) else place
            for name, place in self._places(number, parameters).items()
        }

    def code(self, number: str) -> dict[str, str]:
        """The present fingerprints of a notebook and of the package."""
        book = repository() / "notebooks" / f"{NOTEBOOKS[number]}.ipynb"
        return {"notebook": notebook_fingerprint(book) if book.is_file() else "", "package": package_fingerprint()}

    def other_parameters(self, number: str, parameters: Mapping[str, Any]) -> str:
        """Which parameters a notebook ran with are others now; what it does not record decides nothing that it made."""
        before = self.entries[number]["parameters"]
        names = [n for n in parameters if n in before and n not in IDLE and before[n] != parameters[n]]
        return ", ".join(f"{name} was {before[name]!r} and is {parameters[name]!r}" for name in names)

    def other_code(self, number: str) -> str:
        """Whether a notebook, or the package, is another program than the one that ran."""
        before, now = self.entries[number]["code"], self.code(number)
        parts = {"notebook": "the notebook", "package": "asr_helpers"}
        names = [part for key, part in parts.items() if before.get(key) != now[key]]
        return f"{' and '.join(names)} changed" if names else ""

    def other_sources(self, number: str, *, gone: bool = True, corrected: bool = True) -> str:
        """What a notebook read from outside the run folder that is not the same any more.

        Args:
            number: ``"01"`` to ``"05"``.
            gone: Whether what is not there counts; a run folder may have been moved to another machine.
            corrected: Whether what a person has corrected since counts.
        """
        entry, said = self.entries[number], []
        places, now = self._places(number, entry["parameters"]), self.inputs(number, entry["parameters"])
        other = (n for n in now if entry["inputs"].get(n) != now[n] and (gone or now[n]))
        for name in (n for n in other if corrected or n != "corrections"):
            place = places[name]
            before = self._saved(place) if isinstance(place, Path) and place.is_dir() else {}
            which = changes(before, self._known()[str(place)]) if before else ""
            what = short(place) if isinstance(place, Path) else place
            said.append(f"{which} in {what}" if which else f"{what} {'changed' if now[name] else 'is gone'}")
        return ", ".join(said)

    def other_reads(self, number: str) -> str:
        """Which artifacts that a notebook read came out otherwise since."""
        said = []
        for artifact, was in self.entries[number]["reads"].items():
            maker = self.entries.get(ARTIFACTS[artifact][1], {}).get("artifacts", {})
            if maker.get(ARTIFACTS[artifact][0], was) != was:
                said.append(f"{ARTIFACTS[artifact][0]} changed")
        return ", ".join(said)

    def other_artifacts(self, number: str, names: Iterable[str] | None = None) -> str:
        """Which artifacts that a notebook wrote are not as it wrote them; all of them, or those named."""
        written, said = self.entries.get(number, {}).get("artifacts", {}), []
        for name in ARTIFACTS if names is None else names:
            file = ARTIFACTS[name][0]
            if file in written and (now := self.artifact(name)) != written[file]:
                said.append(f"{file} is {'not as it was written' if now else 'gone'}")
        return ", ".join(said)

    def outdated(self, number: str, *, outside: bool, corrected: bool = True) -> tuple[str, str]:
        """The first notebook, of this one and those before it, that read something else than there is now, and what.

        One that left no record may have read anything.

        Args:
            number: ``"01"`` to ``"05"``.
            outside: Whether the corpus, checkpoints and texts count.
            corrected: Whether, of these, what a person has corrected since counts.
        """
        chain = [number]
        for one in chain:
            makers = [ARTIFACTS[artifact][1] for artifact in self.entries.get(one, {}).get("reads", {})]
            chain += [maker for maker in makers if maker not in chain]
        for one in sorted(chain):
            if one not in self.entries:
                return one, f"{MANIFEST} has no record of notebook {NOTEBOOKS[one]}"
            why = [self.other_sources(one, gone=False, corrected=corrected)] if outside else []
            if why := ", ".join(filter(None, [*why, self.other_reads(one)])):
                return one, why
        return "", ""

    def _places(self, number: str, parameters: Mapping[str, Any]) -> dict[str, Path | str]:
        """What a notebook reads from outside: parameter → file or folder, or what the Hub or a server calls it."""
        found: dict[str, Path | str] = {}
        for name in OUTSIDE[number]:
            value = str(parameters.get(name, ""))
            if value in WORDS:
                continue
            if name in ("corpus", "checkpoint"):
                place = source(value)
                found[name] = Path(place) if Path(place).is_absolute() else place
            elif name == "stream_from":
                found[name] = value if "://" in value else resolve(value) / "train" / "state.json"
            elif name == "language_model":
                found[name] = resolve(value)
            elif name == "corrections":
                found[name] = corrections_file(self.folder, value, parameters["corpus"])
            else:
                found[name] = resolve(parameters["corpus"]) / value
        return found

    def _fingerprint(self, place: Path, leave_out: str) -> str:
        return fingerprint(place, self._known().setdefault(str(place), {}), leave_out=leave_out)

    def _known(self) -> dict[str, Files]:
        """The files of every place, as they were last seen."""
        if self.known is None:
            self.known = _files(self.folder / FILES)
        return self.known

    def _saved(self, place: Path) -> Files:
        """The files of a place, as they were when a notebook read them."""
        return _files(self.folder / FILES).get(str(place), {})


def _read(file: Path) -> dict[str, Any]:
    """A JSON object of objects; empty where there is no file.

    Raises:
        BrokenRecord: The file holds something else.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        if not isinstance(content, dict) or not all(isinstance(entry, dict) for entry in content.values()):
            raise ValueError(f"it holds a {type(content).__name__} of something else")
        json.dumps(content, ensure_ascii=False).encode()  # half a surrogate pair could not be written again
    except (OSError, ValueError, RecursionError) as error:
        raise _broken(file, error) from error
    return content


def _entries(file: Path) -> dict[str, dict[str, Any]]:
    """What ``manifest.json`` holds.

    Raises:
        BrokenRecord: The file cannot be read, or an entry is not as `Run.record` writes it.
    """
    entries = _read(file)
    for number, entry in entries.items():
        if number not in NOTEBOOKS:
            raise _broken(file, f"there is no notebook {number!r}")
        for part in ("parameters", "inputs", "artifacts", "reads", "code"):
            found = entry.setdefault(part, {}) if part in ("reads", "code") else entry.get(part)
            if not isinstance(found, dict):
                raise _broken(file, f"{number} has no {part}")
            if part != "parameters" and not all(isinstance(value, str) for value in found.values()):
                raise _broken(file, f"{number}, {part}: a fingerprint is no text")
        if unknown := entry["reads"].keys() - ARTIFACTS.keys():
            raise _broken(file, f"{number} read {min(unknown)!r}, and there is no such artifact")
    return entries


def _broken(file: Path, why: object) -> BrokenRecord:
    fix = "delete it, and every notebook runs again"
    return BrokenRecord(f"{short(file)} cannot be read as the run's record ({why}); {fix}")


def _files(file: Path) -> dict[str, Files]:
    """What ``files.json`` holds; nothing where it is damaged, since all of it can be read again."""
    try:
        found = {place: {n: File(*f) for n, f in files.items()} for place, files in _read(file).items()}
    except (BrokenRecord, TypeError):
        return {}
    whole = all(list(map(type, file)) == [int, int, str] for files in found.values() for file in files.values())
    return found if whole else {}

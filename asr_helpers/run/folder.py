"""The run folder: where every artifact of a run lies, who makes it, and the manifest that says how it came about."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from asr_helpers.corpus.corrections import Corrections
from asr_helpers.storage import recover, replacing_folder, write_json, write_parquet
from asr_helpers.wording import counted

from .lock import kept_for_us
from .manifest import Manifest
from .places import ARTIFACTS, NOTEBOOKS, corrections_file, resolve, short
from .provenance import device_line, versions

__all__ = ["MissingArtifact", "Run", "StaleArtifact", "open_run", "parameters_of", "read_lines"]


class MissingArtifact(FileNotFoundError):
    """A notebook needs what an earlier one makes, and it is not there; the text names that notebook."""


class StaleArtifact(ValueError):
    """A notebook needs what an earlier one made of something that has changed since; the text names both."""


@dataclass
class Run:
    """One run folder.

    Attributes:
        folder: Absolute path.
        started: When this notebook opened the run, in seconds since the epoch.
        read: Artifacts that were asked for, with their fingerprints.
        written: Artifacts that were written.
        supervised: Whether a runner started this notebook: it sees to the corpus, and a training of hours is not lost
            to a transcript that is corrected meanwhile.
        correcting: Whether what is corrected here waits for the next run.
    """

    folder: Path
    started: float = field(default_factory=time.time)
    read: dict[str, str] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)
    supervised: bool = False
    correcting: bool = False

    def path(self, artifact: str) -> Path:
        """Where an artifact lies, whether it exists or not."""
        return self.folder / ARTIFACTS[artifact][0]

    def need(self, artifact: str) -> Path:
        """Where an artifact lies; it has to exist, and to be what its notebook made of what is there now.

        Raises:
            MissingArtifact: It does not exist; the text names the notebook that makes it.
            StaleArtifact: It, or what it was made from, has changed since, or a notebook that had a part in it left no
                record (the manifest was deleted, the notebook stopped before its end).
        """
        path = self._existing(artifact)
        if artifact not in self.written and artifact not in self.read:
            self._require_fresh(artifact)
        return path

    def _existing(self, artifact: str) -> Path:
        path = recover(self.path(artifact))
        if not path.exists():
            maker = NOTEBOOKS[ARTIFACTS[artifact][1]]
            raise MissingArtifact(
                f"{self.name}/{path.name} is missing: run notebook {maker} with run_folder={self.name!r} first"
            )
        return path

    def _require_fresh(self, artifact: str) -> None:
        manifest, maker = Manifest(self.folder), ARTIFACTS[artifact][1]
        why, number = manifest.other_artifacts(maker, [artifact]), maker
        if not why:
            number, why = manifest.outdated(maker, outside=not self.supervised, corrected=not self.correcting)
        if why:
            fault = "no longer fits" if number in manifest.entries else "cannot be compared with"
            raise StaleArtifact(
                f"{self.name}/{self.path(artifact).name} {fault} what it was made from ({why}): run "
                f"notebook {NOTEBOOKS[number]} and those after it again with run_folder={self.name!r}"
            )
        self.read[artifact] = manifest.artifact(artifact)

    def write_table(self, artifact: str, table: pd.DataFrame) -> None:
        """Write a Parquet artifact whole or not at all."""
        self.written.add(artifact)
        write_parquet(table, self.path(artifact))

    def write_model(self, model: Any, processor: Any, *, parts: Callable[[Path], None] | None = None) -> None:
        """Write the model with its processor beside it, whole or not at all: safetensors, loadable by transformers.

        It also gets the spelling that it was taught (`decoding.recogniser.read_normaliser`): whoever has the folder
        alone can then bring a text into it.

        Args:
            model: As it is loaded again.
            processor: Its own.
            parts: Writes what else belongs into the folder, which it is given, before the model is written.
        """
        self.written.add("model")
        spelling = self.path("normalisation")
        with replacing_folder(self.path("model")) as part:
            if parts:
                parts(part)
            model.save_pretrained(part)
            processor.save_pretrained(part)
            if spelling.is_file():
                shutil.copyfile(spelling, part / spelling.name)

    def write_json(self, artifact: str, content: Any) -> None:
        """Write a JSON artifact whole or not at all."""
        self.written.add(artifact)
        write_json(content, self.path(artifact))

    def read_json(self, artifact: str) -> Any:
        """Read a JSON artifact; it has to exist."""
        path = self.need(artifact)
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            maker = NOTEBOOKS[ARTIFACTS[artifact][1]]
            raise StaleArtifact(f"{self.name}/{path.name} is damaged ({error}): run notebook {maker} again") from error

    def corpus_line(self, utterances: pd.DataFrame) -> str:
        """Say in a few words on which data a run's figures were measured: where from, what it is, how much of it.

        Args:
            utterances: Those of the corpus: ``speaker``.
        """
        corpus, spelling = self.read_json("corpus"), self.read_json("normalisation")
        place = Path(corpus["source"])
        speakers = utterances["speaker"].dropna().nunique()
        language = spelling["language"].removesuffix("none")
        parts = [corpus.get("about", ""), counted(len(utterances), "utterance")]
        parts += [counted(speakers, "speaker") if speakers else "speakers unknown", language]
        return f"{place.name if place.is_absolute() else place.as_posix()} ({', '.join(filter(None, parts))})"

    def corrections(self, where: str = "", corpus: str = "") -> Corrections | None:
        """What a person corrected of the run's corpus; None where nothing of it is kept or applied.

        Args:
            where: Notebook 01's ``corrections``; empty: as that notebook ran.
            corpus: Notebook 01's ``corpus``.

        Raises:
            ValueError: ``where`` is something else, or the corpus, where they would lie, is no folder.
        """
        told = {"corrections": where, "source": corpus} if where else self.read_json("corpus")
        file = corrections_file(self.folder, told.get("corrections", "off"), told["source"])
        if file and not file.parent.is_dir():
            raise ValueError(f"corrections is 'corpus', and {told['source']} is no folder; set corrections to run")
        return file and Corrections(file)

    @property
    def name(self) -> str:
        """The folder as a person writes it: relative to the repository where it lies inside."""
        return short(self.folder)

    @property
    def manifest(self) -> dict[str, Any]:
        """What the manifest holds so far: notebook number → its entry."""
        return Manifest(self.folder).entries

    def require_same(self, notebook: str, **parameters: Any) -> None:
        """Refuse parameters that differ from those with which an earlier notebook made what this one reads.

        Args:
            notebook: Number of the earlier notebook.
            parameters: This notebook's values.

        Raises:
            ValueError: Names the parameter, both values, and the fix.
        """
        made_with = self.manifest.get(notebook, {}).get("parameters", {})
        for name, value in parameters.items():
            if made_with.get(name) != value:
                raise ValueError(
                    f"{name} is {value!r} here, and notebook {NOTEBOOKS[notebook]} ran with {made_with.get(name)!r}: "
                    f"give both the same {name}, and run {NOTEBOOKS[notebook]} again if it is the other that is right"
                )

    def language(self, given: str = "auto") -> str:
        """The language of the run's corpus, which notebook 01 found out or was given.

        Args:
            given: What this notebook's parameter says: ``"auto"``, or the same language.

        Raises:
            ValueError: Another language is given; names both, and the fix.
        """
        found = self.read_json("corpus")["language"]
        if given not in ("auto", found):
            raise ValueError(
                f"language is {given!r} here, and notebook {NOTEBOOKS['01']} took {found!r}: give both the same "
                f"language, or this one 'auto', and run {NOTEBOOKS['01']} again if it is {given!r} that is right"
            )
        return found

    def record(
        self,
        notebook: str,
        *,
        parameters: Mapping[str, Any],
        artifacts: Iterable[str],
        inputs: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Write a notebook's entry into the manifest, and check that what it promised is there.

        Args:
            notebook: ``"01"`` to ``"05"``.
            parameters: The parameters it ran with, the seed among them.
            artifacts: Names of the artifacts it wrote; each has to exist.
            inputs: Names of what it read from outside the run folder beyond the files that its parameters name.

        Returns:
            The entry.
        """
        manifest, written = Manifest(self.folder), {}
        for name in artifacts:
            self._existing(name)
            written[ARTIFACTS[name][0]] = manifest.artifact(name)
        entry = {
            "notebook": NOTEBOOKS[notebook],
            "parameters": dict(parameters),
            "inputs": {**(inputs or {}), **manifest.inputs(notebook, parameters)},
            "reads": {name: found for name, found in self.read.items() if ARTIFACTS[name][1] < notebook},
            "artifacts": written,
            "code": manifest.code(notebook),
            "versions": versions(),
            "device": device_line(),
            "seconds": round(time.time() - self.started, 1),
        }
        manifest.enter(notebook, entry)
        return entry


def open_run(run_folder: str | Path, *, new: bool = True, correcting: bool = False) -> Run:
    """Open a run folder; a relative path is relative to the repository.

    Args:
        run_folder: ``runs/<name>``.
        new: Make it when it is not there; otherwise that is a `FileNotFoundError`.
        correcting: Go on where a person has corrected transcripts since, instead of refusing what was made of the
            others: the corrections wait for the next run.

    Raises:
        RunInUse: Another process is running it.
        OSError: The folder cannot be made.
    """
    folder = resolve(run_folder)
    if not new and not folder.is_dir():
        raise FileNotFoundError(f"there is no run folder {run_folder}; the runs are the folders in runs/")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise OSError(f"the run folder {str(run_folder)!r} cannot be made ({why}); give another run_folder") from error
    return Run(folder, supervised=kept_for_us(folder), correcting=correcting)


def read_lines(path: str | Path) -> list[str]:
    """The lines that are not blank of the text file that ``language_model`` names.

    Raises:
        ValueError: There is no such file, it cannot be read as UTF-8, or it holds no line.
    """
    file = resolve(path)
    try:
        if not file.is_file():  # a folder, or something that never ends
            raise OSError("there is no such file")
        lines = [line for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        if not lines:
            raise OSError("it holds no text")
        if lines[0] == "\\data\\":
            raise OSError("it is a finished language model: give the text that it was made of, or transcribe with it")
    except (OSError, UnicodeDecodeError) as error:
        why = f"byte {error.start} is not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror or error
        fix = "give train, a UTF-8 text file, or nothing to switch it off"
        raise ValueError(f"language_model {str(path)!r} cannot be read ({why}); {fix}") from error
    return lines


def parameters_of(namespace: Mapping[str, Any]) -> dict[str, Any]:
    """A notebook's parameters with their present values: the annotated names of its ``parameters`` cell.

    Args:
        namespace: The notebook's ``globals()``.
    """
    return {name: namespace[name] for name in namespace["__annotations__"]}

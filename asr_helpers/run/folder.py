"""The run folder: where every artifact of a run lies, who makes it, and the manifest that says how it came about."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from asr_helpers.storage import recover, replacing_folder, write_json, write_parquet

from .provenance import device_line, fingerprint, versions

__all__ = [
    "ARTIFACTS",
    "NOTEBOOKS",
    "MissingArtifact",
    "Run",
    "open_run",
    "parameters_of",
    "read_lines",
    "repository",
    "resolve",
    "source",
]

NOTEBOOKS = {
    "01": "01_data_inspection",
    "02": "02_vocab_and_tokenizer",
    "03": "03_preprocessing",
    "04": "04_training",
    "05": "05_error_analysis",
}

# artifact → (file or folder in the run folder, the notebook that makes it)
ARTIFACTS = {
    "audio": ("audio", "01"),  # only for a corpus that is no folder: a Hub id's recordings, written once
    "utterances": ("utterances.parquet", "01"),
    "data_check": ("data_check.parquet", "01"),
    "corpus": ("corpus.json", "01"),
    "texts": ("texts.parquet", "02"),
    "normalisation": ("normalisation.json", "02"),
    "processor": ("processor", "02"),
    "dataset": ("dataset", "03"),
    "left_out": ("left_out.parquet", "03"),
    "checkpoints": ("checkpoints", "04"),
    "model": ("model", "04"),
    "preflight": ("preflight.parquet", "04"),
    "training_log": ("training_log.parquet", "04"),
    "tensorboard": ("tensorboard", "04"),
    "predictions": ("predictions.parquet", "05"),
    "metrics": ("metrics.json", "05"),
    "language_model": ("language_model", "05"),
    "exports": ("exports", "05"),
    "report": ("report.html", "05"),
}


class MissingArtifact(FileNotFoundError):
    """A notebook needs what an earlier one makes, and it is not there; the text names that notebook."""


def repository() -> Path:
    """The folder that holds ``notebooks/`` and ``params/``, wherever the caller's working directory is.

    papermill runs in the caller's folder, Jupyter and nbval in the notebook's: paths in parameters are relative to
    the repository so that they mean the same in both.
    """
    places = [Path.cwd(), *Path.cwd().parents, Path(__file__).resolve().parents[1]]
    return next((p for p in places if (p / "notebooks").is_dir() and (p / "asr_helpers").is_dir()), Path.cwd())


@dataclass
class Run:
    """One run folder.

    Attributes:
        folder: Absolute path.
        started: When this notebook opened the run, in seconds since the epoch.
    """

    folder: Path
    started: float = field(default_factory=time.time)

    def path(self, artifact: str) -> Path:
        """Where an artifact lies, whether it exists or not."""
        return self.folder / ARTIFACTS[artifact][0]

    def need(self, artifact: str) -> Path:
        """Where an artifact lies; it has to exist.

        Raises:
            MissingArtifact: It does not; the text names the notebook that makes it.
        """
        path = recover(self.path(artifact))
        if not path.exists():
            maker = NOTEBOOKS[ARTIFACTS[artifact][1]]
            raise MissingArtifact(
                f"{self.name}/{path.name} is missing: run notebook {maker} with run_folder={self.name!r} first"
            )
        return path

    def write_table(self, artifact: str, table: pd.DataFrame) -> None:
        """Write a Parquet artifact whole or not at all."""
        write_parquet(table, self.path(artifact))

    def write_model(self, model: Any, processor: Any) -> None:
        """Write the model with its processor beside it, whole or not at all: safetensors, loadable by transformers."""
        with replacing_folder(self.path("model")) as part:
            model.save_pretrained(part)
            processor.save_pretrained(part)

    def write_json(self, artifact: str, content: Any) -> None:
        """Write a JSON artifact whole or not at all."""
        write_json(content, self.path(artifact))

    def read_json(self, artifact: str) -> Any:
        """Read a JSON artifact; it has to exist."""
        return json.loads(self.need(artifact).read_text(encoding="utf-8"))

    @property
    def name(self) -> str:
        """The folder as a person writes it: relative to the repository where it lies inside."""
        root = repository()
        return self.folder.relative_to(root).as_posix() if self.folder.is_relative_to(root) else str(self.folder)

    @property
    def manifest(self) -> dict[str, Any]:
        """What the manifest holds so far: notebook number → its entry."""
        path = self.folder / "manifest.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

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
            inputs: Fingerprints of what it read from outside the run folder (corpus, checkpoint).

        Returns:
            The entry.
        """
        entry = {
            "notebook": NOTEBOOKS[notebook],
            "parameters": dict(parameters),
            "inputs": dict(inputs or {}),
            "artifacts": {ARTIFACTS[a][0]: fingerprint(self.need(a)) for a in artifacts},
            "versions": versions(),
            "device": device_line(),
            "seconds": round(time.time() - self.started, 1),
        }
        write_json({**self.manifest, notebook: entry}, self.folder / "manifest.json")
        return entry


def open_run(run_folder: str | Path, *, new: bool = True) -> Run:
    """Open a run folder; a relative path is relative to the repository.

    Args:
        run_folder: ``runs/<name>``.
        new: Make it when it is not there; otherwise that is a `FileNotFoundError`.
    """
    folder = resolve(run_folder)
    if not new and not folder.is_dir():
        raise FileNotFoundError(f"there is no run folder {run_folder}; the runs are the folders in runs/")
    folder.mkdir(parents=True, exist_ok=True)
    return Run(folder)


def resolve(path: str | Path) -> Path:
    """Make a parameter's path absolute; a relative one is relative to the repository."""
    path = Path(path).expanduser()
    return path if path.is_absolute() else repository() / path


def source(name: str) -> str:
    """A corpus or checkpoint parameter as the libraries take it: a folder's absolute path, or a Hub id as it is.

    What looks like a path (``./``, ``../``, ``/``, ``~``, more than one ``/``, or an existing first folder) is one, so
    that a misspelt folder is reported as a missing folder and not looked up on the Hub.
    """
    folder = resolve(name)
    is_path = name.startswith((".", "/", "~")) or name.count("/") != 1 or resolve(name.split("/")[0]).is_dir()
    return str(folder) if folder.exists() or is_path else name


def read_lines(path: str | Path) -> list[str]:
    """The lines of a UTF-8 text file that are not blank."""
    return [line for line in resolve(path).read_text(encoding="utf-8-sig").splitlines() if line.strip()]


def parameters_of(namespace: Mapping[str, Any]) -> dict[str, Any]:
    """A notebook's parameters with their present values: the annotated names of its ``parameters`` cell.

    Args:
        namespace: The notebook's ``globals()``.
    """
    return {name: namespace[name] for name in namespace["__annotations__"]}

"""The run folder: where every artifact of a run lies, who makes it, and the manifest that says how it came about."""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from asr_helpers.storage import write_json

__all__ = ["ARTIFACTS", "NOTEBOOKS", "MissingArtifact", "Run", "fingerprint", "open_run", "repository", "versions"]

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
PACKAGES = (
    "torch transformers datasets huggingface_hub accelerate jiwer librosa soundfile soxr numpy pandas pyarrow "
    "ipywidgets papermill nbval"
).split()


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
        path = self.path(artifact)
        if not path.exists():
            maker = NOTEBOOKS[ARTIFACTS[artifact][1]]
            raise MissingArtifact(
                f"{self.name}/{path.name} is missing: run notebook {maker} with run_folder={self.name!r} first"
            )
        return path

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


def open_run(run_folder: str | Path) -> Run:
    """Open a run folder, making it when it is new; a relative path is relative to the repository."""
    folder = resolve(run_folder)
    folder.mkdir(parents=True, exist_ok=True)
    return Run(folder)


def resolve(path: str | Path) -> Path:
    """Make a parameter's path absolute; a relative one is relative to the repository."""
    path = Path(path).expanduser()
    return path if path.is_absolute() else repository() / path


def checkpoint_source(checkpoint: str) -> str:
    """A checkpoint parameter as ``from_pretrained`` takes it: the absolute path of a folder, or a Hub id as it is."""
    folder = resolve(checkpoint)
    return str(folder) if folder.is_dir() else checkpoint


def fingerprint(path: str | Path) -> str:
    """SHA-256 of a file's bytes, or of a folder's relative paths and bytes, as 16 hex digits."""
    path, digest = Path(path), hashlib.sha256()
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    for file in files:
        if path.is_dir():
            digest.update(file.relative_to(path).as_posix().encode() + b"\0")
        with open(file, "rb") as handle:
            while block := handle.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:16]


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide a run's numbers."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "missing"
    return found


def device_line() -> str:
    """The device that training uses, in words: the GPU with its memory, or the CPU with its cores."""
    import os

    import torch

    if torch.cuda.is_available():
        gpu = torch.cuda.get_device_properties(0)
        return f"{torch.cuda.device_count()} × {gpu.name}, {gpu.total_memory / 2**30:.0f} GiB"
    return f"CPU, {os.cpu_count()} cores"

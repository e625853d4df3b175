"""Where things lie: the repository, a run's artifacts and who makes them, and what a parameter's path means."""

from __future__ import annotations

from pathlib import Path

from asr_helpers.corpus.corrections import CORRECTIONS_FILE

__all__ = ["ARTIFACTS", "NOTEBOOKS", "about", "corrections_file", "repository", "resolve", "short", "source"]

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
    "frozen": ("frozen", "04"),
    "checkpoints": ("checkpoints", "04"),
    "model": ("model", "04"),
    "preflight": ("preflight.parquet", "04"),
    "training_log": ("training_log.parquet", "04"),
    "tensorboard": ("tensorboard", "04"),
    "predictions": ("predictions.parquet", "05"),
    "metrics": ("metrics.json", "05"),
    "language_model": ("language_model", "05"),
    "exports": ("exports", "05"),
    "learning_curve": ("learning_curve", "05"),  # or the command `curve`
    "report": ("report.html", "05"),
}


def repository() -> Path:
    """The folder that holds ``notebooks/`` and ``params/``, wherever the caller's working directory is.

    papermill runs in the caller's folder, Jupyter and nbval in the notebook's: paths in parameters are relative to
    the repository so that they mean the same in both.
    """
    places = [Path.cwd(), *Path.cwd().parents, Path(__file__).resolve().parents[1]]
    return next((p for p in places if (p / "notebooks").is_dir() and (p / "asr_helpers").is_dir()), Path.cwd())


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


def corrections_file(run_folder: Path, where: str, corpus: str) -> Path | None:
    """The file of what a person corrected, whether it is there or not; None where none is asked for.

    Args:
        run_folder: Absolute path.
        where: Notebook 01's ``corrections``: ``"run"``, ``"corpus"`` or ``"off"``.
        corpus: Notebook 01's ``corpus``.

    Raises:
        ValueError: ``where`` is something else.
    """
    folders = {"run": run_folder, "corpus": Path(source(corpus)), "off": None}
    if where not in folders:
        raise ValueError(f"corrections is {where!r}; it can be {', '.join(folders)}")
    folder = folders[where]
    return folder and folder / CORRECTIONS_FILE


def about(corpus: Path) -> str:
    """What a corpus says of itself in its file ``.about``, on one line; the sample corpus says that it is synthetic."""
    file = corpus / ".about"
    return " ".join(file.read_text(encoding="utf-8").split()) if file.is_file() else ""


def short(path: Path) -> str:
    """A path as a person writes it: relative to the repository where it lies inside."""
    root = repository()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)

"""What a run made, as a folder for others, and on the Hugging Face Hub: the model with its card, or the corpus."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd

from asr_helpers.corpus.writing import write_corpus
from asr_helpers.model.upload import upload
from asr_helpers.storage import replacing_folder, write_text

from .cards import corpus_card, metrics_of, model_card
from .folder import Run
from .places import resolve, short

__all__ = ["publish", "publishable_corpus", "publishable_model"]

CARD = "README.md"  # where the Hub looks for a card


def publishable_model(run: Run, *, repository: str = "", licence: str = "", report: bool = True) -> Path:
    """Write what belongs to a model into ``published/model`` of the run folder: the checkpoint, and all about it.

    Model, processor and ``normalisation.json``; where notebook 05 has tested it, ``metrics.json``, the report, and in
    ``language_model/`` the one that beam search used with its weights; and the card.

    Args:
        run: The run, after notebook 04.
        repository: How the card calls it; by default as the folder.
        licence: As in `cards.model_card`.
        report: Put in the report too, which holds recordings and transcripts of the test split.

    Raises:
        MissingArtifact, StaleArtifact: There is no model, or it no longer fits what it was made from.
        OSError: The disk is full.
    """
    run = replace(run, supervised=True)  # whatever has become of the corpus: a model is published as it was trained
    folder = run.folder / "published" / "model"
    metrics, tuned = metrics_of(run), sorted(run.path("language_model").glob("*.weights.json"))
    with replacing_folder(folder) as part:
        for file in run.need("model").iterdir():
            if file.is_file():  # not LoRA's additions: they are part of the model already
                _copy(file, part / file.name)
        if metrics:
            _copy(run.path("metrics"), part / run.path("metrics").name)
        if metrics and report:
            _copy(run.need("report"), part / run.path("report").name)
        for weights in tuned if metrics.get("beam_wer") is not None else []:
            for file in weights.parent.glob(f"{weights.name.removesuffix('.weights.json')}.*"):
                _copy(file, part / run.path("language_model").name / file.name)
        card = model_card(run, repository=repository or short(folder), licence=licence)
        write_text(card, part / CARD)
    return folder


def publishable_corpus(run: Run, *, repository: str = "", licence: str = "") -> Path:
    """Write the run's corpus into ``published/corpus``, as ``datasets.load_dataset`` loads it: with splits and card.

    Args:
        run: The run, after notebook 02.
        repository: How the card calls it; by default as the folder.
        licence: As in `cards.model_card`.

    Raises:
        MissingArtifact, StaleArtifact: Notebook 01 or 02 has not run, or on another corpus.
        OSError: A recording cannot be read, or the disk is full.
    """
    folder, corpus = run.folder / "published" / "corpus", run.read_json("corpus")
    texts = pd.read_parquet(run.need("texts"))
    utterances = pd.read_parquet(run.need("utterances")).merge(texts, on="id", how="left")
    with replacing_folder(folder) as part:
        write_corpus(utterances, resolve(corpus["root"]), part / "data", further=corpus.get("further", []))
        write_text(corpus_card(run, repository=repository or short(folder), licence=licence), part / CARD)
    return folder


def publish(run: Run, repository: str) -> str:
    """Upload a run's model with its card, privately; what `upload` returns.

    Raises:
        UploadFailed: As `upload` says.
        OSError, ValueError: As `publishable_model` says.
    """
    return upload(publishable_model(run, repository=repository), repository)


def _copy(file: Path, target: Path) -> None:
    """Copy a file; weights, which nobody edits by hand, take no second place on the disk where that is possible."""
    target.parent.mkdir(exist_ok=True)
    if file.suffix == ".safetensors":
        try:
            return os.link(file, target)
        except OSError:  # another disk, or a file system without links
            pass
    shutil.copyfile(file, target)

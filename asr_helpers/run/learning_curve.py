"""The learning curve of a run: its training again on parts of its training split, the rest being the same.

**Steps, not epochs.** Every part is trained for as many optimiser steps as the whole, and its best checkpoint chosen on
the same validation split. With as many epochs a quarter of the recordings would get a quarter of the steps, and the
curve would show two things at once: less speech, and less training, of which anybody can have more without recording
anything. The published recipes of wav2vec 2.0 do likewise: 13,000 updates for 10 minutes and for 1 hour, 20,000 for 10
hours (fairseq, ``examples/wav2vec/config/finetuning/base_10m.yaml``, ``base_1h.yaml``, ``base_10h.yaml``). A small part
is then heard more often and learnt by heart sooner; what is kept of it is the checkpoint from before.

Each part is a run folder below the run's own, trained on the one road (`run.training`), in several processes too. What
its model reads in the test split is written into one file, and the folder deleted: a curve that was killed goes on with
what is finished, and a training from its newest checkpoint.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from transformers import PreTrainedModel

from asr_helpers.analysis.power_law import CurvePoint, LearningCurve, fit_curve
from asr_helpers.dataset.collator import Collator
from asr_helpers.dataset.reading import Utterances, load_prepared
from asr_helpers.dataset.subsets import nested_subset, write_subset
from asr_helpers.decoding.hypotheses import FrameClock, greedy
from asr_helpers.decoding.inference import log_probs_of
from asr_helpers.model.loading import load_trained
from asr_helpers.model.processor import load_processor
from asr_helpers.model.vocabulary import Alphabet
from asr_helpers.storage import read_json, recover, remove_folder, replacing_folder, write_json
from asr_helpers.training.config import TrainingConfig, TrainingSetup, from_parameters
from asr_helpers.training.device import training_device
from asr_helpers.wording import counted, duration, listed

from .folder import Run, StaleArtifact, open_run
from .places import NOTEBOOKS
from .training import start_training

if TYPE_CHECKING:
    from datasets import Dataset

__all__ = ["train_curve"]

PARTS = (0.25, 0.5)
MADE_FROM = "made_from.json"  # in a part's folder: the part of another dataset or recipe is not gone on with


def train_curve(run: Run, *, parts: Iterable[float] = PARTS, seed: int) -> LearningCurve:
    """Train a run again on parts of its training split, as far as that is not done, and fit the curve.

    The run's own model is the point of the whole split. Parts that were trained from another dataset, checkpoint,
    recipe or seed are trained anew.

    Args:
        run: The run, after notebook 04; nobody else may use it meanwhile.
        parts: Shares of the training split's speech, beside the whole.
        seed: Of the choice of the parts, and of the intervals.

    Raises:
        MissingArtifact: The run is not trained.
        StaleArtifact: What it was trained on has changed since, or it does not say all of how.
        ValueError: A part is none, or the run was trained on a stream.
    """
    shares = sorted({*parts, 1.0})
    if not 0 < shares[0] <= shares[-1] <= 1:
        told = listed(f"{100 * part:.4g}" for part in parts)
        raise ValueError(f"the parts are {told} % of the training speech; use more than 0 % and at most 100 %")
    for artifact in ("model", "processor", "dataset"):
        run.need(artifact)
    prepared = load_prepared(run.path("dataset"))
    split = Utterances(prepared["train"]).table("speaker", "seconds")
    recipe = _recipe(run, len(split))
    read = {artifact: run.read[artifact] for artifact in ("processor", "dataset")}
    made_from = {**read, **run.manifest["04"]["inputs"], "recipe": recipe, "seed": seed}
    took = duration(pd.read_parquet(run.need("training_log"))["seconds"].max())
    print(f"each part is trained for {recipe['max_steps']} steps, as the whole was, which took {took}", flush=True)
    points = {}
    for share in shares:
        rows = nested_subset(split["speaker"], split["seconds"], share, seed=seed)
        hours = float(split["seconds"].iloc[rows].sum()) / 3600
        said = f"{100 * share:.4g} % of the training speech: {hours:.2g} h, {counted(len(rows), 'utterance')}"
        print(said, flush=True)
        own = {"model": run.read["model"]} if len(rows) == len(split) else {"utterances": len(rows)}
        heard = _heard(run, rows, {**made_from, **own}, prepared["test"])
        points[len(rows)] = CurvePoint(hours, len(rows), heard)
    curve = fit_curve(list(points.values()), prepared["test"]["text"][:], seed=seed)
    found = {"verdict": curve.verdict, "points": curve.points.to_dict("records")}
    write_json({**found, "laws": curve.laws, "tried": curve.tried}, run.path("learning_curve") / "curve.json")
    return curve


def _recipe(run: Run, utterances: int) -> dict[str, Any]:
    """The parameters of the run's training, for a part: as many steps, nothing published."""
    given = run.manifest["04"]["parameters"]
    setup, config = from_parameters(TrainingSetup, given), from_parameters(TrainingConfig, given)
    recipe = {**asdict(setup), **asdict(config)}
    if missing := sorted(recipe.keys() - given):
        raise StaleArtifact(
            f"{run.name}/manifest.json does not say with which {listed(missing)} its model was trained, since an "
            f"earlier version trained it: run notebook {NOTEBOOKS['04']} again with run_folder={run.name!r}"
        )
    if setup.stream_from:
        raise ValueError(f"{run.name} was trained on a stream, of which no part can be chosen; prepare it as a corpus")
    return {**recipe, "max_steps": config.steps(utterances), "push_to_hub": "", "resume": True}


def _heard(run: Run, rows: np.ndarray, made_from: dict[str, Any], test: Dataset) -> tuple[str, ...]:
    """What a part's model reads in the test split: as it was written down, or after its training."""
    part = run.path("learning_curve") / f"{len(rows)}_utterances"
    file = part.with_suffix(".json")
    found = read_json(file)
    if found.get("made_from") != made_from:
        model = load_trained(run.path("model")) if "model" in made_from else _trained(run, part, rows, made_from)
        found = {"made_from": made_from, "hypotheses": _read(model.to(training_device()), run, test)}
        write_json(found, file)
    remove_folder(part)
    return tuple(found["hypotheses"])


def _trained(run: Run, part: Path, rows: np.ndarray, made_from: dict[str, Any]) -> PreTrainedModel:
    """Train on a part, in a run folder of its own, going on from what is there of the same part."""
    if read_json(recover(part) / MADE_FROM) != made_from:
        with replacing_folder(part) as folder:
            write_subset(run.path("dataset"), folder / "dataset", rows)
            shutil.copytree(run.path("processor"), folder / "processor")
            write_json(made_from, folder / MADE_FROM)
    trained_on = open_run(part)
    for number, artifact in (
        ("02", "processor"),
        ("03", "dataset"),
    ):  # copies, new to the part's manifest
        trained_on.record(number, parameters=run.manifest[number]["parameters"], artifacts=[artifact])
    return start_training(trained_on, made_from["recipe"]).fit().model


def _read(model: PreTrainedModel, run: Run, test: Dataset) -> list[str]:
    """Recognise the test split greedily, as notebook 05 does."""
    processor = load_processor(run.path("processor"))
    alphabet, clock = Alphabet.of(processor), FrameClock.of(model.config)
    frames = log_probs_of(model, test, collate=Collator.of(processor))
    return [greedy(each, alphabet, clock).text for each in frames]

"""``python -m asr_helpers train``: notebook 04's training without the notebook, in one process or in many."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import pandas as pd
import torch
from transformers import Wav2Vec2ForCTC, Wav2Vec2Processor

from asr_helpers.audio.reading import SAMPLING_RATE
from asr_helpers.dataset.collator import Collator
from asr_helpers.dataset.fit import require_fit
from asr_helpers.dataset.reading import load_prepared, stream_prepared
from asr_helpers.model.frames import output_frames
from asr_helpers.model.loading import load_config, load_for_ctc, load_trained
from asr_helpers.storage import write_json
from asr_helpers.training.config import TrainingConfig
from asr_helpers.training.device import choose_attention, training_device
from asr_helpers.training.fitting import TrainingResult, train
from asr_helpers.training.processes import rank, world_size

from .folder import MissingArtifact, Run, open_run
from .parameters import declared_parameters
from .places import NOTEBOOKS, repository, resolve, source

__all__ = [
    "config_of",
    "inputs_of",
    "longest_seconds",
    "notebook_parameters",
    "read_result",
    "reading_workers",
    "save_result",
    "shortest_frames",
    "stream_fingerprint",
    "stream_recipe",
    "train_run",
    "training_rows",
]

NONE_BY_ZERO = ("micro_seconds", "patience", "push_to_hub")  # in a parameter cell, 0 or "" switches these off

RESULT_FILE = "result.json"  # beside the checkpoints: what neither the model nor a table of the run says

RESULT_NUMBERS = ("steps", "best_step", "best_wer", "best_cer", "notes")


def notebook_parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """Notebook 04's parameters: its own defaults, overridden by those of ``given`` that it declares."""
    declared = declared_parameters(repository() / "notebooks" / f"{NOTEBOOKS['04']}.ipynb")
    return {name: given.get(name, parameter.default) for name, parameter in declared.items()}


def config_of(parameters: Mapping[str, Any]) -> TrainingConfig:
    """The recipe that notebook 04 makes of its parameters."""
    chosen = {field.name: parameters[field.name] for field in fields(TrainingConfig) if field.name in parameters}
    chosen |= {name: parameters[name] or None for name in NONE_BY_ZERO}
    return TrainingConfig(**chosen, workers=reading_workers(parameters))


def inputs_of(parameters: Mapping[str, Any]) -> dict[str, str]:
    """What the training reads from outside the run folder beyond the checkpoint, for the manifest."""
    return {"stream": stream_fingerprint(parameters["stream_from"])} if parameters["stream_from"] else {}


def train_run(given: Mapping[str, Any], *, run_folder: str) -> TrainingResult:
    """Train a run after notebooks 01 to 03, and save what notebook 04 saves.

    Every process calls this with the same arguments (``torchrun``, ``accelerate launch``); one of them writes.

    Args:
        given: Parameters of a parameter file; those of other notebooks are ignored. ``processes`` is what was
            started, whatever the file says.
        run_folder: ``runs/<name>``, or any other folder.

    Returns:
        The training's result.
    """
    run = open_run(run_folder, new=False)
    started = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    parameters = notebook_parameters({**given, "run_folder": run_folder, "processes": started})
    processor = Wav2Vec2Processor.from_pretrained(run.need("processor"), trust_remote_code=False)
    require_fit(run.need("dataset"), processor, load_config(source(parameters["checkpoint"])))
    dataset = load_prepared(run.need("dataset"))
    rows = training_rows(dataset["train"], parameters)
    result = train(
        config_of(parameters),
        model=_model(run, rows, processor, parameters),
        processor=processor,
        dataset={"train": rows, "validation": dataset["validation"]},
        folder=run.path("checkpoints"),
        tensorboard=run.path("tensorboard"),
        collator=Collator.of(processor),
        resume=parameters["resume"],
        also_fixed=stream_recipe(parameters),
    )
    if rank() == 0:
        artifacts = save_result(run, result, processor)
        run.record("04", parameters=parameters, artifacts=artifacts, inputs=inputs_of(parameters))
        print(f"best validation WER {result.best_wer:.3f} at step {result.best_step}; {run.name}/model", flush=True)
    return result


def save_result(run: Run, result: TrainingResult, processor: Any) -> list[str]:
    """Write a training's result into the run folder, from which ``read_result`` reads it in another process.

    Returns:
        The names of the artifacts written.
    """
    run.write_model(result.model, processor)
    run.write_table("training_log", result.log)
    run.write_table("preflight", result.preflight)
    numbers = {name: getattr(result, name) for name in RESULT_NUMBERS}
    write_json(numbers, run.path("checkpoints") / RESULT_FILE)
    return ["model", "training_log", "preflight"]


def read_result(run: Run) -> TrainingResult:
    """Read what ``save_result`` wrote; the model comes in fp32 on the CPU, in evaluation mode."""
    numbers = json.loads((run.path("checkpoints") / RESULT_FILE).read_text(encoding="utf-8"))
    for name in ("best_wer", "best_cer"):  # JSON has no NaN
        numbers[name] = math.nan if numbers[name] is None else numbers[name]
    return TrainingResult(
        **{**numbers, "notes": tuple(numbers["notes"])},
        model=load_trained(run.need("model")),
        log=pd.read_parquet(run.need("training_log")),
        preflight=pd.read_parquet(run.need("preflight")),
    )


def _model(run: Run, rows: Any, processor: Any, parameters: Mapping[str, Any]) -> Wav2Vec2ForCTC:
    """The checkpoint with a new head, as notebook 04 loads it."""
    return load_for_ctc(
        source(parameters["checkpoint"]),
        processor=processor,
        head_seed=parameters["head_seed"],
        freeze_feature_encoder=parameters["freeze_feature_encoder"],
        shortest_frames=shortest_frames(run, rows, parameters),
        dropout=parameters["dropout"],
        spec_augment={"mask_time_prob": parameters["mask_time_prob"]},
        attn_implementation=choose_attention(training_device(), longest_seconds(run, rows)),
    )


def training_rows(own: Any, parameters: Mapping[str, Any]) -> Any:
    """What is trained on: the run's own split, or this process's share of the stream that ``stream_from`` names.

    Args:
        own: The run's training split.
        parameters: Notebook 04's.

    Returns:
        ``own``; or a shuffled ``datasets.IterableDataset``, which reads nothing until it is iterated over.

    Raises:
        FileNotFoundError: There is no prepared dataset at ``stream_from``.
        ValueError: ``stream_buffer`` holds no utterance.
    """
    if not parameters["stream_from"]:
        return own
    if parameters["stream_buffer"] < 1:
        raise ValueError(f"stream_buffer is {parameters['stream_buffer']}; use 1 (hardly any shuffling) or more")
    return stream_prepared(
        _place(parameters["stream_from"]),
        rank=rank(),
        world_size=world_size(),
        seed=parameters["seed"],
        buffer=parameters["stream_buffer"],
    )


def shortest_frames(run: Run, rows: Any, parameters: Mapping[str, Any]) -> int:
    """Frames of the shortest clip that training can meet, which SpecAugment's masks have to fit.

    A stream does not say how short its shortest clip is. The limit that notebook 03 left out shorter ones by is
    known: the stream has to be prepared with the same ``min_seconds`` as the run, or a higher one.

    Args:
        run: The run, whose manifest holds notebook 03's parameters.
        rows: What ``training_rows`` gave.
        parameters: Notebook 04's.

    Raises:
        MissingArtifact: The rows are a stream, and notebook 03 left no entry in the manifest.
    """
    if hasattr(rows, "__len__"):
        return min(rows["frames"])
    samples = math.floor(_limit(run, "min_seconds") * SAMPLING_RATE)
    frames = int(output_frames(load_config(source(parameters["checkpoint"])), samples))
    return max(1, frames)  # an utterance with fewer frames than letters is left out whatever min_seconds is


def longest_seconds(run: Run, rows: Any) -> float:
    """Duration of the longest clip that training can meet; of a stream, the limit that notebook 03 kept to.

    Raises:
        MissingArtifact: The rows are a stream, and notebook 03 left no entry in the manifest.
    """
    return max(rows["seconds"]) if hasattr(rows, "__len__") else _limit(run, "max_seconds")


def _limit(run: Run, name: str) -> float:
    """Read a limit that notebook 03 left utterances out by."""
    if "03" not in run.manifest:
        raise MissingArtifact(
            f"{run.name}/manifest.json does not say within which {name} utterances are kept, and a stream "
            f"cannot be asked: run notebook {NOTEBOOKS['03']} with run_folder={run.name!r} first"
        )
    return float(run.manifest["03"]["parameters"][name])


def reading_workers(parameters: Mapping[str, Any]) -> int | None:
    """Processes that read ahead; ``None``: as the recipe chooses.

    A stream has one, beside a GPU: more would share its shards out among them, in an order that depends on their
    number (a resumed run then gets other utterances), and one that gets no shard ends the training.
    """
    if not parameters["stream_from"]:
        return None
    return int(torch.cuda.is_available())


def stream_recipe(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What of a stream decides the order of the utterances, which a continuation must not change.

    Nothing without a stream. The number of processes decides it too and is left out: who trained in four can
    open the finished training in one.
    """
    if not parameters["stream_from"]:
        return {}
    return {"stream": stream_fingerprint(parameters["stream_from"]), "stream_buffer": parameters["stream_buffer"]}


def stream_fingerprint(stream_from: str) -> str:
    """Name a stream by the list of its shards, in which ``datasets`` keeps what they were made from."""
    import fsspec

    with fsspec.open(f"{_place(stream_from)}/train/state.json", "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()[:16]


def _place(stream_from: str) -> str:
    """Where a stream comes from: a URL as it is; a relative folder is relative to the repository."""
    return stream_from.rstrip("/") if "://" in stream_from else str(resolve(stream_from))

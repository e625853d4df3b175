"""``python -m asr_helpers train``: notebook 04's training without the notebook, in one process or in many."""

from __future__ import annotations

import ast
import json
import math
import os
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import pandas as pd
from transformers import Wav2Vec2ForCTC, Wav2Vec2Processor

from asr_helpers.attention import choose_attention
from asr_helpers.collator import Collator
from asr_helpers.dataset import load_prepared
from asr_helpers.model import load_for_ctc, load_trained
from asr_helpers.recipe import training_device
from asr_helpers.runner import declared_parameters
from asr_helpers.runs import NOTEBOOKS, Run, checkpoint_fingerprint, open_run, repository, source
from asr_helpers.storage import write_json
from asr_helpers.training import TrainingConfig, TrainingResult, train
from asr_helpers.training_rows import (
    longest_seconds,
    rank,
    reading_workers,
    shortest_frames,
    stream_fingerprint,
    stream_recipe,
    training_rows,
)

__all__ = ["config_of", "inputs_of", "notebook_parameters", "read_result", "save_result", "train_run"]

NONE_BY_ZERO = ("micro_seconds", "patience", "push_to_hub")  # in a parameter cell, 0 or "" switches these off
RESULT_FILE = "result.json"  # beside the checkpoints: what neither the model nor a table of the run says
RESULT_NUMBERS = ("steps", "best_step", "best_wer", "best_cer", "notes")


def notebook_parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """Notebook 04's parameters: its own defaults, overridden by those of ``given`` that it declares."""
    declared = declared_parameters(repository() / "notebooks" / f"{NOTEBOOKS['04']}.ipynb")
    defaults = {name: ast.literal_eval(value) for name, value in declared.items()}
    return {name: given.get(name, value) for name, value in defaults.items()}


def config_of(parameters: Mapping[str, Any]) -> TrainingConfig:
    """The recipe that notebook 04 makes of its parameters."""
    chosen = {field.name: parameters[field.name] for field in fields(TrainingConfig) if field.name in parameters}
    chosen |= {name: parameters[name] or None for name in NONE_BY_ZERO}
    return TrainingConfig(**chosen, workers=reading_workers(parameters))


def inputs_of(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Fingerprints of what the training reads from outside the run folder, for the manifest."""
    inputs = {"checkpoint": checkpoint_fingerprint(source(parameters["checkpoint"]))}
    if parameters["stream_from"]:
        inputs["stream"] = stream_fingerprint(parameters["stream_from"])
    return inputs


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
    processor = Wav2Vec2Processor.from_pretrained(run.need("processor"))
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

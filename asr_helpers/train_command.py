"""``python -m asr_helpers train``: notebook 04's training without the notebook, in one process or in many."""

from __future__ import annotations

import ast
import os
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from transformers import Wav2Vec2Processor

from asr_helpers.collator import Collator
from asr_helpers.dataset import load_prepared
from asr_helpers.model import load_for_ctc
from asr_helpers.runner import declared_parameters
from asr_helpers.runs import NOTEBOOKS, checkpoint_fingerprint, open_run, repository, source
from asr_helpers.training import TrainingConfig, TrainingResult, train

__all__ = ["config_of", "notebook_parameters", "train_run"]

NONE_BY_ZERO = ("micro_seconds", "patience", "push_to_hub")  # in a parameter cell, 0 or "" switches these off


def notebook_parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """Notebook 04's parameters: its own defaults, overridden by those of ``given`` that it declares."""
    declared = declared_parameters(repository() / "notebooks" / f"{NOTEBOOKS['04']}.ipynb")
    defaults = {name: ast.literal_eval(value) for name, value in declared.items()}
    return {name: given.get(name, value) for name, value in defaults.items()}


def config_of(parameters: Mapping[str, Any]) -> TrainingConfig:
    """The recipe that notebook 04 makes of its parameters."""
    chosen = {field.name: parameters[field.name] for field in fields(TrainingConfig) if field.name in parameters}
    return TrainingConfig(**chosen | {name: parameters[name] or None for name in NONE_BY_ZERO})


def train_run(given: Mapping[str, Any], *, name: str) -> TrainingResult:
    """Train the run ``runs/<name>`` after notebooks 01 to 03, and save what notebook 04 saves.

    Every process calls this with the same arguments (``torchrun``, ``accelerate launch``); one of them writes.

    Args:
        given: Parameters of a parameter file; those of other notebooks are ignored.
        name: Name of the run folder.

    Returns:
        The training's result.
    """
    run = open_run(f"runs/{name}", new=False)
    parameters = notebook_parameters({**given, "run_folder": f"runs/{name}"})
    processor = Wav2Vec2Processor.from_pretrained(run.need("processor"))
    dataset = load_prepared(run.need("dataset"))
    model = load_for_ctc(
        source(parameters["checkpoint"]),
        processor=processor,
        head_seed=parameters["head_seed"],
        freeze_feature_encoder=parameters["freeze_feature_encoder"],
        shortest_frames=min(dataset["train"]["frames"]),
        dropout=parameters["dropout"],
        spec_augment={"mask_time_prob": parameters["mask_time_prob"]},
    )
    result = train(
        config_of(parameters),
        model=model,
        processor=processor,
        dataset=dataset,
        folder=run.path("checkpoints"),
        tensorboard=run.path("tensorboard"),
        collator=Collator.of(processor),
    )
    if int(os.environ.get("RANK", "0")) == 0:
        run.write_model(result.model, processor)
        run.write_table("training_log", result.log)
        run.write_table("preflight", result.preflight)
        run.record(
            "04",
            parameters=parameters,
            artifacts=["model", "training_log", "preflight"],
            inputs={"checkpoint": checkpoint_fingerprint(source(parameters["checkpoint"]))},
        )
        print(f"best validation WER {result.best_wer:.3f} at step {result.best_step}; {run.name}/model", flush=True)
    return result

"""One road to a training: for notebook 04, ``python -m asr_helpers train``, the processes it starts, the benchmarks."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from transformers import PreTrainedConfig, PreTrainedModel

from asr_helpers.audio.reading import SAMPLING_RATE
from asr_helpers.dataset.collator import Collator
from asr_helpers.dataset.fit import require_fit
from asr_helpers.dataset.reading import Utterances, load_prepared, stream_prepared
from asr_helpers.model.adapters import save_adapter
from asr_helpers.model.frames import output_frames
from asr_helpers.model.hub_errors import without_token
from asr_helpers.model.loading import kept_outputs, load_config, load_for_ctc, load_trained
from asr_helpers.model.lora import merge_lora, save_lora
from asr_helpers.model.processor import load_processor
from asr_helpers.model.vocabulary import Alphabet
from asr_helpers.storage import write_json
from asr_helpers.training.config import (
    TrainingConfig,
    TrainingSetup,
    from_parameters,
    refuse_combinations,
    training_arguments,
)
from asr_helpers.training.device import choose_attention, choose_precision, training_device
from asr_helpers.training.fitting import TrainingResult, check, train
from asr_helpers.training.frozen import FrozenPart
from asr_helpers.training.preflight import preflight_lines
from asr_helpers.training.processes import processes_here, rank, world_size
from asr_helpers.training.trainer import CTCTrainer
from asr_helpers.wording import visible

from .folder import Run
from .launch import run_processes
from .places import resolve, source
from .publishing import publish

__all__ = ["TrainingInProcesses", "TrainingRun", "read_result", "start_training"]

RESULT_FILE = "result.json"  # beside the checkpoints: what neither the model nor a table of the run says
LORA_FOLDER = "lora"  # in the model's folder: LoRA as peft reads it; the model beside it has it merged
RESULT_NUMBERS = ("steps", "best_step", "best_wer", "best_cer", "notes")


def start_training(run: Run, parameters: Mapping[str, Any]) -> TrainingRun:
    """Put a training together from what notebooks 01 to 03 left and from parameters; nothing is computed yet.

    Every process of a training calls this with the same arguments (``torchrun``, ``accelerate launch``); one of them
    writes.

    Args:
        run: The run, after notebooks 01 to 03.
        parameters: By the names of ``TrainingSetup`` and ``TrainingConfig``, whose defaults stand for those that are
            missing; those of other notebooks are ignored. Where a launcher has started this process, ``processes`` is
            what it started, whatever the parameters say.

    Returns:
        A training in this process, or, with ``processes`` above 1, in processes that it starts.

    Raises:
        MissingArtifact, StaleArtifact: Notebook 02 or 03 has not run, or what it made no longer fits.
        FileNotFoundError: There is no prepared dataset at ``stream_from``.
        ValueError: A parameter, or two together, make no sense, or a stream comes without ``max_steps``.
    """
    setup, config = from_parameters(TrainingSetup, parameters), from_parameters(TrainingConfig, parameters)
    refuse_combinations(setup, config)
    if here := processes_here():
        return TrainingRun(run, replace(setup, processes=here), config)
    return (TrainingRun if setup.processes == 1 else TrainingInProcesses)(run, setup, config)


class TrainingRun:
    """The training of a run, step by step: look at the model, check, fit, save.

    Attributes:
        run: The run folder.
        setup: What is trained on what.
        config: The recipe.
        processor: Notebook 02's.
        utterances: The run's training split, or this process's share of a stream.
        validation: The run's validation split.
        steps: Optimiser steps of the whole training.
    """

    def __init__(self, run: Run, setup: TrainingSetup, config: TrainingConfig) -> None:
        self.run, self.setup, self.config = run, setup, config
        self.processor = load_processor(run.need("processor"))
        require_fit(run.need("dataset"), self.processor, self._config())
        prepared = load_prepared(run.need("dataset"))
        self.validation = Utterances(prepared["validation"])
        self.utterances = self._stream() if setup.stream_from else Utterances(prepared["train"])
        self.steps = config.steps(self.utterances.length)

    @cached_property
    def model(self) -> PreTrainedModel:
        """The checkpoint with its head, in fp32 on the CPU; read when it is first asked for."""
        shortest, longest = self.utterances.limits
        least, most = self.config.augment().lengths
        frames = int(output_frames(self._config(), round(shortest * least * SAMPLING_RATE)))
        return load_for_ctc(
            source(self.setup.checkpoint),
            processor=self.processor,
            head_seed=self.setup.head_seed,
            keep_head=self.setup.keep_head,
            adapter_language=self.setup.adapter_language,
            add_adapter=self.setup.add_adapter,
            lora_rank=self.setup.lora_rank,
            lora_alpha=self.setup.lora_alpha,
            freeze_feature_encoder=self.setup.freeze_feature_encoder,
            frozen_layers=self.setup.frozen_layers,
            shortest_frames=max(1, frames),  # a clip with fewer frames than letters is left out, however short
            dropout=self.setup.dropout,
            spec_augment={"mask_time_prob": self.setup.mask_time_prob},
            attn_implementation=choose_attention(training_device(), longest * most),
        )

    @property
    def kept_outputs(self) -> dict[int, int]:
        """The head's outputs that keep the checkpoint's weights, with their places there; none: the head is new."""
        if not self.setup.keep_head:
            return {}
        alphabet, checkpoint = Alphabet.of(self.processor), source(self.setup.checkpoint)
        return kept_outputs(checkpoint, alphabet, add_adapter=self.setup.add_adapter)

    @cached_property
    def collator(self) -> Collator:
        """Rows to what the training model is called with: with frozen layers, what those give."""
        collator, setup = Collator.of(self.processor), self.setup
        if not setup.frozen_layers:
            return collator
        part = FrozenPart(
            model=self.model,
            layers=setup.frozen_layers,
            collate=collator,
            folder=self.run.path("frozen"),
            kind=setup.frozen_format,
            splits={"train": self.utterances, "validation": self.validation},
            precision=choose_precision(training_device(), self.config.precision),
            checkpoint=load_config(source(setup.checkpoint)).to_diff_dict(),
        )
        return replace(collator, stored=part)

    @cached_property
    def trainer(self) -> CTCTrainer:
        """The trainer; from here on the model lies on the device that trains."""
        folder = self.run.path("checkpoints")
        trainer = CTCTrainer(
            self.model,
            training_arguments(self.config, folder, utterances=self.utterances.length),
            config=self.config,
            processing_class=self.processor,
            train_dataset=self.utterances,
            eval_dataset=self.validation,
            data_collator=self.collator,
            tensorboard=self.run.path("tensorboard"),
            kept_outputs=len(self.kept_outputs),
        )
        trainer.recipe |= self.setup.fixed()
        return trainer

    @cached_property
    def _checks(self) -> pd.DataFrame:
        checks = check(self.trainer, resume=self.setup.resume)
        if rank() == 0:
            self.run.write_table("preflight", checks)
        return checks

    def preflight(self) -> pd.DataFrame:
        """What would spoil the training: one row a check (``PREFLIGHT_COLUMNS``), also written into the run folder.

        With ``resume=False`` the checkpoints are deleted first.
        """
        return self._checks

    def fit(self) -> TrainingResult:
        """Train from the newest whole checkpoint, or from the beginning; after a preflight, which is told if new.

        Raises:
            ValueError, CheckpointError, FloatingPointError, MemoryError: As ``fitting.train`` says.
        """
        new = "_checks" not in vars(self)
        checks = self.preflight()
        if new and rank() == 0:
            print(visible(preflight_lines(checks)), flush=True)
        return train(self.trainer, checks)

    def save(self, result: TrainingResult) -> dict[str, Any] | None:
        """Write the model, the log and the manifest's entry; then publish the model, where ``push_to_hub`` says so.

        Returns:
            The manifest's entry; ``None`` in a process that is not the one that writes.
        """
        if rank() != 0:
            return None
        run = self.run
        run.write_model(result.model, self.processor, parts=lambda folder: self._write_parts(result.model, folder))
        run.write_table("training_log", result.log)
        write_json({name: getattr(result, name) for name in RESULT_NUMBERS}, run.path("checkpoints") / RESULT_FILE)
        entry = run.record(
            "04",
            parameters={"run_folder": run.name, **asdict(self.setup), **asdict(self.config)},
            artifacts=["model", "training_log", "preflight"],
            inputs=self._inputs(),
        )
        if self.config.push_to_hub:
            print(self._published(self.config.push_to_hub), flush=True)
        return entry

    def _config(self) -> PreTrainedConfig:
        """The checkpoint's config, as it will be trained."""
        return load_config(source(self.setup.checkpoint), add_adapter=self.setup.add_adapter)

    def _write_parts(self, model: PreTrainedModel, folder: Path) -> None:
        """Write what was trained of the model in the form that its users share, too; then LoRA becomes part of it."""
        if self.setup.adapter_language:
            save_adapter(model, folder, self.setup.adapter_language)
        if self.setup.lora_rank:
            save_lora(model, folder / LORA_FOLDER, checkpoint=self.setup.checkpoint)
            self.processor.save_pretrained(folder / LORA_FOLDER)
            merge_lora(model)

    def _published(self, repository: str) -> str:
        """Upload the model with its card; nobody is asked, and whatever goes wrong must not cost the training."""
        try:
            return f"uploaded to {publish(self.run, repository)}"
        except Exception as error:
            later = f"`python -m asr_helpers publish {self.run.name} --to {repository}` uploads it later"
            return f"{without_token(str(error))} (the model folder is whole; {later})"

    def _inputs(self) -> dict[str, str]:
        """What the training reads from outside the run folder, beside the checkpoint."""
        return {"stream": self.utterances.identity["stream"]} if self.setup.stream_from else {}

    def _stream(self) -> Utterances:
        """This process's share of a stream: a URL as it is, a relative folder relative to the repository.

        A stream cannot be asked for its shortest and its longest clip: it has to be prepared within the limits
        between which notebook 03 kept the run's own utterances.
        """
        kept = self.run.manifest["03"]["parameters"]
        place = self.setup.stream_from
        return stream_prepared(
            place if "://" in place else resolve(place),
            share=(rank(), world_size()),
            seed=self.config.seed,
            buffer=self.setup.stream_buffer,
            limits=(kept["min_seconds"], kept["max_seconds"]),
        )


class TrainingInProcesses(TrainingRun):
    """The same in several processes of this machine, which check, train and write in one go.

    This process prints what they say and reads what they leave; it builds no trainer and takes no memory of a GPU.
    """

    @cached_property
    def _result(self) -> TrainingResult:
        given = {**asdict(self.setup), **asdict(self.config)}
        usual = {**asdict(TrainingSetup()), **asdict(TrainingConfig())}  # a file holds what notebooks declare, no more
        parameters = {name: value for name, value in given.items() if value != usual[name]}
        run_processes(parameters, run_folder=str(self.run.folder), processes=self.setup.processes)
        return read_result(self.run)

    def preflight(self) -> pd.DataFrame:
        return self._result.preflight

    def fit(self) -> TrainingResult:
        return self._result

    def save(self, result: TrainingResult) -> dict[str, Any]:
        return self.run.manifest["04"]


def read_result(run: Run) -> TrainingResult:
    """Read what a training saved into the run folder; the model comes in fp32 on the CPU, in evaluation mode."""
    numbers = json.loads((run.path("checkpoints") / RESULT_FILE).read_text(encoding="utf-8"))
    for name in ("best_wer", "best_cer"):  # JSON has no NaN
        numbers[name] = math.nan if numbers[name] is None else numbers[name]
    return TrainingResult(
        **{**numbers, "notes": tuple(numbers["notes"])},
        model=load_trained(run.need("model")),
        log=pd.read_parquet(run.need("training_log")),
        preflight=pd.read_parquet(run.need("preflight")),
    )

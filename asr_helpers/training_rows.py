"""What a training trains on: the run's own split, or each process's share of a stream."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping
from typing import Any

import torch

from asr_helpers.audio import SAMPLING_RATE
from asr_helpers.dataset import stream_prepared
from asr_helpers.frames import output_frames
from asr_helpers.model import load_config
from asr_helpers.recipe import world_size
from asr_helpers.runs import NOTEBOOKS, MissingArtifact, Run, resolve, source

__all__ = [
    "longest_seconds",
    "rank",
    "reading_workers",
    "shortest_frames",
    "stream_fingerprint",
    "stream_recipe",
    "training_rows",
]


def rank() -> int:
    """Number of this process among all of its training's; ``torchrun`` and ``accelerate launch`` set it."""
    return int(os.environ.get("RANK", "0"))


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

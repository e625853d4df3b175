"""Recordings to log-probabilities, in batches that give what one clip at a time gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from asr_helpers.audio.reading import SAMPLING_RATE
from asr_helpers.model.families import Layers, inputs_of
from asr_helpers.model.frames import conv_layers, output_frames

if TYPE_CHECKING:
    import torch

__all__ = ["frames_of", "log_probs_of"]

Compute = Callable[[dict[str, "torch.Tensor"]], "torch.Tensor"]
Collate = Callable[[list[Mapping[str, Any]]], "Mapping[str, torch.Tensor]"]

WINDOW = 128  # utterances that are sorted by length together; bounds what is held in memory


def log_probs_of(
    model: torch.nn.Module,
    utterances: Iterable[Mapping[str, Any]],
    *,
    collate: Collate,
    batch_seconds: float = 80.0,
    window: int = WINDOW,
    device: str | torch.device | None = None,
) -> Iterator[np.ndarray]:
    """Yield the log-probabilities of each utterance, in the order given.

    Utterances are sorted by length within a window, so that a batch holds little padding while memory stays
    that of one window, however large the corpus. Frames that only stand for padding are cut off.

    Args:
        model: A CTC model; left in evaluation mode.
        utterances: Rows with ``audio`` (16 kHz mono samples), e.g. a split of the prepared dataset.
        collate: Rows to a padded batch of what the model is called with.
        batch_seconds: Seconds of audio in a batch at most, padding included (one utterance may be longer).
        window: Utterances sorted together.
        device: Where to run; by default where the model is.

    Yields:
        ``(frames, vocabulary)`` float32, natural logarithms, each row summing to 1 in probability.
    """
    place = device or next(model.parameters()).device
    model.to(place).eval()

    def compute(inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        return model(**inputs).logits.float().log_softmax(-1)

    layers = conv_layers(model)
    budget = {"batch_seconds": batch_seconds, "window": window}
    yield from frames_of(compute, utterances, collate=collate, layers=layers, device=place, **budget)


def frames_of(
    compute: Compute,
    utterances: Iterable[Mapping[str, Any]],
    *,
    collate: Collate,
    layers: Layers,
    device: str | torch.device,
    batch_seconds: float = 80.0,
    window: int = WINDOW,
) -> Iterator[np.ndarray]:
    """Yield what ``compute`` makes of the frames of each utterance, in the order given; batched as `log_probs_of` says.

    Args:
        compute: What a model is called with, on ``device``, to (batch, frames, values).
        utterances: As in `log_probs_of`.
        collate: As in `log_probs_of`.
        layers: (kernel, stride) of the layers that make frames of samples, as many as ``compute`` gives.
        device: Where to compute.
        batch_seconds: As in `log_probs_of`.
        window: As in `log_probs_of`.

    Yields:
        ``(frames, values)`` float32.
    """
    from asr_helpers.dataset.reading import Utterances  # only here: it brings torch along

    rows = iter(Utterances.of(utterances))
    while held := list(islice(rows, window)):
        results: dict[int, np.ndarray] = {}
        for batch in _batches([len(row["audio"]) for row in held], batch_seconds):
            found = _run(compute, collate, layers, device, [held[i] for i in batch])
            results.update(zip(batch, found, strict=True))
        yield from (results[i] for i in range(len(held)))


def _batches(samples: Sequence[int], batch_seconds: float) -> Iterator[list[int]]:
    """Cut positions, longest first, into batches whose padded length stays within the budget."""
    batch: list[int] = []
    for i in sorted(range(len(samples)), key=lambda i: -samples[i]):
        if batch and samples[batch[0]] * (len(batch) + 1) > batch_seconds * SAMPLING_RATE:
            yield batch
            batch = []
        batch.append(i)
    yield batch


def _run(
    compute: Compute, collate: Collate, layers: Layers, device: str | torch.device, rows: list[Mapping[str, Any]]
) -> list[np.ndarray]:
    """What is computed of one padded batch, each row cut to the frames that its own samples give."""
    import torch

    inputs = {name: value.to(device) for name, value in inputs_of(collate(rows)).items()}
    with torch.inference_mode():
        values = compute(inputs).float().cpu().numpy()
    frames = output_frames(layers, np.array([len(row["audio"]) for row in rows])).tolist()
    return [row[: int(n)].copy() for row, n in zip(values, frames, strict=True)]

"""Recordings to log-probabilities, in batches that give what one clip at a time gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from asr_helpers.audio.reading import SAMPLING_RATE
from asr_helpers.model.families import inputs_of
from asr_helpers.model.frames import output_frames

if TYPE_CHECKING:
    import torch

__all__ = ["log_probs_of"]

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
    from asr_helpers.dataset.reading import Utterances  # only here: it brings torch along

    model.to(device or next(model.parameters()).device).eval()
    rows = iter(Utterances.of(utterances))
    while held := list(islice(rows, window)):
        results: dict[int, np.ndarray] = {}
        for batch in _batches([len(row["audio"]) for row in held], batch_seconds):
            results.update(zip(batch, _run(model, collate, [held[i] for i in batch]), strict=True))
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


def _run(model: torch.nn.Module, collate: Collate, rows: list[Mapping[str, Any]]) -> list[np.ndarray]:
    """Log-probabilities of one padded batch, each cut to the frames that its own samples give."""
    import torch

    device = next(model.parameters()).device
    inputs = {name: value.to(device) for name, value in inputs_of(collate(rows)).items()}
    with torch.inference_mode():
        logits = model(**inputs).logits
        log_probs = logits.float().log_softmax(-1).cpu().numpy()
    frames = output_frames(model, np.array([len(row["audio"]) for row in rows])).tolist()
    return [row[: int(n)].copy() for row, n in zip(log_probs, frames, strict=True)]

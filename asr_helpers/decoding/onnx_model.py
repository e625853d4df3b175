"""A model for onnxruntime: written as ONNX, quantised to int8, and measured beside the original."""

from __future__ import annotations

import logging
import math
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from asr_helpers.analysis.metrics import score
from asr_helpers.audio.reading import SAMPLING_RATE
from asr_helpers.dataset.collator import Collator
from asr_helpers.model.families import inputs_of

from .hypotheses import FrameClock, greedy
from .inference import log_probs_of
from .onnx_session import INT8, MASK, PLAIN

if TYPE_CHECKING:
    from .recogniser import Recogniser

__all__ = ["PADDED", "measure", "quantise", "require_packages", "write_onnx"]

LARGEST = 1_800_000_000  # bytes of weights in one file: protobuf ends at 2 GiB, what is larger gets a second file

EXAMPLE_SECONDS = (1.0, 0.7)  # of the two clips along which the model is traced; other lengths fit too

PADDED = 8  # utterances that are also heard in one padded batch


def write_onnx(recogniser: Recogniser, folder: Path) -> Path:
    """Write the model as ONNX: of ``input_values`` (or ``input_features``) and ``attention_mask`` to ``logits``.

    Any number of clips of any length, padded on the right; what makes batches exact (`model.exact`) goes along.

    Args:
        recogniser: The model, loaded with plain ("eager") attention, and its processor.
        folder: Where ``model.onnx`` comes.

    """
    model, collate = recogniser.model, Collator.of(recogniser.processor)
    rng = np.random.default_rng(0)
    rows = [{"audio": rng.normal(0, 3000, round(s * SAMPLING_RATE)).astype(np.int16)} for s in EXAMPLE_SECONDS]
    inputs = inputs_of(collate(rows))
    names = [*(name for name in inputs if name != MASK), MASK]
    any_size = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    size = sum(weights.numel() * weights.element_size() for weights in model.parameters())
    with torch.no_grad(), _quiet():
        torch.onnx.export(
            _Logits(model, names[0]).eval(),
            (inputs[names[0]], inputs[MASK].long()),
            folder / PLAIN,
            input_names=names,
            output_names=["logits"],
            dynamic_shapes=(any_size, any_size),
            external_data=size > LARGEST,
            dynamo=True,
            verbose=False,
        )
    return folder / PLAIN


def quantise(path: Path) -> Path:
    """Write the model a second time with its matrix products in int8 (``model_int8.onnx`` beside it).

    Weights are quantised now, one scale an output; activations while it runs, one scale for the whole of a batch: in a
    padded batch a clip therefore gets other logits than alone. Convolutions stay as they are.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _quiet():
        quantize_dynamic(
            path,
            path.with_name(INT8),
            op_types_to_quantize=["MatMul", "Gemm"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            use_external_data_format=path.with_name(f"{path.name}.data").exists(),
        )
    return path.with_name(INT8)


def measure(
    models: Mapping[str, nn.Module], rows: Sequence[Mapping[str, Any]], recogniser: Recogniser, *, seed: int
) -> pd.DataFrame:
    """Hear the same utterances with every model, one by one, and some of them again in one padded batch.

    Args:
        models: By name, on the CPU; the first is the one that the others are compared with.
        rows: Utterances with ``audio`` (samples,) and ``text``.
        recogniser: Whose letters and processor these are.
        seed: Of the intervals.

    Returns:
        One row a model: model, wer, low, high (95 % interval), cer, other_texts (utterances that the first model writes
        otherwise), speed (seconds of speech a second), padded (largest difference that a padded batch makes to a
        log-probability), padded_texts (utterances that it makes the model write otherwise).
    """
    collate, clock = Collator.of(recogniser.processor), FrameClock.of(recogniser.model)
    rows, table, first = list(rows), [], None
    some = rows[:PADDED]
    seconds, references = sum(len(row["audio"]) for row in rows) / SAMPLING_RATE, [row["text"] for row in rows]

    def heard(model: nn.Module, rows: Sequence[Mapping[str, Any]], batch_seconds: float) -> list[np.ndarray]:
        return list(log_probs_of(model, rows, collate=collate, batch_seconds=batch_seconds))

    def texts(frames: Sequence[np.ndarray]) -> list[str]:
        return [greedy(clip, recogniser.alphabet, clock).text for clip in frames]

    for name, model in models.items():
        heard(model, rows[:1], 0)  # what the first call prepares is not the model's speed
        started = time.perf_counter()
        alone = heard(model, rows, 0)
        took = time.perf_counter() - started
        together, written = heard(model, some, math.inf), texts(alone)
        first = first or written
        words, letters = (score(references, written, seed=seed, unit=unit) for unit in ("word", "character"))
        row = {"model": name, "wer": words.value, "low": words.low, "high": words.high, "cer": letters.value}
        row |= {"other_texts": sum(map(str.__ne__, written, first)), "speed": seconds / took}
        row["padded"] = max(float(np.abs(a - b).max()) for a, b in zip(alone, together, strict=False))
        row["padded_texts"] = sum(map(str.__ne__, texts(together), written))
        table.append(row)
    return pd.DataFrame(table)


class _Logits(nn.Module):
    """What is traced: two tensors in, one out."""

    def __init__(self, model: nn.Module, name: str) -> None:
        super().__init__()
        self.model, self.name = model, name

    def forward(self, values: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.model(**{self.name: values, MASK: attention_mask}).logits


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep exporter and quantiser from warning of their own ways: what comes of it is measured."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def require_packages() -> None:
    """Say early whether the packages of the extra ``export`` are there.

    Raises:
        ImportError: One is missing; names the extra that brings it.
    """
    try:
        import onnx  # noqa: F401 - onnxruntime's quantisation takes it
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401 - torch's exporter takes it
    except ImportError as error:
        raise ImportError(
            f"exporting needs {error.name}, which the extra export brings: pip install -e '.[export]'"
        ) from error

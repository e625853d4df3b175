"""The original notebook's recipe, brought to the installed transformers and nothing more: the benchmarks' other side.

Beside it the numbers of transformers' own CTC example, which a user would start from today: a plain Trainer too.

The calls that no longer exist are replaced by those that took their place; what it did and with which numbers is
kept: recordings read with scipy, first channel; ``map(prepare_dataset)`` to lists of floats; padding by a processor's
``pad``; batches of 16 by length group; gradient checkpointing; fp16 where there is CUDA; a warmup of 1,000 steps;
evaluation one clip at a time. Sources: a student's notebook on PRUS, after Hugging Face's tutorial on TIMIT (2021); the
command for one GPU in examples/pytorch/speech-recognition of huggingface/transformers (2025). The functions have
options so that ``throughput.py`` can put one change after the other between it and this project.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import jiwer
import librosa
import numpy as np
import pandas as pd
import torch
from scipy.io import wavfile
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments, Wav2Vec2ForCTC

from asr_helpers.audio import SAMPLING_RATE
from asr_helpers.dataset.reading import Utterances

__all__ = [
    "BATCH_SIZE",
    "EPOCHS",
    "EXAMPLE",
    "STUDENT",
    "PaddingCollator",
    "Recipe",
    "evaluate",
    "load_model",
    "prepare",
    "processor_for",
    "rows_of",
    "trainer",
]

EPOCHS = 30
BATCH_SIZE = 16


@dataclass(frozen=True)
class Recipe:
    """The numbers of a training with a plain Trainer; batches of 16 by length, checkpointing, a linear decay in both.

    Attributes:
        learning_rate: After the warmup.
        warmup: Steps.
        accumulation: Batches a step.
        weight_decay: Of AdamW.
        integers: The feature extractor is given 16-bit integers, and answers with floats of 8 bytes, not 4.
        bf16: Where there is such a device: bf16, not fp16 (CUDA) or fp32.
    """

    learning_rate: float
    warmup: int
    accumulation: int
    weight_decay: float
    integers: bool
    bf16: bool

    @property
    def batch(self) -> int:
        """Utterances of a step."""
        return BATCH_SIZE * self.accumulation


STUDENT = Recipe(1e-4, warmup=1000, accumulation=1, weight_decay=0.005, integers=True, bf16=False)
EXAMPLE = Recipe(3e-4, warmup=500, accumulation=2, weight_decay=0.0, integers=False, bf16=True)


def processor_for(model: Wav2Vec2ForCTC, processor: Any) -> Any:
    """Copy a processor and set it as the tutorial advises: no attention mask for checkpoints with group norm."""
    extractor = copy.copy(processor.feature_extractor)
    extractor.return_attention_mask = model.config.feat_extract_norm == "layer"
    return type(processor)(feature_extractor=extractor, tokenizer=processor.tokenizer)


def prepare(
    utterances: pd.DataFrame, *, root: Path, processor: Any, cache: Path, recipe: Recipe = STUDENT
) -> datasets.Dataset:
    """Read all recordings into memory and map them to the model's input, as lists of floats in a cache file.

    Args:
        utterances: One row an utterance: ``audio`` (path below ``root``) and ``text``.
        root: The corpus folder.
        processor: ``Wav2Vec2Processor``.
        cache: Folder for the cache file.
        recipe: Whose.

    Returns:
        Rows with ``input_values`` (floats), ``input_length`` (samples), ``labels`` and ``text``.
    """
    audio = [_read(root / path) for path in utterances["audio"]]
    rows = datasets.Dataset.from_pandas(pd.DataFrame({"audio": audio, "text": utterances["text"].to_numpy()}))

    def prepare_dataset(batch: dict[str, Any]) -> dict[str, Any]:
        clip = batch["audio"]
        heard = clip["array"] if recipe.integers else np.array(clip["array"], np.float32) / 32768
        batch["input_values"] = processor(heard, sampling_rate=clip["sampling_rate"]).input_values[0]
        batch["input_length"] = len(batch["input_values"])
        batch["labels"] = processor(text=batch["text"]).input_ids
        return batch

    cache.mkdir(parents=True, exist_ok=True)
    return rows.map(prepare_dataset, remove_columns=["audio"], cache_file_name=str(cache / "prepared.arrow"))


def rows_of(split: Any, processor: Any) -> datasets.Dataset:
    """Make the lists of floats that ``prepare`` makes, from the audio that this project has prepared.

    Where error rates are compared, both recipes hear the same: of recordings with two channels the original took
    the first, this project their mean.

    Args:
        split: A split of the prepared dataset.
        processor: ``Wav2Vec2Processor``.
    """
    lists = []
    for row in Utterances(split):
        values = processor(row["audio"].tolist(), sampling_rate=SAMPLING_RATE).input_values[0]
        labels = row["labels"].tolist()
        lists.append({"input_values": values, "input_length": len(values), "labels": labels, "text": row["text"]})
    return datasets.Dataset.from_list(lists)


def _read(path: Path) -> dict[str, Any]:
    """Read a WAV's first channel; resample what is not at 16 kHz as the tutorials do (the sample corpus is not)."""
    rate, samples = wavfile.read(path)
    samples = samples[:, 0] if samples.ndim > 1 else samples
    if rate != SAMPLING_RATE:
        wave = librosa.resample(samples.astype(np.float32) / 32768, orig_sr=rate, target_sr=SAMPLING_RATE)
        samples = (wave * 32768).clip(-32768, 32767).astype(np.int16)
    return {"path": str(path), "array": samples, "sampling_rate": SAMPLING_RATE}


@dataclass
class PaddingCollator:
    """Pad inputs and labels with the processor, and put -100 behind the labels."""

    processor: Any

    def __call__(self, features: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Make a batch of ``input_values``, ``labels`` and, where the processor makes one, ``attention_mask``."""
        inputs = [{"input_values": feature["input_values"]} for feature in features]
        batch = self.processor.pad(inputs, padding=True, return_tensors="pt")
        labels = self.processor.pad(
            labels=[{"input_ids": feature["labels"]} for feature in features], padding=True, return_tensors="pt"
        )
        batch["labels"] = labels["input_ids"].masked_fill(labels.attention_mask.ne(1), -100)
        return batch


def load_model(checkpoint: str | Path, processor: Any, **settings: Any) -> Wav2Vec2ForCTC:
    """Load a checkpoint with a new head for the vocabulary, its feature encoder frozen."""
    model = Wav2Vec2ForCTC.from_pretrained(
        checkpoint,
        ctc_loss_reduction="mean",
        pad_token_id=processor.tokenizer.pad_token_id,
        vocab_size=len(processor.tokenizer),
        ignore_mismatched_sizes=True,
        dtype=torch.float32,
        **settings,
    )
    model.freeze_feature_encoder()
    return model


def trainer(
    model: Wav2Vec2ForCTC,
    rows: Any,
    *,
    processor: Any,
    folder: Path,
    seed: int,
    recipe: Recipe = STUDENT,
    epochs: float = EPOCHS,
    max_steps: int = -1,
    checkpointing: bool = True,
    bf16: bool = False,
    collator: Any = None,
    length_column: str = "input_length",
    callbacks: Sequence[TrainerCallback] = (),
) -> Trainer:
    """Build the Trainer with a recipe's hyperparameters; what is timed neither evaluates nor saves.

    Args:
        model: From ``load_model``.
        rows: From ``prepare``.
        processor: ``Wav2Vec2Processor``.
        folder: Folder of the Trainer.
        seed: The original set none; given, so that the benchmark repeats.
        recipe: Whose.
        epochs: Passes over ``rows``.
        max_steps: Steps instead of epochs, where above 0.
        checkpointing: Gradient checkpointing, as the original had it.
        bf16: bf16 instead of fp16 (CUDA) or fp32 (CPU).
        collator: Rows to a batch; by default ``PaddingCollator``.
        length_column: Column to group by.
        callbacks: What is told of the steps.
    """
    cuda = torch.cuda.is_available()
    arguments = TrainingArguments(
        output_dir=str(folder),
        train_sampling_strategy="group_by_length",
        length_column_name=length_column,
        per_device_train_batch_size=BATCH_SIZE,
        gradient_accumulation_steps=recipe.accumulation,
        num_train_epochs=epochs,
        max_steps=max_steps,
        fp16=cuda and not bf16,
        bf16=bf16,
        use_cpu=not cuda,
        gradient_checkpointing=checkpointing or None,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        warmup_steps=recipe.warmup,
        logging_steps=500,
        save_strategy="no",
        seed=seed,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=collator is None,
    )
    built = Trainer(
        model=model,
        args=arguments,
        data_collator=collator or PaddingCollator(processor),
        train_dataset=rows,
        processing_class=processor.feature_extractor,
        callbacks=list(callbacks),
    )
    built.remove_callback(PrinterCallback)
    return built


def evaluate(model: Wav2Vec2ForCTC, rows: Iterable[dict[str, Any]], processor: Any) -> tuple[float, list[str]]:
    """Transcribe one clip after the other, as the original did because padding would change the output.

    Returns:
        WER over all rows, and the hypotheses.
    """
    model.eval()
    device = next(model.parameters()).device
    hypotheses, references = [], []
    for row in rows:
        with torch.no_grad():
            input_values = torch.tensor(row["input_values"], device=device).unsqueeze(0)
            logits = model(input_values).logits
        hypotheses.append(processor.batch_decode(torch.argmax(logits, dim=-1))[0])
        references.append(processor.decode(row["labels"], group_tokens=False))
    return jiwer.wer(references, hypotheses), hypotheses

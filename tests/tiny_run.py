"""A run folder as notebooks 01 to 03 leave it, of tones, with a tiny checkpoint: a training of it takes seconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import soundfile
from tiny import RATE, VOCAB, tiny_model, tiny_rows
from transformers import PreTrainedModel

from asr_helpers.dataset.fit import made_for
from asr_helpers.dataset.preparing import prepare_dataset
from asr_helpers.model.frames import output_frames
from asr_helpers.model.processor import make_processor
from asr_helpers.run.folder import open_run
from asr_helpers.run.training import start_training
from asr_helpers.training.trainer import CTCTrainer

MIN_SECONDS = 0.3
SPLITS = {"train": 21, "validation": 7, "test": 6}


def tiny_run(
    folder: Path,
    *,
    shard_seconds: float = 900.0,
    model: PreTrainedModel | None = None,
    splits: Mapping[str, int] = SPLITS,
) -> dict[str, Any]:
    """Make the run ``folder/run`` and give the parameters with which ``train`` trains it.

    Args:
        folder: Is made; the recordings and the checkpoint come into it too.
        shard_seconds: Audio in a shard: few seconds make several shards.
        model: The checkpoint; by default a wav2vec2. Its head is kept, if its config has VOCAB's size and blank.
        splits: Utterances of each split.
    """
    folder.mkdir(exist_ok=True)
    model = model or tiny_model()
    model.save_pretrained(folder / "checkpoint")
    processor = make_processor(VOCAB, folder / "vocabulary", checkpoint=folder / "checkpoint")
    processor.save_pretrained(folder / "checkpoint")
    run = open_run(folder / "run")
    processor.save_pretrained(run.path("processor"))
    run.record("02", parameters={}, artifacts=["processor"])
    prepare_dataset(
        recordings(folder, splits),
        corpus_root=folder,
        encode=lambda text: processor.tokenizer(text).input_ids,
        frames=lambda samples: output_frames(model, samples),
        folder=run.path("dataset"),
        made_for=made_for(processor, model.config, normalisation={}),
        min_seconds=MIN_SECONDS,
        shard_seconds=shard_seconds,
        progress=False,
    )
    run.record("03", parameters={"min_seconds": MIN_SECONDS, "max_seconds": 30.0}, artifacts=["dataset"])
    return {
        "run_folder": str(run.folder),
        "checkpoint": str(folder / "checkpoint"),
        "max_steps": 4,
        "evaluations": 4,
        "learning_rate": 3e-3,
        "encoder_learning_rate": 3e-3,
        "dropout": 0.1,
        "precision": "fp32",
    }


def recordings(folder: Path, splits: Mapping[str, int]) -> pd.DataFrame:
    """Write the tones as WAV files; one row an utterance."""
    table = []
    for seed, (split, count) in enumerate(splits.items()):
        for row in tiny_rows(count, seed=seed, shortest=5):  # 0.4 s: none is left out
            name = f"{split}-{row['id']}"
            soundfile.write(folder / f"{name}.wav", row["audio"], RATE)
            table.append((name, f"{name}.wav", row["text"], "", row["seconds"], split))
    return pd.DataFrame(table, columns=["id", "audio", "text", "speaker", "seconds", "split"])


def started(parameters, **changes):
    """A training of the run that the parameters name."""
    parameters = {**parameters, **changes}
    return start_training(open_run(parameters["run_folder"]), parameters)


def trained(parameters, **changes):
    """Train and save, as the command does."""
    training = started(parameters, **changes)
    result = training.fit()
    training.save(result)
    return result


@contextmanager
def killed_at(step: int) -> Iterator[None]:
    """Within it a training ends when it has taken so many steps, as by Ctrl-C."""
    real = CTCTrainer.training_step

    def killed(self, *rest):
        if self.state.global_step == step:
            raise KeyboardInterrupt
        return real(self, *rest)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(CTCTrainer, "training_step", killed)
        yield

"""What the benchmarks train on and transcribe: the sample corpus with the starter, or noise with random weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import soundfile
import torch
from transformers import Wav2Vec2Config, Wav2Vec2ForCTC, Wav2Vec2Processor

from asr_helpers.audio import SAMPLING_RATE
from asr_helpers.dataset.fit import made_for
from asr_helpers.dataset.preparing import prepare_dataset
from asr_helpers.model.frames import output_frames
from asr_helpers.model.loading import load_config
from asr_helpers.run.folder import Run, open_run
from asr_helpers.run.parameters import read_parameters
from asr_helpers.run.places import repository, resolve
from asr_helpers.run.runner import run_notebooks

__all__ = ["SEED", "SIZES", "Corpus", "checkpoint_of", "lengths_of", "noise_corpus", "sample_corpus"]

SEED = 13
LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
TINY |= {"conv_dim": [16] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
SIZES = {
    "starter": None,  # models/starter
    "base": {"feat_extract_norm": "group"},  # facebook/wav2vec2-base: the configuration's other defaults
    "xls-r-300m": {**LARGE, "feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True},
    "tiny": TINY,  # to rehearse
}
CLIPS = {"tiny": 36}  # to train on
MANY = 1920 if torch.cuda.is_available() else 192  # an epoch has to last some seconds on a GPU too


@dataclass(frozen=True)
class Corpus:
    """What is prepared, trained on and transcribed.

    Attributes:
        utterances: ``id``, ``audio``, ``text``, ``speaker``, ``seconds``, ``split``.
        root: Folder that the audio paths start from.
        checkpoint: Folder of the checkpoint.
        processor: Its processor.
    """

    utterances: pd.DataFrame
    root: Path
    checkpoint: Path
    processor: Wav2Vec2Processor

    @property
    def hours(self) -> float:
        """Audio in all splits."""
        return self.utterances["seconds"].sum() / 3600

    def of(self, split: str) -> pd.DataFrame:
        """Utterances of one split."""
        return self.utterances[self.utterances["split"] == split].reset_index(drop=True)

    def prepared(self, folder: Path) -> datasets.DatasetDict:
        """Prepare the corpus with this project's function."""
        config = load_config(self.checkpoint)
        dataset, _ = prepare_dataset(
            self.utterances,
            corpus_root=self.root,
            encode=lambda text: self.processor.tokenizer(text).input_ids,
            frames=lambda samples: output_frames(config, samples),
            folder=folder,
            made_for=made_for(self.processor, config, normalisation={}),
            progress=False,
        )
        return dataset

    def run(self, folder: Path) -> Run:
        """A run of this corpus as notebooks 02 and 03 leave it."""
        run = open_run(folder)
        self.processor.save_pretrained(run.path("processor"))
        run.record("02", parameters={}, artifacts=["processor"])
        self.prepared(run.path("dataset"))
        run.record("03", parameters={}, artifacts=["dataset"])
        return run


def sample_corpus() -> Corpus:
    """The sample corpus as notebooks 01 and 02 leave it, and the starter."""
    run = run_notebooks(read_parameters(repository() / "params" / "sample.yaml"), name="benchmark", until="02")
    utterances = pd.read_parquet(run.need("utterances")).merge(pd.read_parquet(run.need("texts")), on="id")
    return Corpus(
        utterances,
        resolve(run.read_json("corpus")["root"]),
        repository() / "models" / "starter",
        Wav2Vec2Processor.from_pretrained(run.need("processor"), trust_remote_code=False),
    )


def noise_corpus(
    size: str, folder: Path, *, clips: int | None = None, limits: tuple[float, float] | None = None
) -> Corpus:
    """Noise of 4 to 8 s with random letters, and a checkpoint of random weights: enough to measure speed.

    Args:
        size: One of ``SIZES``.
        folder: Where it is made.
        clips: To train on; by default as many as its size needs.
        limits: Seconds between which they last; by default those of the size.
    """
    clips, (shortest, longest) = clips or CLIPS.get(size, MANY), limits or lengths_of(size)
    processor = Wav2Vec2Processor.from_pretrained(repository() / "models" / "starter", trust_remote_code=False)
    rng = np.random.default_rng(SEED)
    letters = [token for token in processor.tokenizer.get_vocab() if len(token) == 1 and token != "|"]
    rows = []
    for number in range(clips + clips // 3):
        seconds = float(rng.uniform(shortest, longest))
        noise = (rng.normal(0, 0.05, int(seconds * SAMPLING_RATE)) * 32768).clip(-32768, 32767).astype(np.int16)
        soundfile.write(folder / f"{number}.wav", noise, SAMPLING_RATE)
        text = " ".join("".join(rng.choice(letters, 5)) for _ in range(int(seconds * 2)))
        split = "train" if number < clips else ("validation", "test")[number % 2]
        rows.append({"id": str(number), "audio": f"{number}.wav", "text": text, "speaker": "", "seconds": seconds})
        rows[-1]["split"] = split
    return Corpus(pd.DataFrame(rows), folder, checkpoint_of(size, folder), processor)


def lengths_of(size: str) -> tuple[float, float]:
    """The shortest and the longest clip of a size that has no corpus, s."""
    return (0.5, 1.5) if size == "tiny" else (4.0, 8.0)


def checkpoint_of(size: str, folder: Path) -> Path:
    """Write a checkpoint of random weights into ``folder``."""
    processor = Wav2Vec2Processor.from_pretrained(repository() / "models" / "starter", trust_remote_code=False)
    torch.manual_seed(SEED)
    settings = {"vocab_size": len(processor.tokenizer), "pad_token_id": processor.tokenizer.pad_token_id}
    settings["layerdrop"] = 0.0  # this project's loader sets it to 0; both must compute the same layers
    Wav2Vec2ForCTC(Wav2Vec2Config(**SIZES[size], **settings)).save_pretrained(folder / "checkpoint")
    return folder / "checkpoint"

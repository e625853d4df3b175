"""A run folder as the five notebooks leave it, of tones and with a random model: what publishing and export need."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
from tiny import tiny_model
from tiny_run import recordings, tiny_run
from transformers import PreTrainedModel

from asr_helpers.model.processor import load_processor
from asr_helpers.run.folder import Run, open_run
from asr_helpers.run.training import LORA_FOLDER
from asr_helpers.storage import write_text

SPLITS = {"train": 6, "validation": 3, "test": 5}
ABOUT = "some tones"


def finished_run(folder: Path, *, model: PreTrainedModel | None = None) -> Run:
    """Make the run ``folder/run`` of the corpus ``folder/tones``; its figures are made up."""
    parameters = tiny_run(folder, splits=SPLITS) | {"batch_size": 8}
    run = open_run(folder / "run")
    tones = folder / "tones"
    tones.mkdir()
    utterances = recordings(tones, SPLITS).rename(columns={"text": "transcript"})
    utterances["speaker"] = [("a", "b")[row % 2] for row in range(len(utterances))]
    utterances["room"] = "hall"
    run.write_table("utterances", utterances)
    corpus = {"source": str(tones), "root": str(tones), "about": ABOUT, "further": ["room"]}
    run.write_json("corpus", corpus)
    run.record("01", parameters={"corpus": str(tones)}, artifacts=["utterances", "corpus"])
    run.write_table("texts", utterances[["id"]].assign(text=utterances["transcript"]))
    run.write_json("normalisation", {"language": "ur", "digits": "words"})
    run.record("02", parameters={"checkpoint": ""}, artifacts=["texts", "normalisation"])
    run.write_model(model or tiny_model(seed=5), load_processor(run.path("processor")), parts=_as_lora_leaves)
    log = [(2, "validation", "wer", 0.5), (4, "validation", "wer", 0.25), (4, "train", "loss", 1.0)]
    run.write_table("training_log", pd.DataFrame(log, columns=["step", "split", "name", "value"]))
    run.record("04", parameters=parameters, artifacts=["model", "training_log"])
    evaluated(run)
    return run


def _as_lora_leaves(model: Path) -> None:
    """Beside the merged model lies what was added to it."""
    write_text("{}", model / LORA_FOLDER / "adapter_config.json")


def evaluated(run: Run) -> None:
    """Leave what notebook 05 does: figures, a report, a language model whose weights were found and one without."""
    run = open_run(run.folder)
    run.need("model")
    rates = [
        {"text": "normalised", "unit": unit, "value": value, "low": low, "high": high, "level": 0.95, "by": "utterance"}
        for unit, value, low, high in (("word", 0.25, 0.125, 0.4), ("character", 0.1, None, None))
    ]
    scores = [score | {"utterances": 5} for score in rates]
    run.write_json("metrics", {"data": "tones (a, b)", "utterances": 5, "scores": scores, "beam_wer": 0.2})
    write_text("<p>recordings</p>", run.path("report"))
    for name in ("letters.arpa", "letters.weights.json", "words.arpa"):
        write_text(json.dumps({"made": name}), run.path("language_model") / name)
    run.record("05", parameters={"language_model": "train"}, artifacts=["metrics", "report"])

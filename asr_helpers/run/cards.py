"""The cards of a published model and a published corpus: what the run folder says of them, in the Hub's own form."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

from asr_helpers.corpus.splits import SPLITS
from asr_helpers.text.languages import language_of
from asr_helpers.wording import percent, visible

from .folder import MissingArtifact, Run, StaleArtifact
from .places import resolve, source

__all__ = ["corpus_card", "metrics_of", "model_card"]

TEMPLATES = Path(__file__).parent / "templates"
TASK = "automatic-speech-recognition"
RECIPE = ("batch_size", "learning_rate", "encoder_learning_rate", "freeze_feature_encoder", "seed")

METRICS = {"word": "wer", "character": "cer"}  # what a score's unit is called on the Hub


def metrics_of(run: Run) -> dict[str, Any]:
    """What notebook 05 measured of the model that the run holds; empty where it has not."""
    try:
        return run.read_json("metrics")
    except (MissingArtifact, StaleArtifact):
        return {}


def model_card(run: Run, *, repository: str, licence: str = "") -> str:
    """Write the card of a run's model: how good it is and on what, how to use it, what it heard, its limits.

    Its metadata say the same to programs (``model-index``); error rates are in percent, as is usual there.

    Args:
        run: The run, after notebook 04. Figures of the test split need notebook 05; without it the card says so.
        repository: How the model will be called, in the lines that load it.
        licence: As the Hub abbreviates it (``"cc-by-4.0"``); empty: the card says that nobody has said.
    """
    from huggingface_hub import ModelCard, ModelCardData

    metrics, facts = metrics_of(run), _facts(run, repository, licence)
    trained, log = run.manifest["04"]["parameters"], pd.read_parquet(run.need("training_log"))
    validations = log[(log["split"] == "validation") & (log["name"] == "wer")]
    best = validations.loc[validations["value"].idxmin()]
    data = ModelCardData(
        **_metadata(facts),
        library_name="transformers",
        pipeline_tag=TASK,
        tags=[TASK, "ctc"],
        model_name=facts["name"],
        base_model=trained["checkpoint"] if _on_hub(trained["checkpoint"]) else None,
        datasets=[facts["source"].partition(":")[0]] if _on_hub(facts["source"]) else None,
        metrics=list(METRICS.values()),
        eval_results=_results(metrics, facts) or None,
    )
    return ModelCard.from_template(
        data,
        template_path=str(TEMPLATES / "model_card.md"),
        **facts | {"data": metrics.get("data", facts["data"])},
        start=_shown(trained["checkpoint"]),
        scores=metrics.get("scores", []),
        tested=metrics.get("utterances"),
        beam_wer=metrics.get("beam_wer"),
        learnt_from=_learnt_from(run),
        validation_wer=best["value"],
        best_step=int(best["step"]),
        steps=int(log["step"].max()),
        recipe={name: trained[name] for name in RECIPE if name in trained},
        percent=lambda rate: "–" if rate is None else percent(rate),  # none: there was no word to count
    ).content


def corpus_card(run: Run, *, repository: str, licence: str = "") -> str:
    """Write the card of a run's corpus: what is in which split, and how to load it.

    Args:
        run: The run, after notebook 02.
        repository: How the corpus will be called.
        licence: As in `model_card`.
    """
    from huggingface_hub import DatasetCard, DatasetCardData

    facts = _facts(run, repository, licence)
    files = [{"split": row["split"], "path": f"data/{row['split']}-*"} for row in facts["splits"]]
    data = DatasetCardData(
        **_metadata(facts),
        task_categories=[TASK],
        pretty_name=facts["name"],
        configs=[{"config_name": "default", "data_files": files}],
    )
    return DatasetCard.from_template(data, template_path=str(TEMPLATES / "dataset_card.md"), **facts).content


def _facts(run: Run, repository: str, licence: str) -> dict[str, Any]:
    """What both cards say: the corpus, its language, its splits."""
    utterances, corpus = pd.read_parquet(run.need("utterances")), run.read_json("corpus")
    spelling = run.read_json("normalisation")
    speakers = {split: set(rows["speaker"].dropna()) for split, rows in utterances.groupby("split")}
    splits = [
        {"split": name, "utterances": len(rows), "hours": rows["seconds"].sum() / 3600, "speakers": len(speakers[name])}
        for name in SPLITS
        if len(rows := utterances[utterances["split"] == name])
    ]
    code = spelling["language"]
    return {
        "name": repository.rpartition("/")[2],
        "repository": repository,
        "licence": licence,
        "source": corpus["source"],
        "data": visible(run.corpus_line(utterances)),
        "language": "" if code == "none" else language_of(code).name,
        "code": "" if code == "none" else code.partition("-")[0],
        "spelling": ", ".join(f"{name} {spelling[name]}" for name in ("language", "digits") if spelling.get(name)),
        "splits": splits,
        "hours": next((f"{row['hours']:.2f}" for row in splits if row["split"] == "train"), "0"),
        "shared": len(speakers["train"] & speakers["test"]) if all(map(len, speakers.values())) else None,
        "synthetic": "synthetic" in corpus.get("about", ""),
    }


def _metadata(facts: dict[str, Any]) -> dict[str, Any]:
    return {"language": facts["code"] or None, "license": facts["licence"] or None}


def _results(metrics: dict[str, Any], facts: dict[str, Any]) -> list[Any]:
    """The error rates as the Hub's metadata hold them, each with its interval."""
    from huggingface_hub import EvalResult

    def result(kind: str, value: float, name: str, **more: Any) -> EvalResult:
        about = {"dataset_type": _slug(facts["source"]), "dataset_name": metrics["data"], "dataset_split": "test"}
        rate = {"metric_type": kind, "metric_value": round(100 * value, 2), "metric_name": name}
        return EvalResult(task_type=TASK, **about, **rate, **more)

    found = []
    for score in metrics.get("scores", []):
        if score["text"] == "normalised" and score["by"] == "utterance" and score["value"] is not None:
            interval = {} if score["low"] is None else {n: round(100 * score[n], 2) for n in ("low", "high")}
            about = {"level": score["level"], "drawn_by": score["by"], "utterances": score["utterances"]}
            kind = METRICS[score["unit"]]
            found.append(result(kind, score["value"], f"{kind.upper()}, %", metric_args=interval | about))
    if metrics.get("beam_wer") is not None:
        found.append(result("wer", metrics["beam_wer"], "WER with the language model, %"))
    return found


def _learnt_from(run: Run) -> str:
    given = run.manifest.get("05", {}).get("parameters", {}).get("language_model", "")
    return "the training transcripts" if given == "train" else "another text"


def _on_hub(name: str) -> bool:
    """Tell an id on the Hub from a folder of this machine."""
    return not Path(source(name)).is_absolute() and not resolve(name).exists()


def _shown(name: str) -> str:
    """A checkpoint as a stranger may read it: no path of this machine."""
    return name if _on_hub(name) else f"the folder `{Path(name).name}`"


def _slug(name: str) -> str:
    return name if _on_hub(name) else re.sub(r"[^\w.-]+", "_", Path(name).name) or "corpus"

"""What a checkpoint reaches on people's voices: by sentence, by speaker, of one reader; with minutes or all of them.

    python benchmarks/human.py --corpus fa_cv_delta13 --checkpoint models/starter --parameters params/laptop.yaml
    python benchmarks/human.py --corpus fa_cv_delta13 --checkpoint build/other --name other -p seed=14

The corpus is a release of Common Voice, or, but for one reader, any other. Notebooks 01 and 02 split and spell it;
every amount of training speech holds the smaller ones, and all are validated and tested on the same utterances.
Trained on the project's own road, scored greedily and with a model of the letters of just those training transcripts.
The alphabet is that of all of them. Finished cells are read from ``WORK/results.json``, a training goes on from its
newest checkpoint; the table and the picture hold all cells that are there, of other checkpoints too.
"""

from __future__ import annotations

import argparse
import csv
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from bench_tables import markdown
from corpora import Corpus
from measuring import machine
from transformers.utils import logging

from asr_helpers import decoding
from asr_helpers.analysis.metrics import score
from asr_helpers.dataset import Collator, load_prepared
from asr_helpers.model import Alphabet, load_processor
from asr_helpers.run.folder import Run
from asr_helpers.run.parameters import read_parameters
from asr_helpers.run.places import resolve
from asr_helpers.run.runner import run_notebooks
from asr_helpers.run.training import start_training
from asr_helpers.show.figures import COLOURS, finish
from asr_helpers.storage import read_json, write_json
from asr_helpers.wording import percent

KINDS = {"by sentence": False, "by speaker": True, "one reader": False}  # corpus → no speaker in two splits
ALL = 0  # minutes: whatever there is
READ = ("greedy", "letter model")


def one_reader(source: Path, folder: Path) -> Path:
    """A corpus of the clips of the most active reader of another, in the same layout."""
    tables = [pd.read_csv(path, sep="\t", dtype=str, quoting=csv.QUOTE_NONE) for path in sorted(source.glob("*.tsv"))]
    tables = [table for table in tables if {"path", "client_id"} <= {*table}]
    if not tables:
        raise ValueError(f"{source} has no Common Voice table (.tsv); leave 'one reader' out of --kinds")
    clips = pd.concat(tables).drop_duplicates("path")
    mine = clips[clips["client_id"] == clips["client_id"].value_counts().index[0]]
    (folder / "clips").mkdir(parents=True, exist_ok=True)
    for name in mine["path"]:
        if not (folder / "clips" / name).exists():
            shutil.copy2(source / "clips" / name, folder / "clips" / name)
    mine.to_csv(folder / "other.tsv", sep="\t", index=False, quoting=csv.QUOTE_NONE)
    return folder


def prepared(kind: str, source: Path, work: Path, parameters: Mapping[str, Any]) -> Corpus:
    """The corpus as notebooks 01 and 02 split and spell it."""
    root = one_reader(source, work / "one_reader") if kind == "one reader" else source
    own = {"corpus": str(root), "split_by_speaker": KINDS[kind], "on_error": "drop"}
    run = run_notebooks({**parameters, **own}, name=kind.replace(" ", "-"), runs=str(work / "corpora"), until="02")
    utterances = pd.read_parquet(run.need("utterances")).merge(pd.read_parquet(run.need("texts")), on="id")
    checkpoint = resolve(parameters["checkpoint"])
    return Corpus(
        utterances, resolve(run.read_json("corpus")["root"]), checkpoint, load_processor(run.need("processor"))
    )


def part_of(utterances: pd.DataFrame, minutes: float, *, seed: int) -> pd.DataFrame:
    """Utterances with no more training speech than so many minutes; a larger part holds the smaller ones."""
    train = utterances[utterances["split"] == "train"].sort_values("id")
    order = train.iloc[np.random.default_rng(seed).permutation(len(train))]
    left_out = order.index[order["seconds"].cumsum() > 60 * minutes] if minutes != ALL else []
    return utterances.drop(index=left_out)


def scores_of(model: torch.nn.Module, run: Run, folder: Path, *, seed: int) -> dict[str, dict[str, Any]]:
    """Error rates on the test split, greedily and with a letter model, as notebook 05 decodes."""
    processor, rows = load_processor(run.path("processor")), load_prepared(run.path("dataset"))
    alphabet, collate = Alphabet.of(processor), Collator.of(processor)
    heard = {name: list(decoding.log_probs_of(model, rows[name], collate=collate)) for name in ("validation", "test")}
    references = {name: list(rows[name]["text"]) for name in heard}
    texts = {"greedy": [alphabet.spell(frames.argmax(-1)) for frames in heard["test"]]}
    if not decoding.no_search():
        lines, _ = decoding.without_leaks(list(rows["train"]["text"]), [*references["validation"], *references["test"]])
        arpa = decoding.write_language_model(lines, folder / "letters", unit="character", alphabet=alphabet)
        search = decoding.BeamSearch(arpa, alphabet)
        tuned = decoding.tune([search], heard["validation"], references["validation"], seed=seed)
        texts["letter model"] = [tuned.search.text(frames) for frames in heard["test"]]
    found = {}
    for name, hypotheses in texts.items():
        rates = {unit: score(references["test"], hypotheses, seed=seed, unit=unit) for unit in ("word", "character")}
        found[name] = {unit: [rate.value, rate.low, rate.high] for unit, rate in rates.items()}
    return found


def measured(corpus: Corpus, minutes: float, folder: Path, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Train on a part of the corpus and read the test split."""
    part = replace(corpus, utterances=part_of(corpus.utterances, minutes, seed=parameters["seed"]))
    run = part.run(folder)
    training = start_training(run, parameters)
    result = training.fit()
    train = load_prepared(run.path("dataset"))["train"]
    return {
        "training minutes": sum(train["seconds"]) / 60,
        "utterances": len(train),
        "speakers": len(set(train["speaker"])),
        "test utterances": len(load_prepared(run.path("dataset"))["test"]),
        "steps": result.steps,
        "scores": scores_of(result.model.eval(), run, folder, seed=parameters["seed"]),
    }


def table(cells: Sequence[Mapping[str, Any]]) -> str:
    """One row a cell; error rates with their 95 % intervals over utterances."""
    rows = []
    for cell in cells:
        row = {"corpus": cell["kind"], "training": f"{cell['training minutes']:.0f} min", "checkpoint": cell["name"]}
        row["test utterances"] = str(cell["test utterances"])
        for name in READ:
            for unit, short in (("word", "WER"), ("character", "CER")):
                rate = cell["scores"].get(name, {}).get(unit)
                row[f"{short} {name}"] = "" if rate is None else _percent(*rate)
        rows.append(row)
    return markdown(rows)


def _percent(value: float, low: float | None, high: float | None) -> str:
    return percent(value) + ("" if low is None else f" ({100 * low:.1f}–{100 * high:.1f})")


def picture(cells: Sequence[Mapping[str, Any]], path: Path) -> None:
    """CER over minutes of training speech, one panel a corpus, one line a checkpoint and way of reading."""
    kinds = [kind for kind in KINDS if any(cell["kind"] == kind for cell in cells)]
    size = (max(6, 4 * len(kinds)), 4.4)
    shared = {"sharex": True, "sharey": True, "squeeze": False}
    figure, axes = plt.subplots(1, len(kinds), figsize=size, layout="constrained", **shared)
    names = list(dict.fromkeys(cell["name"] for cell in cells))
    for ax, kind in zip(axes[0], kinds, strict=True):
        for colour, name in zip(COLOURS, names, strict=False):
            own = sorted(
                (cell for cell in cells if (cell["kind"], cell["name"]) == (kind, name)),
                key=lambda cell: cell["training minutes"],
            )
            for read, style in zip(READ, ("o-", "s--"), strict=True):
                points = [cell for cell in own if read in cell["scores"]]
                minutes = [cell["training minutes"] for cell in points]
                rates = [100 * cell["scores"][read]["character"][0] for cell in points]
                ax.plot(minutes, rates, style, color=colour, markersize=4, label=f"{name}, {read}")
        finish(ax, kind, "minutes of training speech", "CER on the test split (%)" if ax is axes[0, 0] else "")
    axes[0, 0].set_ylim(bottom=0)
    axes[0, 0].set_xlim(left=0)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True, help="a release of Common Voice")
    parser.add_argument("--checkpoint", default="models/starter")
    parser.add_argument("--name", help="what the checkpoint is called in the table; by default its folder's name")
    parser.add_argument("--parameters", type=Path, default=Path("params/laptop.yaml"))
    parser.add_argument("-p", action="append", default=[], metavar="NAME=VALUE", help="parameters, as for run")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--minutes", type=float, nargs="+", default=[15, 30, 60, ALL], help="0: all there is")
    parser.add_argument("--work", type=Path, default=Path("build/human"))
    options = parser.parse_args()
    datasets.disable_progress_bars()
    logging.disable_progress_bar()
    parameters = {"seed": 13, **read_parameters(options.parameters, options.p), "checkpoint": options.checkpoint}
    name, work = options.name or Path(options.checkpoint).name, options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    results = {"cells": [], **read_json(work / "results.json")}
    for kind in options.kinds:
        corpus = None
        for minutes in options.minutes:
            key = {"name": name, "kind": kind, "minutes": minutes, "parameters": parameters}
            if any(key.items() <= cell.items() for cell in results["cells"]):
                continue
            corpus = corpus or prepared(kind, options.corpus.resolve(), work, parameters)
            if corpus.of("train")["seconds"].sum() <= 60 * minutes:
                continue  # all there is, which has a cell of its own
            folder = work / f"{name}-{kind}-{minutes:g}-{parameters['seed']}".replace(" ", "-")
            results["cells"].append({**key, **measured(corpus, minutes, folder, parameters)})
            write_json(
                {**results, **machine(torch.device("cuda" if torch.cuda.is_available() else "cpu"))},
                work / "results.json",
            )
            print(table(results["cells"][-1:]), flush=True)
    print(table(results["cells"]))
    picture(results["cells"], work / "human.png")


if __name__ == "__main__":
    main()

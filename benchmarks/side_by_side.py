"""An epoch of what a user would pick instead, and of this project's: seconds, memory, bytes; a process each.

    python benchmarks/side_by_side.py                # the sample corpus and the starter
    python benchmarks/side_by_side.py --clips 96     # of its training utterances; the rest is told for an epoch

A plain Trainer with the student's notebook's numbers, one as transformers' own CTC example trains today (its command
for one GPU), and notebook 04's recipe. Every round measures all of them one after the other, so that what else the
machine does hits all alike; on a CPU seconds are those that a process computed. How soon each learns is
``convergence.py``'s.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import measuring
import original_recipe as original
import pandas as pd
import pyarrow as pa
import torch
from bench_tables import markdown
from convergence import RECIPES
from corpora import SEED, Corpus, noise_corpus, sample_corpus
from measuring import StepClock, clock_of, median
from throughput import project_trainer
from transformers.utils import logging

from asr_helpers.training.config import TrainingConfig
from asr_helpers.training.device import has_fast_bf16
from asr_helpers.training.rehearsal import PeakMemory

FIGURES = {"preparing": "prepare_s", "an epoch": "epoch_s", "peak memory": "peak_bytes", "bytes on disk": "bytes"}


def part_of(corpus: Corpus, clips: int | None) -> Corpus:
    """A corpus with so many training utterances, spread over it, and a few to validate and test with."""
    train = corpus.of("train")
    step = max(1, len(train) // (clips or len(train)))
    few = [corpus.of(split).head(2) for split in ("validation", "test")]
    return replace(corpus, utterances=pd.concat([train.iloc[::step].head(clips or len(train)), *few]))


def measure(name: str, corpus: Corpus, folder: Path, device: torch.device) -> dict[str, float]:
    """Prepare and train one epoch; seconds, the most memory beyond what was there before, and bytes on the disk."""
    recipe, clock, disk = RECIPES[name], clock_of(device), folder / "prepared"
    watch, began = StepClock(clock), clock()
    if recipe:
        rows = original.prepare(
            corpus.of("train"), root=corpus.root, processor=corpus.processor, cache=disk, recipe=recipe
        )
        spent = clock() - began
        model = original.load_model(corpus.checkpoint, corpus.processor)
        settings = {"processor": original.processor_for(model, corpus.processor), "folder": folder, "seed": SEED}
        settings |= {"bf16": recipe.bf16 and has_fast_bf16(device), "callbacks": [watch]}
        trainer = original.trainer(model, rows, recipe=recipe, epochs=1, **settings)
    else:
        run = corpus.run(folder / "run")
        spent, disk = clock() - began, run.path("dataset") / "train"
        trainer = project_trainer(run, corpus, batch_size=TrainingConfig().batch_size, callbacks=[watch])
    gc.collect()
    pa.default_memory_pool().release_unused()  # what the preparation held must not be there for the training to reuse
    with PeakMemory(device) as peak:
        trainer.train()
    size = sum(file.stat().st_size for file in disk.rglob("*") if file.is_file())
    return {"prepare_s": spent, "epoch_s": watch.seconds, "peak_bytes": peak.most, "bytes": size}


def compare(rounds: int, given: list[str]) -> dict[str, list[dict[str, float]]]:
    """Measure all in turn, in a process each."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in RECIPES}
    for number in range(rounds):
        for name in RECIPES:
            command = [sys.executable, __file__, "--measure", name, *given]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"{name}: {done.stderr[-1000:]}")
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
            print(f"round {number}: {name}: {found[name][-1]}", file=sys.stderr, flush=True)
    return found


def table(found: dict[str, list[dict[str, float]]]) -> str:
    """Ratios to the first, medians over the rounds; memory in GB."""
    first, rows = next(iter(found.values())), []
    for name, own in found.items():
        ratios = {
            title: median([b[figure] / a[figure] for a, b in zip(first, own, strict=True)])
            for title, figure in FIGURES.items()
        }
        peak = f"{median([one['peak_bytes'] for one in own]) / 1e9:.2f} GB, "
        rows.append({"recipe": name} | {t: f"{peak if 'memory' in t else ''}{r:.2f}" for t, r in ratios.items()})
    return markdown(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=("starter", "tiny", "base"), default="starter")
    parser.add_argument("--clips", type=int, help="training utterances (default: all)")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--out", type=Path, help="JSON file (default: benchmarks/results/side-by-side-SIZE-KIND.json)")
    parser.add_argument("--measure", choices=RECIPES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    datasets.disable_progress_bars()
    logging.disable_progress_bar()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if options.measure:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            corpus = sample_corpus() if options.size == "starter" else noise_corpus(options.size, folder)
            print(json.dumps(measure(options.measure, part_of(corpus, options.clips), folder / "work", device)))
        return
    named: dict[str, Any] = {"size": options.size, "clips": options.clips}
    given = ["--size", options.size, *(["--clips", str(options.clips)] if options.clips else [])]
    results = {**named, **measuring.machine(device), "side_by_side": compare(options.rounds, given)}
    print(table(results["side_by_side"]))
    out = options.out or Path(__file__).parent / "results" / f"side-by-side-{options.size}-{device.type}.json"
    measuring.write_results(out, results)


if __name__ == "__main__":
    main()

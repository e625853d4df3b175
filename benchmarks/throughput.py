"""How fast: preprocessing, training and evaluation, the original recipe and this project's in turn, in one process.

    python benchmarks/throughput.py                      # the starter's size, on the sample corpus
    python benchmarks/throughput.py --size base          # wav2vec2-base's size, random weights, for a GPU
    python benchmarks/throughput.py --size xls-r-300m

Every round runs all variants one after the other; the table gives the median over the rounds of the ratio to the
original in the same round. The training is a ladder: each variant adds one change to the one before it, beside what
the change was predicted to bring before it was measured. On a CPU only the ratios mean something elsewhere.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import datasets
import measuring
import original_recipe as original
import pyarrow as pa
import torch
from bench_tables import tables
from corpora import SEED, SIZES, Corpus, noise_corpus, sample_corpus
from ladder import Variant, variants
from measuring import StepClock, median, padding_share, timed
from transformers import TrainerCallback, Wav2Vec2ForCTC
from transformers.trainer_utils import IntervalStrategy, SaveStrategy
from transformers.utils import logging

from asr_helpers.dataset.collator import Collator
from asr_helpers.dataset.reading import load_prepared
from asr_helpers.model.loading import load_config, load_for_ctc
from asr_helpers.run.folder import Run
from asr_helpers.run.training import start_training
from asr_helpers.training.device import has_fast_bf16
from asr_helpers.training.rehearsal import PeakMemory
from asr_helpers.training.sampling import validation_loader
from asr_helpers.training.trainer import CTCTrainer

TRAINED_EPOCHS = 4  # before the evaluation, so that there are words whose errors can be counted


# ---- preprocessing ---------------------------------------------------------------------------------------------------


def preprocessing(corpus: Corpus, rounds: int) -> dict[str, Any]:
    """Time both ways from recordings to what training reads, and weigh what they leave on the disk."""
    seconds: dict[str, list[float]] = {"original": [], "project": []}
    size = {}
    for number in range(rounds + 1):
        with tempfile.TemporaryDirectory() as folder:
            work = {
                "original": lambda to: original.prepare(
                    corpus.utterances, root=corpus.root, processor=corpus.processor, cache=to
                ),
                "project": corpus.prepared,
            }
            for name, prepare in work.items():
                target = Path(folder) / name
                spent, _ = timed(lambda prepare=prepare, target=target: prepare(target))
                if number:  # the first round reads the recordings into the system's cache, and the original goes first
                    seconds[name].append(spent)
                size[name] = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    return {
        name: {
            "speedup": median([a / b for a, b in zip(seconds["original"], seconds[name], strict=True)]),
            "hours_per_minute": corpus.hours / (median(seconds[name]) / 60),
            "bytes_per_hour": size[name] / corpus.hours,
            "bytes_ratio": size[name] / size["original"],
            "seconds": seconds[name],
        }
        for name in seconds
    }


# ---- training --------------------------------------------------------------------------------------------------------


class Bench:
    """Trains one epoch of a variant at a time."""

    def __init__(self, corpus: Corpus, folder: Path, device: torch.device) -> None:
        self.corpus, self.folder, self.device = corpus, folder, device
        self.run = corpus.run(folder / "run")
        self.dataset = load_prepared(self.run.need("dataset"))
        self.lists = original.prepare(
            corpus.of("train"), root=corpus.root, processor=corpus.processor, cache=folder / "lists"
        )
        self.audio = sum(self.dataset["train"]["seconds"])

    def attention(self, variant: Variant) -> str:
        """Which attention a variant computes with."""
        return variant.attention if self.device.type == "cpu" else "sdpa"

    def trainer(self, variant: Variant, clock: StepClock) -> Any:
        """Build a variant's trainer, with a model of its own."""
        corpus, attention = self.corpus, self.attention(variant)
        if variant.settings is None:
            return project_trainer(self.run, corpus, callbacks=[clock])
        torch.manual_seed(SEED)
        model = original.load_model(corpus.checkpoint, corpus.processor, attn_implementation=attention)
        processor = original.processor_for(model, corpus.processor)
        settings = dict(variant.settings)
        if variant.prepared:
            settings |= {"collator": Collator.of(corpus.processor), "length_column": "frames"}
            settings["bf16"] = settings.get("bf16", False)
        rows = self.dataset["train"].with_format("numpy") if variant.prepared else self.lists
        return original.trainer(
            model,
            rows,
            processor=processor,
            folder=self.folder / "hf",
            seed=SEED,
            epochs=1,
            callbacks=[clock],
            **settings,
        )

    def epoch(self, variant: Variant) -> dict[str, float]:
        """Train one epoch from the checkpoint; seconds, share of padding, peak memory on a GPU."""
        clock = StepClock()
        trainer = self.trainer(variant, clock)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        padding = padding_share(*self._batches(trainer, variant))
        trainer.train()
        peak = torch.cuda.max_memory_allocated() if self.device.type == "cuda" else 0
        del trainer
        gc.collect()
        return {"seconds": clock.seconds, "padding": padding, "peak": peak}

    def _batches(self, trainer: Any, variant: Variant) -> tuple[list[float], list[list[int]]]:
        """Seconds of the training utterances, and which of them share a forward pass in the first epoch."""
        if variant.settings is None:
            sampler = trainer.get_train_dataloader().batch_sampler
            return list(sampler.seconds), [[item.row for item in piece] for piece in sampler]
        state = torch.get_rng_state()
        order = list(trainer._get_train_sampler())  # draws from the generator that the training will draw from
        torch.set_rng_state(state)
        seconds = self.dataset["train"]["seconds"] if variant.prepared else self.corpus.of("train")["seconds"]
        return list(seconds), [order[i : i + original.BATCH_SIZE] for i in range(0, len(order), original.BATCH_SIZE)]


def project_trainer(run: Run, corpus: Corpus, *, callbacks: Sequence[TrainerCallback] = (), **given: Any) -> CTCTrainer:
    """Take notebook 04's road to a trainer; while it is timed it neither validates nor saves.

    Args:
        run: ``corpus.run(...)``.
        corpus: Whose checkpoint is trained, with its own dropout: the original takes that too.
        callbacks: What is told of the steps.
        given: Notebook 04's parameters; by default one epoch in the original's batches.
    """
    parameters = {"epochs": 1, "batch_size": original.BATCH_SIZE, "evaluations": 1, "seed": SEED}
    new = {"head_seed": SEED, "keep_head": False, "learning_rate": 5e-4, "encoder_learning_rate": 5e-4}
    parameters |= new  # as the original's head is, and at the rates of one
    dropout = load_config(corpus.checkpoint).hidden_dropout
    trainer = start_training(
        run, {**parameters, "checkpoint": str(corpus.checkpoint), "dropout": dropout, **given}
    ).trainer
    trainer.args.eval_strategy, trainer.args.save_strategy = IntervalStrategy.NO, SaveStrategy.NO
    trainer.args.load_best_model_at_end = False
    for callback in callbacks:
        trainer.add_callback(callback)
    return trainer


def training(bench: Bench, rounds: int, memory: Callable[[Variant], float] | None) -> list[dict[str, Any]]:
    """Climb the ladder once to warm up, then ``rounds`` times; one row a variant."""
    rungs = variants(bench.device)
    runs: dict[str, list[dict[str, float]]] = {variant.name: [] for variant in rungs}
    for number in range(rounds + 1):
        for variant in rungs:
            run = bench.epoch(variant)
            print(f"round {number}: {variant.name}: {run['seconds']:.1f} s", file=sys.stderr, flush=True)
            if number:
                runs[variant.name].append(run)
    work = measuring.flops_per_second(
        load_for_ctc(
            bench.corpus.checkpoint, processor=bench.corpus.processor, head_seed=SEED, attn_implementation="eager"
        ).to(bench.device)
    )
    formats = {_dtype(variant, bench.device) for variant in rungs}
    rates = {dtype: measuring.matrix_rate(bench.device, dtype) for dtype in formats}
    rows, first, before = [], runs[rungs[0].name], None
    for variant in rungs:
        own = runs[variant.name]
        seconds = median([run["seconds"] for run in own])
        ratio = median([a["seconds"] / b["seconds"] for a, b in zip(first, own, strict=True)])
        step = median([a["seconds"] / b["seconds"] for a, b in zip(before or own, own, strict=True)])
        dtype = _dtype(variant, bench.device)
        rows.append(
            {
                "variant": variant.name,
                "precision": str(dtype).removeprefix("torch."),
                "predicted": variant.predicted[bench.device.type == "cuda"],
                "brought": step,
                "speedup": ratio,
                "hours_per_second": bench.audio / 3600 / seconds,
                "utterances_per_second": len(bench.dataset["train"]) / seconds,
                "padding_share": own[0]["padding"],
                "peak_bytes": _peak(variant, rungs, memory) if memory else max(run["peak"] for run in own),
                "matrix_rate_share": work * bench.audio / seconds / rates[dtype],
                "why": variant.why,
                "seconds": [run["seconds"] for run in own],
            }
        )
        before = own
    return rows


def _peak(variant: Variant, rungs: Sequence[Variant], memory: Callable[[Variant], float]) -> float | None:
    """Peak memory of the two recipes; the rungs between would each need a process of a minute."""
    return memory(variant) if variant in (rungs[0], rungs[-1]) else None


def _dtype(variant: Variant, device: torch.device) -> torch.dtype:
    """The number format of a variant's matrix products."""
    if variant.settings is None:
        return torch.bfloat16 if has_fast_bf16(device) else torch.float16 if device.type == "cuda" else torch.float32
    if variant.settings.get("bf16"):
        return torch.bfloat16
    return torch.float16 if device.type == "cuda" else torch.float32


def peak_of_fresh_process(size: str) -> Callable[[Variant], float]:
    """Give a function that measures a variant's peak memory on a CPU, in a process of its own."""

    def peak(variant: Variant) -> float:
        command = [sys.executable, __file__, "--size", size, "--peak-of", variant.name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return json.loads(done.stdout.splitlines()[-1])["peak"]

    return peak


def print_peak(bench: Bench, name: str) -> None:
    """Train one epoch of a variant; print the memory that it took beyond what was taken before, bytes."""
    (variant,) = (variant for variant in variants(bench.device) if variant.name == name)
    gc.collect()
    pa.default_memory_pool().release_unused()  # what the preparation held must not be there for the training to reuse
    with PeakMemory(bench.device) as peak:
        bench.epoch(variant)
    print(json.dumps({"peak": peak.most}))


# ---- evaluation ------------------------------------------------------------------------------------------------------


def evaluation(bench: Bench, rounds: int) -> list[dict[str, Any]]:
    """Transcribe the test split with one trained model, clip by clip and in batches."""
    corpus, device = bench.corpus, bench.device
    trained = project_trainer(bench.run, corpus, epochs=TRAINED_EPOCHS)
    trained.train()
    trained.model.save_pretrained(bench.folder / "evaluated")
    lists = original.rows_of(bench.dataset["test"], corpus.processor)
    plain = Wav2Vec2ForCTC.from_pretrained(bench.folder / "evaluated", dtype=torch.float32).to(device)
    ways: dict[str, Callable[[], tuple[float, list[str]]]] = {
        "original: one clip at a time": lambda: original.evaluate(plain, lists, corpus.processor)
    }
    for precision in ("fp32", "bf16")[: 2 if has_fast_bf16(device) else 1]:
        trainer = project_trainer(bench.run, corpus, precision=precision)
        trainer.model.load_state_dict(trained.model.state_dict())  # the trained one keeps computing in bf16
        ways[f"batches, {precision}"] = lambda trainer=trainer: _in_batches(trainer, bench.dataset["test"])
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    found: dict[str, tuple[float, list[str]]] = {}
    for number in range(rounds + 1):
        for name, way in ways.items():
            spent, found[name] = timed(way)
            if number:
                seconds[name].append(spent)
    first = next(iter(ways))
    return [
        {
            "way": name,
            "speedup": median([a / b for a, b in zip(seconds[first], seconds[name], strict=True)]),
            "wer": found[name][0],
            "hypotheses_that_differ": sum(
                a.split() != b.split() for a, b in zip(found[first][1], found[name][1], strict=True)
            ),
            "utterances": len(lists),
            "seconds": seconds[name],
        }
        for name in ways
    ]


def _in_batches(trainer: CTCTrainer, rows: Any) -> tuple[float, list[str]]:
    """Validate as training does; WER, and the hypotheses in the order of ``rows``."""
    with trainer.accelerator.autocast():
        tally = trainer.tally(validation_loader(rows, trainer.pieces, args=trainer.args))
    return tally.metrics(tally.sums)["wer"], [tally.hypotheses[name][1] for name in rows["id"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="starter")
    parser.add_argument("--rounds", type=int, default=3, help="rounds that count; one more warms up")
    parser.add_argument("--only", choices=["preprocessing", "training", "evaluation"], help="one part of the three")
    parser.add_argument("--out", type=Path, help="JSON file (default: benchmarks/results/throughput-SIZE-KIND.json)")
    parser.add_argument("--peak-of", metavar="VARIANT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    datasets.disable_progress_bars()
    logging.disable_progress_bar()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        corpus = sample_corpus() if options.size == "starter" else noise_corpus(options.size, folder)
        if options.peak_of:
            return print_peak(Bench(corpus, folder, device), options.peak_of)
        results: dict[str, Any] = {"size": options.size, "hours": corpus.hours, **measuring.machine(device)}
        if options.only in (None, "preprocessing"):
            results["preprocessing"] = preprocessing(corpus, options.rounds)
        if options.only != "preprocessing":
            bench = Bench(corpus, folder, device)
        if options.only in (None, "training"):
            fresh = device.type == "cpu" and options.size != "tiny"
            memory = peak_of_fresh_process(options.size) if fresh else None
            results["training"] = training(bench, options.rounds, memory)
        if options.only in (None, "evaluation"):
            results["evaluation"] = evaluation(bench, options.rounds)
    print(tables(results))
    out = Path(__file__).parent / "results" / f"throughput-{options.size}-{device.type}.json"
    measuring.write_results(options.out or out, results)


if __name__ == "__main__":
    main()

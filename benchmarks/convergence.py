"""Does it learn: two plain Trainers and this project's from the same starter, data, seed and number of examples seen.

    python benchmarks/convergence.py                       # 30 epochs of the sample corpus each, as the original
    python benchmarks/convergence.py --epochs 7            # as the sample run
    python benchmarks/convergence.py --only "transformers' example"    # joins what was measured before

All are read with the same yardstick at the same numbers of examples: greedy WER and CER on the validation split, in
exact batches. The clock counts the training alone, neither the yardstick nor the loading; on a CPU the seconds that the
process computed. One process, one after the other; one picture and one table.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import datasets
import matplotlib.pyplot as plt
import measuring
import original_recipe as original
import torch
from bench_tables import markdown
from corpora import SEED, Corpus, sample_corpus
from matplotlib.axes import Axes
from throughput import project_trainer
from transformers import TrainerCallback
from transformers.utils import logging

from asr_helpers.analysis.metrics import cer, wer
from asr_helpers.dataset.collator import Collator
from asr_helpers.dataset.reading import load_prepared
from asr_helpers.decoding.inference import log_probs_of
from asr_helpers.model.exact import make_exact
from asr_helpers.model.vocabulary import Alphabet
from asr_helpers.run.folder import Run
from asr_helpers.show.figures import COLOURS, finish
from asr_helpers.training.config import TrainingConfig, TrainingSetup
from asr_helpers.training.device import has_fast_bf16
from asr_helpers.wording import percent

READINGS = 20
LEARNT = 0.3  # WER; how long it takes to get there is told
RECIPES = {"original": original.STUDENT, "transformers' example": original.EXAMPLE, "project": None}


@dataclass(frozen=True)
class Reading:
    """The yardstick at one moment.

    Attributes:
        examples: Utterances seen so far, an utterance counted anew in every epoch.
        seconds: Training time so far.
        learning_rate: Of the head, at the last step.
        wer: On the validation split.
        cer: On the validation split.
        blank_share: Frames whose likeliest token is the blank.
    """

    examples: int
    seconds: float
    learning_rate: float
    wer: float
    cer: float
    blank_share: float


class Yardstick(TrainerCallback):
    """Read a model on the validation split every so many steps, with the training's clock stopped."""

    def __init__(self, read: Callable[[Any], tuple[float, float, float]], *, utterances: int, batch: int) -> None:
        self.read, self.batch = read, batch
        self.steps = -(-utterances // batch)  # an epoch's
        self.utterances = utterances
        self.readings: list[Reading] = []
        self.paused = self.began = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.due = {round(share * state.max_steps / READINGS) for share in range(1, READINGS + 1)}
        self.clock = measuring.clock_of(args.device)
        self.began = self.clock()

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        if state.global_step not in self.due:
            return
        measuring.wait(args.device)
        stopped = self.clock()
        epochs, rest = divmod(state.global_step, self.steps)
        rate = kwargs["optimizer"].param_groups[0]["lr"]
        rates = self.read(model)
        examples = epochs * self.utterances + rest * self.batch
        self.readings.append(Reading(examples, stopped - self.began - self.paused, rate, *rates))
        print(f"{examples} examples, {self.readings[-1].seconds:.0f} s: WER {rates[0]:.3f}", flush=True)
        self.paused += self.clock() - stopped


def yardstick(rows: Any, processor: Any) -> Callable[[Any], tuple[float, float, float]]:
    """Give a function that reads a model on ``rows``: WER, CER, share of blank frames."""
    alphabet, collate = Alphabet.of(processor.tokenizer), Collator.of(processor)
    references = list(rows["text"])

    def read(model: Any) -> tuple[float, float, float]:
        training, state = model.training, torch.get_rng_state()
        paths = [frames.argmax(-1) for frames in log_probs_of(model, rows, collate=collate)]
        model.train(training)
        torch.set_rng_state(state)
        hypotheses = [alphabet.spell(path) for path in paths]
        blank = sum(int((path == alphabet.blank).sum()) for path in paths) / sum(map(len, paths))
        return wer(references, hypotheses), cer(references, hypotheses), blank

    return read


def plain_run(corpus: Corpus, dataset: Any, folder: Path, epochs: float, recipe: original.Recipe) -> list[Reading]:
    """Train with a plain Trainer, on lists of floats."""
    rows = original.rows_of(dataset["train"], corpus.processor)
    torch.manual_seed(TrainingSetup().head_seed)
    model = make_exact(original.load_model(corpus.checkpoint, corpus.processor))
    watch = Yardstick(yardstick(dataset["validation"], corpus.processor), utterances=len(rows), batch=recipe.batch)
    settings = {"processor": original.processor_for(model, corpus.processor), "folder": folder / "plain"}
    settings |= {"bf16": recipe.bf16 and has_fast_bf16(model.device), "callbacks": [watch]}
    original.trainer(model, rows, recipe=recipe, seed=SEED, epochs=epochs, **settings).train()
    return watch.readings


def project_run(corpus: Corpus, run: Run, dataset: Any, epochs: float) -> list[Reading]:
    """Train with notebook 04's recipe."""
    setup, config = TrainingSetup(), TrainingConfig()
    rows, read = dataset["train"], yardstick(dataset["validation"], corpus.processor)
    watch = Yardstick(read, utterances=len(rows), batch=config.batch_size)
    own = {"batch_size": config.batch_size, "head_seed": setup.head_seed}
    project_trainer(run, corpus, epochs=epochs, callbacks=[watch], **own).train()
    return watch.readings


def picture(runs: dict[str, list[Reading]], path: Path, *, hours: float, seconds: bool) -> None:
    """Draw WER over the examples seen and, on a GPU, over seconds; on a CPU over the longer run's time as 1."""
    figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained", sharey=True)
    longest = max(readings[-1].seconds for readings in runs.values())
    scale, unit = (1.0, "training time (s)") if seconds else (longest, "training time (the longer run's = 1)")
    _curves(axes[0], runs, lambda reading: reading.examples)
    _curves(axes[1], runs, lambda reading: reading.seconds / scale)
    last = {name: readings[-1].wer for name, readings in runs.items()}
    said = ", ".join(f"{name} {value:.2f}" for name, value in last.items())
    finish(axes[0], f"WER at the end: {said}", "examples seen", "WER on the validation split")
    finish(axes[1], f"{hours:.2f} h of synthetic speech", unit, "")
    axes[0].legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _curves(ax: Axes, runs: dict[str, list[Reading]], place: Callable[[Reading], float]) -> None:
    for colour, (name, readings) in zip(COLOURS, runs.items(), strict=False):
        ax.plot(list(map(place, readings)), [r.wer for r in readings], "o-", color=colour, markersize=3, label=name)
    ax.axhline(1.0, color="0.6", linewidth=0.8, linestyle=":")
    ax.set_ylim(0, 1.35)


def learnt(runs: dict[str, list[Reading]]) -> str:
    """Say after how many examples, and how much training, each run had a WER of ``LEARNT``."""
    first = {name: next((r for r in readings if r.wer <= LEARNT), None) for name, readings in runs.items()}
    longest = max(readings[-1].seconds for readings in runs.values())
    rows = [
        {
            "recipe": name,
            "examples": f"{r.examples:,}" if r else "never",
            "time": f"{r.seconds / longest:.2f}" if r else "",
        }
        for name, r in first.items()
    ]
    return f"WER {LEARNT:g} or less:\n\n{markdown(rows)}"


def table(runs: dict[str, list[Reading]]) -> str:
    """Set the readings of the runs side by side, one row a number of examples."""
    longest = max(readings[-1].seconds for readings in runs.values())
    rows = []
    for pair in zip(*runs.values(), strict=False):
        row = {"examples seen": f"{pair[0].examples:,}"}
        for name, reading in zip(runs, pair, strict=True):
            row |= {
                f"{name}: rate": f"{reading.learning_rate:.1e}",
                f"{name}: WER": f"{reading.wer:.3f}",
                f"{name}: CER": f"{reading.cer:.3f}",
                f"{name}: blank": percent(reading.blank_share, 0),
                f"{name}: time": f"{reading.seconds / longest:.2f}",
            }
        rows.append(row)
    return markdown(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=float, default=float(original.EPOCHS), help="of all; the original's are 30")
    parser.add_argument("--only", nargs="+", choices=RECIPES, help="these; the others as they were measured before")
    parser.add_argument("--out", type=Path, help="without ending (default: benchmarks/results/convergence-KIND)")
    options = parser.parse_args()
    datasets.disable_progress_bars()
    logging.disable_progress_bar()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    results = {"epochs": options.epochs, "clock": measuring.clock_of(device).__name__}
    results |= measuring.machine(device)  # of the code that runs now
    corpus = sample_corpus()
    out = options.out or Path(__file__).parent / "results" / f"convergence-{device.type}"
    before = json.loads(out.with_suffix(".json").read_text()) if options.only else {**results, "readings": {}}
    if any(before.get(key) != results[key] for key in ("epochs", "clock")):
        parser.error(f"{out.with_suffix('.json')} holds another number of epochs, or other seconds; run all anew")
    runs = {name: [Reading(**reading) for reading in readings] for name, readings in before["readings"].items()}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        run = corpus.run(folder / "run")
        dataset = load_prepared(run.need("dataset"))
        for name in options.only or RECIPES:
            recipe, epochs = RECIPES[name], options.epochs
            plain = recipe and plain_run(corpus, dataset, folder, epochs, recipe)
            runs[name] = plain or project_run(corpus, run, dataset, epochs)
        hours = sum(dataset["train"]["seconds"]) / 3600
    print(table(runs), learnt(runs), sep="\n\n")
    picture(runs, out.with_suffix(".png"), hours=hours, seconds=device.type == "cuda")
    results["readings"] = {name: [asdict(reading) for reading in readings] for name, readings in runs.items()}
    measuring.write_results(out.with_suffix(".json"), results)


if __name__ == "__main__":
    main()

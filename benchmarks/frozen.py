"""What it brings to compute a frozen part once: storing, and an epoch of the upper layers, at the sizes of checkpoints.

    python benchmarks/frozen.py --size base              # wav2vec2-base's size, random weights
    python benchmarks/frozen.py --size xls-r-300m

The same epoch is trained in one process: by the whole model as notebook 04 trains it by default (only the convolutions
are frozen), and, for the top 1, 2 and 4 layers, by the whole model with the layers below frozen and on what those have
stored. On a CPU the seconds are those that the process computed, so that other work beside it counts little; they are
told for half an hour of speech, of which a few clips are computed. Memory is what an epoch takes beyond the weights.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import torch
from bench_tables import markdown
from corpora import SEED, SIZES, Corpus, noise_corpus
from measuring import clock_of, machine, median, wait, write_results
from transformers.utils import logging

from asr_helpers.dataset.stored import FORMATS, StoredFrames, bytes_a_frame
from asr_helpers.model.frames import frame_seconds
from asr_helpers.run.folder import Run
from asr_helpers.run.training import start_training
from asr_helpers.training.frozen import FrozenPart, frozen_part_of, store_frozen
from asr_helpers.training.pieces import Pieces
from asr_helpers.training.rehearsal import PeakMemory
from asr_helpers.training.sampling import train_loader
from asr_helpers.training.trainer import CTCTrainer

TOP = (1, 2, 4)  # layers that learn
HALF_AN_HOUR = 1800.0
BATCH = 8
WAYS = ("all layers learn", "whole model, lower layers frozen", "stored")


def trainer_for(run: Run, corpus: Corpus, *, frozen: int, precision: str) -> CTCTrainer:
    """Notebook 04's trainer with so many frozen layers, which computes their output anew until it is stored."""
    given = {"batch_size": BATCH, "epochs": 1, "evaluations": 1, "seed": SEED, "head_seed": SEED}
    given |= {"checkpoint": str(corpus.checkpoint), "frozen_layers": frozen, "precision": precision}
    trainer = start_training(run, given).trainer
    trainer.create_optimizer_and_scheduler(1000)
    return trainer


def recordings(trainer: CTCTrainer) -> Pieces:
    """How a trainer's rows become batches of recordings, for which the whole model runs."""
    return replace(trainer.pieces, collator=replace(trainer.pieces.collator, stored=None))


def epoch(trainer: CTCTrainer, pieces: Pieces) -> tuple[float, int]:
    """Train one epoch; seconds it took, the reading of its batches included, and the most bytes."""
    device, clock = trainer.args.device, clock_of(trainer.args.device)
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)  # what an earlier epoch has left must not be there to be used again
    with PeakMemory(device) as peak:
        began = clock()
        steps(trainer, pieces)
        wait(device)
        seconds = clock() - began
    return seconds, peak.most


def steps(trainer: CTCTrainer, pieces: Pieces) -> None:
    """Take the steps of an epoch as the Trainer takes them."""
    device = trainer.args.device
    for batch in train_loader(trainer.train_dataset, pieces, config=trainer.config, args=trainer.args):
        trainer.micro_batches, trainer.done = [batch], 0
        count = torch.tensor(float(sum(len(piece["ids"]) for piece in batch["pieces"])), device=device)
        with trainer.accelerator.autocast():
            trainer.training_step(trainer.model, batch, count)
        torch.nn.utils.clip_grad_norm_(trainer.model.parameters(), trainer.config.max_grad_norm)
        trainer.optimizer.step()
        trainer.model.zero_grad()


def compare(run: Run, corpus: Corpus, *, layers: int, rounds: int, precision: str) -> list[dict[str, Any]]:
    """One row a number of top layers: storing, the three ways of training, their ratios."""
    everything = trainer_for(run, corpus, frozen=0, precision=precision)
    audio, rows = float(everything.train_dataset.seconds.sum()), []
    heard = audio + float(everything.eval_dataset.seconds.sum())
    all_layers = [epoch(everything, everything.pieces) for _ in range(rounds)]
    print(f"{WAYS[0]}: {all_layers}", file=sys.stderr, flush=True)
    del everything
    for top in (top for top in TOP if top < layers):
        trainer = trainer_for(run, corpus, frozen=layers - top, precision=precision)
        clock, part = clock_of(trainer.args.device), frozen_part_of(trainer)
        part(trainer.eval_dataset[0])  # what is loaded or named once is no part of storing an hour
        assert len(part.shards) == 2
        began = clock()
        store_frozen(trainer)
        storing = clock() - began
        took = {WAYS[0]: all_layers, WAYS[1]: [], WAYS[2]: []}
        for _ in range(rounds):
            for way, pieces in zip(WAYS[1:], (recordings(trainer), trainer.pieces), strict=True):
                # below the frozen layers SpecAugment's vector would ask all of them for a backward pass
                trainer.model.base_model.masked_spec_embed.requires_grad_(way == "stored")
                took[way].append(epoch(trainer, pieces))
                print(f"top {top}: {way}: {took[way][-1]}", file=sys.stderr, flush=True)
        seconds = {way: [spent for spent, _ in took[way]] for way in WAYS}
        ratio = {w: median([a / b for a, b in zip(seconds["stored"], seconds[w], strict=True)]) for w in WAYS[:2]}
        width, hop = trainer.model.config.hidden_size, frame_seconds(trainer.model)
        rows.append(
            {
                "top": top,
                "frozen_layers": layers - top,
                "store_an_hour": storing / heard * 3600,
                "bytes_an_hour": {kind: bytes_a_frame(width, kind) * 3600 / hop for kind in FORMATS},
                "half_hour_epoch": {way: median(seconds[way]) * HALF_AN_HOUR / audio for way in WAYS},
                "ratio": ratio,
                "peak_bytes": {way: max(peak for _, peak in took[way]) for way in WAYS},
                "stored_differs": differences(trainer, part),
                "seconds": seconds,
            }
        )
    return rows


def differences(trainer: CTCTrainer, part: FrozenPart) -> dict[str, float]:
    """Largest difference of a logit to the whole model's, by how the frames are stored, in parts of the largest."""
    model, rows = trainer.model, trainer.eval_dataset.first(2)
    collator, found = trainer.pieces.collator, {}
    model.eval()
    with torch.no_grad(), tempfile.TemporaryDirectory() as folder:
        whole = model(**_inputs(trainer, replace(collator, stored=None), rows)).logits
        frames = [part(row) for row in rows]
        for kind in FORMATS:
            shard = replace(part.shards[0], path=Path(folder) / f"{kind}.npy")
            shard.write([row["id"] for row in rows], frames, kind)
            read = StoredFrames([shard], kind=kind, width=model.config.hidden_size)
            given = model(**_inputs(trainer, replace(collator, stored=read), rows)).logits
            lengths = [len(one) for one in frames]
            apart = max((a[:n] - b[:n]).abs().max().item() for a, b, n in zip(given, whole, lengths, strict=True))
            found[kind] = apart / whole.abs().max().item()
    return found


def _inputs(trainer: CTCTrainer, collator: Any, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    batch = {name: value for name, value in collator(rows).items() if name != "labels"}
    return trainer.to_device(batch)


def tables(results: dict[str, Any]) -> str:
    """Two Markdown tables: an epoch over half an hour, and what is stored."""
    epochs, storing = [], []
    for row in results["frozen"]:
        minutes = {way: f"{seconds / 60:.1f} min" for way, seconds in row["half_hour_epoch"].items()}
        peaks = {f"memory: {way}": f"{peak / 1e9:.2f} GB" for way, peak in row["peak_bytes"].items()}
        ratios = {f"stored ÷ {way}": f"{share:.3f}" for way, share in row["ratio"].items()}
        epochs.append({"layers that learn": row["top"], **minutes, **ratios, **peaks})
        disk = {f"{kind}, MB an hour": f"{count / 1e6:.0f}" for kind, count in row["bytes_an_hour"].items()}
        apart = {f"{kind}: logits differ": f"{share:.0e}" for kind, share in row["stored_differs"].items()}
        hour = f"{row['store_an_hour'] / 60:.0f} min"
        storing.append({"frozen layers": row["frozen_layers"], "an hour of speech": hour, **disk, **apart})
    return f"{markdown(epochs)}\n\n{markdown(storing)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=[size for size in SIZES if SIZES[size]], default="base")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clips", type=int, default=24, help="to train on, 4 or more; a sixth as many are validated")
    parser.add_argument("--seconds", type=float, nargs=2, default=(4.0, 8.0), help="between which the clips last")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16", "fp16"])
    parser.add_argument("--out", type=Path, help="JSON file (default: benchmarks/results/frozen-SIZE-KIND.json)")
    options = parser.parse_args()
    datasets.disable_progress_bars()
    logging.disable_progress_bar()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    out = options.out or Path(__file__).parent / "results" / f"frozen-{options.size}-{device.type}.json"
    with tempfile.TemporaryDirectory() as folder:
        corpus = noise_corpus(options.size, Path(folder), clips=options.clips, limits=tuple(options.seconds))
        run = corpus.run(Path(folder) / "run")
        layers = json.loads((corpus.checkpoint / "config.json").read_text())["num_hidden_layers"]
        rows = compare(run, corpus, layers=layers, rounds=options.rounds, precision=options.precision)
        named = {name: getattr(options, name) for name in ("size", "precision", "clips")}
        named["clip_seconds"] = options.seconds
        results = {**named, **machine(device), "frozen": rows}
    print(tables(results))
    write_results(out, results)


if __name__ == "__main__":
    main()

"""Everything that has to be measured on a GPU, in one command of at most 40 minutes: one JSON file and one table.

    scripts/gpu_check.sh            # on a CUDA device
    scripts/gpu_check.sh --tiny     # rehearse on any machine, with sizes so small that the figures mean nothing

Every step is a process of its own with a limit of minutes; one that fails or runs out of time is written down as that,
and the others go on. The file is written after each step: a machine that is taken away leaves what was measured.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import measuring
import numpy as np
import torch
from bench_tables import markdown
from corpora import SEED, checkpoint_of, lengths_of, noise_corpus

from asr_helpers.audio import SAMPLING_RATE
from asr_helpers.dataset.collator import Collator
from asr_helpers.model.families import inputs_of
from asr_helpers.model.loading import load_for_ctc
from asr_helpers.model.processor import load_processor
from asr_helpers.run.folder import open_run
from asr_helpers.run.places import NOTEBOOKS, repository
from asr_helpers.sample import make_sample
from asr_helpers.training.device import has_fast_bf16

LIMIT = 40  # minutes, of all steps together
LAST = 12  # lines of a step that failed, kept beside its status
ROUNDS = 20  # passes that are timed
SAMPLE = "data/sample/recordings"
SHORT = {"max_steps": 2, "evaluations": 1, "warmup": 0.0, "compare_utterances": 2, "search_trials": 2}
REHEARSAL = 8.0  # times the minutes: what is rehearsed is no speed

RUN, LONG, TINY = (f"gpu-check-{name}" for name in ("notebooks", "starter", "tiny"))

Figures = dict[str, float | str | None]


@dataclass(frozen=True)
class Step:
    """One thing to measure.

    Attributes:
        name: For the table.
        commands: Arguments of Python, one process after the other.
        minutes: Time that they have together.
        read: What they printed to the figures that they found.
    """

    name: str
    commands: Sequence[Sequence[str]]
    minutes: float
    read: Callable[[str], Figures]


# What is aimed at: (step, figure) → at least so much.
AIMS = {
    ("throughput, base", "training, times as fast as the original recipe"): 4.0,
    ("throughput, base", "training, utterances of 6 s a second"): 400.0,
    ("throughput, base", "evaluation, times as fast as clip by clip"): 10.0,
    ("throughput, base", "share of the measured matrix rate"): 0.35,
}


def steps(folder: Path, *, tiny: bool) -> list[Step]:
    """What is measured, in the order of what matters most.

    Args:
        folder: For what the steps leave.
        tiny: In sizes for a rehearsal on a CPU.
    """
    made, launcher = folder / "made", ["-m", "torch.distributed.run", "--nproc_per_node=2"]
    anew = {"resume": False}  # the machine may have been checked before
    random = anew | {"checkpoint": str(made / "checkpoint")}
    long, two = anew | {"epochs": 120, "evaluations": 20}, anew | {"epochs": 4, "evaluations": 1}
    sizes, tests, size, book, starter = {"base": 8.0, "xls-r-300m": 9.0}, "tests", "base", RUN, LONG
    if tiny:  # one corpus, one checkpoint, one run folder: what is prepared once serves all
        random = long = two = random | {"corpus": str(made)} | SHORT
        sizes, tests, size, book, starter = {"tiny": 9.0}, "tests/training/test_cuda_paths.py", "tiny", TINY, TINY
    return [
        Step("tests", [["-m", "pytest", "-q", "-m", "gpu", tests]], 4, _tests),
        *(_throughput(name, minutes, folder) for name, minutes in sizes.items()),
        Step(
            "notebooks, prus.yaml with random weights",
            [
                [__file__, "--make", size, "--folder", str(made)],
                [*_command("run", "prus", book, {"corpus": SAMPLE} | random), "--from", "01"],
            ],
            8,
            lambda said: _notebooks(book),
        ),
        Step(
            "starter, trained longer",
            [
                [*_command("run", "sample", starter, long), "--until", "03"],
                _command("train", "sample", starter, long),
            ],
            5,
            lambda said: _training(starter),
        ),
        Step(
            "two processes on one GPU",
            [[*launcher, *_command("train", "sample", starter, two)]],
            3,
            lambda said: _training(starter),
        ),
        Step("attention and torch.compile", [[__file__, "--kernels", size]], 3, _last_json),
    ]


def _throughput(size: str, minutes: float, folder: Path) -> Step:
    out = folder / f"throughput-{size}.json"
    command = ["benchmarks/throughput.py", "--size", size, "--rounds", "1", "--out", str(out)]
    return Step(f"throughput, {size}", [command], minutes, lambda said: _ladder(out))


def _command(verb: str, recipe: str, name: str, given: dict[str, Any]) -> list[str]:
    parameters = [word for name, value in given.items() for word in ("-p", f"{name}={value}")]
    return ["-m", "asr_helpers", verb, f"params/{recipe}.yaml", "--name", name, *parameters]


def make(size: str, folder: Path) -> None:
    """Make what the steps start from: a checkpoint of random weights, and the corpus, whose tiny one is noise."""
    folder.mkdir(parents=True)
    if size != "tiny":
        make_sample(repository() / "data" / "sample" / "transcripts.txt", repository() / SAMPLE)
        checkpoint_of(size, folder)
        return
    rows = noise_corpus(size, folder).utterances.rename(columns={"audio": "file_name"})
    rows[["file_name", "text"]].to_csv(folder / "metadata.csv", index=False)


# ---- what the steps found --------------------------------------------------------------------------------------------


def _tests(said: str) -> Figures:
    return {kind: float(count) for count, kind in re.findall(r"(\d+) (passed|failed|skipped)", said)}


def _ladder(out: Path) -> Figures:
    found = json.loads(out.read_text(encoding="utf-8"))
    own, evaluated = found["training"][-1], found["evaluation"]
    return {
        "training, times as fast as the original recipe": own["speedup"],
        "training, utterances of 6 s a second": own["utterances_per_second"],
        "share of the measured matrix rate": own["matrix_rate_share"],
        "training, peak GB": own["peak_bytes"] / 1e9,
        "evaluation, times as fast as clip by clip": max(row["speedup"] for row in evaluated),
        "preparing, times as fast as the original recipe": found["preprocessing"]["project"]["speedup"],
    }


def _notebooks(name: str) -> Figures:
    """Seconds of each notebook that ran, and where the training came to."""
    run = open_run(f"runs/{name}", new=False)
    spent: Figures = {f"{NOTEBOOKS[n]}, seconds": entry["seconds"] for n, entry in run.manifest.items()}
    return spent | _training(name)


def _training(name: str) -> Figures:
    """Where a run's training came to, and the seconds that it took with all around it."""
    run = open_run(f"runs/{name}", new=False)
    numbers = json.loads((run.path("checkpoints") / "result.json").read_text(encoding="utf-8"))
    found: Figures = {f"training: {number}": numbers[number] for number in ("steps", "best_wer", "best_cer")}
    return {"training: seconds": run.manifest["04"]["seconds"], **found}


def _last_json(said: str) -> Figures:
    return json.loads(said.splitlines()[-1])


# ---- attention and compiling -----------------------------------------------------------------------------------------


def kernels(size: str) -> Figures:
    """Training passes a second over 16 clips, with each kind of attention and compiled; why not, where it cannot."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    compiler = "eager" if size == "tiny" else "inductor"  # the first one only traces
    ways = {"eager": "", "sdpa": "", "flash_attention_2": "", "sdpa, compiled": compiler}
    processor, rng = load_processor(repository() / "models" / "starter"), np.random.default_rng(SEED)
    lengths = rng.uniform(*lengths_of(size), 16) * SAMPLING_RATE
    batch = Collator.of(processor)([{"audio": rng.integers(-9, 9, int(n)).astype(np.int16)} for n in lengths])
    batch = {name: value.to(device) for name, value in inputs_of(batch).items()}
    found: Figures = {}
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = checkpoint_of(size, Path(folder))
        for name, compiled in ways.items():
            attention = name.split(",")[0]
            try:
                if attention.startswith("flash") and not importlib.util.find_spec("flash_attn"):
                    raise ImportError("flash_attn is not installed")
                model = load_for_ctc(checkpoint, processor=processor, head_seed=SEED, attn_implementation=attention).to(
                    device
                )
                forward = torch.compile(model, backend=compiled) if compiled else model
                found[f"{name}, passes a second"] = _passes(forward, model, batch, 2 if size == "tiny" else ROUNDS)
            except Exception as error:  # a kernel that this machine lacks is a finding
                found[name] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    return found


def _passes(forward: Callable[..., Any], model: torch.nn.Module, batch: dict[str, torch.Tensor], rounds: int) -> float:
    """Forward and backward passes a second, after three that warm up (and compile)."""
    device = batch["attention_mask"].device

    def work(times: int) -> None:
        for _ in range(times):
            with torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bf16(device)):
                forward(**batch).logits.float().sum().backward()
            model.zero_grad()
        measuring.wait(device)

    work(3)
    return rounds / measuring.timed(lambda: work(rounds))[0]


# ---- running them ----------------------------------------------------------------------------------------------------


def run_step(step: Step, minutes: float) -> dict[str, Any]:
    """Run a step's commands in so many minutes; never raises.

    Returns:
        ``status`` (``"done"``, or what became of it), ``seconds``, ``figures`` and, where it failed, its last lines.
    """
    began, said, status = time.monotonic(), "", "done"
    for command in step.commands:
        left = minutes * 60 - (time.monotonic() - began)
        lines, code = _execute([sys.executable, *command], left)
        said += lines
        if code is None:
            status = f"stopped after {minutes:g} minutes"
        elif code:
            status = f"failed with exit status {code}"
        if status != "done":
            break
    result: dict[str, Any] = {"status": status, "seconds": round(time.monotonic() - began, 1), "figures": {}}
    try:
        result["figures"] = step.read(said)
    except Exception as error:  # what was stopped may have left nothing
        if status == "done":
            result["status"] = f"left no figures ({type(error).__name__}: {error})"
    return result if result["status"] == "done" else {**result, "last": said.splitlines()[-LAST:]}


def _execute(command: list[str], seconds: float) -> tuple[str, int | None]:
    """What a process and all that it started print, and its exit status; ``None`` where its time was over."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as out:
        child = subprocess.Popen(
            command, cwd=repository(), stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            code = child.wait(max(1.0, seconds))
        except subprocess.TimeoutExpired:
            code = None
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        out.seek(0)
        return out.read(), code


def table(results: dict[str, Any]) -> str:
    """The figures as one Markdown table, with what was aimed at; what failed has a row that says so."""
    rows = []
    for name, step in results["steps"].items():
        if step["status"] != "done" or not step["figures"]:
            rows.append({"step": name, "figure": step["status"], "found": "", "aimed at": ""})
        for figure, value in step["figures"].items():
            aim = AIMS.get((name, figure))
            met = "" if aim is None else f"≥ {aim:g}: {'yes' if value >= aim else 'no'}"
            shown = value if isinstance(value, str) else "" if value is None else f"{value:.4g}"
            rows.append({"step": name, "figure": figure, "found": shown, "aimed at": met})
    return f"{results['device']}, commit {results['commit']}\n\n{markdown(rows)}"


def check(chosen: Sequence[Step], out: Path, *, patience: float = 1.0, **machine: Any) -> dict[str, Any]:
    """Run steps one after the other; after each, ``out`` and the table beside it hold what there is.

    Args:
        chosen: The steps.
        out: JSON file; the table is its neighbour ``.md``.
        patience: Factor of the time that each step has.
        machine: What was measured on.
    """
    results: dict[str, Any] = {**machine, "steps": {}}
    for step in chosen:
        print(f"{step.name} (up to {step.minutes:g} minutes) …", flush=True)
        results["steps"][step.name] = run_step(step, patience * step.minutes)
        print(f"  {results['steps'][step.name]['status']}", flush=True)
        measuring.write_results(out, results)
        out.with_suffix(".md").write_text(table(results) + "\n", encoding="utf-8")
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="rehearse: tiny sizes, on a CPU too")
    parser.add_argument("--only", help="steps whose name has this in it")
    parser.add_argument("--out", type=Path, default=repository() / "benchmarks" / "results" / "gpu-check.json")
    for hidden in ("--kernels", "--make", "--folder"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.kernels:
        print(json.dumps(kernels(options.kernels)))
        return 0
    if options.make:
        make(options.make, Path(options.folder))
        return 0
    if not (options.tiny or torch.cuda.is_available()):
        print("there is no CUDA device here; --tiny rehearses on a CPU", file=sys.stderr)
        return 1
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with tempfile.TemporaryDirectory() as folder:
        chosen = [s for s in steps(Path(folder), tiny=options.tiny) if (options.only or "") in s.name]
        patience = REHEARSAL if options.tiny else 1.0
        results = check(chosen, options.out, patience=patience, tiny=options.tiny, **measuring.machine(device))
    print(table(results))
    return int(any(step["status"] != "done" for step in results["steps"].values()))


if __name__ == "__main__":
    sys.exit(main())

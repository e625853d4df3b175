"""``python -m asr_helpers``: run the notebooks, transcribe, align, serve, export, publish, compare, make the sample."""

from __future__ import annotations

import argparse
import io
import os
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from asr_helpers.commands import add_align, add_export, add_publish, add_serve, add_transcribe
from asr_helpers.run.environment import unless_set
from asr_helpers.run.places import NOTEBOOKS
from asr_helpers.wording import visible

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    _write_utf8()
    options = _parser().parse_args(arguments)
    os.environ.update(unless_set())  # here, since no command has loaded torch yet
    try:
        return options.command(options) or 0
    except KeyboardInterrupt:
        print(
            "stopped; the same command goes on: with what is finished, and a training from its newest checkpoint",
            file=sys.stderr,
        )
        return 130
    except BrokenPipeError:  # whoever read what is written has enough: `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        if options.debug:
            raise
        print(visible(_told(error)), file=sys.stderr)
        return 1


def _write_utf8() -> None:
    """Write UTF-8 whatever the system's code page is: redirected into a file, Windows would take cp1252."""
    for stream, otherwise in ((sys.stdout, "surrogateescape"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors=otherwise)


def _told(error: Exception) -> str:
    """One sentence for a person; what the package does not raise on purpose names the way to the traceback."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}; check the name, its permissions and the disk"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, (ValueError, OSError, RuntimeError, ImportError)):
        return str(error)
    return f"{type(error).__name__}: {error}; this is a fault of the program: --debug shows where, please report it"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m asr_helpers", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = _command(
        commands,
        "run",
        "run the notebooks 01 to 05 with a parameter file",
        "run params/sample.yaml --name mine -p corpus=path/to/folder",
        "run params/sample.yaml --from 05 -p language_model=train",
    )
    _with_parameters(run)
    run.add_argument("--from", dest="start", choices=sorted(NOTEBOOKS), help="run again from this notebook on")
    run.add_argument("--until", choices=sorted(NOTEBOOKS), default="05", help="stop after this notebook")
    run.set_defaults(command=_run)

    train = _command(
        commands,
        "train",
        "notebook 04's training, also under torchrun and accelerate launch",
        "train params/sample.yaml",
    )
    _with_parameters(train)
    train.add_argument("--run-folder", metavar="FOLDER", help="the run folder, where it is not runs/NAME")
    train.add_argument(
        "--while-stdin-open", action="store_true", help="end when standard input ends: with whoever started this"
    )
    train.set_defaults(command=_train)

    curve = _command(
        commands,
        "curve",
        "what twice the recordings would bring: trains again on parts of a run's training split",
        "curve runs/mine",
        "curve runs/mine --parts 12.5 25 50",
    )
    curve.add_argument("run", type=Path, metavar="RUN", help="run folder, trained (notebooks 01 to 04)")
    curve.add_argument(
        "--parts", type=float, nargs="+", metavar="PERCENT", default=[25, 50],
        help="of the training speech, beside the whole (default: 25 50); each is trained as long as the whole was",
    )  # fmt: skip
    curve.add_argument("--seed", type=int, default=1, help="of the choice of the parts, and of the bootstrap")
    curve.set_defaults(command=_curve)

    sample = _command(commands, "sample", "make the sample corpus", "sample")
    sample.set_defaults(command=_sample)

    add_transcribe(commands)
    add_align(commands)
    add_export(commands)
    add_publish(commands)
    add_serve(commands)

    compare = _command(
        commands,
        "compare",
        "which of two runs is better, and where",
        "compare runs/sample runs/mine --html comparison.html",
    )
    compare.add_argument("run_a", type=Path, metavar="RUN_A")
    compare.add_argument("run_b", type=Path, metavar="RUN_B")
    compare.add_argument("--shared", action="store_true", help="compare on the shared utterances of different tests")
    compare.add_argument("--html", type=Path, help="write the comparison as a page too")
    compare.add_argument("--seed", type=int, default=1, help="of the bootstrap")
    compare.set_defaults(command=_compare)
    for command in commands.choices.values():
        command.add_argument("--debug", action="store_true", help="show where in the program an error came up")
    return parser


def _command(commands: Any, name: str, about: str, *examples: str) -> argparse.ArgumentParser:
    """Add a command, with examples of its use after its help."""
    lines = "\n".join(f"  python -m asr_helpers {example}" for example in examples)
    shape = argparse.RawDescriptionHelpFormatter
    return commands.add_parser(name, help=about, description=about, epilog=f"examples:\n{lines}", formatter_class=shape)


def _with_parameters(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", type=Path, help="YAML file of parameters, e.g. params/sample.yaml")
    command.add_argument("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE")
    command.add_argument("--name", help="name of the run folder (default: the parameter file's name)")


def _run(options: argparse.Namespace) -> int:
    from asr_helpers.run.parameters import read_parameters
    from asr_helpers.run.runner import run_notebooks, summary

    parameters = read_parameters(options.file, options.parameter)
    run = run_notebooks(parameters, name=options.name or options.file.stem, start=options.start, until=options.until)
    if options.until == "05":
        print(visible(summary(run)))
    return 0


def _train(options: argparse.Namespace) -> int:
    from asr_helpers.run.folder import open_run
    from asr_helpers.run.launch import stop_with_parent
    from asr_helpers.run.lock import locked
    from asr_helpers.run.parameters import read_parameters
    from asr_helpers.run.runner import run_folder_of
    from asr_helpers.run.training import start_training

    if options.while_stdin_open:
        stop_with_parent()
    parameters = read_parameters(options.file, options.parameter)
    run = open_run(options.run_folder or run_folder_of(options.name or options.file.stem), new=False)
    with locked(run.folder):
        training = start_training(run, parameters)
        result = training.fit()
        if training.save(result) and not options.while_stdin_open:
            print(f"best validation WER {result.best_wer:.3f} at step {result.best_step}; {run.name}/model")
    return 0


def _curve(options: argparse.Namespace) -> int:
    from matplotlib.figure import Figure

    from asr_helpers.analysis.power_law import UNKNOWN
    from asr_helpers.run.folder import open_run
    from asr_helpers.run.learning_curve import train_curve
    from asr_helpers.run.lock import locked
    from asr_helpers.show.figures import png
    from asr_helpers.show.plots import learning_curve
    from asr_helpers.storage import write_bytes

    run = open_run(options.run, new=False)
    with locked(run.folder):
        curve = train_curve(run, parts=[percent / 100 for percent in options.parts], seed=options.seed)
    figure = Figure(figsize=(10, 3.5), layout="constrained")
    for ax, law in zip(figure.subplots(1, 2), curve.laws, strict=True):
        learning_curve(curve.of(law.unit), law, ax, title=law.headline)
    picture = run.path("learning_curve") / "curve.png"
    write_bytes(png(figure), picture)
    print(curve.points.round(4).to_string(index=False))
    limits = "" if all(law.why for law in curve.laws) else UNKNOWN
    print("\n".join(filter(None, [curve.verdict, curve.trial, limits, f"{run.name}/learning_curve/{picture.name}"])))
    return 0


def _sample(options: argparse.Namespace) -> int:
    from asr_helpers.run.places import repository
    from asr_helpers.sample.corpus import make_sample

    folder = repository() / "data" / "sample"
    print(make_sample(folder / "transcripts.txt", folder / "recordings").relative_to(repository()))
    return 0


def _compare(options: argparse.Namespace) -> int:
    from asr_helpers.analysis.compare import compare_runs
    from asr_helpers.run.folder import open_run
    from asr_helpers.show.report import comparison_sections, write_report

    runs = [open_run(folder, new=False) for folder in (options.run_a, options.run_b)]
    tables = [pd.read_parquet(run.need("predictions")) for run in runs]
    names = tuple(run.folder.name for run in runs)
    comparison = compare_runs(*tables, seed=options.seed, names=names, shared=options.shared)
    print(comparison.verdict)
    print(comparison.rates.round(4).to_string(index=False))
    a, b, even = comparison.wins
    print(f"{comparison.names[0]} is better on {a} utterances, {comparison.names[1]} on {b}, {even} are even")
    if options.html:
        title = " and ".join(comparison.names)
        sections = comparison_sections(comparison, language=runs[0].read_json("normalisation")["language"])
        write_report(options.html, title=title, verdict=comparison.verdict, sections=sections)
        print(options.html)
    return 0


if __name__ == "__main__":
    exit_status = main()
    if "RANK" in os.environ:  # torchrun or accelerate launch started this process, for a training
        from asr_helpers.training.processes import leave

        leave(exit_status)
    sys.exit(exit_status)

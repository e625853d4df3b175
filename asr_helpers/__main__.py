"""``python -m asr_helpers``: run the notebooks, transcribe, compare, make the sample corpus."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return options.command(options) or 0
    except KeyboardInterrupt:
        print("stopped; the same command goes on from what is finished", file=sys.stderr)
        return 130
    except (ValueError, OSError, RuntimeError, ImportError) as error:  # what the package raises for a person to read
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m asr_helpers", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run the notebooks 01 to 05 with a parameter file")
    run.add_argument("file", type=Path, help="YAML file of parameters, e.g. params/sample.yaml")
    run.add_argument("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE")
    run.add_argument("--from", dest="start", choices=["01", "02", "03", "04", "05"], help="run again from here on")
    run.add_argument("--until", choices=["01", "02", "03", "04", "05"], default="05", help="stop after this notebook")
    run.add_argument("--name", help="name of the run folder (default: the parameter file's name)")
    run.set_defaults(command=_run)

    sample = commands.add_parser("sample", help="make the sample corpus")
    sample.set_defaults(command=_sample)

    transcribe = commands.add_parser("transcribe", help="turn recordings into text with a trained model")
    transcribe.add_argument("files", nargs="+", type=Path, metavar="FILE")
    transcribe.add_argument("--model", type=Path, required=True, help="runs/<name>/model")
    transcribe.add_argument("--format", choices=["text", "json", "srt", "textgrid"], default="text")
    transcribe.add_argument("--out", type=Path, help="folder for one file a recording (default: standard output)")
    transcribe.set_defaults(command=_transcribe)

    compare = commands.add_parser("compare", help="which of two runs is better, and where")
    compare.add_argument("run_a", type=Path, metavar="RUN_A")
    compare.add_argument("run_b", type=Path, metavar="RUN_B")
    compare.add_argument("--html", type=Path, help="write the comparison as a page too")
    compare.set_defaults(command=_compare)

    train = commands.add_parser("train", help="notebook 04's training, also under torchrun and accelerate launch")
    train.add_argument("file", type=Path, help="YAML file of parameters")
    train.add_argument("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE")
    train.add_argument("--name", help="name of the run folder (default: the parameter file's name)")
    train.set_defaults(command=_train)
    return parser


def _run(options: argparse.Namespace) -> int:
    from asr_helpers.report import summary_lines
    from asr_helpers.runner import read_parameters, run_notebooks

    parameters = read_parameters(options.file, options.parameter)
    run = run_notebooks(parameters, name=options.name or options.file.stem, start=options.start, until=options.until)
    print("\n".join(summary_lines(run)))
    return 0


def _sample(options: argparse.Namespace) -> int:
    from asr_helpers.runs import repository
    from asr_helpers.sample import make_sample

    folder = repository() / "data" / "sample"
    print(make_sample(folder / "transcripts.txt", folder / "recordings").relative_to(repository()))
    return 0

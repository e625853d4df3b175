"""``publish``: a run's model with its card, or its corpus with the splits, as a folder for others and on the Hub."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from asr_helpers.wording import listed, size

__all__ = ["add_publish"]

EXAMPLES = """\
examples:
  python -m asr_helpers publish runs/sample
  python -m asr_helpers publish runs/sample --to OWNER/urdu --licence apache-2.0
  python -m asr_helpers publish runs/sample --corpus --to OWNER/urdu-read --licence cc0-1.0

Without --to, the folder is written (published/ in the run folder) and nothing leaves this machine: read its README.md,
the card, first. With --to, the repository is made, private unless --public is given, and what is on the Hub already is
not sent again. The token comes from `hf auth login` or HF_TOKEN.
"""


def add_publish(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser's commands."""
    command = commands.add_parser(
        "publish",
        help="write a model card, and upload model or corpus",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("run", type=Path, metavar="RUN", help="runs/<name>")
    command.add_argument("--to", default="", metavar="OWNER/NAME", help="repository on the Hub; made where it is new")
    command.add_argument("--public", action="store_true", help="everybody may see it (default: its owner alone)")
    command.add_argument("--licence", default="", help="as the Hub abbreviates it, e.g. cc-by-4.0, apache-2.0")
    command.add_argument("--corpus", action="store_true", help="the corpus with its splits, in the form of datasets")
    command.add_argument("--without-report", action="store_true", help="leave out report.html, which holds recordings")
    command.set_defaults(command=_publish)


def _publish(options: argparse.Namespace) -> int:
    from asr_helpers.model.upload import upload
    from asr_helpers.run.folder import open_run
    from asr_helpers.run.publishing import publishable_corpus, publishable_model

    run = open_run(options.run, new=False)
    if options.corpus:
        folder = publishable_corpus(run, repository=options.to, licence=options.licence)
    else:
        report = not options.without_report
        folder = publishable_model(run, repository=options.to, licence=options.licence, report=report)
    files = {file.relative_to(folder).as_posix(): file.stat().st_size for file in folder.rglob("*") if file.is_file()}
    print(f"{folder}: {size(sum(files.values()))} in {listed(sorted(files), most=12)}")
    if "report.html" in files:
        print("report.html holds recordings and transcripts of the test split; --without-report leaves it out")
    if not (options.corpus or "metrics.json" in files):
        print("the card has no figures of the test split: run notebook 05 first", file=sys.stderr)
    if not options.licence:
        print("the card names no licence (--licence), so nobody else may use it", file=sys.stderr)
    if options.to:
        kind = "dataset" if options.corpus else "model"
        print(upload(folder, options.to, kind=kind, private=not options.public))
    return 0

"""``align``: when each word and letter of a known text was said, and which texts do not fit their recordings."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from tqdm import tqdm

from asr_helpers.storage import csv_text, write_text
from asr_helpers.wording import counted, quoted

from .recordings import Source, add_output, deliver, find_recordings, read_words, still_to_do, tell_error, where_to

if TYPE_CHECKING:
    from asr_helpers.decoding import Recogniser
    from asr_helpers.text import Normaliser

__all__ = ["add_align"]

TABLE = "alignment.csv"

CORPUS_OPTIONS = ("transcripts_file", "text_column")  # of notebook 01, for corpora that say it in other places

WORST = 3  # utterances that are also named on the screen

EXAMPLES = f"""\
examples:
  python -m asr_helpers align --model runs/sample/model take1.wav --text take1.txt --format elan --out aligned
  python -m asr_helpers align --model runs/sample/model data/sample/recordings --out aligned

A corpus folder (any layout that notebook 01 reads) also gets {TABLE}: one row an utterance, those first whose
text fits worst. A score near 0 says that the text is another one's; 1, that it is just what the model hears.
"""


@dataclass(frozen=True)
class Pair:
    """A recording and its text, as it was written; ``id`` names both."""

    id: str
    source: Source
    text: str


def add_align(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser's commands."""
    command = commands.add_parser(
        "align",
        help="find when each word of known texts was said",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("source", metavar="RECORDING", help="a recording, or a corpus folder with its transcripts")
    command.add_argument("--text", type=Path, metavar="FILE", help="what is said (default: the .txt beside it)")
    command.add_argument("--model", type=Path, required=True, metavar="FOLDER", help="runs/<name>/model, or …/onnx")
    add_output(command, default="textgrid")
    command.add_argument("--channel", type=int, help="channel to take, from 0 (default: mix them down)")
    command.add_argument("--language", help="spelling of the texts, where the model does not say it")
    command.add_argument("--layout", default="auto", help="of a corpus folder, as in notebook 01")
    for name in CORPUS_OPTIONS:
        command.add_argument(f"--{name.replace('_', '-')}", default="", help="of a corpus folder, as in notebook 01")
    command.set_defaults(command=_align)


def _align(options: argparse.Namespace) -> int:
    from asr_helpers.decoding import Recogniser, align_file, render
    from asr_helpers.decoding.export import FORMATS

    folder = Path(options.source).expanduser().is_dir()
    if folder and not options.out:
        raise ValueError(f"{options.source} is a folder: name another one for what is written (--out)")
    pairs = _corpus(options) if folder else [_pair(options)]
    sources = [pair.source for pair in pairs]
    targets = where_to(sources, FORMATS[options.format].suffix, out=options.out, beside=options.beside)
    write = set(still_to_do(targets, again=options.again))
    recogniser = Recogniser.load(options.model)
    spell, rows = _spelling(options, recogniser), []
    for pair in tqdm(pairs, unit=" recordings", disable=None if folder else True):
        row: dict[str, Any] = {"id": pair.id, "audio": pair.source.name, "text": spell(pair.text)}
        rows.append(row)
        try:
            if not row["text"]:
                raise ValueError(f"there is no text for {pair.source.name}; write down what is said in it")
            found = align_file(pair.source.path, row["text"], recogniser, channel=options.channel)
            row |= {"score": float(f"{found.score:.3g}"), "confidence": round(found.hypothesis.confidence, 4)}
            row |= {"seconds": round(found.seconds, 3), "words": len(found.hypothesis.words)}
            text = render(found.hypothesis, form=options.format, seconds=found.seconds, file=str(pair.source.path))
        except (ValueError, OSError) as error:
            row["problem"] = str(error)
            tell_error(error, pair.source, debug=options.debug)
            continue
        if pair.source in write:
            deliver(text, targets[pair.source])
        if not folder:
            print(f"{pair.source.name}: score {found.score:.2g}", file=sys.stderr)
    table = pd.DataFrame(rows, columns=["id", "score", "confidence", "seconds", "words", "text", "audio", "problem"])
    if folder:
        _write_table(table, options.out)
    return int(table.problem.notna().any())


def _pair(options: argparse.Namespace) -> Pair:
    source, *others = find_recordings([options.source])
    if others:
        told = f"{options.source} names {1 + len(others)} recordings, and a text belongs to one"
        raise ValueError(f"{told}; name one of them, or the folder of a corpus with its transcripts")
    file = options.text or source.path.with_suffix(".txt")
    if not file.exists():
        raise ValueError(f"there is no text {file} for {source.name}; name the file that says what is said (--text)")
    return Pair(source.path.stem, source, read_words(file))


def _corpus(options: argparse.Namespace) -> list[Pair]:
    from asr_helpers.corpus import read_corpus

    if options.text:
        raise ValueError(f"{options.source} is a folder, and --text is for one recording; name the recording")
    given = {name: getattr(options, name) for name in CORPUS_OPTIONS}
    corpus = read_corpus(options.source, layout=options.layout, **given)
    if corpus.problems:
        told = counted(len(corpus.problems), "problem")
        print(f"{told} of reading the corpus, the first: {corpus.problems[0].value}", file=sys.stderr)
    return [
        Pair(row.id, Source(corpus.root / row.audio, row.audio, Path(row.audio)), row.transcript or "")
        for row in corpus.rows.itertuples()
    ]


def _spelling(options: argparse.Namespace, recogniser: Recogniser) -> Callable[[str], str]:
    """How the texts are brought into the spelling that the model was taught."""
    from asr_helpers.text import Normaliser

    spelling: Normaliser | None = Normaliser(options.language) if options.language else recogniser.normaliser
    if spelling is None:
        raise ValueError(
            f"{options.model} does not say in which spelling it was taught (it has no normalisation.json); "
            "name the language of the texts (--language ur)"
        )
    return spelling


def _write_table(table: pd.DataFrame, folder: Path) -> None:
    table = table.astype({"words": "Int64"}).sort_values("score", kind="stable", na_position="first", ignore_index=True)
    write_text(csv_text(table), folder / TABLE)
    print(f"{counted(len(table), 'utterance')} in {folder / TABLE}, median score {table.score.median():.2g}; lowest:")
    for row in table[table.score.notna()].head(WORST).itertuples():
        print(f"  {row.score:.2g}  {row.id}  {quoted(row.text)}")

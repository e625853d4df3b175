"""``transcribe``: recordings of any length become text, subtitles or words with times."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from asr_helpers.wording import counted, listed, visible

from .recordings import (
    add_output,
    deliver,
    find_recordings,
    open_standard_input,
    still_to_do,
    tell_error,
    where_to,
)

if TYPE_CHECKING:
    from asr_helpers.decoding import BeamSearch, Recogniser

__all__ = ["add_transcribe", "open_search"]

EXAMPLES = """\
examples:
  python -m asr_helpers transcribe --model runs/sample/model interview.mp3
  python -m asr_helpers transcribe --model runs/sample/model recordings --format srt --beside
  python -m asr_helpers transcribe --model runs/sample/model "tapes/*.wav" --format textgrid --out grids
  python -m asr_helpers transcribe --model runs/sample/model --list files.txt --format csv --out tables
  python -m asr_helpers transcribe --model runs/sample/model - --language-model 3gram.arpa.gz < call.wav
"""


def add_transcribe(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser's commands."""
    command = commands.add_parser(
        "transcribe",
        help="turn recordings of any length into text",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("files", nargs="*", metavar="FILE", help="recordings, folders, patterns; - is standard input")
    command.add_argument("--list", type=Path, metavar="FILE", help="text file that names recordings, one a line")
    command.add_argument("--model", type=Path, required=True, metavar="FOLDER", help="runs/<name>/model, or …/onnx")
    add_output(command, default="text")
    command.add_argument(
        "--language-model", type=Path, metavar="FILE", help="ARPA file (also .gz) or KenLM binary, for beam search"
    )
    command.add_argument("--channel", type=int, help="channel to take, from 0 (default: mix them down)")
    command.set_defaults(command=_transcribe)


def _transcribe(options: argparse.Namespace) -> int:
    from asr_helpers.decoding import Recogniser, render, transcribe_file
    from asr_helpers.decoding.export import FORMATS

    targets = where_to(
        find_recordings(options.files, options.list),
        FORMATS[options.format].suffix,
        out=options.out,
        beside=options.beside,
    )
    if len(targets) > 1 and None in targets.values() and options.format != "text":
        places = "give them a folder (--out), or write beside the recordings (--beside)"
        raise ValueError(f"{len(targets)} recordings as {options.format} do not fit one stream; {places}")
    left = still_to_do(targets, again=options.again)
    if not left:
        return 0
    recogniser = Recogniser.load(options.model)
    search, failed = open_search(options.language_model, recogniser), 0
    with open_standard_input(left) as opened:
        for number, (asked, source) in enumerate(zip(left, opened, strict=True), start=1):
            try:
                about = f"{number}/{len(left)} {source.path.name}"
                with tqdm(desc=about, unit=" s", disable=None, leave=False) as bar:  # on a terminal only
                    transcript = transcribe_file(
                        source.path,
                        recogniser,
                        search=search,
                        channel=options.channel,
                        progress=lambda seconds, bar=bar: bar.update(round(seconds) - bar.n),
                    )
                heard, file = transcript.hypothesis, source.name
                text = render(heard, form=options.format, seconds=transcript.seconds, file=file)
            except (ValueError, OSError) as error:
                failed += 1
                tell_error(error, source, debug=options.debug)
                continue
            named = options.format == "text" and len(targets) > 1 and targets[asked] is None
            deliver(f"{visible(source.name)}\t{text}" if named else text, targets[asked])
    if options.out or options.beside:
        place = f"in {options.out}" if options.out else "beside the recordings"
        print(f"{counted(len(left) - failed, 'file')} written {place}", file=sys.stderr)
    if failed and len(left) > 1:
        print(f"{failed} of {len(left)} recordings could not be transcribed", file=sys.stderr)
    return int(failed > 0)


def open_search(language_model: Path | None, recogniser: Recogniser) -> BeamSearch | None:
    """Beam search, where it is asked for; says which words of the language model can never be written."""
    if language_model is None:
        return None
    from asr_helpers.decoding import BeamSearch, no_search

    if why := no_search():
        print(f"{why}; the text is the greedy one", file=sys.stderr)
        return None
    search = BeamSearch.load(language_model, recogniser.alphabet, normaliser=recogniser.normaliser)
    if left_out := search.left_out:
        every = counted(len(left_out) + len(search.words), "word")
        told = f"{len(left_out):,} of {every} of {language_model} have letters that the model lacks and are left out"
        print(f"{told}: {listed(left_out, most=3)}", file=sys.stderr)
    return search

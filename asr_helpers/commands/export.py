"""``export``: a run's model as ONNX and in int8, for programs without torch, measured beside the original."""

from __future__ import annotations

import argparse
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from asr_helpers.storage import csv_text, replacing_folder, write_text
from asr_helpers.wording import counted, percent

if TYPE_CHECKING:
    import pandas as pd

    from asr_helpers.run.folder import Run

__all__ = ["add_export"]

TABLE = "comparison.csv"

EXAMPLES = f"""\
examples:
  python -m asr_helpers export runs/sample
  python -m asr_helpers export runs/mine --utterances 200

Writes model.onnx, model_int8.onnx, the processor, {TABLE} and a README.md into onnx/ of the run folder. Error rate,
size and speed are measured on the run's test split, on this machine's CPU, one utterance at a time.
"""

CARD = """\
# The model of {run} for onnxruntime

Measured on {count} utterances of the test split, one at a time, with {threads} on a CPU:

{table}

*other texts*: utterances that this file writes otherwise than the original. *speed*: seconds of speech a second.
*padding*: what the other clips of a padded batch change at most in a log-probability, and in how many of {padded}
texts.
{padding}

```python
import librosa
import onnxruntime
from transformers import AutoProcessor

processor = AutoProcessor.from_pretrained(".")
session = onnxruntime.InferenceSession("{file}")
samples, rate = librosa.load("recording.wav", sr=16_000)
inputs = processor(samples, sampling_rate=rate, return_attention_mask=True, return_tensors="np")
names = {{"attention_mask": "int64"}}
given = {{name: value.astype(names.get(name, "float32")) for name, value in inputs.items()}}
(logits,) = session.run(["logits"], given)
print(processor.batch_decode(logits.argmax(-1))[0])
```
"""

EXACT = 1e-3  # of a log-probability: what rounding changes

PADDING = {
    True: "`{}`: padded batches are exact.",
    False: "`{}`: its activations share one scale in a batch, so give it one clip at a time.",
}


def add_export(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser's commands."""
    command = commands.add_parser(
        "export",
        help="write the model as ONNX and in int8, measured",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("run", type=Path, metavar="RUN", help="runs/<name>")
    command.add_argument("--utterances", type=int, metavar="N", help="of the test split (default: all)")
    command.add_argument("--seed", type=int, default=13, help="of the intervals")
    command.set_defaults(command=_export)


def _export(options: argparse.Namespace) -> int:
    from asr_helpers.decoding.onnx_model import require_packages
    from asr_helpers.run.folder import open_run

    require_packages()
    if options.utterances is not None and options.utterances < 1:
        raise ValueError(f"--utterances is {options.utterances}; give 1 or more, or leave it out for all of them")
    run = replace(open_run(options.run, new=False), supervised=True)  # whatever has become of the corpus since
    folder = run.folder / "onnx"
    with replacing_folder(folder) as part:
        for file in run.need("model").iterdir():
            if file.is_file() and file.suffix not in (".safetensors", ".bin"):
                shutil.copyfile(file, part / file.name)
        table = _measured(run, part, options)
    print(_shown(table))
    print(folder)
    return 0


def _measured(run: Run, folder: Path, options: argparse.Namespace) -> pd.DataFrame:
    """Write the files and the table of what they are worth."""
    import torch

    from asr_helpers.dataset.reading import load_prepared
    from asr_helpers.decoding.onnx_model import PADDED, measure, quantise, write_onnx
    from asr_helpers.decoding.onnx_session import OnnxModel
    from asr_helpers.decoding.recogniser import Recogniser
    from asr_helpers.model.loading import load_trained

    rows = load_prepared(run.need("dataset"))["test"]
    rows = rows.select(range(min(options.utterances or len(rows), len(rows))))
    recogniser = Recogniser.load(run.need("model"), device="cpu")
    print("writing ONNX: this takes a minute", file=sys.stderr)
    plain = load_trained(run.need("model"), attn_implementation="eager")
    whole = write_onnx(replace(recogniser, model=plain), folder)
    written = {"ONNX": whole, "int8": quantise(whole)}
    models = {name: OnnxModel(path, plain.config) for name, path in written.items()}
    table = measure({"original": recogniser.model, **models}, rows, recogniser, seed=options.seed)
    weights = [sum(file.stat().st_size for file in run.need("model").glob("*.safetensors"))]
    sizes = [sum(file.stat().st_size for file in folder.glob(f"{path.name}*")) for path in written.values()]
    table.insert(1, "megabytes", [size / 1e6 for size in weights + sizes])
    write_text(csv_text(table), folder / TABLE)
    told = [PADDING[bool(row.padded < EXACT)].format(written[row.model].name) for row in table[1:].itertuples()]
    card = CARD.format(
        run=run.folder.name,
        count=len(rows),
        threads=counted(torch.get_num_threads(), "thread"),
        table=_shown(table),
        padded=min(PADDED, len(rows)),
        padding=" ".join(told),
        file=written["int8"].name,
    )
    write_text(card, folder / "README.md")
    return table


def _shown(table: pd.DataFrame) -> str:
    """The table as Markdown."""
    lines = ["| | MB | WER | 95 % interval | CER | other texts | speed | padding |", "| --- " * 8 + "|"]
    for row in table.itertuples():
        rates = f"{percent(row.wer)} | {percent(row.low)} to {percent(row.high)} | {percent(row.cer)}"
        padding = f"{row.padded:.1g}, {row.padded_texts}"
        cells = f"{row.model} | {row.megabytes:.1f} | {rates} | {row.other_texts} | {row.speed:.1f} | {padding}"
        lines.append(f"| {cells} |")
    return "\n".join(lines)

"""What notebooks cost, cell by cell: seconds that the processor worked, and the most memory so far.

    python benchmarks/cells.py --rows 10000 30000 100000                # 01 on made-up rows and clips of a second
    python benchmarks/cells.py --corpus /data/speech --until 03         # 01 to 03 on recordings that are there

Each notebook's cells run in a process of their own, one after the other. Seconds are those of the processor, its threads
and children included, so that other work on the machine counts little; on another machine only their growth with the
rows means something.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path
from typing import Any

import numpy as np
from bench_tables import markdown
from corpora import SEED

from asr_helpers.run.fingerprints import code_cells
from asr_helpers.run.places import NOTEBOOKS, repository

RATE = 8_000  # Hz: files as short as clips come
LETTERS = "ابپتٹجچحخدڈذرزسشصضطظعغفقکگلمنوہیے"
WORDS, SPOKEN_TWICE, OF_ONE_SPEAKER = 20_000, 0.2, 50
LEAST = 0.5  # seconds of a cell that is worth a line


def make_corpus(folder: Path, rows: int) -> Path:
    """Write clips of 0.8 to 1.4 s whose level changes as in speech, and a table of random sentences by many speakers.

    A fifth of the rows read a sentence that another row has.
    """
    rng = np.random.default_rng(SEED)
    noise = rng.standard_normal(20_000_000).astype(np.float32)
    letters, ends = rng.choice(list(LETTERS), 7 * WORDS), rng.integers(2, 7, WORDS)
    words = ["".join(letters[7 * i : 7 * i + end]) for i, end in enumerate(ends)]
    said, lines = [], ["file_name,text,speaker"]
    (folder / "clips").mkdir(parents=True)
    for number in range(rows):
        again = said and rng.random() < SPOKEN_TWICE
        said.append(said[rng.integers(len(said))] if again else " ".join(words[i] for i in rng.integers(WORDS, size=rng.integers(2, 6))))
        length, begin = round(rng.uniform(0.8, 1.4) * RATE), rng.integers(len(noise) - 2 * RATE)
        level = 10 ** (rng.normal(0, 12, 25) / 20)  # dB about the mean, 25 stretches
        shape = np.interp(np.arange(length), np.linspace(0, length, 25), level / level.max())
        samples = (noise[begin : begin + length] * shape * 6_000).clip(-32_767, 32_767).astype(np.int16)
        name = f"clips/{number:06d}.wav"
        with wave.open(str(folder / name), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes(samples.tobytes())
        lines.append(f"{name},{said[-1]},speaker {rng.integers(max(2, rows // OF_ONE_SPEAKER))}")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def worked() -> float:
    """Seconds that this process and its children have computed so far, in the system's calls too."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def run_cells(number: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Run a notebook's code cells in this process; a line a cell: its first line, seconds, the most memory so far."""
    found, names = [], {"__name__": "__main__"}
    for tags, source in code_cells(repository() / "notebooks" / f"{NOTEBOOKS[number]}.ipynb"):
        before, began = worked(), time.perf_counter()
        tree = ast.parse(source)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, source, "exec"), names)
        if last is not None:  # what a notebook would show
            shown = eval(compile(ast.Expression(last.value), source, "eval"), names)
            getattr(shown, "_repr_html_", str)()
        if "parameters" in tags:
            names.update({name: value for name, value in parameters.items() if name in names})
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        line = next((line for line in source.splitlines() if line and not line.startswith(("#", "import", "from"))), "")
        spent = {"cpu_s": worked() - before, "wall_s": time.perf_counter() - began, "peak_bytes": peak}
        found.append({"cell": line.strip(), **spent})
    return found


def measure(number: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Run a notebook's cells in a process of their own.

    Raises:
        RuntimeError: A cell failed; the text is what the process said last.
    """
    command = [sys.executable, __file__, "--cells-of", number, "--parameters", json.dumps(parameters)]
    done = subprocess.run(command, cwd=repository(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"notebook {NOTEBOOKS[number]}: {done.stderr[-1000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def table(runs: dict[str, list[list[dict[str, Any]]]]) -> str:
    """Seconds of each cell that takes some, beside each other for every corpus; the sum and the peak of memory below."""
    rows = []
    for cells in zip(*(sum(books, []) for books in runs.values()), strict=True):
        if max(cell["cpu_s"] for cell in cells) >= LEAST:
            spent = {name: f"{cell['cpu_s']:.1f} s" for name, cell in zip(runs, cells, strict=True)}
            rows.append({"cell": f"`{cells[0]['cell'][:70]}`", **spent})
    flat = {name: sum(books, []) for name, books in runs.items()}
    rows.append({"cell": "all cells"} | {n: f"{sum(c['cpu_s'] for c in cells):.0f} s" for n, cells in flat.items()})
    peaks = {name: f"{max(c['peak_bytes'] for c in cells) / 1e9:.2f} GB" for name, cells in flat.items()}
    return markdown([*rows, {"cell": "most memory"} | peaks])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 30_000, 100_000], help="of made-up corpora")
    parser.add_argument("--corpus", type=Path, help="a corpus that is there, instead of made-up ones")
    parser.add_argument("--until", default="01", choices=list(NOTEBOOKS)[:3])
    parser.add_argument("--checkpoint", default="models/starter")
    parser.add_argument("--work", type=Path, help="keep the runs, and made-up corpora, in this folder")
    for hidden in ("--cells-of", "--parameters"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.cells_of:
        with contextlib.redirect_stdout(io.StringIO()):
            found = run_cells(options.cells_of, json.loads(options.parameters))
        print(json.dumps(found))
        return
    runs = {}
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.work or Path(temporary)).resolve()
        for size in [0] if options.corpus else options.rows:
            name = f"{size:,} rows" if size else options.corpus.name
            corpus = options.corpus or work / f"rows-{size}"
            if not corpus.exists():
                make_corpus(corpus, size)
            given = {"run_folder": str(work / f"run-{corpus.name}"), "corpus": str(corpus.resolve())}
            given |= {"on_error": "drop", "checkpoint": options.checkpoint}
            books = [number for number in NOTEBOOKS if number <= options.until]
            runs[name] = [measure(number, given) for number in books]
            print(table(runs), flush=True)


if __name__ == "__main__":
    main()

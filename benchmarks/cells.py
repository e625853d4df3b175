"""What notebooks cost, cell by cell: seconds that the processor worked, and the most memory so far.

    python benchmarks/cells.py --rows 10000 30000 100000                # 01 on made-up rows and clips of a second
    python benchmarks/cells.py --corpus /data/speech --until 03 --kill  # 01 to 03 on recordings that are there

Each notebook's cells run in a process of their own, one after the other. Seconds are those of the processor, threads
and children included, so that other work on the machine counts little; on another machine only their growth with
the rows means something. With ``--kill`` notebook 03 then prepares all anew, is killed in the middle and goes on.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import json
import os
import resource
import shutil
import signal
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

from asr_helpers.run.fingerprints import code_cells, fingerprint
from asr_helpers.run.parameters import typed
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
    noise = rng.standard_normal(5_000_000).astype(np.float32)
    letters, ends = rng.choice(list(LETTERS), 7 * WORDS), rng.integers(2, 7, WORDS)
    words = ["".join(letters[7 * i : 7 * i + end]) for i, end in enumerate(ends)]
    said, lines = [], ["file_name,text,speaker"]
    (folder / "clips").mkdir(parents=True)
    for number in range(rows):
        again = said and rng.random() < SPOKEN_TWICE
        picked = rng.integers(WORDS, size=rng.integers(2, 6))
        said.append(said[rng.integers(len(said))] if again else " ".join(words[i] for i in picked))
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
        found.append({"notebook": number, "cell": line.strip(), **spent})
    return found


def measure(number: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Run a notebook's cells in a process of their own.

    Raises:
        RuntimeError: A cell failed; the text is what the process said last.
    """
    done = subprocess.run(
        command_for(number, parameters), cwd=repository(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"notebook {NOTEBOOKS[number]}: {done.stderr[-1000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def command_for(number: str, parameters: dict[str, Any]) -> list[str]:
    """The command that runs a notebook's cells and prints what they cost."""
    return [sys.executable, __file__, "--cells-of", number, "--parameters", json.dumps(parameters)]


# ---- preparing that is killed ----------------------------------------------------------------------------------------


def kill_and_go_on(parameters: dict[str, Any]) -> dict[str, Any]:
    """Prepare a dataset that is there anew, kill that in the middle (SIGKILL), run it again, and compare.

    Returns:
        ``shards`` and how many of them were ``kept`` when it was killed, ``written_again`` of those, ``other`` than
        what was there before, ``leftovers`` beside it; the most memory at the kill, ``killed_peak_bytes``; ``cpu_s`` of
        going on.
    """
    folder = Path(parameters["run_folder"]) / "dataset"
    before = shards_of(folder)
    shutil.rmtree(folder)
    with subprocess.Popen(command_for("03", parameters), cwd=repository(), stdout=-3, stderr=-3) as process:
        while len(kept := shards_of(folder)) < len(before) / 2 and process.poll() is None:
            time.sleep(0.2)
        peak = peak_of(process.pid)
        os.kill(process.pid, signal.SIGKILL)
    began = worked()
    measure("03", parameters)
    after = shards_of(folder)
    return {
        "shards": len(before),
        "kept": len(kept),
        "written_again": sum(after[name] != kept[name] for name in kept),
        "other": sum(after.get(name, (0, ""))[1] != digest for name, (_, digest) in before.items()),
        "leftovers": len(list(folder.glob("*/.*"))),
        "killed_peak_bytes": peak,
        "cpu_s": worked() - began,
    }


def shards_of(folder: Path) -> dict[str, tuple[int, str]]:
    """The finished shards of a dataset: when each was written, and the digest of its content."""
    reports = (report for report in folder.glob("*/[0-9]*.json"))
    found = {str(r.relative_to(folder)): r.with_suffix(".arrow") for r in reports}
    return {name: (file.stat().st_mtime_ns, fingerprint(file)) for name, file in found.items()}


def peak_of(process: int) -> int:
    """The most memory that another process held so far, bytes; Linux says it."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def table(runs: dict[str, list[dict[str, Any]]]) -> str:
    """Seconds of each cell that takes some, the corpora beside each other; a notebook's sum, and its most memory."""
    rows = []
    for cells in zip(*runs.values(), strict=True):
        if max(cell["cpu_s"] for cell in cells) >= LEAST:
            spent = {name: f"{cell['cpu_s']:.1f} s" for name, cell in zip(runs, cells, strict=True)}
            rows.append({"cell": f"`{cells[0]['cell'][:70]}`", **spent})
    for number in dict.fromkeys(cell["notebook"] for cell in next(iter(runs.values()))):
        row = {"cell": f"all of {NOTEBOOKS[number]}; its most memory"}
        for name, cells in runs.items():
            own = [cell for cell in cells if cell["notebook"] == number]
            row[name] = f"{sum(c['cpu_s'] for c in own):.0f} s; {max(c['peak_bytes'] for c in own) / 1e9:.2f} GB"
        rows.append(row)
    return markdown(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 30_000, 100_000], help="of made-up corpora")
    parser.add_argument("--corpus", type=Path, help="a corpus that is there, instead of made-up ones")
    parser.add_argument("--until", default="01", choices=list(NOTEBOOKS)[:3])
    parser.add_argument("-p", action="append", default=[], metavar="NAME=VALUE", help="a parameter of the notebooks")
    parser.add_argument("--kill", action="store_true", help="with --until 03: prepare again, killed in the middle")
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
            given |= {"on_error": "drop", **typed(dict(word.split("=", 1) for word in options.p))}
            books = [number for number in NOTEBOOKS if number <= options.until]
            runs[name] = [cell for number in books for cell in measure(number, given)]
            print(table(runs), flush=True)
            if options.kill:
                print(json.dumps(kill_and_go_on(given)), flush=True)


if __name__ == "__main__":
    main()

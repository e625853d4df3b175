"""All five notebooks over a corpus of tones with a tiny checkpoint, in this process: seconds instead of minutes."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import soundfile
from IPython.display import display
from tiny import LETTERS, RATE, tiny_model, tiny_processor, tones

from asr_helpers.run import runner
from asr_helpers.run.fingerprints import code_cells
from asr_helpers.run.folder import Run
from asr_helpers.run.places import NOTEBOOKS, repository

matplotlib.use("Agg")

Hook = Callable[[str, str, dict], str]

SHORT = {
    "max_steps": 2,
    "evaluations": 1,
    "warmup": 0.0,
    "precision": "fp32",
    "compare_utterances": 2,
    "search_trials": 2,
    "exports": 2,
    "layout": "numbered",
}


def different(count: int, *, letters: tuple[int, int] = (3, 6), words: tuple[int, int] = (1, 4)) -> list[str]:
    """Make ``count`` different transcripts out of the letters that have tones, with words and letters in ranges."""
    rng = np.random.default_rng(0)
    made: dict[str, None] = {}
    while len(made) < count:
        lengths = rng.integers(*letters, size=rng.integers(*words, endpoint=True), endpoint=True)
        made[" ".join("".join(rng.choice(list(LETTERS), size=length)) for length in lengths)] = None
    return list(made)


def make_corpus(folder: Path, transcripts: Sequence[str], *, letter: float = 0.06) -> Path:
    """Write ``1.wav`` … and ``text.txt``; ``letter`` is how many seconds of tone a letter has."""
    folder.mkdir(parents=True)
    for number, text in enumerate(transcripts, start=1):
        soundfile.write(folder / f"{number}.wav", tones(text, np.random.default_rng(number), letter), RATE)
    (folder / "text.txt").write_text("\n".join(transcripts) + "\n", encoding="utf-8")
    return folder


def make_checkpoint(folder: Path) -> Path:
    """Write the checkpoint that is fine-tuned."""
    tiny_model().save_pretrained(folder)
    tiny_processor(folder / "vocabulary").save_pretrained(folder)
    return folder


def run_chain(monkeypatch, folder: Path, *, before_cell: Hook | None = None, **parameters) -> Run:
    """Run the notebooks into ``folder/run``.

    Args:
        monkeypatch: Puts `execute` in the place of papermill.
        folder: Holds the run folder.
        before_cell: Is given the notebook's number, a cell's source and the notebook's names before each cell runs;
            gives the source that runs.
        parameters: Beyond those of ``SHORT``.
    """
    monkeypatch.setattr(runner, "_execute", lambda step, run: execute(step, before_cell))
    return runner.run_notebooks({**SHORT, **parameters}, name="run", runs=str(folder))


def run_by_hand(run_folder: Path, number: str, **parameters) -> None:
    """Run one notebook as somebody does in Jupyter: no runner sees to what it reads."""
    source = repository() / "notebooks" / f"{NOTEBOOKS[number]}.ipynb"
    execute(runner.Step(number, source, {**SHORT, **parameters, "run_folder": str(run_folder)}, {}))


def execute(step: runner.Step, before_cell: Hook | None = None) -> None:
    """Run a notebook cell by cell; what stands last in a cell is shown, as in Jupyter."""
    namespace: dict = {"__name__": "__main__"}
    for i, (tags, source) in enumerate(code_cells(step.source)):
        source = before_cell(step.number, source, namespace) if before_cell else source
        name = f"<{step.name}, cell {i}>"
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
        tree = ast.parse(source)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, name, "exec"), namespace)
        if last and (value := eval(compile(ast.Expression(last.value), name, "eval"), namespace)) is not None:
            display(value)
        if "parameters" in tags:
            namespace.update(step.given)

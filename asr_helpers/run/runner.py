"""Run the notebooks one after another with papermill: one run folder, checked parameters, plain accounts of failure."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from asr_helpers.storage import write_json

from .folder import NOTEBOOKS, Run, open_run, repository
from .provenance import fingerprint

__all__ = ["NotebookFailed", "ParameterError", "declared_parameters", "read_parameters", "run_notebooks", "summary"]

STATE = "runner.json"  # notebook number → what it was run with; written after each notebook that succeeded

LAST_LINES = 12  # of what a process printed, in the error

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class ParameterError(ValueError):
    """A parameter that no notebook declares; the text names the nearest one that exists."""


class NotebookFailed(RuntimeError):
    """A notebook stopped; the text says where, why, and how to go on."""


@dataclass(frozen=True)
class Step:
    """One notebook of a run, with the parameters it declares."""

    number: str
    source: Path
    parameters: dict[str, Any]

    def key(self, before: str) -> str:
        """Changes when the notebook, a parameter, or anything that ran before it changes."""
        content = json.dumps([before, fingerprint(self.source), self.parameters], sort_keys=True, default=str)
        return hashlib.sha256(content.encode()).hexdigest()[:16]


def declared_parameters(notebook: Path) -> dict[str, Any]:
    """The parameters of a notebook's ``parameters`` cell, name → default as written there."""
    import papermill

    return {name: entry["default"] for name, entry in papermill.inspect_notebook(str(notebook)).items()}


def read_parameters(file: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Read a parameter file and the ``name=value`` overrides of the command line.

    Args:
        file: YAML, one flat mapping of parameter names to values.
        overrides: ``name=value``; the value is read as YAML, so ``3`` is a number and ``true`` a truth value.

    Raises:
        ParameterError: The file holds something else than a flat mapping, or an override has no ``=``.
    """
    given = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    if not isinstance(given, dict):
        raise ParameterError(f"{file} holds a {type(given).__name__}; write one `name: value` a line")
    for override in overrides:
        name, sign, value = override.partition("=")
        if not sign:
            raise ParameterError(f"-p {override!r} has no value; write -p {override}=VALUE")
        given[name.strip()] = yaml.safe_load(value)
    return given


def run_notebooks(
    parameters: Mapping[str, Any], *, name: str, start: str | None = None, until: str = "05", runs: str = "runs"
) -> Run:
    """Run the notebooks in order into ``runs/<name>/``.

    A notebook that already ran with the same parameters after the same predecessors is not run again, so a run that
    was killed goes on with the notebook in which it was killed (whose own work goes on from what it had written).

    Args:
        parameters: Values for the notebooks' parameter cells.
        name: Name of the run folder.
        start: Number of the notebook to start from, run again whatever was there; earlier ones must have run.
        until: Number of the last notebook to run.
        runs: The folder of run folders.

    Returns:
        The finished run.

    Raises:
        ParameterError: No notebook declares a parameter.
        NotebookFailed: A notebook stopped.
    """
    run = open_run(f"{runs}/{name}")
    steps = [s for s in _plan({**parameters, "run_folder": f"{runs}/{name}"}) if s.number <= until]
    state_file = run.folder / STATE
    done = json.loads(state_file.read_text()) if state_file.exists() else {}
    if start:
        done = {number: key for number, key in done.items() if number < start}
    before = ""
    for step in steps:
        before = step.key(before)
        if start and step.number < start:
            continue  # the person says so; a missing artifact is then the notebook's own clear error
        if done.get(step.number) == before:
            print(f"{NOTEBOOKS[step.number]}: already done with these parameters", flush=True)
            continue
        done = {number: key for number, key in done.items() if number < step.number}
        write_json(done, state_file)
        _execute(step, run)
        done[step.number] = before
        write_json(done, state_file)
    return run


def summary(run: Run) -> str:
    """WER and CER with the data they were measured on, and where everything lies."""
    metrics = run.read_json("metrics")
    rows = [s for s in metrics["scores"] if s["text"] == "normalised" and s["by"] == "utterance"]
    rates = {row["unit"]: f"{row['value']:.1%} ({row['low']:.1%} to {row['high']:.1%})" for row in rows}
    lines = [
        f"WER {rates['word']}, CER {rates['character']} with 95 % intervals,",
        f"measured on {metrics['utterances']} test utterances of {metrics['data']}.",
    ]
    if "beam_wer" in metrics:
        lines.append(f"With the language model: WER {metrics['beam_wer']:.1%}.")
    lines += [f"Executed notebooks: {run.name}/notebooks", f"Report: {run.name}/{run.path('report').name}"]
    return "\n".join(lines)


def _plan(parameters: Mapping[str, Any]) -> list[Step]:
    """Give each notebook the parameters it declares; refuse one that none declares."""
    folder = repository() / "notebooks"
    declared = {number: declared_parameters(folder / f"{stem}.ipynb") for number, stem in NOTEBOOKS.items()}
    known = sorted({name for names in declared.values() for name in names})
    for name in parameters:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
            raise ParameterError(f"no notebook has a parameter {name!r}; the nearest is {near[0]!r}")
    return [
        Step(number, folder / f"{stem}.ipynb", {k: v for k, v in parameters.items() if k in declared[number]})
        for number, stem in NOTEBOOKS.items()
    ]


def _execute(step: Step, run: Run) -> None:
    """Run one notebook; its executed copy is kept in the run folder, also when it fails."""
    import papermill

    executed = run.folder / "notebooks" / f"{NOTEBOOKS[step.number]}.ipynb"
    executed.parent.mkdir(exist_ok=True)
    started = time.time()
    print(f"{NOTEBOOKS[step.number]} …", flush=True)
    try:
        papermill.execute_notebook(
            str(step.source),
            str(executed),
            parameters=step.parameters,
            cwd=str(repository()),
            kernel_name="python3",
            progress_bar=True,
            log_output=False,
        )
    except papermill.PapermillExecutionError as error:
        raise NotebookFailed(_account(error, step, executed, run)) from error
    print(f"{NOTEBOOKS[step.number]}: {time.time() - started:.0f} s", flush=True)


def _account(error: Exception, step: Step, executed: Path, run: Run) -> str:
    """Which notebook and cell, the last lines of the error, where the executed notebook lies, how to go on."""
    lines = [_COLOURS.sub("", line) for line in "\n".join(error.traceback).splitlines()]
    lines = [line for line in lines if line.strip()][-LAST_LINES:]
    return "\n".join(
        [
            f"{NOTEBOOKS[step.number]} stopped in cell {error.exec_count}: {error.ename}: {error.evalue}",
            "",
            *lines,
            "",
            f"The notebook as far as it ran: {run.name}/notebooks/{executed.name}",
            "Mend the cause and give the same command again: what is finished is not done again.",
        ]
    )

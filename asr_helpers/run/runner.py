"""Run the notebooks one after another with papermill: only what has to run, with plain accounts of failure."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from asr_helpers.storage import FULL
from asr_helpers.wording import counted, percent, quoted, visible

from .fingerprints import code_cells
from .folder import Run, open_run, read_lines
from .lock import locked
from .manifest import Manifest
from .parameters import ParameterError, all_parameters, typed
from .places import NOTEBOOKS, repository
from .progress import Progress

__all__ = ["NotebookFailed", "run_folder_of", "run_notebooks", "summary"]

LAST_LINES = 12  # of what a process printed, in the error

ATTEMPTS = 3  # at a notebook whose corpus, checkpoint or text changes while it runs

NAME = re.compile(r"\w[\w .-]{0,99}")  # a folder's name on every system, also where names have 255 bytes at most

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class NotebookFailed(RuntimeError):
    """A notebook stopped; the text says where, why, and how to go on."""


@dataclass(frozen=True)
class Step:
    """One notebook of a run.

    Attributes:
        number: ``"01"`` to ``"05"``.
        source: The notebook.
        given: The parameters that it is run with.
        parameters: All that it has, with the values that they then have.
    """

    number: str
    source: Path
    given: dict[str, Any]
    parameters: dict[str, Any]

    @property
    def name(self) -> str:
        """The notebook's name."""
        return NOTEBOOKS[self.number]


def run_folder_of(name: str, runs: str = "runs") -> str:
    """The run folder of a name.

    Raises:
        ParameterError: It is no name for a folder.
    """
    if not NAME.fullmatch(name) or name[-1] in " .":
        shown = quoted(name)
        raise ParameterError(
            f"the run name {shown} is no folder's name; use up to 100 letters, digits, - _ . and spaces"
        )
    return f"{runs}/{name}"


def run_notebooks(
    parameters: Mapping[str, Any], *, name: str, start: str | None = None, until: str = "05", runs: str = "runs"
) -> Run:
    """Run the notebooks in order into ``runs/<name>/``.

    A notebook runs again when a parameter, its code, the package's, something that it reads or something that it wrote
    is not what it was: the corpus, a checkpoint and texts by their content, artifacts as the manifest names them. So a
    run that was killed goes on with the notebook in which it was killed (whose own work goes on from what it had
    written), and a notebook before which the same artifacts came out again does not run.

    Args:
        parameters: Values for the notebooks' parameter cells.
        name: Name of the run folder.
        start: Number of the notebook to start from, run again whatever was there; earlier ones must have run.
        until: Number of the last notebook to run.
        runs: The folder of run folders.

    Returns:
        The finished run.

    Raises:
        ParameterError: No notebook declares a parameter, it does not take the value (a text that ``language_model``
            names cannot be read), or the name is no folder's.
        RunInUse: Another process is running this run folder.
        NotebookFailed: A notebook stopped.
    """
    folder = run_folder_of(name, runs)
    if parameters.get("run_folder", folder) != folder:
        raise ParameterError(f"run_folder is made from the run's name, here {folder}; leave it out, or give --name")
    steps = [step for step in _plan({**parameters, "run_folder": folder}) if (start or "") <= step.number <= until]
    _require_text(steps)
    run = open_run(folder)
    with locked(run.folder):
        ran = False
        for step in steps:
            why = f"{step.name}: from here on, as asked" if start else _why(step, Manifest(run.folder))
            if why is None:
                print(f"{step.name}: already done with these parameters", flush=True)
                continue
            if why:
                print(visible(why), flush=True)
            _run(step, run)
            ran = True
        if ran:
            _say_what_is_new(steps, run)
    return run


def _require_text(steps: list[Step]) -> None:
    """Refuse a language model's text that only the last notebook would find missing, after hours of training."""
    for text in {step.parameters["language_model"] for step in steps if step.number == "05"} - {""}:
        try:
            if text != "train":
                read_lines(text)
        except ValueError as error:
            raise ParameterError(str(error)) from error
        if find_spec("flashlight") is None:
            from asr_helpers.decoding.beam_search import MISSING

            print(f"without the language model, since {MISSING}", flush=True)


def _say_what_is_new(steps: list[Step], run: Run) -> None:
    """Say at the end if the corpus, a checkpoint or a text has changed since it was read: a training takes hours."""
    manifest = Manifest(run.folder)
    for step in steps:
        if step.number in manifest.entries and (new := manifest.other_sources(step.number)):
            said = f"{new} since {step.name} ran: the same command runs again what depends on it"
            print(visible(said), flush=True)


def _why(step: Step, manifest: Manifest) -> str | None:
    """Why a notebook has to run again, in a line; ``""``: it never ran; ``None``: it would make what it has made."""
    if step.number not in manifest.entries:
        return ""
    reasons = [
        manifest.other_parameters(step.number, step.parameters),
        manifest.other_sources(step.number),
        manifest.other_reads(step.number),
        manifest.other_code(step.number),
        manifest.other_artifacts(step.number),
    ]
    if not any(reasons):
        return None
    return f"{', '.join(filter(None, reasons))} since {step.name} ran: running it, and then what depends on it"


def _run(step: Step, run: Run) -> None:
    """Run a notebook; again where what it reads changed meanwhile, since nobody knows what of it was read."""
    manifest = Manifest(run.folder)
    if _made_from_other_data(step, manifest):
        print(f"{step.name}: its training learnt from other data and begins anew", flush=True)
        shutil.rmtree(run.path("checkpoints"), ignore_errors=True)
    for _ in range(ATTEMPTS):
        before = Manifest(run.folder).inputs(step.number, step.parameters)
        Manifest(run.folder).forget(step.number)
        _execute(step, run)
        now = Manifest(run.folder).inputs(step.number, step.parameters)
        if all(was in ("", now[name]) for name, was in before.items()):  # the sample corpus is made by notebook 01
            return
        print(f"{step.name}: what it reads changed while it ran", flush=True)
    raise NotebookFailed(f"what {step.name} reads keeps changing; give the same command again when it is at rest")


def _made_from_other_data(step: Step, manifest: Manifest) -> bool:
    """Whether a finished training is to be done again on other data; with other parameters it says so itself."""
    if step.number != "04" or "04" not in manifest.entries:
        return False
    return bool(manifest.other_sources("04") or manifest.other_reads("04")) and not manifest.other_parameters(
        "04", step.parameters
    )


def summary(run: Run) -> str:
    """WER and CER with the data they were measured on, and where everything lies."""
    metrics = run.read_json("metrics")
    rows = [s for s in metrics["scores"] if s["text"] == "normalised" and s["by"] == "utterance"]
    few = any(row["low"] is None for row in rows)
    spans = ["" if few else f" ({percent(row['low'])} to {percent(row['high'])})" for row in rows]
    rates = {row["unit"]: f"{percent(row['value'])}{span}" for row, span in zip(rows, spans, strict=True)}
    lines = [
        f"WER {rates['word']}, CER {rates['character']} {'(too few for intervals)' if few else 'with 95 % intervals'},",
        f"measured on {counted(metrics['utterances'], 'test utterance')} of {metrics['data']}.",
    ]
    if "beam_wer" in metrics:
        lines.append(f"With the language model: WER {percent(metrics['beam_wer'])}.")
    lines += [f"Executed notebooks: {run.name}/notebooks", f"Report: {run.name}/{run.path('report').name}"]
    return "\n".join(lines)


def _plan(given: Mapping[str, Any]) -> list[Step]:
    """Give each notebook the parameters it declares; refuse one that none declares."""
    values = typed(given)
    steps = []
    for number, declared in all_parameters().items():
        own = {name: value for name, value in values.items() if name in declared}
        defaults = {name: parameter.default for name, parameter in declared.items()}
        steps.append(Step(number, repository() / "notebooks" / f"{NOTEBOOKS[number]}.ipynb", own, {**defaults, **own}))
    return steps


def _execute(step: Step, run: Run) -> None:
    """Run one notebook; its executed copy is kept in the run folder, also when it fails."""
    import papermill

    from .kernel import ThisPython

    executed = run.folder / "notebooks" / f"{step.name}.ipynb"
    try:
        executed.parent.mkdir(exist_ok=True)
        with Progress(step.name, len(code_cells(step.source))) as progress:
            papermill.execute_notebook(
                _literal(step.source),
                _literal(executed),
                parameters=step.given,
                cwd=str(repository()),
                kernel_name="python3",
                kernel_manager_class=ThisPython,
                progress_bar=False,
                stdout_file=progress,
                on_cell_start=progress.on_cell_start,
            )
    except papermill.PapermillExecutionError as error:
        raise NotebookFailed(_account(error, step, executed, run)) from error
    except OSError as error:
        full = error.errno in FULL
        why, fix = ("its disk is full", "free some space") if full else (error.strerror or error, "make it writable")
        raise NotebookFailed(
            f"{step.name} could not write to {run.name} ({why}); {fix} and give the same command again"
        ) from error


def _literal(path: Path) -> str:
    """A path for papermill, which would fill in what stands in braces."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _account(error: Exception, step: Step, executed: Path, run: Run) -> str:
    """Which notebook and cell, the last lines of the error, where the executed notebook lies, how to go on."""
    lines = [_COLOURS.sub("", line) for line in "\n".join(error.traceback).splitlines()]
    lines = [line for line in lines if line.strip()][-LAST_LINES:]
    return "\n".join(
        [
            f"{step.name} stopped in cell {error.exec_count}: {error.ename}: {error.evalue}",
            "",
            *lines,
            "",
            f"The notebook as far as it ran: {run.name}/notebooks/{executed.name}",
            "Mend the cause and give the same command again: what is finished is not done again.",
        ]
    )

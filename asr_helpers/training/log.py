"""The log of a training: one JSON line a value while it runs, one DataFrame row a value afterwards."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
from transformers import TrainerCallback

from asr_helpers.storage import append_text, write_text
from asr_helpers.wording import duration, percent

__all__ = ["LOG_COLUMNS", "ConsoleLog", "TensorBoardLog", "TrainingLog", "read_log"]

QUIET_SECONDS = 30.0  # longest time without a line while a training runs and logs

LOG_COLUMNS = ["step", "epoch", "split", "name", "value", "seconds"]

KINDS = {"step": int, "epoch": float, "value": float, "seconds": float}


class TrainingLog(TrainerCallback):
    """Append every logged number to a JSON-lines file at once, so that a killed run keeps its log.

    A resumed run first drops what the killed one logged after the checkpoint it goes on from.

    Args:
        path: File to append to.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.before, self.began = 0.0, time.monotonic()

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.is_world_process_zero:
            kept = [row for row in _rows(self.path) if row["step"] <= state.global_step and state.global_step > 0]
            self.before, self.began = max((row["seconds"] for row in kept), default=0.0), time.monotonic()
            write_text("".join(map(_line, kept)), self.path)

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        if not state.is_world_process_zero or not logs or "train_runtime" in logs:
            return
        seconds = round(self.before + time.monotonic() - self.began, 3)
        place = {"step": state.global_step, "epoch": float(state.epoch or 0.0)}
        rows = [
            {**place, "split": split, "name": name, "value": value, "seconds": seconds}
            for split, name, value in _values(logs)
        ]
        append_text("".join(map(_line, rows)), self.path)


class TensorBoardLog(TrainerCallback):
    """Write what is logged as TensorBoard events too, a resumed run over what the killed one wrote last.

    Args:
        folder: Folder for the events: ``tensorboard --logdir`` shows it.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder, self.writer = Path(folder), None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.is_world_process_zero:
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(str(self.folder), purge_step=state.global_step + 1)

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        if self.writer is not None and logs and "train_runtime" not in logs:
            for split, name, value in _values(logs):
                self.writer.add_scalar(f"{name}/{split}", value, state.global_step)
            self.writer.flush()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.writer is not None:
            self.writer.close()


def read_log(path: str | Path) -> pd.DataFrame:
    """Read a training log into one row a value (``LOG_COLUMNS``); a line cut off by a kill is left out."""
    table = pd.DataFrame(_rows(Path(path)), columns=LOG_COLUMNS)
    return table.astype(KINDS).drop_duplicates(["step", "split", "name"], keep="last", ignore_index=True)


def _values(logs: Mapping[str, Any]) -> list[tuple[str, str, float]]:
    """Take a line of the Trainer's log apart: split, name, value."""
    split = "validation" if any(name.startswith("eval_") for name in logs) else "train"
    numbers = {name: value for name, value in logs.items() if name != "epoch" and isinstance(value, (int, float))}
    return [(split, name.removeprefix("eval_"), float(value)) for name, value in numbers.items()]


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _rows(path: Path) -> list[dict[str, Any]]:
    """Read the lines that are whole: the last may be cut off where a process was killed while writing it."""
    rows = []
    if path.exists():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError, TypeError, KeyError, RecursionError):
                row = json.loads(line)
                rows.append({name: KINDS.get(name, str)(row[name]) for name in LOG_COLUMNS})
    return rows


class ConsoleLog(TrainerCallback):
    """Print a line an evaluation, and between two that lie far apart where the training is: a log stays readable."""

    def __init__(self) -> None:
        self.loss, self.speed, self.first = math.nan, math.nan, 0
        self.began = self.said = time.monotonic()

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.began, self.first = time.monotonic(), state.global_step
        if state.is_world_process_zero and state.global_step:
            print(f"going on from step {state.global_step} of {state.max_steps}", flush=True)

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        logs = logs or {}
        if "loss" in logs:
            self.loss, self.speed = logs["loss"], logs.get("examples_per_second", math.nan)
        now = time.monotonic()
        if state.is_world_process_zero and ("eval_wer" in logs or ("loss" in logs and now - self.said > QUIET_SECONDS)):
            self.said = now
            print(self._line(state, logs), flush=True)

    def _line(self, state: Any, logs: Mapping[str, float]) -> str:
        done = state.global_step - self.first
        left = (time.monotonic() - self.began) / done * (state.max_steps - state.global_step) if done else math.nan
        said = [f"step {state.global_step}/{state.max_steps}", f"loss {self.loss:.3f}"]
        if "eval_wer" in logs:
            said += [
                f"validation loss {logs['eval_loss']:.3f}",
                f"WER {logs['eval_wer']:.3f}",
                f"CER {logs['eval_cer']:.3f}",
                f"blank {percent(logs['eval_blank_share'], 0)}",
            ]
        said.append(f"{self.speed:.1f} examples/s")
        if not math.isnan(left):
            said.append(f"{duration(left)} left")
        return " · ".join(said)

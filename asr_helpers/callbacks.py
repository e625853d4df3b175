"""What the Trainer calls while it runs: lines to read, advice, early stopping, the epoch's order."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from transformers import TrainerCallback

from asr_helpers.diagnostics import plateau_advice
from asr_helpers.updates import UpdateSampler

__all__ = ["ConsoleLog", "EarlyStopping", "EpochOrder", "PlateauWatch"]

LEARNT_NOTHING = 0.99  # at this WER or above no word has been learnt yet


class EpochOrder(TrainerCallback):
    """Tell the sampler which epoch begins, by the steps done: also right after a resume.

    Attributes:
        sampler: The training's ``UpdateSampler``; a stream has none and counts its epochs itself.
    """

    sampler: UpdateSampler | None = None

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.sampler is not None:
            self.sampler.set_epoch(state.global_step // self.sampler.steps)


class EarlyStopping(TrainerCallback):
    """Stop when the validation WER has not become better for ``patience`` evaluations.

    It reads the Trainer's history and keeps no count of its own, so a resumed run stops where an undisturbed
    one would. While the WER is still 1 it never stops: every CTC training stands there for a while.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience

    def over(self, state: Any) -> bool:
        """Say whether the history shows that waiting longer is not worth it."""
        rates = [entry["eval_wer"] for entry in state.log_history if "eval_wer" in entry]
        best = min(range(len(rates)), key=rates.__getitem__, default=0)
        return bool(rates) and rates[best] < LEARNT_NOTHING and len(rates) - 1 - best >= self.patience

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.over(state):
            control.should_training_stop = control.should_save = True
            if state.is_world_process_zero:
                best = min(entry["eval_wer"] for entry in state.log_history if "eval_wer" in entry)
                print(
                    f"stopped early at step {state.global_step}: no better validation WER than "
                    f"{best:.3f} for {self.patience} evaluations",
                    flush=True,
                )


class PlateauWatch(TrainerCallback):
    """Print the plateau's advice when it begins, and again when it has lasted as long once more.

    Attributes:
        notes: The sentences printed so far.
    """

    def __init__(self, *, evaluations: int, warmup: int) -> None:
        self.evaluations, self.warmup, self.quiet, self.notes = evaluations, warmup, 0, []

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        history = [entry for entry in state.log_history if "eval_wer" in entry]
        advice = plateau_advice(history, evaluations=self.evaluations, warmup=self.warmup)
        self.quiet = max(0, self.quiet - 1) if advice else 0
        if advice and not self.quiet:
            self.quiet = self.evaluations
            self.notes.append(advice)
            if state.is_world_process_zero:
                print(advice, flush=True)


class ConsoleLog(TrainerCallback):
    """Print one line an evaluation and little else: a papermill log or a terminal stays readable."""

    def __init__(self) -> None:
        self.loss, self.speed, self.began, self.first = math.nan, math.nan, time.monotonic(), 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.began, self.first = time.monotonic(), state.global_step
        if state.is_world_process_zero and state.global_step:
            print(f"going on from step {state.global_step} of {state.max_steps}", flush=True)

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        logs = logs or {}
        if "loss" in logs:
            self.loss, self.speed = logs["loss"], logs.get("examples_per_second", math.nan)
        if "eval_wer" in logs and state.is_world_process_zero:
            print(self._line(state, logs), flush=True)

    def _line(self, state: Any, logs: Mapping[str, float]) -> str:
        done = state.global_step - self.first
        left = (time.monotonic() - self.began) / done * (state.max_steps - state.global_step) if done else math.nan
        said = [
            f"step {state.global_step}/{state.max_steps}",
            f"loss {self.loss:.3f}",
            f"validation loss {logs['eval_loss']:.3f}",
            f"WER {logs['eval_wer']:.3f}",
            f"CER {logs['eval_cer']:.3f}",
            f"blank {logs['eval_blank_share']:.0%}",
            f"{self.speed:.1f} examples/s",
        ]
        if not math.isnan(left):
            said.append(f"{int(left // 60)}:{int(left % 60):02d} left")
        return " · ".join(said)

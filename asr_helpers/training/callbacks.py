"""What the Trainer calls while it runs: lines to read, advice, early stopping, the epoch's order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from transformers import TrainerCallback

from asr_helpers.wording import percent

from .sampling import UpdateSampler

__all__ = ["EarlyStopping", "EpochOrder", "PlateauWatch", "plateau_advice"]

LEARNT_NOTHING = 0.99  # at this WER or above no word has been learnt yet

BLANK_SHARE, EMPTY_SHARE = 0.98, 0.9  # above both, the model says nothing: the blank plateau


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


def plateau_advice(history: Sequence[Mapping[str, float]], *, evaluations: int, warmup: int) -> str | None:
    """Say in a plain sentence that the model sits on the blank plateau, and what usually helps.

    Every CTC training of a new head begins there: blank everywhere is the cheapest thing to say before the first
    letters are heard. It becomes a finding when it lasts.

    Args:
        history: The evaluations so far, oldest first, with ``step``, ``eval_blank_share``,
            ``eval_empty_share``.
        evaluations: How many in a row make a plateau.
        warmup: Steps of warmup; before its end the advice would only be to wait.

    Returns:
        The sentence, or ``None``.
    """
    last = history[-evaluations:]
    stuck = len(last) == evaluations and all(
        entry["eval_blank_share"] >= BLANK_SHARE and entry["eval_empty_share"] >= EMPTY_SHARE for entry in last
    )
    if not stuck:
        return None
    newest = last[-1]
    says = (
        f"At step {newest['step']:.0f} the model sits on the blank plateau: for {evaluations} evaluations it "
        f"has said nothing in {percent(newest['eval_empty_share'], 0)} of the validation utterances "
        f"({percent(newest['eval_blank_share'], 0)} of the frames are blank)."
    )
    if newest["step"] <= warmup:
        return f"{says} The warmup lasts until step {warmup}; a long warmup keeps it here: 5 % of the steps are enough."
    return (
        f"{says} Wait a little, most runs leave it; if it lasts: a learning rate 2 to 5 times as high, a "
        "shorter warmup, smaller batches (more steps), and a look at whether the transcripts belong to the "
        "recordings."
    )

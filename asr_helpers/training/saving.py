"""A Trainer that survives: whole checkpoints, the best by validation WER, and no secrets in them."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import safetensors.torch
import torch
from torch import nn
from transformers import Trainer
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_pt_utils import safe_globals
from transformers.utils import SAFE_WEIGHTS_NAME, logging

from asr_helpers.storage import read_json, write_json
from asr_helpers.wording import listed

from .checkpoints import (
    CheckpointError,
    checkpoint_path,
    is_whole,
    keep_only,
    newest_whole,
    step_of,
    whole_checkpoint,
    whole_checkpoints,
)
from .processes import from_first, gather_bytes, share_weights

__all__ = ["RECIPE_FILE", "SafeTrainer", "require_numbers"]

RECIPE_FILE = "recipe.json"  # in every checkpoint: what a continuation must not change


@contextmanager
def quiet() -> Iterator[None]:
    """Draw no progress bar for what takes a moment: a notebook would keep one for every checkpoint."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def require_numbers(checkpoint: Path) -> None:
    """Refuse a checkpoint whose optimiser, schedule or random state holds more than numbers: a pickle can run code.

    Raises:
        CheckpointError: It does, or is damaged; the text names the file and what to do.
    """
    for file in sorted(checkpoint.glob("*.pt*")):
        try:
            with safe_globals():
                torch.load(file, map_location="cpu", weights_only=True, mmap=True)  # the tensors themselves stay unread
        except (UnpicklingError, RuntimeError, EOFError, ValueError) as error:
            raise CheckpointError(
                f"{file} is damaged, or holds more than numbers, and is not opened; delete the folder "
                f"{checkpoint.name} to go on from the checkpoint before it, or begin anew: resume=False"
            ) from error


class SafeTrainer(Trainer):
    """Write checkpoints so that a kill, a full disk or a second process cannot spoil them.

    The Trainer writes straight into ``checkpoint-N``, and takes the folder with the highest number for the
    newest checkpoint, also when it is half a one. Here process 0 alone writes, into a folder of its own that
    is renamed when everything is on the disk.

    Attributes:
        recipe: What a continuation must not change; saved in every checkpoint.
    """

    recipe: dict[str, Any]

    def train(self, resume_from_checkpoint: str | bool | None = None, *args: Any, **kwargs: Any) -> Any:
        """Train; ``True`` goes on from the newest whole checkpoint of this very training, if there is one."""
        if resume_from_checkpoint is True:
            resume_from_checkpoint = self.newest_checkpoint()
        return super().train(resume_from_checkpoint, *args, **kwargs)

    def newest_checkpoint(self) -> str | None:
        """Find the checkpoint that ``train(resume_from_checkpoint=True)`` goes on from.

        Returns:
            Path of the newest whole checkpoint, or ``None`` to begin.

        Raises:
            CheckpointError: It belongs to another training; going on would be neither the old one nor the new
                one. The text names what differs.
        """
        newest = from_first(newest_whole(self.args.output_dir))  # a process on another machine may see none
        if newest is None:
            return None
        if not is_whole(newest):
            raise CheckpointError(
                f"process {self.args.process_index} does not see {newest}, from which the training goes on: "
                "several machines need a run folder that all of them see (a network drive), or resume=False"
            )
        before = read_json(newest / RECIPE_FILE)
        now = json.loads(json.dumps(self.recipe))
        names = [name for name in before if before[name] != now.get(name)]  # an earlier version wrote down less
        if names:
            changes = listed((f"{name} was {before.get(name)!r} and is {now.get(name)!r}" for name in names), most=10)
            raise CheckpointError(
                f"{newest} belongs to a training with other parameters: {changes}. Give them their old "
                "values to go on with it, or begin anew: resume=False, or another run name."
            )
        require_numbers(newest)
        return str(newest)

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        """Save weights, configuration and processor; no pickled arguments, which may hold the Hub token."""
        if self.args.should_save:
            with quiet():
                self.model.save_pretrained(output_dir, state_dict=state_dict)
            self.processing_class.save_pretrained(output_dir)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """Save everything that the rest of the run depends on, whole or not at all."""
        began, folder, step = time.monotonic(), Path(self.args.output_dir), self.state.global_step
        self._point_to_best()
        states = gather_bytes(self._random_states())
        if self.args.should_save:
            with whole_checkpoint(folder, step) as staging:
                self.save_model(str(staging), _internal_call=True)
                self._save_optimizer_and_scheduler(str(staging))
                self._save_scaler(str(staging))
                for process, state in enumerate(states):
                    name = "rng_state.pth" if len(states) == 1 else f"rng_state_{process}.pth"
                    (staging / name).write_bytes(state)
                self.state.save_to_json(str(staging / TRAINER_STATE_NAME))
                write_json(self.recipe, staging / RECIPE_FILE)
            self._forget(folder, step)
        self.accelerator.wait_for_everyone()
        self.paused(time.monotonic() - began)

    def paused(self, seconds: float) -> None:
        """Hook: seconds that were not spent on training."""

    def _random_states(self) -> bytes:
        """State of this process's random number generators, in the Trainer's own format."""
        with tempfile.TemporaryDirectory() as folder:
            self._save_rng_state(folder)
            return next(Path(folder).iterdir()).read_bytes()

    def _point_to_best(self) -> None:
        """Name the best checkpoint's folder where it lies now: a run folder may have been moved since."""
        best = self.state.best_global_step
        self.state.best_model_checkpoint = str(checkpoint_path(self.args.output_dir, best)) if best else None

    def _forget(self, folder: Path, step: int) -> None:
        """Delete old checkpoints beyond the limit, never the newest nor the best."""
        steps = [step_of(path) for path in whole_checkpoints(folder)]
        keep = {step, self.state.best_global_step} if self.state.best_global_step else {step}
        limit = self.args.save_total_limit or len(steps)
        others = [s for s in reversed(steps) if s not in keep]
        keep_only(folder, keep | set(others[: max(0, limit - len(keep))]))

    def finished(self, max_steps: int) -> bool:
        """Say whether the training that a checkpoint was read from has nothing left to do."""
        return self.state.global_step >= max_steps

    def _init_training_state(self, max_steps: int, steps_an_epoch: int, epochs: int, *rest: Any) -> tuple[int, int]:
        """Read the state of a checkpoint; the epoch and the step within it to go on with."""
        begun = super()._init_training_state(max_steps, steps_an_epoch, epochs, *rest)
        self._point_to_best()
        return (epochs, 0) if self.finished(max_steps) else begun  # else the Trainer would take one step more

    def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
        """Call an evaluation better when its WER is lower, or as low with a lower CER.

        A WER of 1 or more says no more than "not one word": a model that writes only blanks has exactly 1,
        one that begins to spell has a little more. The CER tells them apart.
        """
        now = min(1.0, metrics["eval_wer"]), metrics["eval_cer"]
        before = [
            (min(1.0, entry["eval_wer"]), entry["eval_cer"])
            for entry in self.state.log_history
            if "eval_wer" in entry and entry["step"] == self.state.best_global_step
        ]
        if self.state.best_global_step and before and now >= before[-1]:
            return False
        self.state.best_metric, self.state.best_global_step = metrics["eval_wer"], self.state.global_step
        return True

    def _load_best_model(self) -> None:
        """Put the weights of the best checkpoint into the model, read by process 0 for all."""
        path = Path(self.state.best_model_checkpoint)
        if self.args.process_index == 0 and is_whole(path):
            self.model.load_state_dict(safetensors.torch.load_file(path / SAFE_WEIGHTS_NAME))
        elif self.args.process_index == 0:
            print(f"{path}, the best checkpoint, is gone: the model keeps its last weights", flush=True)
        share_weights(self.model)

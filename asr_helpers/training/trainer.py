"""A Hugging Face Trainer whose CTC loss, batches, checkpoints and validation mean what they say."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader
from transformers import PrinterCallback, TrainingArguments
from transformers.trainer_utils import EvalLoopOutput

from asr_helpers.dataset.collator import Collator
from asr_helpers.dataset.reading import Utterances
from asr_helpers.model.families import inputs_of
from asr_helpers.model.frames import conv_layers
from asr_helpers.model.vocabulary import Alphabet

from .callbacks import EarlyStopping, EpochOrder, PlateauWatch
from .config import TrainingConfig
from .evaluation import IntervalMeter, Tally, frame_counts
from .log import ConsoleLog, TensorBoardLog, TrainingLog
from .loss import ctc_losses, require_finite
from .optimisation import freeze_encoder, optimizer_for, parameter_groups, scheduler_for
from .pieces import Halvings, Pieces, halves, out_of_memory
from .processes import add_up
from .sampling import train_loader, validation_loader
from .saving import SafeTrainer

__all__ = ["LOG_FILE", "CTCTrainer"]

LOG_FILE = "training_log.jsonl"
PLATEAU = 3  # evaluations in a row that make a blank plateau


class CTCTrainer(SafeTrainer):
    """Train a CTC model with the loss of one big batch, however the batch is cut.

    What differs from the plain Trainer, and why:

    - The loss of a step is the mean over its utterances of the CTC loss per label, over all micro-batches and
      all processes. The Trainer takes the model's word that it scales its loss; CTC models do not.
    - Steps are planned before they are shared out (``updates``), so one process or four take the same steps.
    - Out of memory halves the pieces and goes on; a loss that is not finite names its utterances.
    - A checkpoint is written whole or not at all; the best is that of the lowest validation WER, then CER.
    - Validation counts every utterance once and keeps sums, not logits.

    Args:
        model: Model to train; its feature encoder already frozen where it should be.
        args: ``training_arguments(config, ...)``.
        config: The recipe behind ``args``.
        processing_class: The model's processor: its tokenizer names the outputs; it is saved with the model.
        train_dataset: Rows with ``id``, ``audio`` (int16), ``labels``, ``seconds``, ``text``, as ``Utterances``
            or what they are made of; of a stream this process's own share, with ``max_steps`` set.
        eval_dataset: Rows of the same kind, the validation split.
        data_collator: Rows to what the model is called with, and ``labels``; by default as the processor says.
        kept_outputs: Outputs of the head that were trained before; 0: it is new, and the preflight expects it to know
            nothing.
        tensorboard: Folder for TensorBoard events; by default none are written.
        callbacks: Further Trainer callbacks.
    """

    def __init__(
        self,
        model: nn.Module,
        args: TrainingArguments,
        *,
        config: TrainingConfig,
        processing_class: Any,
        train_dataset: Any,
        eval_dataset: Any,
        data_collator: Callable[[list[dict[str, Any]]], dict[str, torch.Tensor]] | None = None,
        kept_outputs: int = 0,
        tensorboard: str | Path | None = None,
        callbacks: list[Any] | None = None,
    ) -> None:
        data_collator = data_collator or Collator.of(processing_class)
        self.config, self.kept_outputs = config, kept_outputs
        if args.n_gpu > 1:
            args._n_gpu = 1  # the Trainer would spread each batch over all GPUs, in fp32; torchrun does it right
        super().__init__(
            model,
            args,
            data_collator=data_collator,
            train_dataset=Utterances.of(train_dataset),
            eval_dataset=Utterances.of(eval_dataset),
            processing_class=processing_class,
        )
        if args.gradient_checkpointing:
            model.gradient_checkpointing_enable()  # train() would do it, but only after the preflight has measured
        self.loss_is_scaled_for_ga = True  # the sum over micro-batches is the loss of the step already
        self.pieces = Pieces(data_collator, conv_layers(model), config.micro_seconds, config.augment())
        self.alphabet = Alphabet.of(processing_class.tokenizer)
        self.unknown = processing_class.tokenizer.unk_token_id
        self.meter = IntervalMeter(args.device)
        self.halvings = Halvings(args.output_dir)
        self.trainable = {name for name, p in model.named_parameters() if p.requires_grad}
        self.frozen: bool | None = None
        self.micro_batches: list[dict[str, Any]] = []  # of the step that is being computed
        self.remove_callback(PrinterCallback)
        self.log_path = Path(args.output_dir) / LOG_FILE
        self.plateau = PlateauWatch(evaluations=PLATEAU, warmup=0)
        self.recipe = {
            **config.fixed(),
            **self.train_dataset.identity,
            "vocabulary": list(self.alphabet.tokens),
            "checkpoint": Path(model.name_or_path).name,
        }
        self.order = EpochOrder()
        own = [self.order, TrainingLog(self.log_path), ConsoleLog(), self.plateau]
        own += [TensorBoardLog(tensorboard)] if tensorboard else []
        self.stopping = EarlyStopping(config.patience) if config.patience else None
        own += [self.stopping] if self.stopping else []
        for callback in own + (callbacks or []):
            self.add_callback(callback)

    def finished(self, max_steps: int) -> bool:
        """Say whether a training gone on with was over: all its steps done, or stopped early."""
        return super().finished(max_steps) or bool(self.stopping and self.stopping.over(self.state))

    def get_train_dataloader(self) -> DataLoader:
        """Load this process's pieces of every step."""
        loader = train_loader(self.train_dataset, self.pieces, config=self.config, args=self.args)
        self.order.sampler = loader.batch_sampler
        return loader

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader:
        """Load this process's share of the validation utterances, each once."""
        rows = self.eval_dataset if eval_dataset is None else eval_dataset
        return validation_loader(rows, self.pieces, args=self.args)

    def get_batch_samples(
        self, epoch_iterator: Iterator, num_batches: int, device: torch.device
    ) -> tuple[list[dict[str, Any]], torch.Tensor | None]:
        """Fetch the micro-batches of one step and count its utterances over all processes."""
        batches, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        self.micro_batches, self.done = batches, 0
        count = sum(float(piece["weights"].sum()) for batch in batches for piece in batch["pieces"])
        return batches, add_up(torch.tensor(count, dtype=torch.float32), device)

    def _get_num_items_in_batch(self, batch_samples: list, device: torch.device) -> None:
        """Counting labels is the Trainer's way; a step here is measured in utterances."""

    def to_device(self, piece: Mapping[str, Any]) -> dict[str, Any]:
        """Move a collated piece's tensors to the device; ids, texts and lengths stay Python values."""
        return {
            name: value.to(self.args.device, non_blocking=True) if isinstance(value, torch.Tensor) else value
            for name, value in piece.items()
        }

    def losses(self, model: nn.Module, piece: Mapping[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
        """Run the model on a collated piece that lies on the device.

        Returns:
            (batch,) CTC loss per label of each utterance, float32; (batch, frames, vocabulary) logits.
        """
        logits = model(**inputs_of(piece)).logits
        losses = ctc_losses(
            logits,
            piece["labels"],
            frames=piece["frames"],
            label_lengths=piece["label_lengths"],
            blank=self.alphabet.blank,
        )
        return losses, logits

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Mapping[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | None = None,
    ) -> Any:
        """Give a collated piece's part of the step's loss: its sum over the utterances of the whole step.

        Processes average their gradients; times their number, the average is the sum.
        """
        piece = self.to_device(inputs)
        losses, logits = self.losses(model, piece)
        weights = piece["weights"]
        count = weights.sum() if num_items_in_batch is None else num_items_in_batch
        loss = (losses * weights).sum() / count * self.args.world_size
        if model.training:
            _, counts = frame_counts(
                logits, piece["frames"], blank=self.alphabet.blank, unknown=self.unknown, weights=weights
            )
            self.meter.add(counts, piece["seconds"], inputs["weights"].tolist())
            require_finite(losses, piece["ids"], step=self.state.global_step)
        return (loss, logits) if return_outputs else loss

    def training_step(
        self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Add one micro-batch's gradient; where the memory does not suffice, in smaller pieces."""
        model.train()
        self._freeze_or_thaw()
        loss = self.passes(model, [inputs], num_items_in_batch)
        while loss is None:
            # Half a backward pass may have left its traces: compute the step anew. (Between the micro-batches of a
            # step the optimiser's own zero_grad does nothing: accelerate waits for the last one.)
            model.zero_grad()
            self.make_room()
            loss = self.passes(model, self.micro_batches[: self.done + 1], num_items_in_batch)
        self.done += 1
        return loss

    def passes(self, model: nn.Module, batches: list[dict[str, Any]], count: torch.Tensor | None) -> Any:
        """Forward and backward over micro-batches; the last one's loss, or ``None`` when out of memory."""
        try:
            for batch in batches:
                pieces = self.halvings.cut(batch["pieces"])
                loss = torch.zeros((), device=self.args.device)
                for piece in pieces:
                    alone = contextlib.nullcontext() if piece is pieces[-1] else self.accelerator.no_sync(model)
                    with alone, self.compute_loss_context_manager():
                        part = self.compute_loss(model, piece, num_items_in_batch=count)
                        self.accelerator.backward(part)
                    loss += part.detach()
            return loss
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            return None

    def make_room(self) -> None:
        """Halve the pieces from now on, or say what to do where that cannot help."""
        pieces = self.halvings.cut([piece for batch in self.micro_batches for piece in batch["pieces"]])
        if not self.halvings.can_help(pieces):
            longest = max(pieces, key=lambda piece: piece["seconds"][0])
            raise MemoryError(
                f"not even one utterance fits into memory ({longest['ids'][0]}, {longest['seconds'][0]:.1f} "
                "s): lower max_seconds in notebook 03, set gradient_checkpointing, or use a smaller "
                "checkpoint"
            )
        self.halvings.again()
        if self.args.world_size > 1:
            raise MemoryError(
                f"process {self.args.process_index} ran out of memory at step {self.state.global_step}; the "
                "others wait for it and cannot go on. Start the same command again (torchrun "
                "--max-restarts=3 does so by itself): it goes on from the newest checkpoint in pieces of "
                f"1/{2**self.halvings.count} of the size."
            )
        if self.args.device.type == "cuda":
            torch.cuda.empty_cache()
        print(
            f"out of memory at step {self.state.global_step}: going on with 1/{2**self.halvings.count} of "
            f"the batch at a time and {2**self.halvings.count} times as many passes a step; the steps "
            "themselves stay the same",
            flush=True,
        )

    def _freeze_or_thaw(self) -> None:
        frozen = self.state.global_step < self.schedule.frozen
        if frozen is not self.frozen:
            freeze_encoder(self.model, self.trainable, frozen=frozen)
            self.frozen = frozen

    def floating_point_ops(self, inputs: Any) -> float:
        """Leave the Trainer's estimate out: parameters times samples means nothing for speech."""
        return 0.0

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Make fused AdamW over head and encoder, each with its own rate."""
        if self.optimizer is None:
            freeze_encoder(self.model, self.trainable, frozen=False)
            self.frozen = False
            groups = parameter_groups(
                self.model,
                head_rate=self.config.learning_rate,
                encoder_rate=self.config.encoder_learning_rate,
                weight_decay=self.config.weight_decay,
            )
            betas = (self.args.adam_beta1, self.args.adam_beta2)
            self.optimizer = optimizer_for(groups, betas=betas, eps=self.args.adam_epsilon)
        return self.optimizer

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> torch.optim.lr_scheduler.LRScheduler:
        """Warm up, stay level, fall: by shares of the steps, the encoder after its frozen steps."""
        self.schedule = self.config.schedule(num_training_steps)
        self.plateau.warmup = self.schedule.warmup
        if self.lr_scheduler is None:
            self.lr_scheduler = scheduler_for(optimizer or self.optimizer, self.schedule)
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add to a training line what the meter counted over all processes, and the encoder's rate."""
        if "loss" in logs:
            logs.update(self.meter.values(add_up(self.meter.totals(), self.args.device)))
            step = max(0, self.state.global_step - 1)
            logs["encoder_learning_rate"] = self.config.encoder_learning_rate * self.schedule.encoder(step)
            if self.args.device.type == "cuda":
                logs["peak_memory_gb"] = torch.cuda.max_memory_allocated(self.args.device) / 1e9
        super().log(logs, start_time)

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Validate; the time it takes does not count as training time."""
        began = time.monotonic()
        metrics = super().evaluate(eval_dataset, ignore_keys, metric_key_prefix)
        self.paused(time.monotonic() - began)
        return metrics

    def evaluation_loop(
        self,
        dataloader: DataLoader,
        description: str,
        prediction_loss_only: bool | None = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> EvalLoopOutput:
        """Count errors batch by batch; keep the sums and the texts, never the logits."""
        tally = self.tally(dataloader)
        sums = add_up(tally.sums.float() if self.args.device.type == "mps" else tally.sums, self.args.device)
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in tally.metrics(sums).items()}
        count = int(metrics.pop(f"{metric_key_prefix}_utterances"))
        return EvalLoopOutput(predictions=tally.hypotheses, label_ids=None, metrics=metrics, num_samples=count)

    def tally(self, batches: Iterable[dict[str, Any]]) -> Tally:
        """Count this process's share of an evaluation, without talking to the other processes."""
        tally = Tally.empty(self.alphabet, self.unknown)
        training = self.model.training
        self.model.eval()  # the model itself, not its wrapper for several processes, which would wait for the others
        for batch in batches:
            for piece in batch["pieces"]:
                self._count(tally, piece)
        self.model.train(training)
        return tally

    @torch.no_grad()
    def _count(self, tally: Tally, piece: dict[str, Any]) -> None:
        """Run one piece, in halves where the memory does not suffice."""
        try:
            moved = self.to_device(piece)
            losses, logits = self.losses(self.model, moved)
        except RuntimeError as error:
            if not out_of_memory(error) or len(piece["ids"]) == 1:
                raise
        else:
            return tally.add(moved, logits, losses)
        for part in halves(piece):
            self._count(tally, part)

    def paused(self, seconds: float) -> None:
        self.meter.pause(seconds)

"""What would spoil a training, found before its first step: one row a check, with a verdict and the fix."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import psutil
import torch

from asr_helpers.audio.augmentation import DISTURBANCES
from asr_helpers.audio.reading import SAMPLING_RATE
from asr_helpers.model.exact import is_exact
from asr_helpers.model.frames import ctc_frames_needed, output_frames, samples_needed
from asr_helpers.wording import counted, duration, listed, percent, size

from .device import has_fast_bf16
from .frozen import frozen_part_of
from .rehearsal import MOMENTS, accumulation_gap, rehearse, wer_before_training

if TYPE_CHECKING:
    from .trainer import CTCTrainer

__all__ = ["PREFLIGHT_COLUMNS", "preflight", "preflight_lines", "require_no_errors"]

OK, WARNING, ERROR = "ok", "warning", "error"
PREFLIGHT_COLUMNS = ["check", "value", "verdict", "advice"]

FEW_STEPS = 100  # the small starter left the blank plateau after 50 to 100 steps of the default recipe
LITTLE = 0.1  # hours

FEW_UTTERANCES = 10  # of validation; an interval over 10 is some 20 points of WER wide

TIGHT = 0.9  # share of the free memory
UNKNOWN = 0.001  # share of the labels
READS = 0.7  # a WER below this before training is no accident
GAP = 1e-3  # relative difference of two gradients that fp32 rounding cannot explain


@dataclass(frozen=True)
class Check:
    """One row of the preflight; ``verdict`` says how bad it is that there is an ``advice``."""

    check: str
    value: str
    advice: str = ""
    verdict: str = WARNING

    def row(self) -> dict[str, str]:
        """The row; without an advice all is well."""
        verdict = self.verdict if self.advice else OK
        return {"check": self.check, "value": self.value, "verdict": verdict, "advice": self.advice}


def preflight(trainer: CTCTrainer, *, measure: bool = True) -> pd.DataFrame:
    """Check a training before its first step.

    Args:
        trainer: The trainer, built and not yet started. It is left as it was.
        measure: Also compute a few steps, for the expected time and memory and to see that a cut batch gives
            the gradient of the whole one. Takes about as long as six steps.

    Returns:
        ``PREFLIGHT_COLUMNS``, one row a check. ``"error"``: training would fail or learn something else than
        meant. ``"warning"``: doubtful, go on if you know why.
    """
    train, validation = (
        rows.table("id", "seconds", "labels") for rows in (trainer.train_dataset, trainer.eval_dataset)
    )
    checks = [*_plan(trainer, train, validation), *_labels(trainer, train, validation)]
    checks += [*_model(trainer, train), _precision(trainer), *_idle(trainer)]
    if measure and not any(check.advice and check.verdict == ERROR for check in checks):
        checks += _measured(trainer)
    return pd.DataFrame([check.row() for check in checks], columns=PREFLIGHT_COLUMNS)


def require_no_errors(table: pd.DataFrame) -> None:
    """Stop when the preflight found an error.

    Raises:
        ValueError: Names every error with its value and its fix.
    """
    errors = table[table["verdict"] == ERROR]
    if len(errors):
        said = "\n".join(f"- {row.check}: {row.value}. {row.advice}" for row in errors.itertuples())
        raise ValueError(f"the training is not ready:\n{said}")


def preflight_lines(table: pd.DataFrame) -> str:
    """Say in a few lines what a terminal needs of the table: what is doubtful, the expected time and memory."""
    lines = [f"preflight: {(table['verdict'] == OK).sum()} of {len(table)} checks are fine"]
    for row in table.itertuples():
        if row.verdict != OK:
            lines.append(f"{row.verdict}: {row.check}: {row.value}. {row.advice}")
        elif row.check in ("expected time", "peak memory"):
            lines.append(f"{row.check}: {row.value}")
    return "\n".join(lines)


def _plan(trainer: CTCTrainer, train: pd.DataFrame, validation: pd.DataFrame) -> Iterator[Check]:
    """How much will be seen, how often, at which rates."""
    config, streamed = trainer.config, trainer.train_dataset.length is None
    steps = config.steps(trainer.train_dataset.length)
    each = max(1, math.ceil(len(train) / config.batch_size))
    few = "CTC says only blanks at first; this may be too short to leave that: more epochs, or smaller batches"
    said = f"{steps}" if streamed else f"{steps} ({steps / each:.1f} epochs of {each})"
    yield Check("total steps", said, few if steps < FEW_STEPS and not trainer.kept_outputs else "")

    schedule = config.schedule(steps)
    below = schedule.warmup + schedule.frozen if schedule.warmup > 1 else schedule.frozen  # one step is the least
    share = below / max(1, steps)
    said = f"{percent(schedule.warmup / max(1, steps), 0)} ({schedule.warmup} steps)"
    said += f" after {schedule.frozen} steps with the encoder frozen" if schedule.frozen else ""
    long = "most of the training would run below its learning rate: a warmup of about 0.05"
    yield Check("warmup share", said, long if share > 0.2 else "", ERROR if share > 0.5 else WARNING)

    rates = (config.learning_rate, config.encoder_learning_rate)
    usual = "usual are 1e-5 (a large encoder) to 1e-3 (a new head, a small model)"
    odd = any(not 1e-6 <= rate <= 5e-3 for rate in rates)
    yield Check("learning rates", f"head {rates[0]:g}, encoder {rates[1]:g}", usual if odd else "")
    yield _batch(trainer, train)
    yield _hours(train, validation, streamed=streamed)


def _batch(trainer: CTCTrainer, train: pd.DataFrame) -> Check:
    config, processes = trainer.config, trainer.args.world_size
    parts = processes * config.accumulation
    said = f"{config.batch_size} utterances, {config.batch_size * train['seconds'].mean():.0f} s of audio"
    said += f" ({processes} processes, {config.accumulation} micro-batches each)" if parts > 1 else ""
    advice = ""
    if config.batch_size < parts:
        advice = f"some of the {parts} micro-batches are empty: raise batch_size"
    elif config.batch_size % parts:
        advice = f"not a multiple of {parts}: micro-batches are uneven"
    return Check("effective batch", said, advice)


def _hours(train: pd.DataFrame, validation: pd.DataFrame, *, streamed: bool) -> Check:
    hours = train["seconds"].sum() / 3600
    said = f"{hours:.2f} h training, {validation['seconds'].sum() / 3600:.2f} h validation"
    said += f" (the first {len(train)} utterances of the stream)" if streamed else ""
    if train.empty or validation.empty:
        advice = "a split is empty: see what notebook 03 left out, or split otherwise (notebook 01)"
        return Check("audio hours", said, advice, ERROR)
    advice = ["very little: expect it to learn its sentences by heart"] if hours < LITTLE and not streamed else []
    if len(validation) < FEW_UTTERANCES:
        few = counted(len(validation), "validation utterance")
        advice.append(f"{few} choose the checkpoint, rather by luck: a larger validation_share (notebook 01)")
    return Check("audio hours", said, "; ".join(advice))


def _labels(trainer: CTCTrainer, train: pd.DataFrame, validation: pd.DataFrame) -> Iterator[Check]:
    """Labels that do not fit their audio, the vocabulary or the blank."""
    rows = pd.concat([train, validation], ignore_index=True)
    samples = (rows["seconds"] * SAMPLING_RATE).round().astype(int).to_numpy()
    frames = output_frames(trainer.pieces.layers, samples)
    needed = np.array([ctc_frames_needed(label) for label in rows["labels"]], dtype=int)
    bad = rows["id"][(needed > frames) | (needed == 0)]
    advice = "labels that are empty, or longer than their frames, teach nothing: leave them out (notebook 03)"
    said = f"{len(bad)}: {listed(bad)}" if len(bad) else "0"
    yield Check("infeasible labels", said, advice if len(bad) else "", ERROR)

    blank, ours = trainer.model.config.pad_token_id, trainer.alphabet.blank
    holders = rows["id"][[ours in set(label) for label in rows["labels"]]]
    said = f"model {blank}, tokenizer {ours}"
    said += f"; in the labels of {len(holders)}: {listed(holders)}" if len(holders) else ""
    advice = "the blank cannot be learnt as a letter: make the labels anew (notebook 03)" if len(holders) else ""
    if blank != ours:
        advice = "load the checkpoint with this processor (load_for_ctc)"
    yield Check("blank id", said, advice, ERROR)

    ids = np.concatenate([np.zeros(0, dtype=int), *(np.asarray(label, dtype=int) for label in rows["labels"])])
    outputs, tokens, highest = trainer.model.lm_head.out_features, len(trainer.alphabet), ids.max(initial=0)
    fits = outputs == tokens and highest < outputs
    advice = "" if fits else "model, processor and dataset must come from one run: begin again with notebook 02"
    said = f"{outputs} outputs, {tokens} tokens, highest label {highest}"
    yield Check("vocabulary size", said, advice, ERROR)

    unknown = float((ids == trainer.unknown).mean()) if len(ids) else 0.0
    advice = "letters without a token are taught as [UNK]: look at the normalisation (notebook 02)"
    yield Check("unknown letters", f"{percent(unknown, 2)} of the labels", advice if unknown > UNKNOWN else "")


def _model(trainer: CTCTrainer, train: pd.DataFrame) -> Iterator[Check]:
    """Settings of this checkpoint that decide what a padded batch means and what is trained."""
    model, config = trainer.model, trainer.model.config
    yield _mask_policy(trainer)
    yield from _augmentation(trainer, train)
    shortest = trainer.pieces.augmentation.lengths[0] * train["seconds"].min() if len(train) else 0.0
    yield _spec_augment(config, int(output_frames(trainer.pieces.layers, round(shortest * SAMPLING_RATE))))

    own = config.ctc_loss_reduction
    said = f"mean over the utterances of a step, each divided by its label's length; the model's own: {own}"
    advice = "not used here, but whoever trains on with this model would get sums: ctc_loss_reduction='mean'"
    yield Check("loss reduction", said, advice if own != "mean" else "")

    kept = trainer.kept_outputs
    yield Check("head", f"{kept} of {config.vocab_size} outputs keep the checkpoint's weights" if kept else "new")

    every = sum(p.numel() for p in model.parameters())
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    hearing = getattr(model.base_model, "feature_extractor", None)  # None where features are computed before the model
    free = hearing is not None and any(p.requires_grad for p in hearing.parameters())
    advice = "the convolutions hear well enough, and cost most of the memory: freeze_feature_encoder()"
    yield Check("trained parameters", f"{trained:,} of {every:,}", advice if free else "")


def _augmentation(trainer: CTCTrainer, train: pd.DataFrame) -> Iterator[Check]:
    """What is done to the utterances, and how many have too few frames for their label at the highest speed."""
    augmentation, layers = trainer.pieces.augmentation, trainer.pieces.layers
    said = [f"each of {', '.join(DISTURBANCES)} in {percent(augmentation.chance, 0)}"] if augmentation.chance else []
    if change := augmentation.speed_change:
        needed = [samples_needed(layers, ctc_frames_needed(label)) for label in train["labels"]]
        tight = int((np.array(needed) > train["seconds"] * SAMPLING_RATE * augmentation.lengths[0]).sum())
        but = f", less where a label needs its frames ({counted(tight, 'utterance')})" if tight else ""
        said.append(f"speed {1 - change:g} to {1 + change:g}{but}")
    if said:
        yield Check("augmentation", "; ".join(said))


def _mask_policy(trainer: CTCTrainer) -> Check:
    norm, exact = getattr(trainer.model.config, "feat_extract_norm", "layer"), is_exact(trainer.model)
    masked = trainer.processing_class.feature_extractor.return_attention_mask
    said, advice = f"{norm} norm, attention mask passed on", ""
    if norm == "group":
        said += ", norm over real frames only" if exact else ""
        advice = "" if exact else "padding leaks into the group norm: make_exact(model)"
    elif not masked:
        advice = "whoever uses this processor otherwise gets wrong logits: return_attention_mask=True"
    return Check("mask policy", said, advice)


def _spec_augment(config: Any, shortest: int) -> Check:
    """SpecAugment's masks must fit the shortest clip: transformers refuses a batch shorter than one mask."""
    if not (config.mask_time_prob > 0 and getattr(config, "apply_spec_augment", True)):
        return Check("SpecAugment", f"no time masks; shortest clip {shortest} frames")
    length, least = config.mask_time_length, config.mask_time_min_masks
    said = f"masks of {length} frames, {percent(config.mask_time_prob, 0)} of the time; shortest clip {shortest} frames"
    if length > shortest:
        advice = f"shortest_frames={shortest} for load_for_ctc, or a lower mask_time_length"
        return Check("SpecAugment", said, advice, ERROR)
    hides = length * max(1, least) > shortest / 2
    advice = "masks hide over half of the shortest clips: a lower mask_time_length" if hides else ""
    return Check("SpecAugment", said, advice)


def _precision(trainer: CTCTrainer) -> Check:
    args = trainer.args
    precision = "bf16" if args.bf16 else "fp16" if args.fp16 else "fp32"
    fast = has_fast_bf16(args.device)
    said = f"{precision} on {args.device.type}"
    said += " (bf16 would be faster here)" if precision != "bf16" and fast else ""
    slow = "this device only imitates bf16, slowly: precision 'auto'"
    return Check("precision", said, slow if precision == "bf16" and not fast else "")


def _idle(trainer: CTCTrainer) -> Iterator[Check]:
    """GPUs that this training leaves alone: one process computes on one."""
    gpus = torch.cuda.device_count() if trainer.args.device.type == "cuda" else 0
    if gpus > 1 and trainer.args.world_size == 1:
        advice = f"all of them at once: processes={gpus} (torchrun --nproc_per_node={gpus} does the same)"
        yield Check("GPUs", f"1 of {gpus}", advice)


def _measured(trainer: CTCTrainer) -> Iterator[Check]:
    """What only computing shows."""
    gap = accumulation_gap(trainer)
    advice = "cutting a batch changes its gradient: padding leaks (make_exact), or the loss is scaled wrongly"
    said = f"the gradients of a batch and of its pieces differ by {gap:.0e}"
    yield Check("accumulation scaling", said, advice if not gap < GAP else "", ERROR)
    before = wer_before_training(trainer)
    advice = "this new head reads already: does it come from the seed of its pretraining?"
    yield Check("WER before training", f"{before:.2f}", advice if before < READS and not trainer.kept_outputs else "")
    try:
        yield from _cost(trainer)
    except (MemoryError, FloatingPointError) as error:
        yield Check("a step of training", "failed", str(error), ERROR)


def _cost(trainer: CTCTrainer) -> Iterator[Check]:
    """Expected time, memory and disk."""
    config = trainer.config
    steps = config.steps(trainer.train_dataset.length)
    cost = rehearse(trainer)
    storing, stored = 0.0, 0
    if part := frozen_part_of(trainer):
        storing, stored = part.cost(trainer.args.world_size)
        said = f"{part.layers} of {len(trainer.model.base_model.encoder.layers)} layers, as {part.kind}: "
        yield Check("frozen layers", said + (f"{size(stored)} to store" if stored else "all is stored"))
    total = storing + steps * cost.step_seconds + config.evaluations * cost.validation_seconds
    said = f"{duration(storing)} to store the output of the frozen layers, " if stored else ""
    said += f"{cost.step_seconds:.2f} s a step, {cost.validation_seconds:.1f} s a validation"
    yield Check("expected time", f"{duration(total)} ({said})")

    said = f"{size(cost.memory)} of {size(cost.free)} free, with {cost.longest_audio:.0f} s of padded audio at once"
    half = f"tight: micro_seconds={cost.longest_audio / 2:.0f} would halve it"
    advice = half if cost.memory > TIGHT * cost.free else ""
    if cost.halvings:
        advice = f"a batch did not fit; it is computed in up to {2**cost.halvings} times as many pieces"
    yield Check("peak memory", said, advice)

    weights = sum(p.numel() * p.element_size() for p in trainer.model.parameters())
    learning = sum(p.numel() for p in trainer.model.parameters() if p.requires_grad)
    needed = (weights + MOMENTS * learning) * (config.checkpoints + 1) + stored
    free = psutil.disk_usage(trainer.args.output_dir).free
    said = f"{size(needed)} for {config.checkpoints} checkpoints and one being written"
    said += " and the frozen layers' output" if stored else ""
    said += f", {size(free)} free"
    fix = f"free some space for {trainer.args.output_dir}, or choose a run folder elsewhere"
    yield Check("disk", said, fix if needed > free else "", ERROR)

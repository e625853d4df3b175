"""The CTC loss of every utterance by itself, so that how a batch is cut cannot change what is learnt."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

from asr_helpers.wording import listed

__all__ = ["ctc_losses", "require_finite"]


def ctc_losses(
    logits: torch.Tensor,
    labels: torch.Tensor,
    *,
    frames: Sequence[int],
    label_lengths: Sequence[int],
    blank: int,
) -> torch.Tensor:
    """Give each utterance its CTC loss in nats per label.

    The sum over a batch, divided by the number of utterances of the whole step, is then the same number
    however many pieces, processes or accumulation steps the batch is cut into. The model's own loss is a mean
    over the piece that it happens to see.

    The logarithms are taken in fp32 also under autocast: a sum over a hundred frames of bf16
    log-probabilities is off by whole units. The lengths are Python numbers because CTC wants them on the
    host: tensors on a GPU it would fetch first.

    Args:
        logits: (batch, frames, vocabulary), any floating dtype.
        labels: (batch, longest label) int64; what lies behind an utterance's label length is not read.
        frames: (batch,) encoder frames that belong to the utterance, the rest is padding.
        label_lengths: (batch,) number of labels.
        blank: Id of the CTC blank.

    Returns:
        (batch,) float32. An utterance whose label cannot fit its frames gives 0 and no gradient: preflight
        and preprocessing name those; one of them must not take the other utterances' step with it.

    Source: Graves et al. (2006), section 4.1; division by the label length as in torch's
        ``reduction="mean"``.
    """
    log_probabilities = functional.log_softmax(logits.float(), dim=-1).transpose(0, 1)
    losses = functional.ctc_loss(
        log_probabilities,
        labels.clamp(min=0),  # -100 marks padding; CTC does not read it, but checks the range
        tuple(frames),
        tuple(label_lengths),
        blank=blank,
        reduction="none",
        zero_infinity=True,
    )
    lengths = torch.tensor(label_lengths, dtype=losses.dtype).clamp(min=1)
    return losses / lengths.to(losses.device, non_blocking=True)


def require_finite(losses: torch.Tensor, ids: Sequence[str], *, step: int) -> None:
    """Stop a training at a loss that is not a finite number, before it can spoil the weights.

    Looking waits for a GPU. That costs next to nothing: CTC's backward pass waits for it too, at the same place,
    to send it the lengths.

    Args:
        losses: (batch,) loss of each utterance.
        ids: (batch,) the utterances' ids.
        step: Optimiser steps done.

    Raises:
        FloatingPointError: A loss is not finite; the text names the step and the utterances.
    """
    bad = [name for name, finite in zip(ids, torch.isfinite(losses).tolist(), strict=True) if not finite]
    if bad:
        raise FloatingPointError(
            f"the loss is not a finite number at step {step} for {len(bad)} of the {len(ids)} utterances "
            f"of the batch: {listed(bad)}. If it is a few, listen to them and look at their rows in "
            "the data check; if it is all, the model's weights are no longer finite: use a lower "
            "learning rate, a longer warmup, or precision 'fp32'. The last checkpoint is from before and "
            "whole."
        )

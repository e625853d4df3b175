"""What a CTC training shows while it runs: blank frames, empty hypotheses, speed, the blank plateau."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import torch

__all__ = ["SUMS", "Meter", "frame_counts", "plateau_advice", "spoken_shares"]

BLANK_SHARE, EMPTY_SHARE = 0.98, 0.9  # above both, the model says nothing: the blank plateau
SUMS = ("frames", "blank", "utterances", "empty", "tokens", "unknown")


def frame_counts(
    logits: torch.Tensor, frames: Sequence[int], *, blank: int, unknown: int, weights: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Take the likeliest token of every frame and count what the model says without decoding it.

    Args:
        logits: (batch, frames, vocabulary).
        frames: (batch,) frames of each utterance that are not padding.
        blank: Id of the CTC blank.
        unknown: Id of ``[UNK]``.
        weights: (batch,) 1 for an utterance, 0 for a stand-in.

    Returns:
        (batch, frames) ids on the logits' device, blank where there is only padding, and the counts named in
        ``SUMS`` as a float32 tensor there (no sum of a step comes near 2**24, where float32 stops counting):
        reading them would wait for the device.
    """
    ids = logits.detach().argmax(-1)
    lengths = torch.tensor(frames).to(ids.device, non_blocking=True)
    real = torch.arange(ids.shape[1], device=ids.device)[None] < lengths[:, None]
    ids = torch.where(real, ids, blank)
    counted = real & (weights.to(ids.device) > 0)[:, None]
    spoken = counted & (ids != blank)
    begins = spoken.clone()
    begins[:, 1:] &= ids[:, 1:] != ids[:, :-1]
    used = counted.any(1)
    sums = [counted.sum(), (counted & (ids == blank)).sum(), used.sum(), (used & ~spoken.any(1)).sum()]
    sums += [begins.sum(), (begins & (ids == unknown)).sum()]
    return ids, torch.stack(sums).float()


class Meter:
    """Add up what happened since the last line of the log, on the device, without waiting for it."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.reset()

    def reset(self) -> None:
        """Start counting anew, from now."""
        self.counts = torch.zeros(len(SUMS), dtype=torch.float32, device=self.device)
        self.seconds, self.padded, self.began, self.paused = 0.0, 0.0, time.monotonic(), 0.0

    def add(self, counts: torch.Tensor, seconds: Sequence[float], weights: Sequence[float]) -> None:
        """Count one forward pass: ``frame_counts``, and its seconds of speech with and without padding."""
        self.counts += counts
        self.seconds += sum(s for s, weight in zip(seconds, weights, strict=True) if weight > 0)
        self.padded += max(seconds) * len(seconds)

    def pause(self, seconds: float) -> None:
        """Leave time out that was not training: an evaluation, a save."""
        self.paused += seconds

    def totals(self) -> torch.Tensor:
        """Everything counted, as one tensor that processes can add up."""
        own = torch.tensor([self.seconds, self.padded], dtype=torch.float32, device=self.device)
        return torch.cat([self.counts, own])

    def values(self, totals: torch.Tensor) -> dict[str, float]:
        """Name the figures of ``totals`` (of this process, or the sum over all) and start anew."""
        *counts, seconds, padded = totals.tolist()
        count = dict(zip(SUMS, counts, strict=True))
        elapsed = max(time.monotonic() - self.began - self.paused, 1e-9)
        self.reset()
        return {
            **spoken_shares(count),
            "examples_per_second": count["utterances"] / elapsed,
            "audio_seconds_per_second": seconds / elapsed,
            "padding_share": 1 - seconds / padded if padded else 0.0,
        }


def spoken_shares(count: Mapping[str, float]) -> dict[str, float]:
    """Shares of blank frames, of empty hypotheses, and of ``[UNK]`` among the tokens that were said."""
    return {
        "blank_share": count["blank"] / max(1.0, count["frames"]),
        "empty_share": count["empty"] / max(1.0, count["utterances"]),
        "unknown_share": count["unknown"] / max(1.0, count["tokens"]),
    }


def plateau_advice(history: Sequence[Mapping[str, float]], *, evaluations: int, warmup: int) -> str | None:
    """Say in a plain sentence that the model sits on the blank plateau, and what usually helps.

    Every CTC training begins there: blank everywhere is the cheapest thing to say before the first letters
    are heard. It becomes a finding when it lasts.

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
        f"has said nothing in {newest['eval_empty_share']:.0%} of the validation utterances "
        f"({newest['eval_blank_share']:.0%} of the frames are blank)."
    )
    if newest["step"] <= warmup:
        return f"{says} The warmup lasts until step {warmup}; a long warmup keeps it here: 5 % of the steps are enough."
    return (
        f"{says} Wait a little, most runs leave it; if it lasts: a learning rate 2 to 5 times as high, a "
        "shorter warmup, smaller batches (more steps), and a look at whether the transcripts belong to the "
        "recordings."
    )

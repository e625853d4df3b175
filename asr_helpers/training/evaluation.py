"""Validation while training: every utterance once, whatever the number of processes, as sums that add up."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from asr_helpers.analysis.metrics import error_counts
from asr_helpers.model.vocabulary import Alphabet

__all__ = ["SUMS", "IntervalMeter", "Tally", "frame_counts", "spoken_shares"]

SUMS = ("frames", "blank", "utterances", "empty", "tokens", "unknown")

TOTALS = (*SUMS, "loss", "word_errors", "words", "character_errors", "characters")


@dataclass
class Tally:
    """Sums over validation utterances; tallies of several processes are added with ``+`` on their tensors.

    Attributes:
        alphabet: What each output means.
        unknown: Id of ``[UNK]``.
        sums: (len(TOTALS),) float64, on the host.
        hypotheses: Utterance id to (reference, hypothesis), of this process.
    """

    alphabet: Alphabet
    unknown: int
    sums: torch.Tensor
    hypotheses: dict[str, tuple[str, str]]

    @classmethod
    def empty(cls, alphabet: Alphabet, unknown: int) -> Tally:
        """Start with nothing counted."""
        return cls(alphabet, unknown, torch.zeros(len(TOTALS), dtype=torch.float64), {})

    def add(self, piece: dict[str, Any], logits: torch.Tensor, losses: torch.Tensor) -> None:
        """Count one forward pass.

        Args:
            piece: The collated utterances (``pieces.Pieces.collate``).
            logits: (batch, frames, vocabulary).
            losses: (batch,) loss of each utterance.
        """
        ids, counts = frame_counts(
            logits, piece["frames"], blank=self.alphabet.blank, unknown=self.unknown, weights=piece["weights"]
        )
        errors = [0, 0, 0, 0]
        for name, text, path in zip(piece["ids"], piece["text"], ids.cpu().numpy(), strict=True):
            hypothesis = self.alphabet.spell(path)
            self.hypotheses[name] = (text, hypothesis)
            words, characters = error_counts(text, hypothesis)
            counted = words.errors, words.length, characters.errors, characters.length
            errors = [a + b for a, b in zip(errors, counted, strict=True)]
        own = torch.tensor([losses.double().sum().item(), *errors], dtype=torch.float64)
        self.sums += torch.cat([counts.cpu(), own])

    @staticmethod
    def metrics(sums: torch.Tensor) -> dict[str, float]:
        """Turn sums over all processes into loss, WER, CER and shares."""
        count = dict(zip(TOTALS, sums.tolist(), strict=True))
        return {
            "loss": count["loss"] / max(1.0, count["utterances"]),
            "wer": count["word_errors"] / max(1.0, count["words"]),
            "cer": count["character_errors"] / max(1.0, count["characters"]),
            **spoken_shares(count),
            "utterances": count["utterances"],
        }


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


class IntervalMeter:
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

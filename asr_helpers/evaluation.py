"""Validation while training: every utterance once, whatever the number of processes, as sums that add up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch

from asr_helpers.decoding import Alphabet, collapse
from asr_helpers.diagnostics import SUMS, frame_counts, spoken_shares
from asr_helpers.metrics import error_counts

__all__ = ["Tally", "spell"]

TOTALS = (*SUMS, "loss", "word_errors", "words", "letter_errors", "letters")


def spell(ids: Iterable[int], alphabet: Alphabet) -> str:
    """Spell collapsed output ids as text, words separated by single spaces."""
    tokens = (" " if i == alphabet.boundary else alphabet.tokens[i] for i in ids)
    return " ".join("".join(tokens).split())


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
            piece: The collated utterances (``updates.Pieces.collate``).
            logits: (batch, frames, vocabulary).
            losses: (batch,) loss of each utterance.
        """
        ids, counts = frame_counts(
            logits, piece["frames"], blank=self.alphabet.blank, unknown=self.unknown, weights=piece["weights"]
        )
        errors = [0, 0, 0, 0]
        for name, text, path in zip(piece["ids"], piece["text"], ids.cpu().numpy(), strict=True):
            hypothesis = spell(collapse(path, self.alphabet.blank), self.alphabet)
            self.hypotheses[name] = (text, hypothesis)
            words, letters = error_counts(text, hypothesis)
            counted = words.errors, words.length, letters.errors, letters.length
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
            "cer": count["letter_errors"] / max(1.0, count["letters"]),
            **spoken_shares(count),
            "utterances": count["utterances"],
        }

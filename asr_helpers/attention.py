"""The implementation of attention that a device computes fastest; all give the same numbers within rounding."""

from __future__ import annotations

from typing import Literal

import torch

__all__ = ["LONGEST_PLAIN", "choose_attention"]

# Seconds. On two CPU cores a training step with plain attention took 0.74 to 0.93 of the fused kernel's time with
# clips of 2 to 8 s; with 16 s it was 1.3 times as slow at wav2vec2-base's width (12 heads).
LONGEST_PLAIN = 10.0


def choose_attention(device: torch.device | str, longest_seconds: float) -> Literal["eager", "sdpa"]:
    """Choose plain attention for short clips on a CPU, else the fused kernel.

    The fused kernel saves the memory of a (frames, frames) matrix a head; for clips of a few seconds that is
    little, and on a CPU its backward pass is slow.

    Args:
        device: Where the model, loaded with ``load_for_ctc(attn_implementation=...)``, is trained.
        longest_seconds: Duration of the longest training utterance.
    """
    short = longest_seconds <= LONGEST_PLAIN
    return "eager" if torch.device(device).type == "cpu" and short else "sdpa"

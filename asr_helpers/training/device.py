"""The number format that a device computes fastest without losing the training."""

from __future__ import annotations

from typing import Literal

import torch

__all__ = ["LONGEST_PLAIN", "Precision", "choose_attention", "choose_precision", "has_fast_bf16", "training_device"]

Precision = Literal["bf16", "fp16", "fp32"]

# Seconds. On two CPU cores a training step with plain attention took 0.74 to 0.93 of the fused kernel's time with
# clips of 2 to 8 s; with 16 s it was 1.3 times as slow at wav2vec2-base's width (12 heads).
LONGEST_PLAIN = 10.0


def has_fast_bf16(device: torch.device | str) -> bool:
    """Say whether ``device`` has instructions for bf16, not merely a way to imitate them.

    A CPU without AVX-512 BF16 or AMX tiles, and a CUDA device before Ampere, run bf16 slower than fp32.
    """
    kind = torch.device(device).type
    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if kind == "cpu":
        tests = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # private: absent from some builds of torch
        return any(getattr(torch.cpu, test, lambda: False)() for test in tests)
    return False


def choose_precision(device: torch.device | str, wanted: str = "auto") -> Precision:
    """Choose the precision for ``device``: bf16 where it is native, fp16 on older CUDA devices, else fp32.

    bf16 goes before fp16 because it has fp32's range: no loss scaling, and no step lost to an overflow.

    Args:
        device: Where the model will be trained.
        wanted: ``"auto"``, or a precision to insist on.

    Raises:
        ValueError: ``wanted`` is unknown, or the device cannot train in it; the text names the ones it can.
    """
    kind = torch.device(device).type
    if wanted == "auto":
        if has_fast_bf16(device):
            return "bf16"
        return "fp16" if kind == "cuda" else "fp32"
    if wanted not in ("bf16", "fp16", "fp32"):
        raise ValueError(f"precision is {wanted!r}; use 'auto', 'bf16', 'fp16' or 'fp32'")
    if wanted == "fp16" and kind != "cuda":
        raise ValueError(f"precision is 'fp16', which {kind} cannot train in; use 'auto', 'bf16' or 'fp32'")
    if wanted == "bf16" and kind not in ("cuda", "cpu"):
        raise ValueError(f"precision is 'bf16', which {kind} cannot train in; use 'auto' or 'fp32'")
    return wanted


def training_device() -> str:
    """Kind of device that the Trainer will choose: ``"cuda"``, ``"mps"`` or ``"cpu"``."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


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

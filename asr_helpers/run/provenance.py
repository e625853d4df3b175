"""What a run ran with: package versions, the device."""

from __future__ import annotations

import os
import platform
from importlib import metadata

import pandas as pd

__all__ = [
    "device_line",
    "device_table",
    "versions",
    "versions_line",
]

# The packages that decide a run's numbers, and how; what only stores, draws, fetches or starts is not here.
PACKAGES = {
    "torch": "the arithmetic of the model, the optimiser and the random numbers of training",
    "transformers": "the model, the Trainer and the tokenizer",
    "accelerate": "mixed precision, accumulated gradients, what several processes average",
    "datasets": "the order in which a stream is shuffled and shared out; the rows of a saved corpus",
    "soundfile": "decoding: its wheel carries libsndfile",
    "soxr": "resampling",
    "numpy": "the draws of batches, of trial weights and of intervals",
    "pandas": "sorting, grouping and quantiles of the tables of errors",
    "num2words": "numbers in transcripts, as words",
    "rapidfuzz": "alignments, from which errors are counted",
    "flashlight-text": "beam search",
}


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide a run's numbers."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:  # flashlight-text is optional
            found[package] = "missing"
    return found


def versions_line() -> str:
    """The versions that matter most, on one line."""
    found = versions()
    return " · ".join(f"{name} {found[name]}" for name in ("python", "torch", "transformers", "datasets"))


def device_line() -> str:
    """The device that training uses, in words."""
    import torch

    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} × {torch.cuda.get_device_name(0)}"
    return f"CPU, {os.cpu_count()} cores"


def device_table() -> pd.DataFrame:
    """Each GPU with its memory, or the CPU with its cores and the machine's memory."""
    import psutil
    import torch

    gpus = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    rows = [(gpu.name, f"{gpu.total_memory / 2**30:.0f} GiB", f"CUDA {torch.version.cuda}") for gpu in gpus]
    memory = psutil.virtual_memory().total / 2**30
    rows.append((f"CPU, {os.cpu_count()} cores", f"{memory:.0f} GiB", "used for training" if not gpus else ""))
    return pd.DataFrame(rows, columns=["device", "memory", "note"])

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

PACKAGES = """
torch transformers datasets huggingface_hub accelerate jiwer librosa soundfile soxr numpy pandas pyarrow ipywidgets
papermill nbval
""".split()  # noqa: SIM905 - a list of names reads best as a sentence


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide a run's numbers."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
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

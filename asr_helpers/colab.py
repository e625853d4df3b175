"""What a fresh Colab machine needs before a notebook can run."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

__all__ = ["missing_requirements", "prepare"]

KEEP = ("torch",)  # Colab's own build knows its GPU; ours from the package index would replace it

DRIVE = "/content/drive"


def missing_requirements(requirements: str) -> list[str]:
    """The pinned requirements that are not installed in exactly that version, without those of ``KEEP``.

    Args:
        requirements: The text of ``requirements.txt``.
    """
    pinned = re.findall(r"(?m)^([A-Za-z0-9_.-]+)==(\S+)", requirements)
    return [f"{name}=={version}" for name, version in pinned if name not in KEEP and _installed(name) != version]


def prepare(corpus: str) -> None:
    """Install what is missing, and mount Drive when the corpus lies there.

    Args:
        corpus: The notebook's parameter.
    """
    project = Path(__file__).resolve().parents[1]
    missing = missing_requirements((project / "requirements.txt").read_text(encoding="utf-8"))
    if missing:
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", *missing], check=True)
        importlib.invalidate_caches()
    if corpus.startswith(DRIVE):
        from google.colab import drive

        drive.mount(DRIVE)


def _installed(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None

"""What a fresh Colab machine needs before a notebook can run; the standard library and ``packaging`` are all it needs.

Colab brings its own torch (built for its GPU), numpy, pandas and Jupyter, and the kernel holds some of them in memory
already: to replace one under a running page breaks it. So what is there stays when it lies in the range that
``pyproject.toml`` supports, and only what is absent or too old is installed.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.version import Version

__all__ = ["missing_requirements", "prepare"]

DRIVE = "/content/drive"

KEEP = ("torch", "ipykernel", "jupyter_client", "ipywidgets")  # of the GPU's driver and of the running page


def prepare(parameters: Mapping[str, Any]) -> None:
    """Mount Drive when a parameter's path lies there, and install what is missing.

    Beam search is optional: where its package has no build for this Python, notebook 05 goes on without it.

    Args:
        parameters: The notebook's, such as its ``globals()``: any text among them may be a path.

    Raises:
        RuntimeError: pip failed; or it replaced what this session has in memory, which a restart alone can mend.
    """
    paths = [v for name, v in parameters.items() if isinstance(v, str) and not name.startswith("_")]
    if any(path.startswith(DRIVE) for path in paths) and not Path(DRIVE, "MyDrive").is_dir():
        from google.colab import drive

        drive.mount(DRIVE)
    project = Path(__file__).resolve().parents[1] / "pyproject.toml"
    loaded = _loaded()
    if missing := missing_requirements(project):
        print(f"installing what this machine lacks: {', '.join(missing)}", flush=True)
        if said := _pip_install(missing):
            raise RuntimeError(f"pip could not install what the notebooks need: {said}; run this cell again")
    if (search := missing_requirements(project, "search")) and _pip_install(search, "--only-binary=:all:"):
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        print(f"beam search is off: there is no build of {', '.join(search)} for Python {python}; all else works")
    importlib.invalidate_caches()
    if replaced := [name for name, version in loaded.items() if metadata.version(name) != version]:
        raise RuntimeError(
            f"{', '.join(replaced)} had to be replaced and is in this session's memory: "
            "choose Runtime, Restart session, and run all cells again"
        )
    _hand_on_token()


def missing_requirements(project: Path, extra: str = "notebooks") -> list[str]:
    """The requirements that this machine lacks, or has in a version outside the supported range.

    Args:
        project: The file ``pyproject.toml``.
        extra: The requirements of this extra, ``"notebooks"`` with the package's own.
    """
    table = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    own = table["dependencies"] if extra == "notebooks" else []
    return [line for line in [*own, *table["optional-dependencies"][extra]] if not _satisfied(Requirement(line))]


def _hand_on_token() -> None:
    """Let a Hub token from Colab's secrets, which only the page's own kernel can read, reach the kernels it starts."""
    from huggingface_hub import get_token

    if token := get_token():
        os.environ.setdefault("HF_TOKEN", token)


def _satisfied(requirement: Requirement) -> bool:
    """Whether the installed version will do; a build such as ``2.9.0+cu128`` counts as its version."""
    try:
        installed = Version(metadata.version(requirement.name))
    except metadata.PackageNotFoundError:
        return False
    return requirement.name in KEEP or requirement.specifier.contains(installed.public, prereleases=True)


def _loaded() -> dict[str, str]:
    """Distribution → version of what this session has imported."""
    names = {
        name for module, names in metadata.packages_distributions().items() if module in sys.modules for name in names
    }
    return {name: metadata.version(name) for name in sorted(names)}


def _pip_install(requirements: Iterable[str], *options: str) -> str:
    """Install quietly; returns what pip said last where it failed, or nothing."""
    command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", *options, *requirements]
    done = subprocess.run(command, capture_output=True, text=True)
    return (done.stderr.strip() or "no reason given").splitlines()[-1] if done.returncode else ""

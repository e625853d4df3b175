"""Whether everything the project needs can be had ready built for another Python: what Colab's is, for instance.

    python scripts/check_wheels.py 3.13

Asks the package index for the versions with a wheel for that Python on this kind of machine; nothing is downloaded. A
package without one in its range is an error, unless only an extra needs it that people may do without.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

OPTIONAL = {"search"}  # beam search: without it the greedy result stands


def wheels(name: str, python: str) -> list[str]:
    """Versions that have a wheel for this Python, newest first."""
    asked = [sys.executable, "-m", "pip", "index", "versions", name, "--python-version", python, "--only-binary=:all:"]
    told = subprocess.run(asked, capture_output=True, text=True, check=False)
    if told.returncode and "No matching distribution" not in told.stderr:
        raise SystemExit(f"the package index does not answer: {told.stderr.strip()}")
    found = re.search(r"Available versions: (.*)", told.stdout)
    return found[1].split(", ") if found else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("python", help="version of Python, e.g. 3.13")
    python = parser.parse_args().python
    project = tomllib.loads((Path(__file__).resolve().parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
    lacking = []
    for extra, lines in {"": project["dependencies"], **project["optional-dependencies"]}.items():
        for needed in map(Requirement, lines):
            fits = [version for version in wheels(needed.name, python) if needed.specifier.contains(version)]
            print(f"{needed}: {fits[0] if fits else 'no wheel'}" + (f"  ({extra})" if extra else ""), flush=True)
            lacking += [] if fits or extra in OPTIONAL else [str(needed)]
    if lacking:
        raise SystemExit(f"without a wheel for Python {python}: {', '.join(lacking)}")


if __name__ == "__main__":
    main()

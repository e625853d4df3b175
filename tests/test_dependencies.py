"""What the project needs: every import is declared, every declaration is used, and one set is pinned."""

import ast
import json
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from asr_helpers.run.provenance import PACKAGES

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CORE = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRAS = {name: [Requirement(line) for line in lines] for name, lines in PROJECT["optional-dependencies"].items()}
RANGES = {canonicalize_name(r.name): r for r in [*CORE, *(r for lines in EXTRAS.values() for r in lines)]}
PINS = dict(re.findall(r"(?m)^([\w.-]+)==(\S+)$", (ROOT / "requirements.txt").read_text(encoding="utf-8")))

LOWEST = dict(
    re.findall(r"(?m)^([\w.-]+)==([\w.]+)", (ROOT / "tests" / "constraints-lowest.txt").read_text(encoding="utf-8"))
)

# Used without an import: by a library of ours, as a program, or as a plugin.
UNIMPORTED = {"accelerate", "jupyterlab", "pytest-xdist", "nbval", "ruff"}
# Imported without a declaration: Colab's own, what brings itself along, what `make starter` installs.
UNDECLARED = {"google", "IPython", "packaging", "wordfreq"}
OWN = {
    "asr_helpers",
    *(path.stem for name in ("benchmarks", "scripts", "tests") for path in (ROOT / name).rglob("*.py")),
}


def imported(tree: ast.AST) -> set[str]:
    """The packages of others that a syntax tree imports."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module)
    return {name.split(".")[0] for name in names} - sys.stdlib_module_names - OWN - UNDECLARED


def parsed(folder: str) -> dict[str, ast.Module]:
    trees = {str(path): ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / folder).rglob("*.py")}
    for path in (ROOT / folder).glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        trees[str(path)] = ast.parse(code)
    return trees


def projects(names: set[str]) -> set[str]:
    """The projects on the package index that hold these packages."""
    found = metadata.packages_distributions()
    return {canonicalize_name(found[name][0]) if name in found else f"nobody's {name}" for name in names}


@pytest.mark.parametrize("folder", ["asr_helpers", "benchmarks", "scripts", "notebooks", "tests"])
def test_every_import_is_declared(folder):
    used = projects(set().union(*(imported(tree) for tree in parsed(folder).values())))
    assert used <= set(RANGES), "declare it in pyproject.toml and pin it in requirements.txt"


def test_the_package_is_imported_with_its_own_dependencies_alone():
    core = {canonicalize_name(r.name) for r in CORE}
    for path, tree in parsed("asr_helpers").items():
        if path.endswith("run/kernel.py"):  # imported where a notebook is run
            continue
        top = ast.Module([node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))], [])
        assert projects(imported(top)) <= core, path


def test_every_declaration_is_used():
    folders = ["asr_helpers", "benchmarks", "scripts", "notebooks", "tests"]
    used = projects(set().union(*(imported(tree) for folder in folders for tree in parsed(folder).values())))
    assert set(RANGES) - used == UNIMPORTED


def test_what_is_pinned_is_what_is_declared_within_its_range():
    pins = {canonicalize_name(name): version for name, version in PINS.items()}
    assert pins.keys() == RANGES.keys()
    assert [str(r) for name, r in RANGES.items() if pins[name] not in r.specifier] == []


def test_the_lowest_versions_that_are_tested_are_the_lower_bounds():
    """All that a Colab machine needs, each in its oldest release within the range; torch's has no build for a CPU."""
    needed = [*CORE, *EXTRAS["notebooks"]]
    assert {canonicalize_name(name) for name in LOWEST} == {canonicalize_name(r.name) for r in needed} | {"pytest"}
    pins = {canonicalize_name(name): Version(version) for name, version in LOWEST.items()}
    for name, version in pins.items():
        [bound] = [Version(s.version) for s in RANGES[name].specifier if s.operator in (">=", "==")]
        assert version.release[: len(bound.release)] == bound.release or name == "torch", name


def test_what_decides_numbers_is_something_the_package_depends_on():
    assert {canonicalize_name(name) for name in PACKAGES} <= {
        canonicalize_name(r.name) for r in [*CORE, *EXTRAS["search"]]
    }
    assert all(PACKAGES.values())

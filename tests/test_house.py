"""The house: packages on floors, imports only downwards, faces that only hand on, five packages without torch."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from asr_helpers.audio import SAMPLING_RATE

ROOT = Path(__file__).resolve().parents[1] / "asr_helpers"
BESIDE = (ROOT.parent / "benchmarks", ROOT.parent / "scripts")

# Each room, and the rooms below it that it may import from. `wording` and `storage` are open to everybody.
BELOW = {
    "wording": set(),
    "storage": {"wording"},
    "saved_folder": {"wording"},
    "text": set(),
    "audio": set(),
    "sample": {"text"},
    "corpus": {"text", "audio"},
    "analysis": {"text", "audio"},  # audio says from where on a recording is clipped
    "model": {"text", "audio"},  # audio says at which rate a checkpoint hears
    "show": {"corpus", "analysis", "audio", "text"},
    "dataset": {"model", "audio", "corpus"},  # corpus says what the splits are called
    "decoding": {"dataset", "analysis", "model", "audio", "text"},
    "training": {"decoding", "analysis", "dataset", "model", "audio", "text"},
    "run": {"training", "decoding", "analysis", "dataset", "model", "show", "corpus", "audio", "text"},
    "colab": set(),  # imported before anything is installed: the standard library alone
    "__init__": set(),
    "commands": {"run", "decoding", "dataset", "model", "show", "corpus", "audio", "text"},
    "__main__": {"commands", "run", "training", "decoding", "analysis", "show", "corpus", "sample", "text"},
}
GROUND = {"wording", "storage", "saved_folder"}
WITHOUT_TORCH = ["analysis", "audio", "corpus", "sample", "show", "text"]
MODULES = sorted(
    path.relative_to(ROOT.parent).with_suffix("").as_posix().replace("/", ".") for path in ROOT.rglob("*.py")
)
FACES = [name for name in MODULES if name.endswith(".__init__") and name != "asr_helpers.__init__"]


def room_of(module: str) -> str:
    """The package, or the module beside the packages, that ``asr_helpers.room.module`` lies in."""
    return module.split(".")[1]


@cache
def tree_of(module: str) -> ast.Module:
    path = ROOT.parent / f"{module.replace('.', '/')}.py"
    return ast.parse(path.read_text(encoding="utf-8"))


def imports_of(module: str) -> set[str]:
    """Modules of ours that a module imports, functions' imports and those for type checkers included."""
    package = module.split(".")[:-1]
    found = set()
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("asr_helpers")}
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            if name.split(".")[0] == "asr_helpers":
                found |= {f"{name}.{alias.name}" for alias in node.names}
    return {existing for name in found if (existing := _module(name))}


def _module(name: str) -> str:
    """The module that an imported name lies in: the longest beginning of it that is a module."""
    parts = name.split(".")
    for end in range(len(parts), 1, -1):
        candidate = ".".join(parts[:end])
        if candidate in MODULES:
            return candidate
        if f"{candidate}.__init__" in MODULES:
            return f"{candidate}.__init__"
    return ""


def test_every_room_has_a_floor():
    assert {room_of(module) for module in MODULES} == set(BELOW)


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down_only(module):
    own = room_of(module)
    up = {name for name in imports_of(module) if room_of(name) not in BELOW[own] | GROUND | {own}}
    assert not up, f"{module} imports from a room that is not below it: {sorted(up)}"


def test_the_floors_have_no_circle():
    standing: set[str] = set()
    while left := set(BELOW) - standing:
        free = {room for room in left if BELOW[room] <= standing}
        assert free, f"a circle among {sorted(left)}"
        standing |= free


def test_no_two_modules_import_each_other_in_a_circle():
    arrows = {module: {name for name in imports_of(module) if name not in FACES} for module in MODULES}
    standing: set[str] = set()
    while left := set(MODULES) - standing:
        free = {module for module in left if arrows[module] <= standing | {module}}
        assert free, f"a circle among {sorted(left)}"
        standing |= free


@pytest.mark.parametrize("module", MODULES)
def test_imports_are_relative_within_a_package_and_absolute_between_packages(module):
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.ImportFrom) and module.count(".") > 1:
            inside = (node.module or "").startswith(f"asr_helpers.{room_of(module)}")
            assert not inside or node.level, f"{module}:{node.lineno} names its own package"
            assert node.level <= module.count(".") - 1, f"{module}:{node.lineno} climbs out of its package"


@pytest.mark.parametrize("module", [name for name in MODULES if name not in FACES])
def test_a_module_hands_on_its_own_names_only(module):
    if module == "asr_helpers.__main__":
        return
    loaded = importlib.import_module(module.removesuffix(".__init__"))
    own = {name for node in tree_of(module).body for name in _defined(node)}
    assert set(getattr(loaded, "__all__", ())) <= own


@pytest.mark.parametrize("module", MODULES)
def test_names_with_an_underscore_stay_in_their_module(module):
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("asr_helpers")):
            private = [alias.name for alias in node.names if alias.name.startswith("_")]
            assert not private, f"{module}:{node.lineno} imports {private}"


def test_a_constant_has_one_home():
    homes: dict[tuple[str, str], list[str]] = {}
    for path in (path for folder in (ROOT, *BESIDE) for path in folder.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body:
            for name in (name for name in _defined(node) if name.isupper() and isinstance(node, ast.Assign)):
                homes.setdefault((name, ast.unparse(node.value)), []).append(path.name)
        if any(isinstance(node, ast.Constant) and node.value == SAMPLING_RATE for node in ast.walk(tree)):
            homes.setdefault(("SAMPLING_RATE", "under another name or none"), []).append(path.name)
    twice = {fact: modules for fact, modules in homes.items() if len(modules) > 1}
    assert not twice, f"written down more than once: {twice}"


@pytest.mark.parametrize("face", FACES)
def test_a_face_only_hands_on(face):
    tree = tree_of(face)
    kinds = (ast.ImportFrom, ast.Assign, ast.Expr)
    assert all(isinstance(node, kinds) for node in tree.body), f"{face} does more than import"
    assert ast.get_docstring(tree) and tree.body[-1].end_lineno < 40
    loaded = importlib.import_module(face.removesuffix(".__init__"))
    package = (ROOT.parent / f"{face.replace('.', '/')}.py").parent
    inside = {path.stem for path in package.glob("*.py")} | {path.name for path in package.iterdir() if path.is_dir()}
    assert not set(getattr(loaded, "__all__", ())) & inside, f"a name of {face} hides a module of the same name"


@pytest.mark.parametrize("room", WITHOUT_TORCH)
def test_a_room_without_torch(room):
    slow = ("torch", "transformers", "datasets", "librosa")
    program = f"import sys, asr_helpers.{room}; print([name for name in {slow} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    assert done.stdout.strip() == "[]"


def _defined(node: ast.stmt) -> list[str]:
    """Names that a statement at the top of a module binds, imports left out."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    return []

"""Names that keep their word: whatever the package defines is used, and a docstring's arguments are the signature's."""

import ast
import inspect
import json
import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = {
    path: ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "asr_helpers").rglob("*.py"))
    if path.name not in ("__init__.py", "__main__.py")
}


def callers() -> list[ast.AST]:
    """The package without its faces, and all that calls it but the tests."""
    trees = [*MODULES.values(), ast.parse((ROOT / "asr_helpers" / "__main__.py").read_text(encoding="utf-8"))]
    for folder in ("benchmarks", "scripts"):
        trees += [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / folder).glob("*.py")]
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        trees += [ast.parse("".join(cell["source"])) for cell in cells if cell["cell_type"] == "code"]
    return trees


@pytest.fixture(scope="module")
def asked_for() -> dict[str, set[str]]:
    """Names that are imported or looked up, each with the modules or packages that they are asked of."""
    found, nodes = defaultdict(set), [node for tree in callers() for node in ast.walk(tree)]
    imported = [(node, alias) for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names]
    for node, alias in imported:
        found[alias.name].add((node.module or "").split(".")[-1])
    renamed = {alias.asname: alias.name for _, alias in imported if alias.asname}
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, (ast.Name, ast.Attribute)):
            of = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
            found[node.attr].add(renamed.get(of, of))
    return found


def defined(node: ast.stmt) -> set[str]:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)} - {"__all__"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT / "asr_helpers").as_posix())
def test_every_name_is_used_by_more_than_tests(path, asked_for):
    body = MODULES[path].body
    for node in body:
        elsewhere = {n.id for other in body if other is not node for n in ast.walk(other) if isinstance(n, ast.Name)}
        for name in defined(node) - elsewhere:
            assert asked_for[name] & {path.stem, path.parent.name}, f"nothing uses {name}: delete it, with its tests"


def documented(docstring: str) -> list[str]:
    """The arguments that a docstring names."""
    part = re.search(r"^Args:\n((?:    .*\n|\n)*)", inspect.cleandoc(docstring) + "\n", re.M)
    lines = re.findall(r"^    (\*{0,2}\w[\w, *]*):", part[1], re.M) if part else []
    return [name.strip(" *") for line in lines for name in line.split(",")]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT / "asr_helpers").as_posix())
def test_the_arguments_of_a_docstring_are_those_of_the_signature(path):
    for node in ast.walk(MODULES[path]):
        if isinstance(node, ast.FunctionDef) and (named := documented(ast.get_docstring(node) or "")):
            a = node.args
            every = [*a.posonlyargs, *a.args, *filter(None, [a.vararg]), *a.kwonlyargs, *filter(None, [a.kwarg])]
            assert named == [x.arg for x in every if x.arg not in ("self", "cls")], f"{node.name}, line {node.lineno}"

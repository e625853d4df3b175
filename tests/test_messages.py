"""Messages name parameters that exist: whatever a message of the package calls a parameter stands in a notebook."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "asr_helpers").rglob("*.py"))

# A name with an underscore in a sentence is a parameter, unless it is one of these.
OTHER_NAMES = {
    # of files, columns and keys that a corpus or a run has
    "file_name", "audio_filepath", "speaker_id", "client_id", "data_check", "training_log", "normalized_text",
    "raw_transcription", "state_dict", "wav_scp",
    # of programs and of layouts
    "save_to_disk", "load_from_disk", "asr_helpers", "common_voice", "sys_modules", "num_processes", "nproc_per_node",
    # of arguments that only a program gives: no notebook hands them on
    "shortest_frames", "blank_id", "vocab_size", "apply_spec_augment", "load_for_ctc", "make_exact",
    "mask_time_length", "stream_prepared", "share", "return_attention_mask", "ctc_loss_reduction",
}  # fmt: skip

SAYS = [
    re.compile(r"\bparameters? ([a-z_]+)"),
    re.compile(r"\b([a-z]+(?:_[a-z]+)+)\b(?![\w./(\[*\\])"),
    re.compile(r"(?:^|[\s(,;])([a-z_]+)=(?=\{|$)"),
]

NO_PARAMETER = {"of", "that", "which", "is", "cell", "cells", "to", "from", "file", "files", "s", "with", "in", "and"}


def declared() -> set[str]:
    """The parameters of all notebooks."""
    found = set()
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if "parameters" in cell["metadata"].get("tags", []):
                found |= {node.target.id for node in ast.parse("".join(cell["source"])).body}
    return found


def messages(source: Path) -> Iterator[tuple[int, str]]:
    """The sentences that a module says, docstrings left out: line and text, a value that is filled in being ``{}``."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    parts |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
    for function in (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))):
        for node in ast.walk(function):
            if isinstance(node, ast.JoinedStr) or id(node) not in parts:
                yield from _text(node)


def _text(node: ast.AST) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
        yield node.lineno, "".join(map(str, parts))
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
        yield node.lineno, node.value


def named(text: str) -> set[str]:
    """What a message calls a parameter."""
    return {name for pattern in SAYS for name in pattern.findall(text)} - OTHER_NAMES - NO_PARAMETER


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("name it with the parameter transcripts", {"transcripts"}),
        ("mend them, or leave these out with on_error: drop", {"on_error"}),
        ("validation={} and test={} leave nothing", {"validation", "test"}),
        ("split it, or raise max_seconds ({})", {"max_seconds"}),
        ("write file_name in metadata.csv, see data_check.parquet", set()),
        ("the parameter of the model", set()),
    ],
)
def test_what_counts_as_named(text, names):
    assert named(text) == names


def test_the_notebooks_declare_parameters():
    assert {"corpus", "transcripts_file", "max_seconds", "checkpoint"} <= declared()


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_parameter_that_a_message_names_exists(source):
    known = declared()
    strange = [f"line {n}: {name!r} in «{t}»" for n, t in messages(source) for name in sorted(named(t) - known)]
    assert not strange, f"no notebook declares these (a name of something else belongs to OTHER_NAMES): {strange}"

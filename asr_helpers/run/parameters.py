"""Parameters of a run: every one has the type of its annotation in the notebooks, checked before anything runs.

`read_parameters` takes a file and the command line, `typed` what a program gives. Nothing but text, whole numbers,
numbers and truth values ever reaches a notebook's kernel: papermill writes other objects into it as code.
"""

from __future__ import annotations

import ast
import difflib
import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from asr_helpers.corpus.reading import LAYOUTS
from asr_helpers.text.languages import LANGUAGES
from asr_helpers.text.normaliser import OPTIONS

from .fingerprints import code_cells
from .places import NOTEBOOKS, repository

__all__ = [
    "Parameter",
    "ParameterError",
    "all_parameters",
    "declared_parameters",
    "read_parameters",
    "typed",
]

TYPES = {"str": str, "int": int, "float": float, "bool": bool}

TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}

NULL = ("~", "null", "Null", "NULL")  # YAML's words for nothing, where they stand without quotes

SHARE, SPLIT, COUNT, SIZE = (0.0, 1.0), (0.001, 0.9), (0, math.inf), (1, math.inf)

LARGEST = 2**32 - 1  # the largest seed that NumPy takes, and more than anything else needs

# parameter → least and largest value; where the least is 0 and the parameter a rate, 0 switches something off
RANGES = {
    **dict.fromkeys(("validation_share", "test_share"), SPLIT),  # never 0: the one chooses, the other measures
    **dict.fromkeys(("warmup", "decay_from", "encoder_frozen", "dropout", "mask_time_prob", "augmentation"), SHARE),
    "speed_change": (0.0, 0.5),
    **dict.fromkeys(("min_seconds", "max_seconds", "workers", "epochs", "micro_seconds", "learning_rate"), COUNT),
    **dict.fromkeys(("encoder_learning_rate", "patience", "batch_seconds", "compare_utterances", "exports"), COUNT),
    **dict.fromkeys(("worst", "seed", "head_seed", "frozen_layers", "lora_rank"), COUNT),
    "lora_alpha": (0.001, math.inf),
    **dict.fromkeys(("batch_size", "accumulation", "evaluations", "processes", "stream_buffer", "search_trials"), SIZE),
    **dict.fromkeys(("channel", "max_steps"), (-1, math.inf)),
}

# parameter → the words it takes
CHOICES = {
    "layout": ("auto", *LAYOUTS),
    "language": ("auto", *LANGUAGES),
    "digits": OPTIONS["digits"],
    "on_error": ("stop", "drop"),
    "frozen_format": ("bf16", "int8", "fp32"),
    "corrections": ("run", "corpus", "off"),
    "precision": ("auto", "bf16", "fp16", "fp32"),
}


class ParameterError(ValueError):
    """A parameter that no notebook has, or a value that it cannot take; the text says which and what to write."""


@dataclass(frozen=True)
class Parameter:
    """A line of a notebook's ``parameters`` cell: ``name: type = default``."""

    name: str
    type: type
    default: Any

    def take(self, value: Any) -> Any:
        """The value in the parameter's type; text is read as it is written, not as YAML would take it.

        Raises:
            ParameterError: It has another type, or lies outside what the parameter can be.
        """
        taken = self._of_text(value) if isinstance(value, str) else self._of_value(value)
        if self.type in (int, float):
            least, most = RANGES.get(self.name, (-math.inf, math.inf))
            if not (least <= taken <= most and abs(taken) <= LARGEST):
                open_ended = most == math.inf and not LARGEST < taken < math.inf
                limits = f"{least:g} or more" if open_ended else f"{least:g} to {min(most, LARGEST):,.15g}"
                raise ParameterError(f"{self.name} is {_short(taken)}; it can be {limits}")
        if taken not in CHOICES.get(self.name, (taken,)):
            raise ParameterError(f"{self.name} is {taken!r}; it can be {', '.join(CHOICES[self.name])}")
        return taken

    def _of_text(self, text: str) -> Any:
        if self.type is str:
            for letter in text:
                if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp"):
                    raise ParameterError(f"{self.name} holds the character U+{ord(letter):04X}; write it without")
            return text
        try:
            return TRUTH[text.strip().lower()] if self.type is bool else self.type(text)
        except (ValueError, KeyError):
            raise self._other(text) from None

    def _of_value(self, value: Any) -> Any:
        if self.type is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if type(value) is not self.type:  # a bool is an int to Python, and not here
            raise self._other(value)
        return value

    def _other(self, value: Any) -> ParameterError:
        kinds = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
        return ParameterError(
            f"{self.name} is {_short(value)}; it takes {kinds[self.type]}, such as {_written(self.default)}"
        )


def declared_parameters(notebook: Path) -> dict[str, Parameter]:
    """The parameters of a notebook's ``parameters`` cell, by name.

    Raises:
        ParameterError: The notebook is damaged, or the cell holds something else than ``name: type = value``.
    """
    try:
        cells = [source for tags, source in code_cells(notebook) if "parameters" in tags]
        lines = ast.parse("\n".join(cells)).body
        declared = [Parameter(n.target.id, TYPES[n.annotation.id], ast.literal_eval(n.value)) for n in lines]
    except (ValueError, KeyError, AttributeError, SyntaxError, TypeError) as error:
        raise ParameterError(
            f"{notebook} has no readable cell of parameters ({error}); fetch the notebook again"
        ) from error
    return {parameter.name: parameter for parameter in declared}


def all_parameters() -> dict[str, dict[str, Parameter]]:
    """The parameters of all five notebooks, by number and name."""
    folder = repository() / "notebooks"
    return {number: declared_parameters(folder / f"{stem}.ipynb") for number, stem in NOTEBOOKS.items()}


def typed(given: Mapping[str, Any]) -> dict[str, Any]:
    """Give every parameter the type that the notebooks declare for it.

    Raises:
        ParameterError: No notebook declares it, or it does not take the value.
    """
    known = {name: parameter for notebook in all_parameters().values() for name, parameter in notebook.items()}
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(str(name), sorted(known), n=1, cutoff=0.0)
            raise ParameterError(f"no notebook has a parameter {_short(name)}; the nearest is {near[0]!r}")
    return {name: known[name].take(value) for name, value in given.items()}


def read_parameters(file: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Read a parameter file and the ``name=value`` overrides of the command line.

    Args:
        file: YAML, one ``name: value`` a line. Values are taken as the text that is written (``010``, ``no``,
            ``2024-05-01``), and then read as the parameter's type asks.
        overrides: ``name=value``.

    Raises:
        ParameterError: The file is no flat mapping of that kind, an override has no ``=``, a parameter does not
            exist or does not take its value.
    """
    given = _read_file(file)
    for override in overrides:
        name, sign, value = override.partition("=")
        if not sign:
            shown = _short(override)
            raise ParameterError(f"-p {shown} has no value; write -p {shown[1:-1]}=VALUE")
        given[name.strip()] = value.strip()
    return typed(given)


def _read_file(file: Path) -> dict[str, str]:
    """Name → the text of its value. The tree is walked, never constructed: no tag gets to make an object."""
    try:
        tree = yaml.compose(file.read_text(encoding="utf-8-sig"), Loader=yaml.BaseLoader)
    except FileNotFoundError as error:
        there = sorted(path.name for path in (repository() / "params").glob("*.yaml"))
        raise ParameterError(f"there is no parameter file {file}; params/ has {', '.join(there) or 'none'}") from error
    except UnicodeDecodeError as error:
        raise ParameterError(f"{file} is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise ParameterError(f"{file} cannot be read ({error.strerror}); give a YAML file of parameters") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ParameterError(f"{file}{line}: {problem}; write one `name: value` a line") from error
    except (ValueError, OverflowError, RecursionError) as error:  # "\\UFFFFFFFF", a thousand brackets
        raise ParameterError(f"{file}: no YAML ({_short(error)}); write one `name: value` a line") from error
    given: dict[str, str] = {}
    if tree is None:
        return given
    if not isinstance(tree, yaml.MappingNode):
        kind = "list" if isinstance(tree, yaml.SequenceNode) else "single value"
        raise ParameterError(f"{file} holds a {kind}; write one `name: value` a line")
    for key, value in tree.value:
        name, where = str(key.value), f"{file}, line {key.start_mark.line + 1}"
        if name in given:
            raise ParameterError(f"{where}: {name} stands there twice; keep one")
        given[name] = _text_of(value, f"{where}: {_short(name)}")
    return given


def _text_of(node: yaml.Node, where: str) -> str:
    """The text of one value."""
    if not isinstance(node, yaml.ScalarNode):
        kind = "list" if isinstance(node, yaml.SequenceNode) else "mapping"
        raise ParameterError(f'{where} is a {kind}; write one value, text with a colon in quotes ("PRUS: 708")')
    if node.tag != yaml.BaseLoader.DEFAULT_SCALAR_TAG:
        raise ParameterError(f"{where} has the tag {_short(node.tag)}; write the value without a tag")
    if node.style is None and node.value in NULL:
        raise ParameterError(f'{where} is {node.value}; write "" for none, or leave the line out for the default')
    return node.value


def _written(value: Any) -> str:
    """A value as a parameter file writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value) or '""'


def _short(value: Any, most: int = 60) -> str:
    """A value as Python writes it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= most else f"{text[:most]}…"

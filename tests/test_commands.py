"""Every command has an example that can be typed, and every error is one sentence."""

import argparse
import shlex

import pytest

from asr_helpers import __main__ as commands


def parsers() -> dict[str, argparse.ArgumentParser]:
    (group,) = (a for a in commands._parser()._actions if isinstance(a, argparse._SubParsersAction))
    return group.choices


@pytest.mark.parametrize("name", parsers())
def test_the_help_of_every_command_has_examples_that_it_understands(name, capsys):
    with pytest.raises(SystemExit) as left:
        commands.main([name, "--help"])
    assert left.value.code == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    examples = [line for line in lines if line.startswith("python -m asr_helpers ")]
    assert examples
    for example in examples:
        typed = example.partition("<")[0]  # what a shell reads
        options = commands._parser().parse_args(shlex.split(typed)[3:])
        assert options.debug is False


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("steps is 0; give 1 or more"), "steps is 0; give 1 or more"),
        (PermissionError(13, "Permission denied", "out/a.txt"), "out/a.txt: Permission denied; check the name"),
        (OSError(28, "the disk is full; free some space"), "the disk is full; free some space"),
        (FileNotFoundError("there is no run folder x"), "there is no run folder x"),
        (KeyError("audio"), "KeyError: 'audio'; this is a fault of the program: --debug shows where"),
    ],
)
def test_an_error_is_one_line_without_a_traceback_unless_it_is_asked_for(error, told, monkeypatch, capsys):
    def fail(options):
        raise error

    monkeypatch.setattr(commands, "_sample", fail)
    assert commands.main(["sample"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(told) and said.count("\n") == 1
    with pytest.raises(type(error)):
        commands.main(["sample", "--debug"])

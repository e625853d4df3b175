"""The runner over tiny notebooks of its own: fast, and independent of what the project's notebooks do."""

import json

import nbformat
import pytest

from asr_helpers.__main__ import main
from asr_helpers.run import folder as runs
from asr_helpers.run import runner

PARAMETERS = 'run_folder: str = "runs/x"\nepochs: int = 3  # passes'
BODY = "from pathlib import Path\nPath(run_folder).mkdir(parents=True, exist_ok=True)\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A repository of five notebooks that count how often they ran."""
    (tmp_path / "asr_helpers").mkdir()
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "params").mkdir()
    (tmp_path / "params" / "p.yaml").write_text("epochs: 2\n")
    for number, stem in runs.NOTEBOOKS.items():
        write_notebook(tmp_path, stem, f"{BODY}open('ran.txt', 'a').write('{number} ' + str(epochs) + ';')")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_notebook(project, stem, body):
    cell = nbformat.v4.new_code_cell(PARAMETERS)
    cell.metadata["tags"] = ["parameters"]
    book = nbformat.v4.new_notebook(cells=[cell, nbformat.v4.new_code_cell(body)])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, project / "notebooks" / f"{stem}.ipynb")


def ran(project):
    file = project / "ran.txt"
    return [entry.split()[0] for entry in file.read_text().split(";") if entry] if file.exists() else []


def test_a_misspelt_parameter_is_an_error_with_the_nearest_name(project):
    with pytest.raises(runner.ParameterError, match="'epoch'; the nearest is 'epochs'"):
        runner.run_notebooks({"epoch": 3}, name="a")
    assert ran(project) == []


def test_overrides_are_read_as_yaml(project):
    file = project / "params" / "p.yaml"
    assert runner.read_parameters(file, ["epochs=5", "name=x y", "flag=true", "rate=1.0e-3"]) == {
        "epochs": 5,
        "name": "x y",
        "flag": True,
        "rate": 1e-3,
    }
    with pytest.raises(runner.ParameterError, match="epochs"):
        runner.read_parameters(file, ["epochs"])
    file.write_text("- epochs\n")
    with pytest.raises(runner.ParameterError, match="list"):
        runner.read_parameters(file)


@pytest.mark.slow
def test_what_is_done_is_not_done_again_and_a_change_is_seen(project):
    runner.run_notebooks({"epochs": 2}, name="a")
    assert ran(project) == ["01", "02", "03", "04", "05"]
    runner.run_notebooks({"epochs": 2}, name="a")
    assert len(ran(project)) == 5
    write_notebook(project, runs.NOTEBOOKS["04"], f"{BODY}open('ran.txt', 'a').write('04 changed;')")
    runner.run_notebooks({"epochs": 2}, name="a")
    assert ran(project)[5:] == ["04", "05"]
    runner.run_notebooks({"epochs": 2}, name="a", start="05")
    assert ran(project)[7:] == ["05"]


@pytest.mark.slow
def test_a_failure_says_where_and_why_and_the_same_command_goes_on(project, capsys):
    (project / "asr_helpers" / "report.py").touch()
    write_notebook(project, runs.NOTEBOOKS["03"], "raise ValueError('no labels in row 7')")
    assert main(["run", "params/p.yaml", "--name", "a"]) == 1
    said = capsys.readouterr().err
    assert "03_preprocessing stopped in cell 3: ValueError: no labels in row 7" in said
    assert "runs/a/notebooks/03_preprocessing.ipynb" in said and "same command" in said
    executed = json.loads((project / "runs/a/notebooks/03_preprocessing.ipynb").read_text())
    assert any(o.get("ename") == "ValueError" for c in executed["cells"] for o in c.get("outputs", []))
    write_notebook(project, runs.NOTEBOOKS["03"], f"{BODY}open('ran.txt', 'a').write('03 2;')")
    runner.run_notebooks({"epochs": 2}, name="a")
    assert ran(project) == ["01", "02", "03", "04", "05"]


def test_a_single_failing_command_exits_with_one_and_says_what_to_mend(project, capsys):
    assert main(["run", "params/p.yaml", "-p", "epoch=1"]) == 1
    assert "nearest is 'epochs'" in capsys.readouterr().err
    assert main(["run", "params/missing.yaml"]) == 1
    assert "missing.yaml" in capsys.readouterr().err

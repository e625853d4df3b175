"""A repository of five little notebooks over a corpus of three files: what the runner decides, in milliseconds."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat

from asr_helpers.run import runner
from asr_helpers.run.places import NOTEBOOKS

PARAMETERS = """\
run_folder: str = "runs/x"
corpus: str = "data/mine"
checkpoint: str = "models/m"
language_model: str = ""
speakers_file: str = ""
corrections: str = "run"
split_by_speaker: bool = False
test_share: float = 0.2
data_name: str = ""
epochs: int = 3  # passes"""

# what each little notebook needs, and what it writes
CHAIN = {
    "01": ([], "utterances"),
    "02": (["utterances"], "texts"),
    "03": (["utterances", "texts"], "left_out"),
    "04": (["left_out"], "training_log"),
    "05": (["training_log", "utterances"], "predictions"),
}


def make_project(folder: Path) -> None:
    """Make the repository in an empty folder."""
    for place in ("asr_helpers", "notebooks", "params", "data/mine/deep", "models/m"):
        (folder / place).mkdir(parents=True)
    (folder / "params" / "p.yaml").write_text("epochs: 2\n")
    for name, text in {"1.wav": "one", "deep/2.wav": "two", "text.txt": "ایک\nدو\n"}.items():
        (folder / "data/mine" / name).write_text(text)
    (folder / "models/m/config.json").write_text("{}")
    (folder / "lines.txt").write_text("ایک")
    for number in NOTEBOOKS:
        write_notebook(folder, number, body(number))


def body(number: str, *, content: str = "sorted(read)", also: str = "") -> str:
    """A notebook that notes that it ran, needs artifacts, and writes a table of what it read."""
    needs, writes = CHAIN[number]
    return f"""\
import pandas as pd
from asr_helpers.run import open_run, parameters_of, resolve
run = open_run(run_folder)
read = [str(pd.read_parquet(run.need(name)).values.tolist()) for name in {needs!r}]
if {number!r} == "01":
    read = [path.name + path.read_text() for path in sorted(resolve(corpus).rglob("*.*"))]
{also}
open('ran.txt', 'a').write('{number} ')
run.write_table({writes!r}, pd.DataFrame({{"row": {content}}}))
run.record({number!r}, parameters=parameters_of(globals()), artifacts=[{writes!r}])"""


def write_notebook(project: Path, number: str, source: str) -> None:
    cell = nbformat.v4.new_code_cell(PARAMETERS)
    cell.metadata["tags"] = ["parameters"]
    book = nbformat.v4.new_notebook(cells=[cell, nbformat.v4.new_code_cell(source)])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, project / "notebooks" / f"{NOTEBOOKS[number]}.ipynb")


def execute(step: runner.Step, run) -> None:
    """Run a notebook as papermill does, but in this process."""
    cells = json.loads(step.source.read_text())["cells"]
    namespace: dict = {}
    exec("".join(cells[0]["source"]), namespace)
    namespace.update(step.given)
    for cell in cells[1:]:
        exec("".join(cell["source"]), namespace)


def run_project(project: Path, *, start: str | None = None, until: str = "05", **given) -> list[str]:
    """Run, and say which notebooks ran."""
    ran = project / "ran.txt"
    ran.unlink(missing_ok=True)
    runner.run_notebooks({"epochs": 2, **given}, name="a", start=start, until=until)
    return ran.read_text().split() if ran.exists() else []

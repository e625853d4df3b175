"""Copy executed notebooks back into the repository, with the outputs that a reader wants and nothing else.

    python scripts/clean_notebooks.py runs/sample/notebooks notebooks

Kept: text, tables, pictures. Removed: audio, widget state, progress bars and warnings (stderr), the cell that papermill
injects, timings and other run metadata. A path of this machine in an output is an error, since nobody else has it.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import nbformat

from asr_helpers.run.places import NOTEBOOKS, repository
from asr_helpers.show.players import without_audio

WIDGET = "application/vnd.jupyter.widget-view+json"
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:root|home|work|tmp|Users|content)/\S*|hf_[A-Za-z0-9]{20,}")


def clean(executed: nbformat.NotebookNode, source: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Give the source notebook the outputs of the executed one.

    Args:
        executed: What papermill wrote.
        source: The notebook it was made from; its cells and metadata stay as they are.

    Returns:
        The source with cleaned outputs and execution counts from 1 up.

    Raises:
        ValueError: A cell did not run, or an output names a path of this machine or a token.
    """
    ran = {cell["id"]: cell for cell in executed.cells if "injected-parameters" not in cell.metadata.get("tags", [])}
    count = 0
    for cell in source.cells:
        if cell.cell_type != "code":
            continue
        count += 1  # nbval calls a cell without a count "unrun"
        outputs = [output for output in map(_clean_output, ran[cell["id"]].outputs) if output]
        for found in filter(None, (MACHINE_PATH.search(str(output)) for output in outputs)):
            raise ValueError(f"cell {cell['id']} shows {found.group()!r}; print a path relative to the repository")
        cell.outputs, cell.execution_count = outputs, count
        for output in outputs:
            if output.output_type == "execute_result":
                output.execution_count = count
    return source


def _clean_output(output: nbformat.NotebookNode) -> nbformat.NotebookNode | None:
    """One output without what does not belong into the repository; None when nothing is left."""
    if output.output_type == "error":
        raise ValueError(f"the notebook stopped with {output.ename}: {output.evalue}")
    if output.output_type == "stream":
        return output if output.name == "stdout" else None
    if WIDGET in output.data or "Audio object" in output.data.get("text/plain", ""):
        return None
    if "text/html" in output.data:
        output.data["text/html"] = without_audio(output.data["text/html"])
    output.metadata = nbformat.NotebookNode()
    return output


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("executed", type=Path)
    parser.add_argument("notebooks", type=Path)
    options = parser.parse_args()
    for path in (options.notebooks / f"{stem}.ipynb" for stem in NOTEBOOKS.values()):
        cleaned = clean(nbformat.read(options.executed / path.name, 4), nbformat.read(path, 4))
        nbformat.write(cleaned, path)
        print(f"{path.relative_to(repository()) if path.is_absolute() else path}: {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()

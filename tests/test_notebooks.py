"""The notebooks as a reader and CI meet them: their anatomy, their kept outputs, and the whole chain."""

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest
from shapes import SHAPES, model_of

from asr_helpers.decoding import no_search
from asr_helpers.model.families import family_of
from asr_helpers.model.processor import load_processor
from asr_helpers.run.folder import open_run
from asr_helpers.run.parameters import declared_parameters, read_parameters
from asr_helpers.run.places import NOTEBOOKS
from asr_helpers.run.progress import FOLLOWED
from asr_helpers.run.runner import run_notebooks

ROOT = Path(__file__).resolve().parents[1]
BOOKS = [ROOT / "notebooks" / f"{stem}.ipynb" for stem in NOTEBOOKS.values()]
ALL_IN_ONE = ROOT / "notebooks" / "00_all_in_one.ipynb"
CHECKED = "nbval-check-output"


@pytest.fixture(params=BOOKS, ids=lambda path: path.stem)
def book(request):
    return nbformat.read(request.param, 4)


@pytest.fixture(params=[ALL_IN_ONE, *BOOKS], ids=lambda path: path.stem)
def any_book(request):
    return nbformat.read(request.param, 4)


def code(book):
    return [cell for cell in book.cells if cell.cell_type == "code"]


def tagged(book, tag):
    return [cell for cell in code(book) if tag in cell.metadata.get("tags", [])]


def test_it_opens_with_its_purpose_and_closes_with_the_way_on(any_book):
    first, last = any_book.cells[0].source, any_book.cells[-1].source
    assert re.match(r"# \d\d · ", first) and all(word in first for word in ("*Needs:*", "*Produces:*", "*Takes:*"))
    assert last.startswith("## Recap") and last.count("\n- ") == 3
    links = re.findall(r"\]\((\w+\.ipynb)\)", last)
    assert links and all((ROOT / "notebooks" / link).exists() for link in links)


def test_its_parameters_are_annotated_literals_each_with_a_comment(any_book):
    (cell,) = tagged(any_book, "parameters")
    lines = [line for line in cell.source.splitlines() if line and not line.startswith("# ")]  # groups
    for node, line in zip(ast.parse(cell.source).body, lines, strict=True):
        assert isinstance(node, ast.AnnAssign), line
        ast.literal_eval(node.value)
        assert "  # " in line, f"say what it means: {line}"


def test_a_parameter_of_several_notebooks_has_one_default():
    found = {}
    for path in [ALL_IN_ONE, *BOOKS]:
        for name, value in declared_parameters(path).items():
            found.setdefault(name, {})[path.stem] = value
    differ = {name: values for name, values in found.items() if len(set(values.values())) > 1}
    assert not differ
    lines = [set(tagged(nbformat.read(path, 4), "parameters")[0].source.splitlines()) for path in BOOKS[:2]]
    assert {line.split(":")[0] for line in lines[0] & lines[1]} >= {"run_folder", "language", "digits"}


@pytest.mark.parametrize(("book", "asks"), [(BOOKS[0], "find_writing"), (BOOKS[1], "language"), (BOOKS[4], "language")])
def test_the_language_that_was_found_is_used_and_not_the_word_auto(book, asks):
    """The parameters say what to look for; what was found has names of its own."""
    for cell in code(nbformat.read(book, 4)):
        if "parameters" not in cell.metadata.get("tags", []):
            tree = ast.parse(cell.source)
            calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func).endswith(f".{asks}")]
            asked = {id(n) for call in calls for n in ast.walk(call)}
            used = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id in ("language", "script")]
            assert all(id(n) in asked for n in used), f"{book.stem}, cell {cell['id']} uses the parameter itself"


def test_every_code_cell_is_short(any_book):
    """As a reader sees it, blank lines and comments counted; parameters may be many, in groups under comments."""
    for cell in code(any_book):
        parameters = "parameters" in cell.metadata.get("tags", [])
        for part in cell.source.split("\n\n") if parameters else [cell.source]:
            count = len(part.splitlines())
            assert count <= (10 if parameters else 8), f"{cell['id']} has {count} lines: {part}"
        assert not re.search(r"(?m)^class ", cell.source), f"{cell['id']} defines a class"


def test_a_phone_shows_its_pictures(any_book):
    """At 390 pixels the letters of a picture of 10 inches have 5 pixels; below that nobody reads them."""
    widths = [float(w) for cell in code(any_book) for w in re.findall(r"figsize=\(([\d.]+)", cell.source)]
    assert max(widths, default=0) <= 10


def test_it_has_checked_cells_with_kept_text(book):
    checked = tagged(book, CHECKED)
    assert len(checked) >= 3
    for cell in checked:
        assert cell.execution_count and cell.outputs, f"{cell['id']} keeps no output to compare with"
        assert all(output.output_type in ("stream", "execute_result") for output in cell.outputs)


def test_kept_outputs_hold_no_audio_widget_path_or_token(any_book):
    for cell in code(any_book):
        text = json.dumps(cell.outputs, ensure_ascii=False)
        assert len(text) < 400_000, f"{cell['id']} keeps {len(text)} characters"
        for forbidden in ("data:audio", "widget-view", "<audio", "/root/", "/home/", "/tmp/", "hf_", "stderr", "it/s]"):
            assert forbidden not in text, f"{cell['id']} keeps {forbidden}"
    shown = [cell.source for cell in any_book.cells]
    for output in (output for cell in code(any_book) for output in cell.outputs):
        shown.append(output.get("text") or output.get("data", {}).get("text/plain", ""))
    assert not re.findall(r".*\d%.*", "\n".join(shown)), "write 19.1 %, as the program does"
    assert "widgets" not in any_book.metadata and "papermill" not in any_book.metadata


def test_all_share_one_setup_cell():
    books = [nbformat.read(path, 4) for path in (ROOT / "notebooks").glob("*.ipynb")]
    assert len(books) == 6
    assert len({tuple(c.source for c in code(book) if c["id"].startswith("colab")) for book in books}) == 1


def test_only_trainings_are_followed_while_it_runs():
    """In several processes it already runs in the cell of the preflight."""
    books = {path.stem: nbformat.read(path, 4) for path in BOOKS}
    followed = {stem: [cell["id"] for cell in tagged(book, FOLLOWED)] for stem, book in books.items()}
    expected = {"04_training": ["preflight", "train"], "05_error_analysis": ["curve"]}
    assert {stem: cells for stem, cells in followed.items() if cells} == expected


@pytest.mark.slow
def test_a_falsified_output_fails(tmp_path):
    """nbval really compares: the second notebook's own outputs pass, one changed number fails."""
    work = tmp_path / "project"
    for folder in ("asr_helpers", "tests", "params"):
        shutil.copytree(ROOT / folder, work / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (work / "notebooks").mkdir()
    cell = nbformat.v4.new_code_cell("print('WER', 3 / 20)", metadata={"tags": [CHECKED]})
    book = nbformat.v4.new_notebook(cells=[cell])
    book.cells[0].outputs = [nbformat.v4.new_output("stream", text="WER 0.15\n")]
    book.cells[0].execution_count = 1
    nbformat.write(book, work / "notebooks" / "true.ipynb")
    book.cells[0].outputs[0].text = "WER 0.14\n"
    nbformat.write(book, work / "notebooks" / "false.ipynb")
    assert nbval(work, "true.ipynb") == 0
    assert nbval(work, "false.ipynb") == 1


def nbval(work, name):
    sanitize = str(work / "tests" / "nbval_sanitize.cfg")
    command = [sys.executable, "-m", "pytest", "-q", "--nbval-lax", "--nbval-current-env"]
    command += ["--nbval-sanitize-with", sanitize, f"notebooks/{name}"]
    return subprocess.run(command, cwd=work, check=False, capture_output=True).returncode


SHORT = {"max_steps": 6, "evaluations": 2, "batch_size": 2, "compare_utterances": 2, "exports": 1}
SHORT |= {"language_model": "train", "search_trials": 1}


@pytest.fixture(scope="module")
def small_corpus(tmp_path_factory):
    """A PRUS-shaped folder of other text: 60 short recordings, one line each, nothing else given."""
    from asr_helpers.sample.corpus import make_sample

    folder = tmp_path_factory.mktemp("corpus")
    nouns = ("کتاب", "گھڑی", "چادر", "بالٹی", "ٹوکری", "کرسی", "قمیض", "ٹوپی", "تصویر", "دوا", "چٹائی", "لالٹین")
    places = ("کمرے میں ہے۔", "صحن میں رکھی ہے۔", "بازار سے آئی۔", "کل ملے گی۔")
    sentences = [f"{noun} {place}" for noun in nouns for place in places]
    (folder / "sentences.txt").write_text("\n".join(sentences) + "\n", encoding="utf-8")
    make_sample(folder / "sentences.txt", folder / "own")
    (folder / "own" / "speakers.txt").unlink()
    return folder / "own"


def printed(executed):
    """What each cell of an executed notebook printed, by its id."""
    return {c["id"]: "".join(o.get("text", "") for o in c.outputs) for c in code(nbformat.read(executed, 4))}


def run_by_the_runner(corpus, name, recipe):
    run_notebooks(read_parameters(recipe) | {"corpus": str(corpus)}, name=name)


def run_by_notebook_00(corpus, name, recipe):
    given = {"corpus": str(corpus), "run_name": name, "recipe": str(recipe), "epochs": 12.0}
    executed = recipe.parent / "00.ipynb"
    papermill.execute_notebook(ALL_IN_ONE, executed, given, cwd=str(ROOT), kernel_name="python3", progress_bar=False)
    said = printed(executed)
    lines = said["run"].splitlines()
    assert [re.sub(r" \(\d+ cells\) ….*", "", line) for line in lines if "cells" in line] == [*NOTEBOOKS.values()]
    assert any(re.match(r"  step 6/6 · loss .* · WER .* left$", line) for line in lines)
    assert "WER" in said["verdict"] and f"runs/{name}/report.html" in said["verdict"]
    assert len(said["model"].splitlines()) == 2


@pytest.fixture(scope="module")
def metrics_of_doors():
    """What each door that was tried came to: both, unless one was asked for alone; one worker tries both."""
    return {}


@pytest.mark.slow
@pytest.mark.parametrize("door", [run_by_the_runner, run_by_notebook_00])
def test_own_recordings_run_through_with_only_their_path_given_with_equal_metrics_from_either_door(
    small_corpus, tmp_path, metrics_of_doors, door
):
    recipe, name = tmp_path / "short.yaml", f"test-{door.__name__}"
    recipe.write_text("".join(f"{name}: {value}\n" for name, value in SHORT.items()))
    shutil.rmtree(ROOT / "runs" / name, ignore_errors=True)
    door(small_corpus, name, recipe)
    run = open_run(f"runs/{name}", new=False)
    assert {"model", "report.html", "predictions.parquet"} <= {path.name for path in run.folder.iterdir()}
    assert set(run.manifest) == set(NOTEBOOKS)
    assert "could not be shown" not in (run.folder / "report.html").read_text(encoding="utf-8")
    said = printed(run.folder / "notebooks" / "05_error_analysis.ipynb")["lm-lines"].strip()
    assert said == no_search() or re.fullmatch(r"\d+ lines to learn from", said)
    metrics = run.read_json("metrics")
    assert ("beam_wer" in metrics) is not bool(no_search())
    assert metrics["utterances"] > 0
    metrics_of_doors[door] = (run.folder / "metrics.json").read_bytes()
    assert len(set(metrics_of_doors.values())) == 1
    shutil.rmtree(run.folder)


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "way"), [("wavlm-base", {}), ("w2v-bert", {"lora_rank": 4, "add_adapter": True})])
def test_every_kind_of_input_goes_through_all_five(small_corpus, tmp_path, shape, way):
    """Random weights read nothing; what is tested is that every cell holds for a family that hears otherwise."""
    model_of(shape).save_pretrained(tmp_path / "checkpoint")
    given = {"corpus": str(small_corpus), "checkpoint": str(tmp_path / "checkpoint"), **SHORT, "max_steps": 2, **way}
    run = run_notebooks(given, name=f"test-{shape}")
    assert set(run.manifest) == set(NOTEBOOKS)
    assert type(load_processor(run.path("model"))).__name__ == family_of(SHAPES[shape][0]).processor
    heard, trained = (printed(run.folder / "notebooks" / f"{NOTEBOOKS[n]}.ipynb") for n in ("03", "04"))
    assert f"one every {40 if way else 20} ms" in heard["labels"]
    assert re.search(r"[\d,]+ of [\d,]+ parameters learn", trained["model-check"]) and (
        "'lora'" in trained["files"]
    ) == bool(way)
    assert "could not be shown" not in (run.folder / "report.html").read_text(encoding="utf-8")
    shutil.rmtree(run.folder)

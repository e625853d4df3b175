"""All five notebooks over a corpus whose every field attacks: nothing of it runs, asks, or lands elsewhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from browsing import Watch
from hostile import ATTACKS, FLAG, REFUSED, STRANGER, file_name, make_hostile_corpus
from tiny import tiny_model, tiny_processor

from asr_helpers.run.places import NOTEBOOKS
from asr_helpers.show.report import Section, verdict, write_report

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
NAME = "test-hostile"
OURS = {"cdnjs.cloudflare.com", "unpkg.com"}  # whom nbconvert's own page asks: MathJax and RequireJS
SHORT = {
    **{"max_steps": 4, "evaluations": 1, "batch_size": 4, "compare_utterances": 2, "exports": 100, "worst": 100},
    **{"language": "none", "script": "", "on_error": "drop", "test_share": 0.4, "precision": "fp32"},
    **{"language_model": "train", "search_trials": 1},
}
# elements that are the corpus's; a script of another type, such as the state of widgets, is data
MARKS = """() => [...document.querySelectorAll('*')].filter(e =>
    [...e.attributes].some(a => a.value.includes('hacked') && (/^on/.test(a.name) || /^javascript:/i.test(a.value)))
    || (/^(script|style|iframe|link|meta|base)$/i.test(e.localName) && /hacked|stranger/.test(e.outerHTML)
        && !/^application\\//.test(e.type))
).map(e => e.outerHTML.slice(0, 200))"""


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file that the run could have touched by mistake, and other runs and tests do not."""
    skipped = {".git", "__pycache__", ".pytest_cache", ".ruff_cache", ".venv", "build", "recordings"}
    found = {}
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in skipped and not name.startswith("test-")]
        states = {Path(place, name): os.lstat(Path(place, name)) for name in names}
        found |= {str(path): (state.st_size, state.st_mtime_ns) for path, state in states.items()}
    return found


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """The run, what the command printed, and what lay around before and after."""
    folder = tmp_path_factory.mktemp("attacked")
    corpus, checkpoint = folder / file_name(ATTACKS["image"]), folder / file_name(ATTACKS["closing script"])
    make_hostile_corpus(corpus)
    tiny_model().save_pretrained(checkpoint)
    tiny_processor(folder / "vocabulary").save_pretrained(checkpoint)
    (folder / "p.yaml").write_text("".join(f"{name}: {value!r}\n" for name, value in SHORT.items()))
    shutil.rmtree(ROOT / "runs" / NAME, ignore_errors=True)
    before = listing(ROOT) | listing(folder)
    command = [sys.executable, "-m", "asr_helpers", "run", str(folder / "p.yaml"), "--name", NAME]
    command += ["-p", f"corpus={corpus}", "-p", f"checkpoint={checkpoint}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    yield ROOT / "runs" / NAME, done, before, listing(ROOT) | listing(folder)
    shutil.rmtree(ROOT / "runs" / NAME)


def test_it_leaves_nothing_outside_its_run_folder(attacked):
    run, _, before, after = attacked
    assert after == before
    assert not list(run.rglob("*pwned")) and not [path for path in run.rglob("*") if path.is_symlink()]
    exports = list((run / "exports").rglob("*"))
    assert len(exports) >= 3 * 15 and {path.parent for path in exports} == {run / "exports"}
    assert {path.suffix for path in exports} == {".TextGrid", ".srt", ".txt"}


def test_the_terminal_gets_no_command(attacked):
    _, done, *_ = attacked
    assert "script>" in done.stdout  # the corpus's own account of itself is told
    assert not {letter for letter in done.stdout if letter < " "} - {"\n"}
    assert "\x1b]" not in done.stderr and "\x1b[2J" not in done.stderr  # tqdm may move the cursor


def test_the_tables_hold_what_the_corpus_says(attacked):
    pandas = pytest.importorskip("pandas")
    rows = pandas.read_parquet(attacked[0] / "utterances.parquet")
    said = {text[: -len(" abcd abcd abcd")] for text in rows["transcript"]}
    assert set(ATTACKS.values()) - {ATTACKS["300 letters"]} <= said
    checks = pandas.read_parquet(attacked[0] / "data_check.parquet")
    assert {"missing file", "outside the folder"} <= set(checks["check"])
    assert not set(REFUSED.values()) & set(rows["transcript"])


def watched(browser, address: str, *, strangers: set[str]) -> None:
    """Open a page and look for whatever of the corpus became more than text."""
    page = browser.new_page()
    watch = Watch(page)
    page.route("**/*", lambda route: route.continue_() if route.request.url.startswith("file:") else route.abort())
    page.goto(address)
    page.wait_for_timeout(500)
    assert {url for url in watch.strangers if not any(f"//{host}/" in url for host in strangers)} == set()
    assert [said for said in watch.complaints if "hacked" in said or "dialog" in said or not strangers] == []
    assert page.evaluate(FLAG.replace("=1", "")) is None
    assert page.evaluate(MARKS) == [] and page.locator("img[src='x']").count() == 0
    assert "hacked" in page.content()  # it is shown, as text
    page.close()


def test_nothing_of_the_corpus_runs_in_the_report(browser, attacked):
    watched(browser, (attacked[0] / "report.html").as_uri(), strangers=set())


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_nothing_of_the_corpus_runs_in_an_executed_notebook(browser, attacked, tmp_path, number):
    book = attacked[0] / "notebooks" / f"{NOTEBOOKS[number]}.ipynb"
    convert = [sys.executable, "-m", "nbconvert", "--to", "html", "--output-dir", tmp_path, "--output", "page", book]
    subprocess.run(convert, check=True, capture_output=True)
    watched(browser, (tmp_path / "page.html").as_uri(), strangers=OURS)


def test_the_watch_sees_an_attack_that_works(browser, tmp_path):
    for what in ("image", "stranger", "anchor", "script", "frame"):
        page = tmp_path / f"{what}.html"
        page.write_text(f"<p>hacked {ATTACKS[what]}</p>", encoding="utf-8")
        with pytest.raises(AssertionError):
            watched(browser, page.as_uri(), strangers=set())
    assert STRANGER in ATTACKS["stranger"]
    harmless = verdict(wer=0.1, low=0.0, high=0.2, utterances=5, data=ATTACKS["script"])
    write_report(tmp_path / "r.html", title=ATTACKS["image"], verdict=harmless, sections=[Section("hacked", [])])
    watched(browser, (tmp_path / "r.html").as_uri(), strangers=set())

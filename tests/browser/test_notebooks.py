"""Notebooks 01 and 05 opened and used in JupyterLab, and the report that 05 wrote."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from browsing import (
    PICTURES,
    ROOT,
    Watch,
    assert_plays_one_word,
    browser_widget,
    row_buttons,
    run_notebook,
    source,
)
from lab import jupyter_lab
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished_run() -> Path:
    """A run folder that notebook 05 can read: the sample run, or one with a short training made for these tests."""
    folder = Path(os.environ.get("ASR_RUN", ROOT / "runs" / "sample"))
    if all((folder / part).exists() for part in ("manifest.json", "dataset", "model/config.json")):
        return folder
    name = "test-browser"
    command = [sys.executable, "-m", "asr_helpers", "run", "params/sample.yaml", "--until", "04", "--name", name]
    subprocess.run([*command, "-p", "max_steps=60", "-p", "evaluations=1"], cwd=ROOT, check=True)
    return ROOT / "runs" / name


@contextmanager
def opened(browser, number: str, home: Path, **parameters):
    """Run a copy of one of the project's notebooks in JupyterLab; the notebook and its run stay as they are."""
    folder = PICTURES / "opened"
    folder.mkdir(parents=True, exist_ok=True)
    [original] = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
    copy = parameterize_notebook(load_notebook_node(str(original)), parameters)
    nbformat.write(copy, folder / original.name)
    with jupyter_lab(folder, home) as address:
        page = browser.new_page(viewport={"width": 1400, "height": 2600})
        page.watch = Watch(page)
        run_notebook(page, address.format(original.name))
        yield page
        page.screenshot(path=PICTURES / f"notebook_{number}.png")
        page.watch.verify(page)
        page.close()


def open_two_rows(box) -> list[str]:
    """Open the first two rows one after the other; the sources of their players."""
    sources = []
    for number in range(2):
        written = row_buttons(box).filter(has_text=re.compile(r"\S"))  # ipywidgets draws a button before its text
        button = written.nth(number)
        name = button.inner_text().removeprefix("▶ ")
        button.click()
        box.locator("h4", has_text=re.compile(rf"utterance {re.escape(name)}$")).wait_for()
        sources.append(source(box))
    return sources


def test_notebook_01_plays_the_samples_it_lists(browser, tmp_path):
    with opened(browser, "01", tmp_path, run_folder="build/browser/run_01") as page:
        box = browser_widget(page, 0)
        text = box.locator(".said [lang=ur]").first
        assert text.evaluate("e => getComputedStyle(e).direction") == "rtl"
        assert len(set(open_two_rows(box))) == 2
        before = box.locator("[role=status]").inner_text()
        box.get_by_label("split").select_option("test")
        box.locator("[role=status]").filter(has_not_text=before).wait_for()
        assert set(box.locator(".listed .note").all_inner_texts()) and all(
            "test" in facts for facts in box.locator(".listed:visible .note").all_inner_texts()
        )


def test_notebook_05_lets_one_look_and_listen(browser, finished_run, tmp_path):
    folder = PICTURES / "run_05"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(finished_run, folder, ignore=shutil.ignore_patterns("checkpoints", "notebooks", "tensorboard"))
    with opened(browser, "05", tmp_path, run_folder=str(folder.relative_to(ROOT)), search_trials=2) as page:
        box = browser_widget(page, 0)
        pair = box.locator(".pair").first
        assert pair.evaluate("e => getComputedStyle(e).direction") == "rtl"
        assert len(set(open_two_rows(box))) == 2
        box.get_by_label("order").select_option("fewest wrong words")
        page.wait_for_timeout(500)
        open_two_rows(box)
        words = box.locator(".sentence button")
        if words.count():  # a training of a few steps may have heard nothing
            assert_plays_one_word(page, box.locator(".words").last, words.first, words.first.click)
        inspector = page.locator(".asr-frames")
        inspector.locator(".noUi-handle").focus()
        before = inspector.locator("table.bars caption").inner_text()
        page.keyboard.press("ArrowRight")
        inspector.locator("table.bars caption").filter(has_not_text=before).wait_for()
        assert (folder / "report.html").stat().st_size < 10_000_000


def test_the_report_of_notebook_05_opens(browser):
    written = PICTURES / "run_05" / "report.html"
    if not written.exists():
        pytest.skip("notebook 05 was not run")
    page = browser.new_page(viewport={"width": 1100, "height": 900})
    watch = Watch(page)
    page.goto(written.as_uri())
    assert page.locator(".verdict").inner_text().strip() and page.locator("audio").count() >= 20
    page.screenshot(path=PICTURES / "report_05.png", full_page=True)
    watch.verify(page)
    page.close()

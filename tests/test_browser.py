"""The widgets and the report as a person meets them: JupyterLab and a page in a real browser.

Needs JupyterLab, Playwright's Python package and the system's Chromium (Debian: ``apt-get install chromium``, and
``fonts-noto-core`` for Urdu letters in the screenshots). Where one is missing the tests are skipped, and under CI they
fail, since a skipped test there would pass for a tested widget. Screenshots are written to ``build/browser``.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import numpy as np
import pandas as pd
import pytest
import soundfile
from lab import CHROMIUM_OPTIONS, chromium, jupyter_lab
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from asr_helpers.show.fragments import Fragment
from asr_helpers.show.players import word_player
from asr_helpers.show.report import Section, verdict, write_report
from asr_helpers.show.tables import prediction_table

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "build" / "browser"
ATTACK = "<img src=x onerror=window.hacked=1>"
REFERENCES = [
    "کتاب میز پر رکھی ہے",
    "صبح بارش ہوئی تھی",
    "گرامو فون کی آواز صاف ہے",
    "وہ سکول گیا",
    f"{ATTACK} یہاں لکھا ہے",
]
HYPOTHESES = ["کتاب میض پر رکھی ہے", "صبح بارش تھی", "گراموفون کی آواز ساف ہے", "وہ سکول گیا", "یہاں لکھا ہے"]


def needed() -> list[str]:
    """What these tests need and this machine lacks."""
    lacking = [name for name in ("jupyterlab", "playwright") if importlib.util.find_spec(name) is None]
    return lacking + ([] if chromium() else ["chromium"])


@pytest.fixture(scope="module")
def browser():
    if lacking := needed():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"not installed: {', '.join(lacking)}")
    from playwright.sync_api import sync_playwright

    PICTURES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_OPTIONS)
        yield opened
        opened.close()


class Watch:
    """What a page did that it must not: calls to other hosts, scripts out of data, errors of its own."""

    def __init__(self, page) -> None:
        self.strangers: list[str] = []
        self.complaints: list[str] = []
        page.on("request", self._request)
        page.on("dialog", lambda dialog: (self.complaints.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._console)

    def _request(self, request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob", "file") and address.hostname != "127.0.0.1":
            self.strangers.append(request.url)

    def _console(self, message) -> None:
        if "Content Security Policy" in message.text:
            self.complaints.append(message.text)

    def verify(self, page) -> None:
        assert self.strangers == [] and self.complaints == []
        assert page.evaluate("window.hacked") is None
        assert page.locator("img[src='x']").count() == 0


def make_corpus(folder: Path) -> pd.DataFrame:
    """Five recordings of tones, as long as their words, and predictions with word times."""
    rows = []
    for i, (reference, hypothesis) in enumerate(zip(REFERENCES, HYPOTHESES, strict=True)):
        words = [{"word": w, "start": 0.6 * k, "end": 0.6 * k + 0.5} for k, w in enumerate(hypothesis.split())]
        seconds = 0.6 * len(words) + 0.1
        tone = 0.2 * np.sin(2 * np.pi * 150 * (i + 1) * np.arange(round(16_000 * seconds)) / 16_000)
        soundfile.write(folder / f"{i + 1}.wav", tone, 16_000)
        rows.append(
            {
                "id": str(i + 1), "audio": f"{i + 1}.wav", "speaker": "ab"[i % 2], "seconds": seconds,
                "reference": reference, "hypothesis": hypothesis, "confidence": 0.9 - 0.1 * i, "words": words,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


CELLS = (
    "import json, numpy as np, pandas as pd\nfrom asr_helpers import display, widgets\n"
    "rows = pd.DataFrame(json.load(open('predictions.json')))",
    "display.prediction_table(rows, corpus_root='.')",
    "widgets.prediction_browser(rows, '.')",
    "samples = rows.rename(columns={'reference': 'transcript'}).assign(split=['train', 'test'] + 3 * ['train'])\n"
    "widgets.sample_browser(samples, '.')",
    "from asr_helpers.model import Alphabet\n"
    "alphabet = Alphabet(('[PAD]', '[UNK]', '|', *'کتابمیز'), 0, 2)\n"
    "path = [0, 3, 3, 0, 4, 5, 0, 6, 0, 2, 7, 8, 8, 9, 0]\n"
    "shares = np.full((15, len(alphabet)), 0.01); shares[np.arange(15), path] = 0.9\n"
    "widgets.frame_inspector(np.log(shares), alphabet, 0.02)",
)


@pytest.fixture(scope="module")
def notebook(browser, tmp_path_factory):
    """A notebook with every widget, opened in JupyterLab and run; the page stays open for the tests below."""
    folder = tmp_path_factory.mktemp("lab")
    make_corpus(folder).to_json(folder / "predictions.json", orient="records")
    written = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    written.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(written, folder / "widgets.ipynb")
    with jupyter_lab(folder, tmp_path_factory.mktemp("home")) as address:
        page = browser.new_page(viewport={"width": 1400, "height": 2600})
        page.watch = Watch(page)
        run_notebook(page, address.format("widgets.ipynb"))
        yield page
        page.screenshot(path=PICTURES / "notebook.png")
        page.close()


def run_notebook(page, address: str, *, seconds: int = 300) -> None:
    """Open a notebook in JupyterLab, run all its cells and fail with the error of a cell that fails."""
    page.goto(address)
    opened = "window.jupyterapp?.shell?.currentWidget?.context?.sessionContext?.session?.kernel?.status === 'idle'"
    page.wait_for_function(opened, timeout=180_000)
    page.evaluate("window.jupyterapp.commands.execute('application:toggle-left-area')")
    page.evaluate(
        "() => { window.jupyterapp.commands.execute('notebook:run-all-cells').then(() => { window.ran = 1 }) }"
    )
    page.wait_for_function("window.ran === 1", timeout=1000 * seconds)
    notebook = page.evaluate("window.jupyterapp.shell.currentWidget.model.toJSON()")
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            if output["output_type"] == "error":
                pytest.fail(f"{output['ename']}: {output['evalue']}\nin the cell\n{''.join(cell['source'])}")


def browser_widget(page, number: int):
    box = page.locator(".asr-browser").nth(number)
    box.scroll_into_view_if_needed()
    return box


def row_buttons(box):
    return box.locator("button.jupyter-button:visible", has_text=re.compile(r"^▶ \d+$"))


def source(box) -> str:
    return box.locator("audio").get_attribute("src")


def test_text_runs_right_to_left_word_under_word(notebook):
    box = browser_widget(notebook, 0)
    pair = box.locator(".pair").filter(has_text="رکھی").first
    assert pair.evaluate("e => getComputedStyle(e).direction") == "rtl" and pair.get_attribute("lang") == "ur"
    boxes = {}
    for line in ("ref", "hyp"):
        words = pair.locator(f".{line} .word")
        boxes[line] = [words.nth(i).bounding_box() for i in range(words.count())]
        middles = [b["x"] + b["width"] / 2 for b in boxes[line]]
        assert len(middles) == 5 and middles == sorted(middles, reverse=True)
    for said, heard in zip(boxes["ref"], boxes["hyp"], strict=True):
        assert abs(said["x"] - heard["x"]) < 2 and heard["y"] > said["y"]


def test_a_transcript_with_markup_is_text(notebook):
    assert notebook.locator(".asr-browser").first.inner_text().count("onerror=window.hacked=1") >= 1
    box = browser_widget(notebook, 1)
    assert ATTACK in box.inner_text()
    notebook.watch.verify(notebook)


def test_the_source_of_the_player_changes_with_the_row(notebook):
    box = browser_widget(notebook, 0)
    sources = []
    for number in range(3):
        row_buttons(box).nth(number).click()
        name = row_buttons(box).nth(number).inner_text().removeprefix("▶ ")
        box.locator("h4", has_text=f"utterance {name}").wait_for()
        sources.append(source(box))
    assert len(set(sources)) == 3 and all(s.startswith("data:audio/mpeg;base64,") for s in sources)
    assert (
        box.locator("audio").evaluate(
            "a => new Promise(r => a.readyState ? r(a.duration) : a.onloadedmetadata = () => r(a.duration))"
        )
        > 1
    )


def test_filters_have_labels_and_work(notebook):
    from playwright.sync_api import expect  # it asks again until the answer is there

    box = browser_widget(notebook, 0)
    box.get_by_label("errors").select_option("words written as one")
    box.get_by_text("1 of 5 utterances, page 1 of 1").wait_for()
    expect(row_buttons(box)).to_have_text(["▶ 3"])
    box.get_by_label("errors").select_option("all")
    box.get_by_text("5 of 5 utterances").wait_for()  # the old answer stands until the kernel has sent the new one
    box.get_by_label("search").fill("بارش")
    box.get_by_text("1 of 5 utterances, page 1 of 1").wait_for()
    expect(row_buttons(box)).to_have_text(["▶ 2"])
    box.get_by_label("search").fill("")
    box.get_by_text("5 of 5 utterances").wait_for()
    box.get_by_label("order").select_option("as in the test set")
    expect(row_buttons(box)).to_have_text([f"▶ {i}" for i in range(1, 6)])


def test_the_keyboard_reaches_rows_and_words(notebook):
    box = browser_widget(notebook, 0)
    row_buttons(box).nth(0).focus()
    notebook.keyboard.press("Tab")
    wanted = notebook.evaluate("document.activeElement.innerText").removeprefix("▶ ")
    notebook.keyboard.press("Enter")
    box.locator("h4", has_text=f"utterance {wanted}").wait_for()
    word = box.locator(".sentence button").nth(1)
    word.focus()
    assert_plays_one_word(notebook, box.locator(".words").last, word, lambda: notebook.keyboard.press("Enter"))


LISTEN = """a => { a.heard = []; for (const kind of ['seeking', 'pause'])
    a.addEventListener(kind, () => a.heard.push([kind, a.currentTime])) }"""


def assert_plays_one_word(page, player, word, act) -> None:
    """After ``act``, the word plays from its start to its end, and then the recording stops."""
    start, end = (float(word.get_attribute(f"data-{name}")) for name in ("start", "end"))
    audio = player.locator("audio").element_handle()
    page.wait_for_function("a => a.paused", arg=audio, timeout=20_000)  # what an opened row plays by itself is over
    audio.evaluate(LISTEN)
    act()
    page.wait_for_function("a => a.heard.some(([kind]) => kind === 'pause')", arg=audio, timeout=20_000)
    heard, seconds = audio.evaluate("a => a.heard"), audio.evaluate("a => a.duration")
    assert heard[0] == ["seeking", pytest.approx(start, abs=0.01)]
    kind, stopped = heard[-1]
    assert kind == "pause" and min(end, seconds) - 0.01 <= stopped < end + 0.5  # a busy machine draws few frames


def test_a_click_on_a_predicted_word_in_the_table_plays_it(notebook):
    cell = notebook.locator(".words.beside").filter(has_text="آواز").first
    word = cell.locator("button.say").nth(2)
    assert_plays_one_word(notebook, cell, word, word.click)


def test_the_sample_browser_draws_what_it_plays(notebook):
    box = browser_widget(notebook, 1)
    row_buttons(box).nth(0).click()
    box.locator("img[alt='spectrogram of the recording']").wait_for()
    assert box.locator("svg.wave").count() == 1
    box.get_by_label("split").select_option("test")
    box.get_by_text("1 of 5 utterances").wait_for()


def test_the_arrow_keys_walk_through_the_frames(notebook):
    box = notebook.locator(".asr-frames")
    box.scroll_into_view_if_needed()
    assert "کتاب میز" in box.inner_text()
    handle = box.locator(".noUi-handle")
    handle.focus()
    before = int(re.search(r"frame (\d+)", box.locator("table.bars caption").inner_text())[1])
    notebook.keyboard.press("ArrowRight")
    box.locator("table.bars caption", has_text=f"frame {before + 1}").wait_for()
    assert box.locator("td.here").count() == 2


def test_nothing_was_fetched_from_elsewhere_and_nothing_ran(notebook):
    notebook.watch.verify(notebook)


@pytest.fixture(scope="module")
def finished_run() -> Path:
    """A run folder that notebook 05 can read: the sample run, or one with a short training made for these tests."""
    folder = Path(os.environ.get("ASR_RUN", ROOT / "runs" / "sample"))
    if all((folder / part).exists() for part in ("manifest.json", "dataset", "model/config.json")):
        return folder
    name = "browser-test"
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
        name = row_buttons(box).nth(number).inner_text().removeprefix("▶ ")
        row_buttons(box).nth(number).click()
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


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    rows = make_corpus(folder)
    samples, rate = soundfile.read(folder / "3.wav", dtype="float32")
    sections = [
        Section("The worst utterances", [prediction_table(rows, corpus_root=folder)]),
        Section("One of them", [Fragment(word_player(samples, rows["words"][2], rate), "")]),
    ]
    sentence = verdict(wer=0.25, low=0.1, high=0.4, utterances=5, data="five tones")
    write_report(folder / "report.html", title="Five tones", verdict=sentence, sections=sections)
    return folder / "report.html"


@pytest.mark.parametrize(("width", "scheme"), [(1100, "light"), (1100, "dark"), (390, "light")])
def test_the_report_opens_without_python_in_every_size_and_theme(browser, report, width, scheme):
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    watch = Watch(page)
    page.goto(report.as_uri())
    assert page.locator(".verdict").bounding_box()["y"] < 200  # the verdict comes first
    assert page.evaluate("document.documentElement.scrollWidth") <= width  # nothing runs out of a phone's screen
    light = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).every(c => c > 128)")
    assert light == (scheme == "light")
    word = page.locator(".sentence button").nth(1)
    assert_plays_one_word(page, page.locator(".words").last, word, word.click)
    page.screenshot(path=PICTURES / f"report_{width}_{scheme}.png", full_page=True)
    watch.verify(page)
    page.close()


def test_the_policy_stops_what_escaping_would_have_missed(browser, report, tmp_path):
    bad = "<img src=x onerror=window.hacked=1><script>window.hacked=2</script><img src=http://127.0.0.1:9/x>"
    broken = tmp_path / "broken.html"
    broken.write_text(report.read_text(encoding="utf-8").replace("<main", bad + "<main"), encoding="utf-8")
    page = browser.new_page()
    watch = Watch(page)
    page.goto(broken.as_uri())
    assert page.evaluate("window.hacked") is None
    assert sum("Content Security Policy" in complaint for complaint in watch.complaints) >= 3
    page.close()


def test_the_tests_notice_a_transcript_that_runs(browser, tmp_path):
    """The checks above are worth something: unescaped, the same transcript does run."""
    page = browser.new_page()
    watch = Watch(page)
    page.set_content(f"<p>{ATTACK}</p>")
    page.wait_for_function("window.hacked === 1", timeout=5_000)
    with pytest.raises(AssertionError):
        watch.verify(page)
    page.close()

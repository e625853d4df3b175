"""The widgets as a person meets them: JupyterLab in a real browser."""

from __future__ import annotations

import re

import nbformat
import pytest
from browsing import (
    ATTACK,
    PICTURES,
    REFERENCES,
    Watch,
    assert_plays_one_word,
    browser_widget,
    make_corpus,
    row_buttons,
    run_notebook,
    source,
)
from lab import jupyter_lab

from asr_helpers.corpus.corrections import BAD_AUDIO, WRONG, Corrections

pytestmark = pytest.mark.slow

CELLS = (
    "import json, numpy as np, pandas as pd\nfrom asr_helpers import show\n"
    "rows = pd.DataFrame(json.load(open('predictions.json')))",
    "show.prediction_table(rows, corpus_root='.', language='ur')",
    "show.prediction_browser(rows, '.', language='ur')",
    "samples = rows.rename(columns={'reference': 'transcript'}).assign(split=['train', 'test'] + 3 * ['train'])\n"
    "show.sample_browser(samples, '.', language='ur')",
    "from asr_helpers.model import Alphabet\nfrom asr_helpers.decoding import FrameClock\n"
    "alphabet = Alphabet(('[PAD]', '[UNK]', '|', *'کتابمیز'), 0, 2)\n"
    "path = [0, 3, 3, 0, 4, 5, 0, 6, 0, 2, 7, 8, 8, 9, 0]\n"
    "shares = np.full((15, len(alphabet.tokens)), 0.01); shares[np.arange(15), path] = 0.9\n"
    "show.frame_inspector(np.log(shares), alphabet, FrameClock(320, 400), language='ur')",
    "from asr_helpers.corpus import Corrections\n"
    "show.prediction_browser(rows, '.', language='ur', corrections=Corrections('corrections.csv'), first=['4'])",
    "from types import SimpleNamespace\nfrom asr_helpers.audio import read_audio\n"
    "def hear(file):\n    length = len(read_audio(file)[0]) / 16_000\n"
    "    rows = lambda: [{'word': 'یہ', 'start': 0.0, 'end': length, 'confidence': 0.5}]\n"
    "    return SimpleNamespace(text=f'یہ {length:.1f}', confidence=0.25, rows=rows)\n"
    "show.microphone(hear, language='ur')",
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
        page = browser.new_page(viewport={"width": 1400, "height": 2600}, permissions=["microphone"])
        page.folder = folder
        page.watch = Watch(page)
        run_notebook(page, address.format("widgets.ipynb"))
        yield page
        page.screenshot(path=PICTURES / "notebook.png")
        page.close()


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


def test_a_person_corrects_a_transcript(notebook):
    from playwright.sync_api import expect

    box, file = browser_widget(notebook, 2), notebook.folder / "corrections.csv"
    box.get_by_label("order").select_option("to correct first")
    expect(row_buttons(box).first).to_have_text("▶ 4")
    row_buttons(box).first.click()
    typed = box.get_by_label("what is said")
    typed.wait_for()
    assert typed.input_value() == "وہ سکول گیا" and box.get_by_text("not marked").count() == 1
    sides = typed.evaluate("e => [getComputedStyle(e).unicodeBidi, getComputedStyle(e).textAlign]")
    assert sides == ["plaintext", "start"]  # typed Urdu runs from the right
    typed.fill("وہ اسکول گئی")
    box.get_by_role("button", name="wrong transcript").click()
    box.get_by_text("marked: wrong transcript, in corrections.csv").wait_for()
    box.locator(".listed .note", has_text="✎ wrong transcript").wait_for()
    row_buttons(box).filter(has_text="▶ 5").click()
    box.get_by_text("not marked").wait_for()
    box.get_by_role("button", name="bad audio").click()
    box.get_by_text("marked: bad audio, in corrections.csv").wait_for()
    kept = {one.id: (one.transcript, one.mark, one.corrected) for one in Corrections(file).read().values()}
    assert kept == {"4": (REFERENCES[3], WRONG, "وہ اسکول گئی"), "5": (REFERENCES[4], BAD_AUDIO, "")}
    notebook.screenshot(path=PICTURES / "correcting.png")


def test_a_person_speaks_and_the_kernel_hears(notebook):
    box = notebook.locator(".asr-microphone")
    box.scroll_into_view_if_needed()
    box.get_by_role("button", name="record").click()
    box.get_by_role("button", name="stop").wait_for()
    notebook.wait_for_timeout(1500)
    box.get_by_role("button", name="stop").click()
    box.get_by_text("confidence 0.25").wait_for()
    assert 1 < float(box.locator(".heard").inner_text().removeprefix("یہ ")) < 5


def test_nothing_was_fetched_from_elsewhere_and_nothing_ran(notebook):
    notebook.watch.verify(notebook)

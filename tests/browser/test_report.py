"""The report as a person meets it: a page in a real browser, in every size and theme."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import soundfile
from browsing import ATTACK, HYPOTHESES, PICTURES, Watch, assert_plays_one_word, make_corpus

from asr_helpers.analysis.metrics import score_table
from asr_helpers.show.fragments import Fragment
from asr_helpers.show.players import word_player
from asr_helpers.show.report import Section, verdict, write_report
from asr_helpers.show.tables import prediction_table, problem_table, table

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    rows = make_corpus(folder)
    samples, rate = soundfile.read(folder / "3.wav", dtype="float32")
    names = table(pd.DataFrame({"decision": ["max_grad_norm"], "value": ["models/starter"]}))
    scores = table(score_table(rows.assign(raw_reference=rows["reference"]), seed=1), caption="Rates", below="text")
    problem = dict.fromkeys(["check", "utterance", "value", "advice"], "a sentence of many words " * 3)
    sections = [
        Section("The worst utterances", ["A sentence.", prediction_table(rows, corpus_root=folder)]),
        Section(
            "The widest tables",
            ["A sentence.", scores, names, problem_table(pd.DataFrame([{"severity": "error", **problem}]))],
        ),
        Section("One of them", [Fragment(word_player(samples, rows["words"][2], rate), "")]),
    ]
    sentence = verdict(wer=0.25, low=0.1, high=0.4, utterances=5, data="five tones")
    facts = {"characters wrong": "CER 3 %", "written": "today"}
    write_report(folder / "report.html", title="Five tones", verdict=sentence, sections=sections, facts=facts)
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


@pytest.mark.parametrize(("width", "scheme"), [(1100, "light"), (1100, "dark"), (390, "light"), (390, "dark")])
def test_axe_finds_nothing_in_the_report(browser, report, width, scheme):
    from axe_playwright_python.sync_playwright import Axe

    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(report.as_uri())
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.close()


# Elements with text of their own that reach out of the page, or out of a box that hides what does not fit.
CUT_OFF = """() => [...document.querySelectorAll('main *, header *')].filter(e => {
  const box = e.getBoundingClientRect(), hidden = e.closest('.hidden, [aria-hidden]');
  return !hidden && box.width && (box.right > innerWidth + 1 || box.left < -1) }).map(e => e.outerHTML.slice(0, 80))"""


# Words that are broken: a cell or heading of one word, not marked as wide, that is higher than a line.
BROKEN = """() => [...document.querySelectorAll('.grid th, .grid td:not(.wide)')].filter(e => {
  const range = document.createRange(); range.selectNodeContents(e);
  return /^\\S+$/.test(e.textContent.trim()) && range.getBoundingClientRect().height > 35 }).map(e => e.textContent)"""


@pytest.mark.parametrize(("width", "medium"), [(390, "screen"), (718, "print")])  # a telephone; A4 within its margins
def test_nothing_is_cut_off_on_a_telephone_and_on_paper(browser, report, width, medium):
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.emulate_media(media=medium)
    page.goto(report.as_uri())
    assert page.evaluate(CUT_OFF) == page.evaluate(BROKEN) == []
    size = page.evaluate("getComputedStyle(document.querySelector('.grid')).fontSize")
    assert size == {"screen": "14px", "print": "11px"}[medium]
    labels = page.evaluate("[...document.querySelectorAll('td')].map(e => getComputedStyle(e, '::before').content)")
    assert ('"insertions"' in labels) == (medium == "screen")  # on a card each value has the name of its column
    page.close()


def test_the_tab_key_stops_once_at_the_words_of_an_utterance_and_the_arrows_go_on(browser, report):
    page = browser.new_page()
    page.goto(report.as_uri())
    words = page.locator("table .beside button[data-start]")
    assert words.count() > 15 and page.locator("table .beside button:not([tabindex='-1'])").count() == len(HYPOTHESES)
    words.first.focus()
    texts = [words.first.inner_text()]
    for key in ("ArrowLeft", "ArrowLeft", "ArrowRight"):  # Urdu runs to the left
        page.keyboard.press(key)
        texts.append(page.evaluate("document.activeElement.innerText"))
    said = page.evaluate(
        "[...document.querySelector('table .beside').querySelectorAll('button')].map(e => e.innerText)"
    )
    assert texts == [said[0], said[1], said[2], said[1]]
    assert page.evaluate("document.activeElement.tabIndex") == 0 and words.first.get_attribute("tabindex") == "-1"
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

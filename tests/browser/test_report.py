"""The report as a person meets it: a page in a real browser, in every size and theme."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile
from browsing import ATTACK, PICTURES, Watch, assert_plays_one_word, make_corpus

from asr_helpers.show.fragments import Fragment
from asr_helpers.show.players import word_player
from asr_helpers.show.report import Section, verdict, write_report
from asr_helpers.show.tables import prediction_table

pytestmark = pytest.mark.slow


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

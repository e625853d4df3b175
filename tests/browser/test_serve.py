"""The page of ``serve`` in a real browser: a file, the microphone, and what cannot be heard."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from browsing import ATTACK, PICTURES, Watch, assert_plays_one_word

from asr_helpers.audio import read_audio
from asr_helpers.commands.serve import listen
from asr_helpers.show.speaking import heard

pytestmark = pytest.mark.slow

TEXT = "یہ کتاب"
WORDS = [
    {"word": w, "start": 0.1 + 0.3 * i, "end": 0.3 + 0.3 * i, "confidence": 0.75} for i, w in enumerate(TEXT.split())
]


@pytest.fixture
def arrived():
    """What the page sent: the samples and the name of each recording."""
    return []


@pytest.fixture
def page(browser, arrived):
    """The page, in a browser whose microphone hears the beeps that Chromium makes for tests."""

    def hear(file, name):
        arrived.append((*read_audio(file, sampling_rate=None), name))
        said = SimpleNamespace(text=TEXT, confidence=0.5, rows=lambda: WORDS)
        return heard(file, said, name=name, language="ur").html

    server = listen(hear, host="127.0.0.1", port=0, limit=1_000_000, title=f"model {ATTACK}")
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    context = browser.new_context(permissions=["microphone"])
    opened = context.new_page()
    watch = Watch(opened)
    opened.goto(f"http://127.0.0.1:{server.server_port}/")
    yield opened
    watch.verify(opened)
    context.close()
    server.shutdown()
    server.server_close()


def test_a_file_comes_back_as_text_times_and_confidence(page, arrived, tmp_path):
    tone, name = 0.3 * np.sin(np.arange(22_050) / 10), f"{ATTACK} ایک.wav"
    soundfile.write(tmp_path / name, np.stack([tone, tone], axis=1), 22_050)
    page.locator("#file").set_input_files(tmp_path / name)
    page.get_by_text(f"{name}: confidence 0.50").wait_for()
    assert page.locator(".heard").inner_text() == TEXT
    assert page.locator(".heard [lang=ur]").evaluate("e => getComputedStyle(e).direction") == "rtl"
    cells = page.locator("tbody tr").nth(0).locator("td").all_inner_texts()
    assert cells == ["یہ", "0.10 s", "0.30 s", "0.75"]
    assert (arrived[0][1:], len(arrived[0][0])) == ((22_050, name), 22_050)  # as it was
    word = page.locator(".sentence button").nth(0)
    assert_plays_one_word(page, page.locator(".words"), word, word.click)
    page.screenshot(path=PICTURES / "serve.png")


def test_the_microphone_arrives_as_speech_at_16_khz(page, arrived):
    button = page.locator("#record")
    button.click()
    page.get_by_text("■ stop").wait_for()
    page.wait_for_timeout(1500)
    button.click()
    page.get_by_text("the recording: confidence").wait_for()
    [(samples, rate, name)] = arrived
    assert rate == 16_000 and 1 < len(samples) / rate < 5 and np.abs(samples).max() > 0.05
    assert name == "the recording" and button.inner_text() == "● record"


def test_what_cannot_be_heard_is_said_and_the_page_goes_on(page, tmp_path):
    (tmp_path / "notes.wav").write_text("no sound")
    page.locator("#file").set_input_files(tmp_path / "notes.wav")
    page.locator("#result", has_text="notes.wav: ").wait_for()
    assert "text" in page.locator("#result").inner_text() and "/tmp" not in page.locator("#result").inner_text()
    (tmp_path / "long.wav").write_bytes(bytes(1_000_001))
    page.locator("#file").set_input_files(tmp_path / "long.wav")
    page.get_by_text("long.wav is larger than the program takes").wait_for()

"""What the tests in a real browser share: a corpus of tones, a watch over a page, hands that press and listen.

Needs JupyterLab, Playwright's Python package and the system's Chromium (Debian: ``apt-get install chromium``, and
``fonts-noto-core`` for Urdu letters in the screenshots). Where one is missing the tests are skipped, and under CI they
fail, since a skipped test there would pass for a tested widget. Screenshots are written to ``build/browser``.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
import soundfile
from lab import chromium

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

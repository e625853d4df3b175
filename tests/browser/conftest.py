"""One Chromium for a module's tests."""

from __future__ import annotations

import os

import pytest
from browsing import PICTURES, needed
from lab import CHROMIUM_OPTIONS, chromium


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

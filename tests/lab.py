"""JupyterLab on the loopback interface and a headless Chromium, for the tests that drive notebooks by hand."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

# The browser must not call home while a test runs, a container's root has no sandbox, and its microphone only beeps.
CHROMIUM_OPTIONS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
]  # fmt: skip


def chromium() -> str | None:
    """Path of the system's Chromium (Debian: package ``chromium``), or None."""
    named = os.environ.get("CHROMIUM")
    return named or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def jupyter_lab(folder: Path, home: Path, *, seconds: float = 120) -> Iterator[str]:
    """Serve ``folder`` with JupyterLab, apart from the user's own settings.

    Args:
        folder: Root of the file browser.
        home: An empty folder for settings, workspaces, run-time files and the log.
        seconds: Time to wait for the server.

    Yields:
        Address of a notebook in it, with the server's token and ``{}`` in the place of the notebook's path.
    """
    port, token = _free_port(), secrets.token_hex(16)
    log = (home / "jupyterlab.log").open("w")
    server = subprocess.Popen(_command(folder, port), cwd=folder, env=_environment(home, token), stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(f"{address}/api/status?token={token}", server, seconds)
        yield f"{address}/lab/tree/{{}}?reset&token={token}"
    finally:
        server.terminate()
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            server.kill()
        log.close()


def _command(folder: Path, port: int) -> list[str]:
    return [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
        f"--ServerApp.root_dir={folder}", "--ServerApp.port_retries=0",
        "--LabApp.expose_app_in_browser=True", "--LabApp.news_url=None", "--LabApp.extension_manager=readonly",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]  # fmt: skip


def _environment(home: Path, token: str) -> dict[str, str]:
    folders = {
        "JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    }  # fmt: skip
    own = {name: str(home / folder) for name, folder in folders.items()}
    (home / "config" / "labconfig").mkdir(parents=True)
    # Without this JupyterLab asks at every first start whether it may fetch news.
    off = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    (home / "config" / "labconfig" / "page_config.json").write_text(json.dumps(off))
    return {**os.environ, **own, "JUPYTER_TOKEN": token}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait(address: str, server: subprocess.Popen, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if server.poll() is not None:
            raise RuntimeError(f"JupyterLab ended with status {server.returncode}; see its log")
        try:
            with urlopen(address, timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.3)
    raise TimeoutError(f"JupyterLab did not answer within {seconds} s")

"""Fetching checkpoints from a Hub that this test plays itself, on a port of this machine."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from huggingface_hub import constants

from asr_helpers.model.hub import CheckpointUnavailable, HubUnavailable, locate_checkpoint

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORIES = {
    "someone/both": {"config.json": b"{}", "model.safetensors": b"safe", "pytorch_model.bin": b"pickle"},
    "someone/pickled": {"config.json": b"{}", "vocab.json": b"{}", "pytorch_model.bin": b"pickle", "run.py": b"code"},
    "someone/sharded": {"config.json": b"{}", "model-00001-of-00001.safetensors": b"safe", "tf_model.h5": b"other"},
    "someone/other": {"config.json": b"{}", "tf_model.h5": b"other"},
}


class Hub(BaseHTTPRequestHandler):
    """Three addresses of the Hub: which commit a repository is at, what that holds, and one of its files."""

    def do_GET(self):
        path = self.path.split("?")[0].removeprefix("/")
        if path.startswith("api/models/"):
            owner, name, what, _ = path.removeprefix("api/models/").split("/")
            self.describe(f"{owner}/{name}", what)
        elif "/resolve/" not in path:
            self.answer(404, b"")  # the client asks for news too; there are none
        else:
            repository, _, file = path.partition(f"/resolve/{COMMIT}/")
            self.server.asked.append(file)
            if self.server.falls_silent and self.command == "GET":
                self.close_connection = True
                return
            etag = f'"{repository}/{file}"'.replace("/", "-")
            self.answer(200, REPOSITORIES[repository][file], **{"ETag": etag, "X-Repo-Commit": COMMIT})

    def describe(self, repository, what):
        if repository not in REPOSITORIES:
            return self.answer(404, b"", **{"X-Error-Code": "RepoNotFound"})
        files = REPOSITORIES[repository].items()
        tree = [{"type": "file", "path": name, "size": len(data), "oid": name} for name, data in files]
        about = {"id": repository, "sha": COMMIT, "siblings": [{"rfilename": name} for name, _ in files]}
        return self.answer(200, json.dumps(tree if what == "tree" else about).encode())

    do_HEAD = do_GET

    def answer(self, status, data, **headers):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(monkeypatch, tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.asked, server.falls_silent = [], False
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("checkpoint", "files"),
    [
        ("someone/both", {"config.json", "model.safetensors"}),
        ("someone/pickled", {"config.json", "vocab.json", "pytorch_model.bin"}),
        ("someone/sharded", {"config.json", "model-00001-of-00001.safetensors"}),
    ],
)
def test_only_what_is_needed_is_fetched_and_safetensors_are_preferred(hub, checkpoint, files):
    folder = locate_checkpoint(checkpoint)
    assert {path.name for path in folder.iterdir()} == files == set(hub.asked)
    assert (folder / "config.json").read_bytes() == b"{}"


def test_weights_are_fetched_only_when_they_are_needed(hub):
    folder = locate_checkpoint("someone/both", weights=False)
    assert {path.name for path in folder.iterdir()} == {"config.json"}


def test_once_fetched_it_needs_no_network(hub, monkeypatch):
    folder = locate_checkpoint("someone/both")
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert locate_checkpoint("someone/both") == folder
    with pytest.raises(HubUnavailable, match="someone/sharded"):
        locate_checkpoint("someone/sharded")


def test_switched_off_it_says_so(hub, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubUnavailable, match="someone/both"):
        locate_checkpoint("someone/both")


def test_a_connection_that_breaks_off_is_told_as_the_networks(hub, monkeypatch):
    hub.falls_silent = True
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # between the client's own attempts
    with pytest.raises(HubUnavailable, match="cannot be reached"):
        locate_checkpoint("someone/both")


@pytest.mark.parametrize(
    ("checkpoint", "text"),
    [("someone/unknown", "has no such id, or not for you"), ("someone/other", "no weights here")],
)
def test_what_the_hub_does_not_have_is_not_a_matter_of_the_network(hub, checkpoint, text):
    with pytest.raises(CheckpointUnavailable, match=text) as caught:
        locate_checkpoint(checkpoint)
    assert not isinstance(caught.value, HubUnavailable) and checkpoint in str(caught.value)


def test_a_folder_is_taken_as_it_is(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    assert locate_checkpoint(tmp_path, weights=False) == tmp_path
    (tmp_path / "model.safetensors").write_text("")
    assert locate_checkpoint(str(tmp_path)) == tmp_path

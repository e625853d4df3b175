"""Fetching checkpoints from a Hub that is played on a port of this machine."""

import errno

import pytest
from huggingface_hub import constants
from stand_in_hub import TOKEN, Repository, log_in, stand_in_hub

from asr_helpers.model.hub import CheckpointUnavailable, HubUnavailable, locate_checkpoint

REPOSITORIES = {
    "someone/both": {"config.json": b"{}", "model.safetensors": b"safe", "pytorch_model.bin": b"pickle"},
    "someone/pickled": {"config.json": b"{}", "vocab.json": b"{}", "pytorch_model.bin": b"pickle", "run.py": b"code"},
    "someone/sharded": {"config.json": b"{}", "model-00001-of-00001.safetensors": b"safe", "tf_model.h5": b"other"},
    "someone/other": {"config.json": b"{}", "tf_model.h5": b"other"},
}


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with stand_in_hub(monkeypatch, tmp_path / "cache") as hub:
        hub.repositories |= {f"models/{name}": Repository(files=files) for name, files in REPOSITORIES.items()}
        log_in(monkeypatch, None)
        yield hub


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
    assert {path.name for path in folder.iterdir()} == files == hub.fetched()
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


def test_a_connection_that_breaks_off_is_told_as_the_networks(hub):
    hub.silent = {"/resolve/"}
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


@pytest.mark.parametrize(
    ("token", "refused", "told"),
    [
        ("hf_ofSomebodyElse", None, "could not be fetched: the Hub does not accept the token; make a new one"),
        (None, (403, {}), "the token may not read someone/both"),
        (None, (429, {"Retry-After": "30"}), "asked too often; run this again in 30 s"),
        (None, (500, {}), r"the Hub has a fault of its own \(500\)"),
    ],
)
def test_what_the_hub_refuses_is_told_with_the_fix(token, refused, told, hub, monkeypatch):
    log_in(monkeypatch, token)
    if refused:
        hub.refusals[("GET", "/api/models/")] = refused
    with pytest.raises(CheckpointUnavailable, match=told) as caught:
        locate_checkpoint("someone/both")
    assert not isinstance(caught.value, HubUnavailable)


def test_a_full_disk_is_not_a_matter_of_the_network(hub, monkeypatch):
    def fill(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("huggingface_hub.file_download.http_get", fill)
    with pytest.raises(CheckpointUnavailable, match="someone/both could not be fetched: the disk is full; free some"):
        locate_checkpoint("someone/both")


def test_a_private_one_needs_the_token(hub, monkeypatch):
    hub.repositories["models/someone/both"].private = True
    with pytest.raises(CheckpointUnavailable, match="for a private or gated one, run `hf auth login`"):
        locate_checkpoint("someone/both")
    log_in(monkeypatch, TOKEN)
    assert (locate_checkpoint("someone/both") / "config.json").read_bytes() == b"{}"


def test_a_folder_is_taken_as_it_is(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    assert locate_checkpoint(tmp_path, weights=False) == tmp_path
    (tmp_path / "model.safetensors").write_text("")
    assert locate_checkpoint(str(tmp_path)) == tmp_path

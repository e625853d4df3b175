"""Uploading a folder to a Hub that is played on this machine: what is sent, what not twice, every way to fail."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants, snapshot_download
from huggingface_hub.utils._xet import abort_xet_session
from stand_in_hub import TOKEN, XET_TOKEN, Hub, log_in, on_another_machine, stand_in_hub

from asr_helpers.model.upload import UploadFailed, upload

WEIGHTS = bytes(range(256)) * 20


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    with stand_in_hub(monkeypatch, tmp_path / "here" / "cache") as hub:
        yield hub


@pytest.fixture
def by_xet(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """Large files go through hf_xet, as they do wherever it is installed; it waits long before it tries again."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    monkeypatch.setenv("HF_XET_CACHE", str(tmp_path / "xet"))
    monkeypatch.setenv("HF_XET_CLIENT_RETRY_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("HF_XET_CLIENT_RETRY_BASE_DELAY", "10ms")
    abort_xet_session()
    return hub


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model" / "language_model").mkdir(parents=True)
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "model" / "model.safetensors").write_bytes(WEIGHTS)
    (tmp_path / "model" / "language_model" / "letters.arpa").write_text("\\data\\")
    return tmp_path / "model"


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_what_is_pushed_comes_back_on_another_machine(kind, hub: Hub, folder: Path, tmp_path: Path, monkeypatch):
    assert upload(folder, "me/urdu", kind=kind).endswith("/me/urdu (private)")
    held = hub.repositories[f"{kind}s/me/urdu"]
    assert held.private and held.files == content(folder)
    on_another_machine(monkeypatch, tmp_path / "there")
    fetched = snapshot_download("me/urdu", repo_type=kind)
    assert fetched.startswith(str(tmp_path / "there")) and content(Path(fetched)) == content(folder)


def test_only_what_changed_is_sent_again(hub: Hub, folder: Path):
    upload(folder, "me/urdu")
    (folder / "config.json").write_text('{"now": "other"}')
    upload(folder, "me/urdu")
    assert hub.uploads() == 1 and hub.repositories["models/me/urdu"].commits == 2
    upload(folder, "me/urdu")
    assert hub.uploads() == 1 and hub.repositories["models/me/urdu"].commits == 2


def test_an_interrupted_upload_goes_on_when_it_is_repeated(hub: Hub, folder: Path):
    (folder / "model-2.safetensors").write_bytes(WEIGHTS[::-1])
    hub.silent = {"/commit/"}
    with pytest.raises(UploadFailed, match=r"broke off .*run this again, it goes on where it stopped"):
        upload(folder, "me/urdu")
    assert hub.uploads() == 2 and not hub.repositories["models/me/urdu"].files
    hub.silent = set()
    upload(folder, "me/urdu")
    assert hub.uploads() == 2 and hub.repositories["models/me/urdu"].files == content(folder)


def test_a_kill_while_sending_leaves_nothing_half(hub: Hub, folder: Path, monkeypatch):
    upload(folder, "me/urdu")
    before = dict(hub.repositories["models/me/urdu"].files)
    (folder / "model.safetensors").write_bytes(WEIGHTS * 2)

    def stop(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as now:
        now.setattr("huggingface_hub._commit_api.lfs_upload", stop)
        with pytest.raises(KeyboardInterrupt):
            upload(folder, "me/urdu")
    assert hub.repositories["models/me/urdu"].files == before
    upload(folder, "me/urdu")
    assert hub.repositories["models/me/urdu"].files == content(folder)


def test_the_token_is_never_said(hub: Hub, folder: Path, capfd, caplog):
    hub.refusals[("POST", "/commit/")] = 400, {"X-Error-Message": f"Bearer {TOKEN} is a teapot"}
    with pytest.raises(UploadFailed, match=r"the Hub says no \(400\) \(Bearer \(token\) is a teapot\)"):
        upload(folder, "me/urdu")
    assert TOKEN not in "".join(capfd.readouterr()) + caplog.text
    assert not any(TOKEN.encode() in data for data in hub.repositories["models/me/urdu"].files.values())


@pytest.mark.parametrize(
    ("call", "status", "headers", "told"),
    [
        ("create", 403, {"X-Error-Message": "storage limit reached"}, "may not write to me/urdu; give it that right"),
        ("commit", 403, {}, "the token may not write to me/urdu"),
        ("preupload", 404, {"X-Error-Code": "RepoNotFound"}, "the Hub has no me/urdu, or not for this token"),
        ("batch", 413, {}, "free some of its storage"),
        ("commit", 429, {"Retry-After": "300"}, "asked too often; run this again in 5 min, it goes on where it"),
        ("commit", 429, {"RateLimit": '"api";r=0;t=45'}, "asked too often; run this again in 45 s, it goes on"),
        ("create", 429, {}, "run this again in some minutes"),
        ("commit", 503, {}, r"a fault of its own \(503\); run this again later, it goes on where it stopped"),
    ],
)
def test_what_the_hub_refuses_is_told_with_the_fix(call, status, headers, told, hub: Hub, folder: Path):
    hub.refusals[("POST", call)] = status, headers
    with pytest.raises(UploadFailed, match=f"^not uploaded to me/urdu: .*{told}") as caught:
        upload(folder, "me/urdu")
    assert "\n" not in str(caught.value) and headers.get("X-Error-Message", "") in str(caught.value)


def test_what_xet_sends_comes_back_whole_and_is_not_sent_again(by_xet: Hub, folder: Path, tmp_path: Path, monkeypatch):
    (folder / "train.parquet").write_bytes(np.random.default_rng(0).bytes(300_000))  # many pieces
    upload(folder, "me/urdu")
    assert by_xet.uploads() == 1 and by_xet.repositories["models/me/urdu"].files == content(folder)
    (folder / "config.json").write_text('{"now": "other"}')
    upload(folder, "me/urdu")
    assert by_xet.uploads() == 1 and not any("/stored/" in path for _, path in by_xet.asked)
    on_another_machine(monkeypatch, tmp_path / "there")
    assert content(Path(snapshot_download("me/urdu"))) == content(folder)


@pytest.mark.parametrize(
    ("method", "call", "status", "told"),
    [
        ("GET", "/xet-write-token/", 401, "the Hub does not accept the token"),
        ("GET", "/xet-write-token/", 403, "the token may not write to me/urdu"),
        ("POST", "/v1/xorbs/", 403, "the token may not write to me/urdu"),
        ("POST", "/v1/xorbs/", 429, "the Hub was asked too often; run this again in some minutes"),
        ("POST", "/v1/shards", 413, "free some of its storage"),
        ("POST", "/v1/shards", 503, r"a fault of its own \(503\)"),
        ("POST", "/v1/xorbs/", 0, "the connection to the Hub broke off"),
    ],
)
def test_what_is_refused_to_xet_is_told_alike(method, call, status, told, by_xet: Hub, folder: Path, capfd):
    by_xet.refusals = {(method, call): (status, {})} if status else {}
    by_xet.silent = {call} if not status else set()
    with pytest.raises(UploadFailed, match=f"^not uploaded to me/urdu: .*{told}") as caught:
        upload(folder, "me/urdu")
    said = str(caught.value) + "".join(capfd.readouterr())
    assert TOKEN not in said and XET_TOKEN not in said and not by_xet.repositories["models/me/urdu"].files
    by_xet.refusals, by_xet.silent = {}, set()
    upload(folder, "me/urdu")
    assert by_xet.repositories["models/me/urdu"].files == content(folder)


@pytest.mark.parametrize(
    ("token", "told"),
    [(None, "there is no Hub token; run `hf auth login`"), ("hf_ofSomebodyElse", "the Hub does not accept the token")],
)
def test_without_a_token_that_counts_nothing_is_sent(token, told, hub: Hub, folder: Path, monkeypatch):
    log_in(monkeypatch, token)
    with pytest.raises(UploadFailed, match=told):
        upload(folder, "me/urdu")
    assert not hub.repositories and not hub.uploads()


@pytest.mark.parametrize(
    ("repository", "told"),
    [
        ("me/two words", "is no name of a repository; write it as owner/name"),
        ("me/a/b", "is no name of a repository"),
        ("you/urdu", 'may not write to you/urdu; .*under the namespace "you"'),
    ],
)
def test_a_repository_that_cannot_be_says_so(repository, told, hub: Hub, folder: Path):
    with pytest.raises(UploadFailed, match=told):
        upload(folder, repository)


def test_what_shall_be_private_does_not_go_where_all_see_it(hub: Hub, folder: Path):
    assert upload(folder, "me/urdu", private=False).endswith("(public)")
    (folder / "config.json").write_text('{"secret": 1}')
    with pytest.raises(UploadFailed, match=r"it is there already, and public; name another .*\(--public\)"):
        upload(folder, "me/urdu")
    assert hub.repositories["models/me/urdu"].commits == 1


def test_without_a_network_it_says_so(folder: Path, tmp_path: Path, monkeypatch):
    with stand_in_hub(monkeypatch, tmp_path / "here" / "cache"):
        monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
        with pytest.raises(UploadFailed, match="the connection to the Hub broke off"):
            upload(folder, "me/urdu")

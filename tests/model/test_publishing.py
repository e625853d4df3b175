"""Uploading never asks, never stops a run, never shows the token."""

from __future__ import annotations

from pathlib import Path

import huggingface_hub
import pytest
from tiny import tiny_model, tiny_processor

from asr_helpers.model.hub import publish

TOKEN = "hf_notARealToken1234567890"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, object]]:
    calls: list[tuple[str, object]] = []

    class Api:
        def __init__(self, token: str) -> None:
            calls.append(("token", token))

        def create_repo(self, repository: str, *, private: bool, exist_ok: bool) -> None:
            calls.append(("create", (repository, private, exist_ok)))

        def upload_folder(self, *, repo_id: str, folder_path: Path, commit_message: str) -> None:
            calls.append(("upload", sorted(path.name for path in folder_path.iterdir())))

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: TOKEN)
    return calls


def test_model_and_processor_are_uploaded_privately(hub: list, tmp_path: Path, capsys) -> None:
    assert publish(tiny_model(), tiny_processor(tmp_path), "me/urdu") == "uploaded to me/urdu"
    assert hub[1] == ("create", ("me/urdu", True, True))
    assert {"config.json", "model.safetensors", "vocab.json"} <= set(hub[2][1])
    assert TOKEN not in "".join(capsys.readouterr())


def test_without_a_token_nothing_is_tried(hub: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    assert "there is no Hub token" in publish(tiny_model(), tiny_processor(tmp_path), "me/urdu")
    assert hub == []


@pytest.mark.parametrize("error", [ConnectionError("no route"), PermissionError(f"403 for {TOKEN}"), RuntimeError()])
def test_a_failure_is_a_sentence_without_the_token(hub: list, tmp_path: Path, monkeypatch, error, capsys) -> None:
    def fail(self, *args, **kwargs) -> None:
        raise error

    monkeypatch.setattr(huggingface_hub.HfApi, "upload_folder", fail)
    said = publish(tiny_model(), tiny_processor(tmp_path), "me/urdu")
    assert said.startswith("not uploaded to me/urdu: ") and said.endswith("the model folder is whole")
    assert TOKEN not in said + "".join(capsys.readouterr())

import sys
import types

import pytest

from asr_helpers import colab

TEXT = "# a comment\ntorch==2.13.0\njiwer==4.0.0\nsoundfile==0.14.0\n"


def test_only_what_is_missing_or_of_another_version_is_installed_and_never_torch(monkeypatch):
    monkeypatch.setattr(colab, "_installed", {"torch": "2.9.0+cu128", "jiwer": "3.0.0", "soundfile": "0.14.0"}.get)
    assert colab.missing_requirements(TEXT) == ["jiwer==4.0.0"]


@pytest.mark.parametrize(
    ("corpus", "mounted"), [("/content/drive/MyDrive/prus", ["/content/drive"]), ("data/prus", [])]
)
def test_drive_is_mounted_only_for_a_corpus_that_lies_there(monkeypatch, corpus, mounted):
    seen = []
    google, module = types.ModuleType("google"), types.ModuleType("google.colab")
    module.drive = types.SimpleNamespace(mount=seen.append)
    monkeypatch.setitem(sys.modules, "google", google)
    monkeypatch.setitem(sys.modules, "google.colab", module)
    monkeypatch.setattr(colab, "missing_requirements", lambda text: [])
    colab.prepare(corpus)
    assert seen == mounted


def test_what_is_missing_goes_to_pip_in_one_call(monkeypatch):
    calls = []
    monkeypatch.setattr(colab, "missing_requirements", lambda text: ["jiwer==4.0.0", "soxr==1.1.0"])
    monkeypatch.setattr(colab.subprocess, "run", lambda command, check: calls.append(command))
    colab.prepare("data/prus")
    assert [c[1:] for c in calls] == [["-m", "pip", "install", "-q", "jiwer==4.0.0", "soxr==1.1.0"]]

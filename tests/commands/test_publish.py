"""``publish`` as a person types it: a folder to read first, then a repository, private unless all may see it."""

from __future__ import annotations

import shutil

import pytest
from finished_run import finished_run
from stand_in_hub import TOKEN, log_in, stand_in_hub

from asr_helpers.__main__ import main


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return finished_run(tmp_path_factory.mktemp("finished"))


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with stand_in_hub(monkeypatch, tmp_path / "here" / "cache") as hub:
        yield hub


def test_nothing_leaves_the_machine_unless_a_repository_is_named(made, hub, capsys):
    assert main(["publish", str(made.folder)]) == 0
    told = capsys.readouterr()
    assert "README.md" in told.out and "report.html holds recordings" in told.out
    assert "names no licence (--licence)" in told.err
    assert not hub.asked and (made.folder / "published" / "model" / "README.md").is_file()


@pytest.mark.parametrize(
    ("given", "name", "visible"),
    [
        ([], "models/me/urdu", "private"),
        (["--public"], "models/me/urdu", "public"),
        (["--corpus"], "datasets/me/urdu", "private"),
    ],
)
def test_it_goes_where_it_is_sent(given, name, visible, made, hub, capsys):
    arguments = ["publish", str(made.folder), "--to", "me/urdu", "--licence", "cc0-1.0", "--without-report", *given]
    assert main(arguments) == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[-1].endswith(f"/me/urdu ({visible})") and "licence" not in told.err
    assert TOKEN not in told.out + told.err
    held = hub.repositories[name]
    assert held.private == (visible == "private") and "report.html" not in held.files
    assert b"license: cc0-1.0" in held.files["README.md"]


def test_a_failure_is_one_sentence_and_the_folder_stays(made, hub, monkeypatch, capsys):
    log_in(monkeypatch, None)
    assert main(["publish", str(made.folder), "--to", "me/urdu"]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("not uploaded to me/urdu: there is no Hub token; run")
    assert (made.folder / "published" / "model" / "model.safetensors").is_file()


def test_a_run_that_was_not_tested_is_published_with_a_word_of_it(made, tmp_path, capsys):
    run = shutil.copytree(made.folder, tmp_path / "untested")
    (run / "metrics.json").unlink()
    assert main(["publish", str(run)]) == 0
    assert "no figures of the test split: run notebook 05 first" in capsys.readouterr().err

"""Full disks, read-only folders, kills and second runs, in each of the five notebooks: nothing finished is lost."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import soundfile
from conftest import seconds_for, sentences, speech_like
from tiny import tiny_model, tiny_processor

from asr_helpers.run.lock import OWNER
from asr_helpers.run.manifest import Manifest
from asr_helpers.run.places import NOTEBOOKS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
SHORT = {
    **{"max_steps": 4, "evaluations": 2, "batch_size": 4, "compare_utterances": 2, "exports": 1, "precision": "fp32"},
    "validation_share": 0.2,
}
ROOM = 12_288  # bytes that a full disk still has: three pages, enough for the lock and a small table

# notebook → what is there when it is about half through
HALFWAY = {
    "01": "data_check.parquet",
    "02": "processor/vocab.json",
    "03": "dataset/train/00000.arrow",
    "04": "checkpoints/checkpoint-2",
    "05": "predictions.parquet",
}


@pytest.fixture(scope="module")
def command(tmp_path_factory) -> list[str]:
    """The command line of a run that takes seconds, but for its name."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "corpus").mkdir()
    lines = sentences(24)
    for number, line in enumerate(lines, start=1):
        samples = speech_like(seconds_for(line), seed=number)
        soundfile.write(folder / "corpus" / f"{number}.wav", samples, 16_000)
    (folder / "corpus" / "text.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    tiny_model().save_pretrained(folder / "checkpoint")
    tiny_processor(folder / "vocabulary").save_pretrained(folder / "checkpoint")
    given = {**SHORT, "corpus": str(folder / "corpus"), "checkpoint": str(folder / "checkpoint")}
    (folder / "p.yaml").write_text("".join(f"{name}: {value}\n" for name, value in given.items()))
    return [sys.executable, "-m", "asr_helpers", "run", str(folder / "p.yaml")]


@pytest.fixture(scope="module")
def disk() -> Iterator[Path]:
    """A run folder that is a disk of its own, of 32 MB; its executed notebooks lie elsewhere."""
    folder, notebooks = ROOT / "runs" / "test-disk", ROOT / "runs" / "test-disk-notebooks"
    for path in (folder, notebooks):
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=32m", "none", folder]
    if not shutil.which("mount") or os.geteuid() or subprocess.run(mount, check=False).returncode:
        pytest.skip("a small disk can be mounted by root alone")
    (folder / "notebooks").symlink_to(notebooks)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)
    shutil.rmtree(folder)
    shutil.rmtree(notebooks)


@pytest.fixture(scope="module")
def killed() -> Iterator[Path]:
    folder = ROOT / "runs" / "test-killed"
    shutil.rmtree(folder, ignore_errors=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def run(command: list[str], folder: Path, *more: str) -> subprocess.CompletedProcess:
    line = [*command, "--name", folder.name, *more]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)


def whole(folder: Path) -> list[str]:
    """The notebooks that are through, each with its artifacts as it wrote them."""
    manifest = Manifest(folder)
    assert not any(manifest.other_artifacts(number) for number in manifest.entries)
    return list(manifest.entries)


def fill(folder: Path, *, room: int) -> Path:
    """Leave ``room`` bytes on the disk of a folder."""
    filler = folder / ".filler"
    with open(filler, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(folder).free - room)
    return filler


def outcome(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ("metrics.json", "model/model.safetensors")}


def test_a_full_disk_in_each_notebook_is_named_and_costs_nothing_that_is_finished(command, disk):
    for number, name in NOTEBOOKS.items():
        before = whole(disk)
        filler = fill(disk, room=ROOM)
        failed = run(command, disk, "--until", number)
        assert failed.returncode == 1, number
        said = failed.stderr.split("Executing")[-1]
        assert f"{name} stopped in cell" in said and "disk" in said, said
        assert re.search(r"[Ff]ree (some space|at least)", said), said
        assert "runs/test-disk/" in said.split("Traceback")[0] and "give the same command again" in said
        assert whole(disk) == before
        filler.unlink()
        assert not [p.name for p in disk.rglob(".*") if p.name not in (".lock",)], "nothing half written stays"
        done = run(command, disk, "--until", number)
        assert done.returncode == 0, done.stderr[-3000:]
        assert done.stdout.count("already done") == int(number) - 1
        assert whole(disk) == [*before, number]


def test_a_full_disk_where_the_executed_notebook_lies_is_named(command, disk):
    (disk / "notebooks").unlink()
    filler = fill(disk, room=ROOM)
    failed = run(command, disk, "--from", "05")
    filler.unlink()
    shutil.rmtree(disk / "notebooks")
    (disk / "notebooks").symlink_to(ROOT / "runs" / "test-disk-notebooks")
    assert failed.returncode == 1
    assert "05_error_analysis could not write to runs/test-disk (its disk is full); free some space" in failed.stderr
    assert run(command, disk).returncode == 0


def test_a_read_only_run_folder_is_named(command, disk):
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    try:
        failed = run(command, disk)
    finally:
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1] == (
        "runs/test-disk cannot be written to (Read-only file system); make it writable, or choose another run name"
    )


def kill(process: subprocess.Popen) -> None:
    """End a process and all that it has started at once, as a power cut does."""
    family = [process, *psutil.Process(process.pid).children(recursive=True)]
    for one in family:
        one.kill()
    process.wait()


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_a_killed_notebook_keeps_what_is_finished_and_a_second_run_is_refused(command, killed, number):
    rng = random.Random(int(number))
    before = whole(killed)
    line = [*command, "--name", killed.name]
    process = subprocess.Popen(line, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 300
    while not (killed / HALFWAY[number]).exists():
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.02)
    if number == "02":
        second = run(command, killed)
        assert second.returncode == 1
        assert second.stderr.startswith(f"runs/test-killed is in use by process {process.pid} on ")
    time.sleep(rng.uniform(0, 0.5))
    kill(process)
    assert json.loads((killed / OWNER).read_text())["pid"] == process.pid  # a stale lock, which the next takes over
    assert set(before) <= set(whole(killed)) and set(whole(killed)) <= {*before, *sorted(NOTEBOOKS)[: int(number)]}


def test_after_all_that_the_same_command_ends_with_equal_bytes(command, killed, disk):
    done = run(command, killed)
    assert done.returncode == 0, done.stderr[-3000:]
    assert whole(killed) == list(NOTEBOOKS)
    assert outcome(killed) == outcome(disk)
    assert not (killed / OWNER).exists()

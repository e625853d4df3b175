"""Preparing a corpus: what is written, what is left out, what is kept, and what happens when the run is killed."""

import errno
import itertools
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import pytest
import soundfile
import soxr

from asr_helpers.dataset import shards
from asr_helpers.dataset.collator import Collator
from asr_helpers.dataset.preparing import prepare_dataset, require_all_splits
from asr_helpers.dataset.reading import Utterances, load_prepared
from asr_helpers.model.frames import ctc_frames_needed, output_frames

LAYERS = ((10, 5), (3, 2), (3, 2), (3, 2), (3, 2), (2, 2), (2, 2))
LETTERS = {letter: i for i, letter in enumerate(" ابپتٹ", start=1)}
TEXT = "اب تب پٹ"


def encode(text):
    return [LETTERS[letter] for letter in text]


def frames(samples):
    return output_frames(LAYERS, samples)


def noise(path, seconds, *, rate=16_000, channels=1, seed=0):
    rng = np.random.default_rng(seed)
    soundfile.write(path, rng.normal(0, 0.1, (round(seconds * rate), channels)).clip(-1, 1), rate)


def make_corpus(root, count=30, seconds=1.0, **settings):
    """``count`` clips of noise, four fifths of them training; returns the table of utterances."""
    root.mkdir(parents=True, exist_ok=True)
    rows = []
    for i in range(count):
        noise(root / f"{i}.wav", seconds, seed=i, **settings)
        split = "train" if i < 0.8 * count else ("validation", "test")[i % 2]
        rows.append({"id": f"u{i:03d}", "audio": f"{i}.wav", "text": TEXT, "speaker": "amina", "split": split})
        rows[-1]["seconds"] = seconds
    return pd.DataFrame(rows)


def prepare(utterances, root, folder, **options):
    settings = {"encode": encode, "frames": frames, "shard_seconds": 5.0, "workers": 2, "progress": False}
    return prepare_dataset(utterances, corpus_root=root, folder=folder, **settings | options)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A corpus of 30 clips, with a few that differ, and its dataset; nobody may change either."""
    root = tmp_path_factory.mktemp("corpus")
    utterances = make_corpus(root)
    noise(root / "3.wav", 1.5, rate=22_050, channels=2, seed=3)
    utterances.loc[3, ["seconds", "speaker"]] = [1.5, None]
    dataset, left_out = prepare(utterances, root, root / "dataset")
    assert left_out.empty and list(left_out.columns) == ["id", "reason", "value", "advice"]
    return utterances, root, dataset


def stamps(folder):
    """When each shard was written: by identity and time, so that writing the same bytes again shows."""
    return {
        str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in folder.glob("*/[0-9]*.arrow")  # datasets keeps files of its own beside them
    }


def test_rows_hold_what_was_recorded_and_said(prepared):
    utterances, root, dataset = prepared
    assert {split: rows.num_rows for split, rows in dataset.items()} == {"train": 24, "validation": 3, "test": 3}
    assert dataset["train"]["id"][:] == [f"u{i:03d}" for i in range(24)]
    for split, rows in dataset.items():
        for row in Utterances(rows):
            source = utterances.set_index("id").loc[row["id"]]
            stored, rate = soundfile.read(root / source["audio"], always_2d=True, dtype="float32")
            mono = stored.mean(1) if rate == 16_000 else soxr.resample(stored.mean(1), rate, 16_000)
            assert np.abs(row["audio"] / 32_768 - mono).max() <= 0.51 / 32_768
            assert row["audio"].dtype == np.int16 and row["labels"].dtype == np.int32
            assert row["labels"].tolist() == encode(TEXT)
            assert row["seconds"] == pytest.approx(len(mono) / 16_000)
            assert row["frames"] == frames(len(mono))
            assert (row["text"], row["speaker"], split) == (
                TEXT,
                "" if row["id"] == "u003" else "amina",
                source["split"],
            )


def test_disk_holds_at_most_2_2_bytes_a_sample(prepared):
    _, root, dataset = prepared
    size = sum(path.stat().st_size for path in (root / "dataset").rglob("*") if path.is_file())
    samples = sum(len(row["audio"]) for rows in dataset.values() for row in Utterances(rows))
    assert 2 < size / samples < 2.2


def test_datasets_reads_it_without_this_package(prepared, tmp_path):
    _, root, dataset = prepared
    again = datasets.load_from_disk(str(root / "dataset"))
    assert again["train"][5] == dataset["train"][5] and again["train"].features == dataset["train"].features
    assert again["train"].features["audio"] == datasets.List(datasets.Value("int16"))
    files = {split: str(root / "dataset" / split / "0*.arrow") for split in dataset}
    plain = datasets.load_dataset("arrow", data_files=files, cache_dir=str(tmp_path))
    assert plain["test"][0] == dataset["test"][0]


def test_it_is_memory_mapped(prepared):
    _, _, dataset = prepared
    assert [Path(file["filename"]).parent.name for file in dataset["train"].cache_files] == ["train"] * 5
    row = Utterances(dataset["train"])[7]
    assert not row["audio"].flags.owndata and not row["audio"].flags.writeable


def test_examples_are_the_rows_also_of_a_selection(prepared):
    _, _, dataset = prepared
    for rows in (dataset["train"], dataset["train"].select([7, 3, 20]), dataset["train"].shuffle(seed=0)):
        view = Utterances(rows)
        assert len(view) == len(rows)
        for i in (0, len(rows) - 1, -1):
            plain = {name: value.tolist() if hasattr(value, "tolist") else value for name, value in view[i].items()}
            assert plain == rows[i]
        with pytest.raises(IndexError):
            view[len(rows)]


def test_the_collator_takes_rows_of_either_kind(prepared):
    _, _, dataset = prepared
    rows = dataset["train"]
    fast = Collator()([Utterances(rows)[i] for i in range(4)])
    plain = Collator()([rows[i] for i in range(4)])
    assert all((fast[name] == plain[name]).all() for name in fast)


# ---- what is left out --------------------------------------------------------


def test_what_cannot_be_learnt_from_is_listed_with_reason_value_and_advice(tmp_path):
    utterances = make_corpus(tmp_path, 12, seconds=1.0)
    utterances["split"] = "train"

    def change(i, **values):
        for name, value in values.items():
            utterances.loc[i, name] = value

    change(0, seconds=0.1)  # by the table
    noise(tmp_path / "1.wav", 0.1)  # by the file: the table is wrong
    change(2, seconds=99.0, audio="never/decoded.wav")
    noise(tmp_path / "3.wav", 2.5)
    change(4, text=TEXT * 4)  # 35 letters, 49 frames: fits
    change(5, text="اا" * 30)
    change(6, text=None)
    (tmp_path / "7.wav").write_bytes(b"RIFF no audio at all")
    (tmp_path / "8.wav").unlink()
    soundfile.write(tmp_path / "9.wav", np.array([0.1, np.nan] * 8_000, np.float32), 16_000, subtype="FLOAT")
    dataset, left_out = prepare(utterances, tmp_path, tmp_path / "dataset", min_seconds=0.3, max_seconds=2.0)
    found = dict(zip(left_out["id"], zip(left_out["reason"], left_out["value"], strict=True), strict=True))
    assert {name: reason for name, (reason, _) in found.items()} == {
        "u000": "too short",
        "u001": "too short",
        "u002": "too long",
        "u003": "too long",
        "u005": "infeasible",
        "u006": "no text",
        "u007": "unreadable",
        "u008": "unreadable",
        "u009": "not finite",
    }
    assert list(left_out["id"]) == sorted(left_out["id"])
    assert found["u000"][1] == found["u001"][1] == "0.10 s"
    assert found["u002"][1] == "99.00 s"
    assert found["u005"][1] == "49 frames for 60 letters, which need 119"
    assert "7.wav" in found["u007"][1] and left_out["advice"].str.len().min() > 5
    assert dataset["train"]["id"][:] == ["u004", "u010", "u011"]
    _, same = prepare(utterances, tmp_path, tmp_path / "dataset", min_seconds=0.3, max_seconds=2.0)
    pd.testing.assert_frame_equal(left_out, same)  # also for shards that were kept


def test_a_label_that_just_fits_is_kept_and_one_letter_more_is_not(tmp_path):
    utterances = make_corpus(tmp_path, 2, seconds=0.5)
    utterances["split"] = "train"
    room = frames(8_000)
    utterances["text"] = ["اب" * (room // 2), "اب" * (room // 2) + "ا"]
    assert ctc_frames_needed(encode(utterances["text"][0])) == room
    dataset, left_out = prepare(utterances, tmp_path, tmp_path / "dataset")
    assert (dataset["train"]["id"][:], left_out["id"].tolist()) == (["u000"], ["u001"])


def test_a_split_that_loses_everything_is_empty_and_can_be_opened(tmp_path):
    utterances = make_corpus(tmp_path, 10)
    utterances.loc[utterances["split"] == "test", "text"] = ""
    utterances.loc[utterances["split"] == "validation", "text"] = "اا" * 30
    dataset, left_out = prepare(utterances, tmp_path, tmp_path / "dataset")
    assert {split: len(rows) for split, rows in dataset.items()} == {"train": 8, "validation": 0, "test": 0}
    assert len(left_out) == 2 and dataset["test"].features == dataset["train"].features
    says = (
        r"left for validation and test: 2 utterances left out \(.*no text: 1.*\); mend those .*or run notebook 01 with"
    )
    with pytest.raises(ValueError, match=says):
        require_all_splits(dataset, left_out)


@pytest.mark.parametrize(
    ("change", "options", "text"),
    [
        ({"id": "same"}, {}, "30 ids occur twice|29 ids occur twice"),
        ({"split": "dev"}, {}, "split 'dev' is none of train, validation, test"),
        ({}, {"min_seconds": 5, "max_seconds": 5}, "must be below"),
    ],
)
def test_a_table_that_cannot_be_right_is_refused(prepared, tmp_path, change, options, text):
    utterances, root, _ = prepared
    with pytest.raises(ValueError, match=text):
        prepare(utterances.assign(**change), root, tmp_path, **options)
    assert not list(tmp_path.iterdir())


# ---- what is kept --------------------------------------------------------------


def test_a_second_run_writes_nothing(prepared):
    utterances, root, _ = prepared
    before = stamps(root / "dataset")
    prepare(utterances, root, root / "dataset", workers=1)
    assert stamps(root / "dataset") == before and len(before) == 7


CHANGES = {
    "nothing": (lambda u, root: None, 0),
    "a recording of the same length": (lambda u, root: noise(root / "recordings" / "7.wav", 1.0, seed=99), 1),
    "a transcript": (lambda u, root: u.__setitem__("text", u["text"].where(u.index != 7, "اب")), 1),
    "a speaker": (lambda u, root: u.__setitem__("speaker", u["speaker"].where(u.index != 7, "bilal")), 1),
    "a recording that is gone": (lambda u, root: (root / "recordings" / "7.wav").unlink(), 1),
    "the corpus is moved": (lambda u, root: (root / "recordings").rename(root / "elsewhere"), 0),
    "the limits": ({"max_seconds": 9.0}, 7),
    "the checkpoint's frames": ({"frames": lambda n: output_frames(LAYERS[:-1], n)}, 7),
    "the channel": ({"channel": 0}, 7),
    "the letters' ids": ({"encode": lambda text: [i + 1 for i in encode(text)]}, 7),
}


@pytest.mark.parametrize("name", CHANGES)
def test_only_what_changed_is_written_again(tmp_path, name):
    change, expected = CHANGES[name]
    root = tmp_path / "recordings"
    utterances = make_corpus(root)
    prepare(utterances, root, tmp_path / "dataset")
    before = stamps(tmp_path / "dataset")
    options = change if isinstance(change, dict) else {}
    if not options:
        change(utterances, tmp_path)
    root = root if root.exists() else tmp_path / "elsewhere"
    cached, left_out = prepare(utterances, root, tmp_path / "dataset", **options)
    after = stamps(tmp_path / "dataset")
    assert sum(after[shard] != before[shard] for shard in before) == expected
    anew, same = prepare(utterances, root, tmp_path / "anew", **options)
    pd.testing.assert_frame_equal(left_out, same)
    assert all(cached[split][:] == anew[split][:] for split in anew)


def test_shards_that_no_longer_belong_are_removed(tmp_path):
    utterances = make_corpus(tmp_path)
    prepare(utterances, tmp_path, tmp_path / "dataset")
    dataset, _ = prepare(utterances[:12], tmp_path, tmp_path / "dataset")
    assert list(dataset) == ["train"] and len(dataset["train"]) == 12
    assert sorted(path.name for path in (tmp_path / "dataset" / "train").glob("0*")) == [
        f"{number:05d}.{kind}" for number in range(3) for kind in ("arrow", "json")
    ]


@pytest.mark.parametrize("damage", ["cut", "report", "gone"])
def test_a_damaged_shard_is_written_again(tmp_path, damage):
    utterances = make_corpus(tmp_path)
    expected, _ = prepare(utterances, tmp_path, tmp_path / "dataset")
    expected = expected["train"][:]
    shard = tmp_path / "dataset" / "train" / "00001.arrow"
    if damage == "cut":
        shard.write_bytes(shard.read_bytes()[:-100])
    elif damage == "report":
        shard.with_suffix(".json").write_text('{"fingerprint": "')
    else:
        shard.unlink()
    dataset, _ = prepare(utterances, tmp_path, tmp_path / "dataset")
    assert dataset["train"][:] == expected


def test_any_number_of_workers_writes_the_same_bytes(prepared, tmp_path):
    utterances, root, _ = prepared
    prepare(utterances, root, tmp_path, workers=5)
    for path in (root / "dataset").glob("*/[0-9]*.arrow"):
        assert path.read_bytes() == (tmp_path / path.relative_to(root / "dataset")).read_bytes()


# ---- what goes wrong while it runs ---------------------------------------------

KILLED = """
    import os, signal, sys
    sys.path.insert(0, {tests!r})
    import pandas as pd
    from pathlib import Path
    from test_preparing import frames, prepare

    def deadly(samples):
        if len(list(Path({folder!r}).glob("train/[0-9]*.json"))) >= 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return frames(samples)

    prepare(pd.read_parquet({table!r}), Path({root!r}), Path({folder!r}), frames=deadly)
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_killed_it_keeps_whole_shards_and_goes_on(tmp_path):
    utterances = make_corpus(tmp_path / "corpus")
    utterances.to_parquet(tmp_path / "table.parquet")
    names = {"table": tmp_path / "table.parquet", "root": tmp_path / "corpus", "folder": tmp_path / "dataset"}
    code = textwrap.dedent(KILLED).format(tests=str(Path(__file__).parent), **{k: str(v) for k, v in names.items()})
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    folder = tmp_path / "dataset"
    with pytest.raises(FileNotFoundError, match="notebook 03"):
        load_prepared(folder)
    whole = {path.with_suffix(".arrow").relative_to(folder).as_posix() for path in folder.glob("*/[0-9]*.json")}
    before = {name: stamp for name, stamp in stamps(folder).items() if name in whole}
    assert 2 <= len(before) < 7
    dataset, _ = prepare(utterances, tmp_path / "corpus", folder)
    assert {name: stamps(folder)[name] for name in before} == before
    undisturbed, _ = prepare(utterances, tmp_path / "corpus", tmp_path / "undisturbed")
    assert all(dataset[split][:] == undisturbed[split][:] for split in undisturbed)
    assert not list(folder.glob("*/.*"))


def test_a_full_disk_is_named_before_anything_is_written(prepared, tmp_path, monkeypatch):
    utterances, root, _ = prepared
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 100_000})())
    with pytest.raises(OSError, match=r"needs 1\.0 MB .* has 100\.0 kB free") as caught:
        prepare(utterances, root, tmp_path / "dataset")
    assert caught.value.errno == errno.ENOSPC and not (tmp_path / "dataset").exists()


def test_a_disk_that_fills_up_meanwhile_costs_only_the_shards_under_way(prepared, tmp_path, monkeypatch):
    utterances, root, _ = prepared
    record_batch, written = shards._record_batch, []

    def fills_up(rows, schema):
        written.append(rows)
        if len(written) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return record_batch(rows, schema)

    with monkeypatch.context() as patch:
        patch.setattr(shards, "_record_batch", fills_up)
        with pytest.raises(OSError, match="the disk is full; free some space and run this again"):
            prepare(utterances, root, tmp_path, workers=1)
    assert len(list(tmp_path.glob("*/*.json"))) == 3 == len(list(tmp_path.glob("*/*.arrow")))
    assert not list(tmp_path.glob("*/.*")) and not (tmp_path / "dataset_dict.json").exists()
    dataset, _ = prepare(utterances, root, tmp_path)
    assert len(dataset["train"]) == 24


def test_an_interruption_stops_all_workers_soon(prepared, tmp_path):
    utterances, root, _ = prepared
    asked, count = [], itertools.count(1)

    def interrupted(samples):
        if samples in (16_000, 24_000):  # a clip, not a probe of the fingerprint
            number = next(count)
            asked.append(number)
            if number == 6:
                raise KeyboardInterrupt
            time.sleep(0.1)  # 24 clips are left
        return frames(samples)

    with pytest.raises(KeyboardInterrupt):
        prepare(utterances, root, tmp_path, frames=interrupted, workers=3)
    assert 6 <= len(asked) < 20 and not list(tmp_path.glob("*/.*"))

"""A split, a selection, rows in memory and a stream answer the same questions in the same way."""

import hashlib
import pickle

import numpy as np
import pytest
from tiny_run import SPLITS, tiny_run
from transformers import TrainingArguments

from asr_helpers.dataset.reading import Utterances, load_prepared, stream_prepared
from asr_helpers.training.config import TrainingConfig
from asr_helpers.training.sampling import train_loader

KINDS = ["split", "selection", "memory", "stream"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("reading") / "tiny", shard_seconds=3.0)["run_folder"] + "/dataset"


@pytest.fixture(scope="module")
def plain(folder):
    """The rows as plain Python values, straight from ``datasets``."""
    return list(load_prepared(folder)["train"])


def of(kind, folder):
    split = load_prepared(folder)["train"]
    if kind == "stream":
        return stream_prepared(folder, limits=(0.3, 30.0))
    if kind == "selection":
        return Utterances.of(split.select(range(len(split))))
    return Utterances.of(split if kind == "split" else [Utterances(split)[i] for i in range(len(split))])


@pytest.mark.parametrize("kind", KINDS)
def test_rows_come_in_order_with_arrays(kind, folder, plain):
    rows = of(kind, folder)
    for ours, theirs in zip(rows, plain, strict=True):
        assert ours["audio"].dtype == np.int16 and ours["audio"].tolist() == theirs["audio"]
        assert {k: v for k, v in ours.items() if k not in ("audio", "labels")}.items() <= theirs.items()
    assert [row["id"] for row in rows.first(3)] == [row["id"] for row in plain[:3]]
    assert len(rows.first(1_000)) == SPLITS["train"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_of_them_holds_the_columns_asked_for(kind, folder, plain):
    table = of(kind, folder).table("id", "seconds", "labels")
    assert list(table.columns) == ["id", "seconds", "labels"] and list(table["id"]) == [row["id"] for row in plain]
    assert [list(labels) for labels in table["labels"]] == [row["labels"] for row in plain]


@pytest.mark.parametrize("kind", KINDS[:3])
def test_rows_with_a_length_know_it_their_durations_and_their_name(kind, folder, plain):
    rows, seconds = of(kind, folder), [row["seconds"] for row in plain]
    assert len(rows) == rows.length == len(plain) and rows.seconds.tolist() == seconds
    assert rows.limits == (min(seconds), max(seconds))
    lines = [f"{row['id']} {row['seconds']:.3f} {' '.join(map(str, row['labels']))}" for row in plain]
    text = "\n".join(lines)
    assert rows.identity == {"utterances": hashlib.sha256(text.encode()).hexdigest()[:16]}


def test_a_stream_knows_what_it_was_prepared_with(folder):
    rows = of("stream", folder)
    with open(f"{folder}/train/state.json", "rb") as file:
        name = hashlib.sha256(file.read()).hexdigest()[:16]
    assert rows.identity == {"utterances": "stream", "stream": name, "stream_buffer": 256}
    assert rows.limits == (0.3, 30.0) and rows.length is None
    with pytest.raises(TypeError, match="a stream has no length"):
        len(rows)
    with pytest.raises(TypeError, match="does not know how long its clips are; give stream_prepared the limits"):
        _ = stream_prepared(folder).limits


@pytest.mark.parametrize("world_size", [1, 2, 5])
def test_a_stream_is_shared_out_and_shuffled(folder, plain, world_size):
    def ids(epoch=0, **options):
        streams = [stream_prepared(folder, share=(rank, world_size), **options) for rank in range(world_size)]
        for stream in streams:
            stream.set_epoch(epoch)
        return [[row["id"] for row in stream] for stream in streams]

    everything = sorted(row["id"] for row in plain)
    shares = ids(seed=4, buffer=8)
    together = [name for share in shares for name in share]
    assert sorted(together) == everything and together != [row["id"] for row in plain] and all(shares)
    assert shares == ids(seed=4, buffer=8) != ids(seed=5, buffer=8)
    assert shares != ids(seed=4, buffer=8, epoch=1)


def test_shards_may_lie_elsewhere(folder, plain):
    import fsspec

    fsspec.filesystem("memory").put(f"{folder}/train/", "/far/train/", recursive=True)
    for source in ("memory://far", "memory://far/"):
        assert [row["id"] for row in stream_prepared(source)] == [row["id"] for row in plain]


def test_what_a_stream_gives_does_not_hold_its_shard_in_memory(folder):
    assert all(row["audio"].flags.owndata for row in stream_prepared(folder).first(3))


def test_a_dataset_that_is_not_there_is_named(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="'dev'"):
        stream_prepared(folder, "dev")
    with pytest.raises(FileNotFoundError, match="notebook 03"):
        load_prepared(tmp_path)


def test_they_are_taken_as_they_are_and_travel_to_a_worker(folder):
    rows = of("split", folder)
    assert Utterances.of(rows) is rows
    assert pickle.loads(pickle.dumps(rows))[3]["audio"].tolist() == rows[3]["audio"].tolist()


@pytest.mark.parametrize("share", [(1, 2), (0, 2)])
def test_a_stream_of_another_share_is_not_trained_on(share, folder, tmp_path):
    args = TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to="none")
    with pytest.raises(ValueError, match=r"share \(\d, 2\) of its rows; give stream_prepared share=\(0, 1\)"):
        train_loader(stream_prepared(folder, share=share), None, config=TrainingConfig(max_steps=1), args=args)

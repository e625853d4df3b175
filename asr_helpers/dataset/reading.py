"""Open a prepared dataset: memory mapped rows as arrays, or a stream of shards from anywhere."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sized
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from asr_helpers.saved_folder import plain_name, saved_files

if TYPE_CHECKING:
    from datasets import DatasetDict

__all__ = ["Utterances", "load_prepared", "stream_prepared"]

LOOKED_AT = 256  # rows of a stream that stand for all of it in a table


def load_prepared(folder: str | Path) -> DatasetDict:
    """Open a prepared dataset: memory mapped, so that rows are read from disk when they are asked for.

    Rows come as plain Python values, which takes 3.2 ms for 4 s of audio; :class:`Utterances` gives arrays in
    0.1 ms.

    Raises:
        FileNotFoundError: There is none, or its preparation was stopped.
        ValueError: A file of it is broken, missing or elsewhere.
    """
    from datasets import load_from_disk

    if not (Path(folder) / "dataset_dict.json").is_file():
        raise FileNotFoundError(f"{folder} holds no prepared dataset, or an unfinished one; run notebook 03 (again)")
    saved_files(folder)  # load_from_disk follows whatever the folder's JSON files name
    return load_from_disk(str(folder), keep_in_memory=False)


class Utterances:
    """A split, or a stream of one: the rows that are trained on, validated on or transcribed.

    A row is a dictionary. Of a prepared split its arrays are views of the memory-mapped file; ``datasets`` would hand
    out Python lists, or arrays widened to int64, of which a second of audio is 128 kB.

    Args:
        rows: One split of :func:`load_prepared` or a selection of its rows; rows in memory; or a stream: whatever can
            only be iterated over, and has ``set_epoch`` where it is trained on.
        limits: Of a stream: seconds that its shortest and its longest clip may have.
        order: Of a stream: what decides which rows come when, by name.
        share: Of a stream: the number of the process whose rows these are, and how many processes there are.

    Attributes:
        length: Number of utterances; ``None``: a stream, which does not know it.
    """

    def __init__(
        self,
        rows: Any,
        *,
        limits: tuple[float, float] | None = None,
        order: Mapping[str, Any] | None = None,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        from datasets import Dataset

        self.prepared = isinstance(rows, Dataset)
        self.rows = rows.with_format("arrow") if self.prepared else rows
        self.length = len(rows) if isinstance(rows, Sized) else None
        self.order, self.share = dict(order or {}), share
        if limits:
            self.limits = limits

    @classmethod
    def of(cls, rows: Any) -> Utterances:
        """Take rows of any kind, these among them."""
        return rows if isinstance(rows, cls) else cls(rows)

    def __len__(self) -> int:
        if self.length is None:
            raise TypeError("a stream has no length")
        return self.length

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = self.rows[int(index)]
        return {name: _value(row.column(name)[0]) for name in row.column_names} if self.prepared else row

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows) if self.length is None else (self[index] for index in range(self.length))

    def set_epoch(self, epoch: int) -> None:
        """Let a stream come in the order of another epoch when it is next iterated over."""
        self.rows.set_epoch(epoch)

    def first(self, count: int) -> list[dict[str, Any]]:
        """Read up to ``count`` rows."""
        return list(islice(self, count))

    def table(self, *names: str) -> pd.DataFrame:
        """Columns of all rows, or of a stream's first ``LOOKED_AT``. Of a prepared split no audio is read."""
        if self.prepared:
            return self.rows.select_columns(list(names)).with_format("pandas")[:]
        found = self.first(LOOKED_AT if self.length is None else self.length)
        return pd.DataFrame([{name: row[name] for name in names} for row in found], columns=list(names))

    @cached_property
    def seconds(self) -> np.ndarray:
        """Durations, (utterances,) float64."""
        if self.length is None:
            raise TypeError("a stream does not know how long its clips are; give stream_prepared the limits")
        return self.table("seconds")["seconds"].to_numpy(dtype=np.float64)

    @cached_property
    def limits(self) -> tuple[float, float]:
        """Seconds of the shortest and of the longest clip; of a stream, between which they lie."""
        return float(self.seconds.min()), float(self.seconds.max())

    @property
    def identity(self) -> dict[str, Any]:
        """What a training's continuation must find again: the utterances as they are labelled, or a stream's order.

        A recording that was replaced by another of the same length and text is not seen here: the run folder does.
        """
        if self.length is None:
            return {"utterances": "stream", **self.order}
        rows = self.table("id", "seconds", "labels").itertuples(index=False)
        text = "\n".join(f"{name} {seconds:.3f} {' '.join(map(str, labels))}" for name, seconds, labels in rows)
        return {"utterances": hashlib.sha256(text.encode()).hexdigest()[:16]}


def stream_prepared(
    source: str | Path,
    split: str = "train",
    *,
    share: tuple[int, int] = (0, 1),
    seed: int | None = None,
    buffer: int = 256,
    limits: tuple[float, float] | None = None,
) -> Utterances:
    """Read a prepared split from the first row to the last, holding one minute of audio at a time.

    For corpora larger than memory, or than this machine's disk: the shards may lie on another machine.

    Args:
        source: The dataset's folder, as a path or as a URL that fsspec opens.
        split: Which split of the folder.
        share: Number of this process, and how many there are; each one reads other rows (other shards, where their
            number divides evenly).
        seed: Seed of the shuffle: of the shards, and of the rows within a buffer. None: in order. Call
            ``set_epoch`` on the result for another order.
        buffer: Rows that the shuffle holds in memory.
        limits: Seconds between which clips were kept; the stream cannot be asked.

    Returns:
        A stream. The list of its shards, in which ``datasets`` keeps what they were made from, names it.

    Raises:
        FileNotFoundError: There are no shards.
    """
    from datasets import IterableDataset
    from datasets.distributed import split_dataset_by_node

    folder, listed = _shard_list(str(source).rstrip("/"), split)
    files = [f"{folder}/{plain_name(shard['filename'])}" for shard in json.loads(listed)["_data_files"]]
    stream = IterableDataset.from_generator(_read_shards, gen_kwargs={"files": files})
    if seed is not None:
        stream = stream.shuffle(seed=seed, buffer_size=buffer)
    order = {"stream": hashlib.sha256(listed).hexdigest()[:16], "stream_buffer": buffer}
    mine = split_dataset_by_node(stream, rank=share[0], world_size=share[1])
    return Utterances(mine, limits=limits, order=order, share=share)


def _read_shards(files: list[str]) -> Iterator[dict[str, Any]]:
    """Give the rows of some shards, one record batch in memory at a time."""
    import fsspec

    for file in files:
        with fsspec.open(file, "rb") as stream, pa.ipc.open_stream(stream) as reader:
            for batch in reader:
                for i in range(batch.num_rows):
                    yield {name: _value(batch.column(name)[i], copy=True) for name in batch.schema.names}


def _value(scalar: pa.Scalar, *, copy: bool = False) -> Any:
    """Turn one Arrow value into a numpy array or a Python value.

    Without ``copy`` an array is a view, and as long as it lives so does the whole batch that it came from.
    """
    if isinstance(scalar, pa.ListScalar):
        array = scalar.values.to_numpy(zero_copy_only=True)
        return array.copy() if copy else array
    return scalar.as_py()


def _shard_list(source: str, split: str) -> tuple[str, bytes]:
    """The folder of a split, and the file there that lists its shards in order; other files may lie beside them."""
    import fsspec

    folder = f"{source}/{split}"
    try:
        with fsspec.open(f"{folder}/state.json", "rb") as file:
            return folder, file.read()
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{source} holds no prepared split {split!r}; run notebook 03") from error

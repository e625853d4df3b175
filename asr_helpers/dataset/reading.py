"""Open a prepared dataset: memory mapped rows as arrays, or a stream of shards from anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from asr_helpers.saved_folder import plain_name, saved_files

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict, IterableDataset

__all__ = ["Examples", "load_prepared", "stream_prepared", "with_arrays"]


def load_prepared(folder: str | Path) -> DatasetDict:
    """Open a prepared dataset: memory mapped, so that rows are read from disk when they are asked for.

    Rows come as plain Python values, which takes 3.2 ms for 4 s of audio; :class:`Examples` gives arrays in
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


class Examples:
    """Rows of a prepared split as numpy arrays, views of the memory-mapped file, for a ``DataLoader``.

    ``datasets`` would hand out Python lists, or arrays widened to int64, of which a second of audio is 128
    kB.

    Args:
        split: One split of :func:`load_prepared`, or a selection of its rows.
    """

    def __init__(self, split: Dataset) -> None:
        self.rows = split.with_format("arrow")

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        table = self.rows[int(index)]
        return {name: _value(table.column(name)[0]) for name in table.column_names}


def with_arrays(rows: Any) -> Any:
    """Read a ``datasets.Dataset`` as numpy arrays (:class:`Examples`); other rows are taken as they are."""
    return Examples(rows) if hasattr(rows, "with_format") else rows


def stream_prepared(
    source: str | Path | Sequence[str],
    split: str = "train",
    *,
    rank: int = 0,
    world_size: int = 1,
    seed: int | None = None,
    buffer: int = 256,
) -> IterableDataset:
    """Read a prepared split from the first row to the last, holding one minute of audio at a time.

    For corpora larger than memory, or than this machine's disk: the shards may lie on another machine.

    Args:
        source: The dataset's folder, or the shards themselves; as paths, or as URLs that fsspec opens.
        split: Which split of the folder.
        rank: Number of this process; each one reads other rows (other shards, where their number divides
            evenly).
        world_size: Number of processes.
        seed: Seed of the shuffle: of the shards, and of the rows within a buffer. None: in order. Call
            ``set_epoch`` on the result for another order.
        buffer: Rows that the shuffle holds in memory.

    Returns:
        A ``datasets.IterableDataset`` of rows as in :class:`Examples`; its ``state_dict`` resumes it.

    Raises:
        FileNotFoundError: There are no shards.
    """
    from datasets import IterableDataset
    from datasets.distributed import split_dataset_by_node

    files = _shards_of(str(source), split) if isinstance(source, (str, Path)) else [str(file) for file in source]
    stream = IterableDataset.from_generator(_read_shards, gen_kwargs={"files": files})
    if seed is not None:
        stream = stream.shuffle(seed=seed, buffer_size=buffer)
    return split_dataset_by_node(stream, rank=rank, world_size=world_size)


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


def _shards_of(source: str, split: str) -> list[str]:
    """Name the shards of a split in their order; other files may lie beside them."""
    import fsspec

    folder = f"{source.rstrip('/')}/{split}"
    try:
        with fsspec.open(f"{folder}/state.json", "r", encoding="utf-8") as file:
            state = json.load(file)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{source} holds no prepared split {split!r}; run notebook 03") from error
    return [f"{folder}/{plain_name(shard['filename'])}" for shard in state["_data_files"]]

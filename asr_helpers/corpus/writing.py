"""A corpus as a folder that ``datasets.load_dataset`` loads, here or on the Hub: Parquet with the recordings inside.

Loose recordings with a ``metadata.csv`` would load too, but only where torchcodec and FFmpeg are installed; Parquet
needs them only when somebody listens, and is what ``push_to_hub`` writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

__all__ = ["write_corpus"]

SHARD_BYTES = 500_000_000  # of recordings in a file: as much as datasets itself puts into one
GROUP_BYTES = 32_000_000  # of recordings in a row group: what a reader, and this writer, holds at once

COLUMNS = {"id": "id", "transcript": "transcription", "text": "text", "speaker": "speaker", "seconds": "seconds"}


def write_corpus(
    utterances: pd.DataFrame, root: Path, folder: Path, *, further: Sequence[str] = (), shard_bytes: int = SHARD_BYTES
) -> None:
    """Write ``train-00000-of-00001.parquet`` and so on; the recordings go in as they are, undecoded.

    Args:
        utterances: One row an utterance: id, audio (path below ``root``), transcript, text, speaker, seconds, split,
            and the columns of ``further``.
        root: The corpus folder.
        folder: Is made.
        further: What else the corpus says, column by column.
        shard_bytes: Of recordings in one file, about.

    Raises:
        OSError: A recording cannot be read, or the disk is full.
    """
    import datasets  # imported here: it takes seconds
    import pyarrow as pa
    from pyarrow import parquet

    folder.mkdir(parents=True)
    table = utterances[[*COLUMNS, *further]].rename(columns=COLUMNS)
    plain = pa.Schema.from_pandas(table, preserve_index=False).remove_metadata()
    for position, column in enumerate(plain):
        if pa.types.is_large_string(column.type):  # pandas' own, which not every reader knows
            plain = plain.set(position, column.with_type(pa.string()))
    features = datasets.Features({**datasets.Features.from_arrow_schema(plain), "audio": datasets.Audio()})
    for split, rows in utterances.groupby("split", sort=False):
        sizes = [(root / audio).stat().st_size for audio in rows["audio"]]
        shards = list(_cut(sizes, shard_bytes))
        for number, shard in enumerate(shards):
            file = folder / f"{split}-{number:05d}-of-{len(shards):05d}.parquet"
            with parquet.ParquetWriter(file, features.arrow_schema) as writer:
                for group in _cut(sizes[shard], GROUP_BYTES):
                    chosen = rows.iloc[shard].iloc[group]
                    part = pa.Table.from_pandas(table.loc[chosen.index], plain, preserve_index=False).to_pydict()
                    part["audio"] = [_recording(root, row.id, row.audio) for row in chosen.itertuples()]
                    writer.write_table(pa.table(part, features.arrow_schema))


def _recording(root: Path, name: str, audio: str) -> dict[str, object]:
    return {"bytes": (root / audio).read_bytes(), "path": f"{name}{PurePosixPath(audio).suffix}"}


def _cut(sizes: Sequence[int], most: int) -> Iterator[slice]:
    """Cut positions into runs whose sizes add up to about ``most``, one at least in each."""
    begin = held = 0
    for position, size in enumerate(sizes):
        if position > begin and held + size > most:
            yield slice(begin, position)
            begin, held = position, 0
        held += size
    yield slice(begin, len(sizes))

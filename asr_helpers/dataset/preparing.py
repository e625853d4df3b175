"""Utterances to a dataset on disk: 16 kHz int16 audio and labels in Arrow shards, memory mapped."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from asr_helpers.audio.reading import SAMPLING_RATE
from asr_helpers.corpus.splits import SPLITS
from asr_helpers.storage import require_free_space, write_json
from asr_helpers.wording import counted, listed

from .reading import load_prepared
from .shards import SCHEMA, Clip, ClipSettings, Shard, left_out_row, write_shard

if TYPE_CHECKING:
    from datasets import DatasetDict

__all__ = ["prepare_dataset", "require_all_splits"]

LEFT_OUT = ["id", "reason", "value", "advice"]

# A quarter of an hour is 29 MB: little is lost when a run is killed, and 1,000 h are 4,000 files.
SHARD_SECONDS = 900.0
ROW_BYTES = 1024  # labels, text, id and speaker of one row, generously, for the estimate of disk space


def prepare_dataset(
    utterances: pd.DataFrame,
    *,
    corpus_root: str | Path,
    encode: Callable[[str], Sequence[int]],
    frames: Callable[[int], int],
    folder: str | Path,
    made_for: Mapping[str, Any] | None = None,
    channel: int | None = None,
    min_seconds: float = 0.3,
    max_seconds: float = 30.0,
    workers: int | None = None,
    shard_seconds: float = SHARD_SECONDS,
    progress: bool = True,
) -> tuple[DatasetDict, pd.DataFrame]:
    """Decode, mix down, resample and label every utterance, and write what CTC can learn from.

    Shards that are there already and still right are kept: a second run only writes what has changed, and one
    that was killed goes on where it stopped. Nothing is ever half written. Memory holds about a minute of
    audio a worker, however large the corpus.

    Workers are threads: decoding, resampling and rounding leave the interpreter's lock (beside ten minutes of
    audio being resampled, another thread never waited longer than 24 ms), and threads start at once, need no
    pickling, and die with the run.

    Args:
        utterances: One row an utterance: ``id``, ``audio`` (path below ``corpus_root``), ``text``
            (normalised), ``speaker``, ``seconds``, ``split``.
        corpus_root: Folder that the audio paths start from.
        encode: Text to label ids.
        frames: Samples to encoder frames (:func:`asr_helpers.model.frames.output_frames` of the checkpoint).
        folder: Where the dataset goes: ``<split>/NNNNN.arrow``, readable by ``datasets.load_from_disk`` too.
        made_for: What the dataset says of itself beside its limits (:func:`asr_helpers.dataset.fit.made_for`).
        channel: 0-based channel to take of recordings with several; None mixes them down.
        min_seconds: Shorter utterances are left out.
        max_seconds: Longer utterances are left out.
        workers: Threads; None: one a core.
        shard_seconds: Audio in one shard, s.
        progress: Show a progress bar.

    Returns:
        The dataset (columns ``id``, ``audio``, ``labels``, ``seconds``, ``frames``, ``text``, ``speaker``),
        memory mapped; and one row for each utterance that was left out: ``id``, ``reason``, ``value``,
        ``advice``.

    Raises:
        ValueError: Two utterances share an id, a split has another name, or the limits exclude everything.
        OSError: The disk is too full; the text says by how much.
    """
    folder, root = Path(folder), Path(corpus_root)
    _check(utterances, min_seconds, max_seconds)
    settings = ClipSettings(frames, min_seconds, max_seconds, channel)
    clips, left_out = _sift(utterances, root, encode, min_seconds, max_seconds)
    shards = _plan(clips, shard_seconds)
    reports, missing = {}, []
    for shard in shards:
        report = shard.report(folder, shard.fingerprint(settings))
        if report is None:
            missing.append(shard)
        else:
            reports[shard.split, shard.number] = report
    if missing:
        (folder / "dataset_dict.json").unlink(missing_ok=True)  # until all is written, there is no dataset to load
        for stray in folder.glob("*/.*.part.*"):  # what a killed run was in the middle of writing
            stray.unlink(missing_ok=True)
        require_free_space(folder, sum(_bytes_of(shard) for shard in missing))
        reports |= _write_all(missing, settings, folder, workers, progress)
    limits = {"min_seconds": min_seconds, "max_seconds": max_seconds, "channel": channel}
    _finish(folder, shards, reports, {**(made_for or {}), **limits})
    rows = left_out + [row for shard in shards for row in reports[shard.split, shard.number]["left_out"]]
    place = {clip_id: i for i, clip_id in enumerate(utterances["id"])}
    table = pd.DataFrame(sorted(rows, key=lambda row: place[row["id"]]), columns=LEFT_OUT)
    return load_prepared(folder), table


def require_all_splits(prepared: DatasetDict, left_out: pd.DataFrame) -> None:
    """Stop where nothing of a split was kept: a training needs all three, and should not find it out by itself.

    Args:
        prepared: From `prepare_dataset`.
        left_out: From `prepare_dataset`.

    Raises:
        ValueError: Names the empty splits, what was left out and why, and the fix.
    """
    if empty := [split for split in SPLITS if not (split in prepared and len(prepared[split]))]:
        why = listed(f"{reason}: {count}" for reason, count in left_out["reason"].value_counts().items())
        raise ValueError(
            f"no utterance is left for {' and '.join(empty)}: {counted(len(left_out), 'utterance')} left out ({why}); "
            "mend those in the table above, or run notebook 01 with more recordings or another seed"
        )


def _check(utterances: pd.DataFrame, min_seconds: float, max_seconds: float) -> None:
    repeated = utterances["id"][utterances["id"].duplicated()]
    if len(repeated):
        raise ValueError(
            f"{len(repeated)} ids occur twice, first {repeated.iloc[0]!r}; make them unique in notebook 01"
        )
    strange = sorted(set(utterances["split"]) - set(SPLITS))
    if strange:
        raise ValueError(f"split {strange[0]!r} is none of {', '.join(SPLITS)}")
    if not 0 <= min_seconds < max_seconds:
        raise ValueError(f"min_seconds ({min_seconds:g}) must be below max_seconds ({max_seconds:g})")


def _sift(
    utterances: pd.DataFrame, root: Path, encode: Callable[[str], Sequence[int]], shortest: float, longest: float
) -> tuple[dict[str, list[tuple[Clip, float]]], list[dict[str, str]]]:
    """Label every utterance and leave out what needs no decoding to be refused."""
    kept: dict[str, list[tuple[Clip, float]]] = {s: [] for s in SPLITS if (utterances["split"] == s).any()}
    left_out = []
    for row in utterances.itertuples(index=False):
        text = row.text if isinstance(row.text, str) else ""  # an empty cell is NaN
        labels = tuple(int(label) for label in encode(text))
        if not labels:
            left_out.append(left_out_row(row.id, "no text", repr(text), "write its transcript, or drop it"))
        elif row.seconds > longest:  # not even decoded: it may be hours long
            advice = f"split it, or raise max_seconds ({longest:g})"
            left_out.append(left_out_row(row.id, "too long", f"{row.seconds:.2f} s", advice))
        elif row.seconds < shortest:
            left_out.append(left_out_row(row.id, "too short", f"{row.seconds:.2f} s", f"min_seconds is {shortest:g}"))
        else:
            speaker = row.speaker if isinstance(row.speaker, str) else ""
            kept[row.split].append((Clip(row.id, root / row.audio, labels, text, speaker), float(row.seconds)))
    return kept, left_out


def _plan(clips: dict[str, list[tuple[Clip, float]]], shard_seconds: float) -> list[Shard]:
    """Cut every split into shards, in order; an empty split is one empty shard, so that it can be opened."""
    shards = []
    for split, rows in clips.items():
        ends = np.cumsum([seconds for _, seconds in rows])
        numbers = np.floor((ends - 1e-9) / shard_seconds).astype(int) if rows else np.array([0])
        for number, cut in enumerate(np.unique(numbers)):
            part = [rows[i] for i in np.flatnonzero(numbers == cut)] if rows else []
            total = sum(seconds for _, seconds in part)
            shards.append(Shard(split, number, tuple(clip for clip, _ in part), total))
    return shards


def _bytes_of(shard: Shard) -> int:
    """Estimate a shard's size from the durations that were measured before."""
    return int(shard.seconds * SAMPLING_RATE * 2) + ROW_BYTES * (len(shard.clips) + 1)


def _write_all(
    shards: list[Shard], settings: ClipSettings, folder: Path, workers: int | None, progress: bool
) -> dict[tuple[str, int], dict[str, Any]]:
    """Write shards in parallel; the first failure stops the others before they finish, and is raised."""
    from tqdm.auto import tqdm

    stop, reports = Event(), {}
    schema = _schema()
    total = sum(len(shard.clips) for shard in shards)
    with (
        tqdm(total=total, desc="preparing", unit=" utterances", disable=not progress) as bar,
        ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool,
    ):

        def tick() -> None:
            bar.update()
            if stop.is_set():
                raise InterruptedError("another shard failed")

        by_length = sorted(shards, key=lambda shard: -shard.seconds)  # no thread is left with the longest
        jobs = {pool.submit(write_shard, s, settings, folder=folder, schema=schema, tick=tick): s for s in by_length}
        try:
            for job in as_completed(jobs):
                reports[jobs[job].split, jobs[job].number] = job.result()
        except BaseException:  # Ctrl-C too: threads do not hear it, and the pool would wait for all of them
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return reports


def _schema() -> pa.Schema:
    """Add to the columns the metadata by which ``datasets`` knows its features."""
    from datasets import Features

    return Features.from_arrow_schema(SCHEMA).arrow_schema


def _finish(
    folder: Path, shards: list[Shard], reports: dict[tuple[str, int], dict[str, Any]], made_for: dict[str, Any]
) -> None:
    """Name the shards that make up the dataset, in the form of ``save_to_disk``; its root file comes last."""
    info = json.loads(_schema().metadata[b"huggingface"])["info"]
    splits = list(dict.fromkeys(shard.split for shard in shards))
    for split in splits:
        own = [shard for shard in shards if shard.split == split]
        content = "".join(reports[split, shard.number]["digest"] for shard in own)
        state = {
            "_data_files": [{"filename": shard.name} for shard in own],
            "_fingerprint": hashlib.sha256(content.encode()).hexdigest()[:16],
            "_format_columns": None,
            "_format_kwargs": {},
            "_format_type": None,
            "_output_all_columns": False,
            "_split": split,
        }
        write_json(state, folder / split / "state.json")
        write_json(info, folder / split / "dataset_info.json")
        for stale in set((folder / split).glob("[0-9]*.arrow")) - {folder / split / shard.name for shard in own}:
            stale.with_suffix(".json").unlink(missing_ok=True)
            stale.unlink()
    write_json({"splits": splits, "made_for": made_for}, folder / "dataset_dict.json")

"""Shards of a prepared dataset: some minutes of audio in one Arrow file, whole and known by a fingerprint.

A shard is two files: ``00000.arrow`` with the rows, and ``00000.json`` with what they were made from and what
was left out. The second is written last, so a shard without it was cut short and is written again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import soundfile

from asr_helpers.audio.reading import SAMPLING_RATE, read_audio, to_int16
from asr_helpers.model.frames import ctc_frames_needed
from asr_helpers.storage import FULL, replacing, write_json

__all__ = ["SCHEMA", "Clip", "ClipSettings", "Shard", "left_out_row", "write_shard"]

SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "audio": pa.list_(pa.int16()),
        "labels": pa.list_(pa.int32()),
        "seconds": pa.float32(),
        "frames": pa.int32(),
        "text": pa.string(),
        "speaker": pa.string(),
    }
)

# Counts up, with a line here, when a recording would become another row: shards of before are then prepared again.
# 1: mixed down by the mean, soxr's HQ to 16 kHz, rounded to int16; MP3s decoded to their last frame
PREPARATION = 1

FLUSH_SAMPLES = 60 * SAMPLING_RATE  # a minute of audio, 1.9 MB, is held before it is written

# Lengths at which a rule for counting frames is asked, to tell it from another rule without reading its code.
PROBES = tuple(range(1, 2000, 61)) + tuple(range(2000, 480_000, 15_013))


@dataclass(frozen=True)
class Clip:
    """One utterance to prepare: where its audio lies, and what is said in it."""

    id: str
    path: Path
    labels: tuple[int, ...]
    text: str
    speaker: str


@dataclass(frozen=True)
class ClipSettings:
    """How clips are prepared.

    Attributes:
        frames: Samples to the frames that the model will make of them.
        min_seconds: Shorter clips are left out.
        max_seconds: Longer clips are left out.
        channel: 0-based channel to take; None mixes down.
    """

    frames: Callable[[int], int]
    min_seconds: float
    max_seconds: float
    channel: int | None = None

    @cached_property
    def fingerprint(self) -> str:
        """Name the recipe by all that decides rows but the recordings: ``PREPARATION``, decoders, columns, settings."""
        import soxr

        decoders = (soundfile.__libsndfile_version__, soxr.__version__, soxr.__libsoxr_version__)
        columns = [(field.name, str(field.type)) for field in SCHEMA]
        settings = (self.min_seconds, self.max_seconds, self.channel, [int(self.frames(n)) for n in PROBES])
        return hashlib.sha256(repr((PREPARATION, decoders, columns, settings)).encode()).hexdigest()


@dataclass(frozen=True)
class Shard:
    """Which clips go into which file."""

    split: str
    number: int
    clips: tuple[Clip, ...]
    seconds: float

    @property
    def name(self) -> str:
        """Name of its file, by which shards sort in their order."""
        return f"{self.number:05d}.arrow"

    def fingerprint(self, settings: ClipSettings) -> str:
        """Name what the shard is made from: settings, labels, and every recording by size and time of change.

        Reading all recordings to hash them would take as long as preparing them; size and time change with
        any ordinary way of replacing a file.
        """
        digest = hashlib.sha256(settings.fingerprint.encode())
        for clip in self.clips:
            try:
                state = clip.path.stat()
                stamp = (state.st_size, state.st_mtime_ns)
            except OSError:
                stamp = None  # missing: it will be left out, until it comes back
            digest.update(repr((clip.id, clip.path.name, stamp, clip.labels, clip.text, clip.speaker)).encode())
        return digest.hexdigest()

    def report(self, folder: Path, fingerprint: str) -> dict[str, Any] | None:
        """Read what was written earlier; None unless all of it is there and was made from the same."""
        path = folder / self.split / self.name
        try:
            report = json.loads(path.with_suffix(".json").read_text("utf-8"))
            whole = (
                bool(report["digest"])
                and report["fingerprint"] == fingerprint
                and report["bytes"] == path.stat().st_size
            )
        except (OSError, ValueError, KeyError):
            return None
        return report if whole else None


def left_out_row(clip_id: str, reason: str, value: str, advice: str) -> dict[str, str]:
    """Say why an utterance is not in the dataset."""
    return {"id": clip_id, "reason": reason, "value": value, "advice": advice}


def write_shard(
    shard: Shard,
    settings: ClipSettings,
    *,
    folder: Path,
    schema: pa.Schema = SCHEMA,
    tick: Callable[[], object] = lambda: None,
) -> dict[str, Any]:
    """Decode a shard's clips and write those that can be learnt from.

    Args:
        shard: What to write.
        settings: How.
        folder: The dataset's folder; the shard goes into its split's.
        schema: ``SCHEMA``, with the metadata by which other programs know its features.
        tick: Called after each clip; what it raises stops the shard, and nothing of it stays.

    Returns:
        The report that also lies beside the shard: ``fingerprint``, ``bytes``, ``digest``
        (SHA-256 of the file), ``left_out``.
    """
    fingerprint = shard.fingerprint(settings)  # before decoding: a recording replaced meanwhile must not look prepared
    path = folder / shard.split / shard.name
    path.with_suffix(".json").unlink(missing_ok=True)
    left_out: list[dict[str, str]] = []
    with replacing(path) as temporary, pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_stream(sink, schema) as out:
        batch: list[dict[str, Any]] = []
        for clip in shard.clips:
            row = _prepare(clip, settings)
            if "reason" in row:
                left_out.append(row)
            else:
                batch.append(row)
            if sum(row["audio"].size for row in batch) >= FLUSH_SAMPLES:
                out.write_batch(_record_batch(batch, schema))
                batch = []
            tick()
        if batch:
            out.write_batch(_record_batch(batch, schema))
    report = {"fingerprint": fingerprint, "bytes": path.stat().st_size}
    with open(path, "rb") as written:
        report["digest"] = hashlib.file_digest(written, "sha256").hexdigest()
    report["left_out"] = left_out
    write_json(report, path.with_suffix(".json"))
    return report


def _prepare(clip: Clip, settings: ClipSettings) -> dict[str, Any]:
    """Decode one clip; return its row of the dataset, or of the table of what was left out."""
    try:
        samples, _ = read_audio(clip.path, sampling_rate=SAMPLING_RATE, channel=settings.channel)
    except (OSError, ValueError, RuntimeError) as error:  # missing, not audio, breaks off, lacks the channel
        if getattr(error, "errno", None) in FULL:
            raise
        return left_out_row(clip.id, "unreadable", str(error), "replace the recording")
    if not np.isfinite(samples).all():
        return left_out_row(clip.id, "not finite", "NaN or infinite samples", "record or export it again")
    seconds, frames = samples.size / SAMPLING_RATE, int(settings.frames(samples.size))
    return _refusal(clip, seconds, frames, settings) or {
        "id": clip.id,
        "audio": to_int16(samples),
        "labels": clip.labels,
        "seconds": seconds,
        "frames": frames,
        "text": clip.text,
        "speaker": clip.speaker,
    }


def _refusal(clip: Clip, seconds: float, frames: int, settings: ClipSettings) -> dict[str, str] | None:
    """Say why a decoded clip cannot be used, if it cannot."""
    if seconds < settings.min_seconds:
        return left_out_row(clip.id, "too short", f"{seconds:.2f} s", f"min_seconds is {settings.min_seconds:g}")
    if seconds > settings.max_seconds:
        return left_out_row(
            clip.id, "too long", f"{seconds:.2f} s", f"split it, or raise max_seconds ({settings.max_seconds:g})"
        )
    needed = ctc_frames_needed(clip.labels)
    if frames < needed:
        return left_out_row(
            clip.id,
            "infeasible",
            f"{frames} frames for {len(clip.labels)} letters, which need {needed}",
            "check that the transcript belongs to the recording; otherwise the speech is too fast for this checkpoint",
        )
    return None


def _record_batch(rows: Sequence[dict[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    """Lay rows out as Arrow columns; samples are copied once and never become Python numbers."""
    columns = []
    for field in schema:
        values = [row[field.name] for row in rows]
        if pa.types.is_list(field.type):
            dtype = field.type.value_type.to_pandas_dtype()
            arrays = [np.asarray(value, dtype=dtype) for value in values]
            offsets = np.cumsum([0] + [array.size for array in arrays], dtype=np.int32)
            flat = pa.array(np.concatenate(arrays), type=field.type.value_type)
            columns.append(pa.ListArray.from_arrays(pa.array(offsets), flat, type=field.type))
        else:
            columns.append(pa.array(values, type=field.type))
    return pa.record_batch(columns, schema=schema)

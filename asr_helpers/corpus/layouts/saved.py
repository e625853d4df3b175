"""A ``save_to_disk`` folder or a Hub id: the recordings become files once, and are then read like any other corpus.

``datasets`` decodes audio only with FFmpeg on the system, so the stored bytes are taken undecoded.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pandas as pd

from asr_helpers.audio.files import suffix_of_bytes
from asr_helpers.storage import require_free_space, write_bytes, write_parquet
from asr_helpers.wording import listed

from ..problems import ERROR, CorpusError, Problem
from ..rows import Row
from .tables import SPEAKER_COLUMNS, TEXT_COLUMNS, pick_column

if TYPE_CHECKING:
    import datasets

__all__ = ["is_saved_dataset", "looks_like_hub_id", "read_dataset"]

HUB_ID = re.compile(r"(?:[\w.-]+/)?[\w.-]+(?::[\w.-]+)?", re.ASCII)

UNSAFE = re.compile(r"[^\w.-]+")  # in a file name

Record = tuple[dict[str, Any], Any, Any]  # audio (bytes, path), transcript, speaker

DONE = "rows.parquet"  # written last: its presence says that every recording of the cache is there


def is_saved_dataset(folder: Path) -> bool:
    """Tell a folder that ``Dataset.save_to_disk`` or ``DatasetDict.save_to_disk`` wrote."""
    return any((folder / name).is_file() for name in ("dataset_dict.json", "state.json"))


def looks_like_hub_id(source: str) -> bool:
    """Tell ``owner/name`` or ``owner/name:configuration`` from a path."""
    return HUB_ID.fullmatch(source) is not None and not source.startswith(".")


def read_dataset(
    source: str | Path,
    *,
    cache_dir: Path,
    transcripts: str | None = None,
    text_column: str | None = None,
    speaker_column: str | None = None,
) -> tuple[Path, list[Row], list[Problem]]:
    """Write a dataset's recordings below ``cache_dir`` (once) and list its rows.

    Args:
        source: A ``save_to_disk`` folder, or a Hub id (``owner/name``, ``owner/name:configuration``).
        cache_dir: Where the recordings are written, in a folder named by the dataset's fingerprint and the columns.
        transcripts: Which splits (``"train+validation"``); all of them by default.
        text_column: The column with the transcript; by default the first known name.
        speaker_column: The column with the speaker; by default the first known name, if any.

    Returns:
        The folder of the recordings, one row an example, and the problems of examples without a recording.

    Raises:
        CorpusError: The Hub cannot be reached, the dataset does not exist, or it lacks a column or split.
        OSError: The disk is too full.
    """
    parts = _splits(_load(source), str(source), transcripts)
    columns = parts[0].column_names
    audio = _audio_column(parts[0], str(source))
    words = pick_column([c for c in columns if c != audio], text_column, TEXT_COLUMNS, str(source), "text_column")
    speaker = speaker_column or next((c for c in SPEAKER_COLUMNS if c in columns), None)
    if speaker:
        pick_column(columns, speaker, (), str(source), "speaker_column")
    identity = json.dumps([[part._fingerprint for part in parts], audio, words, speaker])
    folder = Path(cache_dir) / hashlib.sha256(identity.encode()).hexdigest()[:16]
    if not (folder / DONE).is_file():
        require_free_space(cache_dir, sum(part.data.nbytes for part in parts))
        allowed = _allowed_folders(source)
        records = _records(parts, audio, words, speaker)
        write_parquet(_write_recordings(records, folder, allowed), folder / DONE)
    return folder, *_rows(pd.read_parquet(folder / DONE), str(source))


def _load(source: str | Path) -> Any:
    """Load a saved folder, or a dataset from the Hub."""
    import datasets  # imported here: it takes seconds, and three of the four layouts do not need it

    if Path(source).is_dir():
        return datasets.load_from_disk(str(source))
    name, _, configuration = str(source).partition(":")
    try:
        return datasets.load_dataset(name, configuration or None)
    except (datasets.exceptions.DatasetNotFoundError, FileNotFoundError) as error:
        missing = f"there is no folder {name}, and no dataset {name!r} on the Hub that this account may read"
        raise CorpusError(f"{missing}; correct the name") from error
    except (ConnectionError, OSError) as error:
        fix = "connect to the network, or load it once where there is one, or give a local folder"
        unreachable = f"there is no folder {name}, and the Hub cannot be reached for the dataset {name!r}"
        raise CorpusError(f"{unreachable}; {fix} ({error})") from error
    except datasets.exceptions.DatasetGenerationError as error:
        # Parquet needs no decoder; loose recordings do: datasets 5 takes even a path through torchcodec, thus FFmpeg.
        fix = f"download it (hf download {name} --repo-type dataset --local-dir FOLDER) and give that folder"
        raise CorpusError(f"datasets cannot build {name!r} ({error.__cause__}); {fix}") from error
    except ValueError as error:  # a configuration must be chosen, or an unknown one was
        raise CorpusError(f"{source}: {error}; name the configuration as {name}:CONFIGURATION") from error


def _splits(loaded: Any, source: str, wanted: str | None) -> list[datasets.Dataset]:
    """Choose the splits to read, in the dataset's own order."""
    if not hasattr(loaded, "keys"):
        return [loaded]
    names = wanted.split("+") if wanted else list(loaded.keys())
    for name in names:
        if name not in loaded:
            raise CorpusError(f"transcripts: {source} has no split {name!r}; it has {listed(loaded, most=10)}")
    return [loaded[name] for name in names]


def _audio_column(part: datasets.Dataset, source: str) -> str:
    """Find the column that holds the recordings: of type Audio, or a struct of bytes and path."""
    import datasets

    for name, feature in part.features.items():
        if isinstance(feature, datasets.Audio) or (isinstance(feature, dict) and {"bytes", "path"} <= set(feature)):
            return name
    raise CorpusError(f"{source} has no column of type Audio; it has {listed(part.column_names, most=10)}")


def _allowed_folders(source: str | Path) -> list[Path]:
    """Where a recording that is stored by path may lie: the dataset's own folder, or what the Hub's cache holds."""
    import datasets

    if Path(source).is_dir():
        return [Path(source).resolve()]
    return [Path(datasets.config.HF_CACHE_HOME).resolve(), Path(datasets.config.HF_DATASETS_CACHE).resolve()]


def _records(parts: list[datasets.Dataset], audio: str, words: str, speaker: str | None) -> Iterator[Record]:
    """Yield each example's undecoded audio, transcript and speaker, one at a time."""
    import datasets

    for part in parts:
        part = part.select_columns([column for column in (audio, words, speaker) if column])
        for example in part.cast_column(audio, datasets.Audio(decode=False)):
            yield example[audio] or {}, example[words], example[speaker] if speaker else None


def _write_recordings(records: Iterator[Record], folder: Path, allowed: list[Path]) -> pd.DataFrame:
    """Write each recording as a file and return what the rows say; an empty ``audio`` marks one without."""
    rows, taken = [], set()
    for number, (audio, transcript, speaker) in enumerate(records):
        data = _bytes_of(audio, allowed)
        name = ""
        if data:
            stem = UNSAFE.sub("_", PurePosixPath(audio.get("path") or "").stem).strip(".") or f"{number:06d}"
            stem = stem if stem.casefold() not in taken else f"{stem}-{number:06d}"
            taken.add(stem.casefold())
            name = stem + (suffix_of_bytes(data[:16]) or PurePosixPath(audio.get("path") or "").suffix)
            if not (folder / name).is_file():  # a run that was killed goes on here
                write_bytes(data, folder / name)
        text = "" if transcript is None else str(transcript)
        rows.append((name, text, None if speaker is None else str(speaker), str(audio.get("path") or "")))
    return pd.DataFrame(rows, columns=["audio", "transcript", "speaker", "path"], dtype=object)


def _bytes_of(audio: dict[str, Any], allowed: list[Path]) -> bytes | None:
    """Take the stored bytes, or read the stored path where it stays within the allowed folders."""
    if audio.get("bytes"):
        return audio["bytes"]
    if not audio.get("path"):
        return None
    for folder in allowed:
        path = (folder / audio["path"]).resolve()
        if path.is_relative_to(folder) and path.is_file():
            return path.read_bytes()
    return None


def _rows(table: pd.DataFrame, source: str) -> tuple[list[Row], list[Problem]]:
    rows, problems = [], []
    for number, (audio, transcript, speaker, path) in enumerate(table.itertuples(index=False)):
        where = f"example {number} of {source}"
        if audio:
            rows.append(Row(audio, transcript, None if pd.isna(speaker) else speaker, where))
        else:
            told = f"{path} is not in the dataset's folder" if path else "neither bytes nor a path"
            advice = "save the dataset again where its recordings are, so that they are stored in it"
            problems.append(Problem(ERROR, "missing file", where, told, advice))
    return rows, problems

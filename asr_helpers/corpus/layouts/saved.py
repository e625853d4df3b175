"""A ``save_to_disk`` folder, Parquet files or a Hub id: the recordings become files once, then read like others.

``datasets`` decodes audio only with FFmpeg on the system, so the stored bytes are taken undecoded.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from asr_helpers.audio.files import suffix_of_bytes
from asr_helpers.saved_folder import saved_files
from asr_helpers.storage import fitting_name, require_free_space, write_bytes, write_json
from asr_helpers.wording import listed

from ..problems import ERROR, CorpusError, Problem
from ..tables import Table, table_rows
from .layout import Layout, Reading

if TYPE_CHECKING:
    import datasets

__all__ = ["SAVED", "looks_like_hub_id"]

HUB_ID = re.compile(r"(?:[\w.-]+/)?[\w.-]+(?::[\w.-]+)?", re.ASCII)
UNSAFE = re.compile(r"[^\w.-]+")  # in a file name

LONGEST_STEM = 200  # bytes of a file name; a number and a suffix come behind it

CACHE = "~/.cache/asr_helpers/corpora"  # where recordings are written unless cache_dir says

DONE = "rows.json"  # written last: its presence says that every recording of the cache is there


def _recognise(folder: Path) -> bool:
    """Tell a folder that ``Dataset.save_to_disk`` or ``DatasetDict.save_to_disk`` wrote, or ``publish --corpus``."""
    saved = any((folder / name).is_file() for name in ("dataset_dict.json", "state.json"))
    return saved or bool(_parquet_files(folder))


def _parquet_files(folder: Path) -> dict[str, list[Path]]:
    """The files of each split where a folder is as ``push_to_hub`` leaves it: ``data/train-00000-of-00002.parquet``."""
    found: dict[str, list[Path]] = {}
    for path in sorted((folder / "data").glob("*-?????-of-?????.parquet")):
        if path.resolve().is_relative_to(folder.resolve()):
            found.setdefault(path.name.rsplit("-", 3)[0], []).append(path)
    return found


def looks_like_hub_id(source: str) -> bool:
    """Tell ``owner/name`` or ``owner/name:configuration`` from a path."""
    return HUB_ID.fullmatch(source) is not None and not source.startswith(".")


def _read(
    source: str | Path,
    *,
    cache_dir: Path | None = None,
    transcripts_file: str = "",
    text_column: str = "",
    speaker_column: str = "",
) -> Reading:
    """Write a dataset's recordings below ``cache_dir`` (once) and list its rows.

    Args:
        source: A ``save_to_disk`` folder, one of Parquet files, or a Hub id (``owner/name``,
            ``owner/name:configuration``).
        cache_dir: Where the recordings are written, in a folder named by the dataset's fingerprint.
        transcripts_file: Which splits (``"train+validation"``); all of them by default.
        text_column: The column with the transcript; by default the first known name.
        speaker_column: The column with the speaker; by default the first known name, if any.

    Returns:
        One row an example, the problems of examples without a recording, and the folder of the recordings.

    Raises:
        CorpusError: The Hub cannot be reached, the dataset does not exist, or it lacks a column or split.
        OSError: The disk is too full.
    """
    parts = _splits(_load(source), str(source), transcripts_file)
    audio = _audio_column(parts[0], str(source))
    chosen = partial(table_rows, audio=audio, text=text_column, speaker=speaker_column)
    for part in parts:  # a column that is not there is said before hours of copying
        chosen(Table(str(source), part.column_names, []))
        if _audio_column(part, str(source)) != audio:
            raise CorpusError(f"the splits of {source} have different columns; choose one with transcripts_file")
    identity = json.dumps([[part._fingerprint for part in parts], _stamps(source), audio])
    cache_dir = Path(cache_dir or CACHE).expanduser()
    folder = cache_dir / hashlib.sha256(identity.encode()).hexdigest()[:16]
    if not (folder / DONE).is_file():
        require_free_space(cache_dir, sum(part.data.nbytes for part in parts))
        rows = list(_write_recordings(_examples(parts, audio, source), audio, folder, _allowed_folders(source)))
        write_json(rows, folder / DONE)
    records, problems = [], []
    for number, (path, record) in enumerate(json.loads((folder / DONE).read_text(encoding="utf-8"))):
        where = f"example {number} of {source}"
        if record[audio]:
            records.append((where, record))
        else:
            told = f"{path} is not in the dataset's folder" if path else "neither bytes nor a path"
            advice = "save the dataset again where its recordings are, so that they are stored in it"
            problems.append(Problem(ERROR, "missing file", where, told, advice))
    rows, odd = chosen(Table(str(source), parts[0].column_names, records))
    return Reading(rows, problems + odd, root=folder, told=f"splits {listed((part.split for part in parts), most=10)}")


def _load(source: str | Path) -> Any:
    """Load a saved folder, or a dataset from the Hub."""
    import datasets  # imported here: it takes seconds, and three of the four layouts do not need it

    if Path(source).is_dir():
        try:
            if parquet := _parquet_files(Path(source)):
                files = {split: list(map(str, paths)) for split, paths in parquet.items()}
                return datasets.load_dataset("parquet", data_files=files)
            saved_files(source)
            return datasets.load_from_disk(str(source))
        except Exception as error:  # there are as many kinds as ways in which such a folder can be broken
            raise _broken(source, error) from error
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


def _broken(source: str | Path, error: Exception) -> CorpusError:
    why = str(error).strip().partition("\n")[0] or type(error).__name__
    return CorpusError(f"{source} is a broken datasets folder: {why[:300]}; write it again with save_to_disk")


def _stamps(source: str | Path) -> list[Any]:
    """What changes with a saved folder's data: a fingerprint is only what somebody wrote there."""
    if not Path(source).is_dir():
        return []
    held = _parquet_files(Path(source)) or saved_files(source)
    states = [(file.name, file.stat()) for files in held.values() for file in files]
    return [(name, state.st_size, state.st_mtime_ns) for name, state in states]


def _splits(loaded: Any, source: str, wanted: str) -> list[datasets.Dataset]:
    """Choose the splits to read, in the dataset's own order."""
    if not hasattr(loaded, "keys"):
        if wanted:
            raise CorpusError(
                f"transcripts_file is {wanted!r}, and {source} has no splits to choose from; leave it empty"
            )
        return [loaded]
    names = wanted.split("+") if wanted else list(loaded.keys())
    for name in names:
        if name not in loaded:
            raise CorpusError(f"transcripts_file: {source} has no split {name!r}; it has {listed(loaded, most=10)}")
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


def _examples(parts: list[datasets.Dataset], audio: str, source: str | Path) -> Iterator[dict[str, Any]]:
    """Yield each example as JSON can hold it: audio undecoded, classes by name, an empty list for what is nested."""
    import datasets

    for part in parts:
        named = {name: f.int2str for name, f in part.features.items() if isinstance(f, datasets.ClassLabel)}
        plain = [name for name, f in part.features.items() if name in named or isinstance(f, datasets.Value)]
        nested: dict[str, Any] = {name: [] for name in part.column_names if name not in plain}
        try:
            for example in part.select_columns([audio, *plain]).cast_column(audio, datasets.Audio(decode=False)):
                values = {
                    c: named[c](v) if c in named and v is not None else v for c, v in example.items() if c != audio
                }
                said = {c: v if v is None or isinstance(v, (str, int, float)) else str(v) for c, v in values.items()}
                yield nested | said | {audio: example[audio] or {}}
        except Exception as error:
            raise _broken(source, error) from error


def _write_recordings(
    examples: Iterator[dict[str, Any]], audio: str, folder: Path, allowed: list[Path]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Write each recording as a file; yield its stored path and its row with the file's name, empty where none is."""
    taken = set()
    for number, example in enumerate(examples):
        path, data, name = example[audio].get("path") or "", _bytes_of(example[audio], allowed), ""
        if data:
            stem = UNSAFE.sub("_", PurePosixPath(path).stem).strip(".") or f"{number:06d}"
            stem = fitting_name(stem, LONGEST_STEM)
            stem = stem if stem.casefold() not in taken else f"{stem}-{number:06d}"
            taken.add(stem.casefold())
            name = stem + (suffix_of_bytes(data[:16]) or PurePosixPath(path).suffix)
            if not (folder / name).is_file():  # a run that was killed goes on here
                write_bytes(data, folder / name)
        yield path, example | {audio: name}


def _bytes_of(audio: dict[str, Any], allowed: list[Path]) -> bytes | None:
    """Take the stored bytes, or read the stored path where it stays within the allowed folders."""
    if audio.get("bytes"):
        return audio["bytes"]
    if not audio.get("path"):
        return None
    for folder in allowed:
        try:
            path = (folder / audio["path"]).resolve()
            if path.is_relative_to(folder) and path.is_file():
                return path.read_bytes()
        except (OSError, ValueError, RuntimeError):  # a name too long, a null character, a loop of links
            continue
    return None


SAVED = Layout("datasets", "a folder written by datasets.save_to_disk, or a Hub id", _recognise, _read, on_hub=True)

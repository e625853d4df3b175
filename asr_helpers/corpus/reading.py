"""A corpus folder in any known layout → one row an utterance, and everything that was odd about reading it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from asr_helpers.wording import listed

from .layouts.numbered import numbered_folder, read_numbered
from .layouts.saved import is_saved_dataset, looks_like_hub_id, read_dataset
from .layouts.tables import common_voice_tables, metadata_files, read_audiofolder, read_common_voice
from .problems import CorpusError, Problem
from .rows import Row, keep_safe_rows, unique_ids

__all__ = ["LAYOUTS", "Corpus", "find_layout", "read_corpus"]

LAYOUTS = ("numbered", "audiofolder", "common_voice", "datasets")

CACHE = Path("~/.cache/asr_helpers/corpora")  # where a dataset's recordings are written unless cache_dir says


@dataclass(frozen=True)
class Corpus:
    """What a corpus folder holds, as its files say; nothing is decoded yet.

    Attributes:
        root: The folder that audio paths are relative to.
        layout: One of `LAYOUTS`.
        rows: One row an utterance, in the corpus's order: ``id`` (unique), ``audio`` (POSIX path below ``root``, of a
            file that exists and lies within), ``transcript`` (as written), ``speaker`` (missing where unknown).
        problems: What was wrong with reading: counts, gaps, encoding, paths; in the order of the files.
    """

    root: Path
    layout: str
    rows: pd.DataFrame
    problems: list[Problem]


def read_corpus(
    source: str | Path,
    *,
    layout: str = "auto",
    transcripts: str | None = None,
    speakers: str | None = None,
    text_column: str | None = None,
    speaker_column: str | None = None,
    cache_dir: Path | None = None,
) -> Corpus:
    """Read a corpus in any of the four layouts.

    What is wrong with single rows becomes a problem in the result, so that all of it is seen at once; only what
    leaves nothing to read raises.

    Args:
        source: A folder, or a Hub id (``owner/name``, ``owner/name:configuration``).
        layout: One of `LAYOUTS`, or ``"auto"``: the first of saved dataset, ``metadata`` file, Common Voice table
            and numbered recordings that the folder holds.
        transcripts: Which file holds the transcripts, relative to the folder (for ``datasets``: which splits,
            ``"train+test"``); found by itself where there is only one.
        speakers: For ``numbered``: a text file whose line *n* names recording *n*'s speaker.
        text_column: The manifest's transcript column; found by itself under its usual names.
        speaker_column: The manifest's speaker column; likewise.
        cache_dir: For ``datasets``: where the recordings are written as files.

    Returns:
        The corpus.

    Raises:
        CorpusError: There is no such folder, the layout is not recognised, a file or column is not there, a
            parameter does not fit the layout, or the Hub cannot be reached.
    """
    if layout not in ("auto", *LAYOUTS):
        raise CorpusError(f"layout is {layout!r}; use 'auto', {', '.join(map(repr, LAYOUTS))}")
    root = Path(source).expanduser()
    layout = find_layout(source) if layout == "auto" else layout
    if layout != "datasets" and not root.is_dir():
        raise CorpusError(f"there is no folder {root}; correct the path (it is taken from {Path.cwd()})")
    if speakers and layout != "numbered":
        raise CorpusError(f"speakers names a line-aligned file, and the layout is {layout}: use speaker_column instead")
    columns = {"text_column": text_column, "speaker_column": speaker_column}
    if layout == "numbered":
        if any(columns.values()):
            raise CorpusError("text_column and speaker_column are for tables, and the layout is numbered: use speakers")
        rows, problems = read_numbered(root, transcripts=transcripts, speakers=speakers)
    elif layout == "audiofolder":
        rows, problems = read_audiofolder(root, transcripts=transcripts, **columns)
    elif layout == "common_voice":
        rows, problems = read_common_voice(root, transcripts=transcripts, **columns)
    else:
        cache = Path(cache_dir or CACHE).expanduser()
        local = root if root.is_dir() else source
        root, rows, problems = read_dataset(local, cache_dir=cache, transcripts=transcripts, **columns)
    return _corpus(root, layout, rows, problems)


def find_layout(source: str | Path) -> str:
    """Recognise a corpus's layout.

    Raises:
        CorpusError: It is neither a folder nor a Hub id, or the folder holds no known layout.
    """
    root = Path(source).expanduser()
    if not root.is_dir():
        if root.exists():
            raise CorpusError(f"{root} is a file; give the folder that holds the recordings")
        if looks_like_hub_id(str(source)):
            return "datasets"
        raise CorpusError(f"there is no folder {root}; correct the path (it is taken from {Path.cwd()})")
    if is_saved_dataset(root):
        return "datasets"
    if metadata_files(root):
        return "audiofolder"
    if common_voice_tables(root):
        return "common_voice"
    if numbered_folder(root) is not None:
        return "numbered"
    there = listed(sorted(path.name for path in root.iterdir()))
    raise CorpusError(
        f"{root} holds no known layout (numbered recordings and a text file, metadata.csv or .jsonl, a Common Voice "
        f"table, a saved dataset); in it: {there}"
    )


def _corpus(root: Path, layout: str, rows: list[Row], problems: list[Problem]) -> Corpus:
    """Give rows ids, keep those whose recording is there and within the folder."""
    kept, left_out = keep_safe_rows(root, rows, unique_ids([row.audio for row in rows]))
    table = {
        "id": [name for name, _ in kept],
        "audio": [row.audio for _, row in kept],
        "transcript": [row.transcript for _, row in kept],
        "speaker": [(row.speaker or "").strip() or None for _, row in kept],
    }
    frame = pd.DataFrame({column: pd.Series(values, dtype="str") for column, values in table.items()})
    return Corpus(root=root, layout=layout, rows=frame, problems=problems + left_out)

"""NeMo's manifest: one JSON object a line with ``audio_filepath`` and ``text``."""

from __future__ import annotations

from pathlib import Path

from asr_helpers.wording import listed

from ..problems import ERROR, CorpusError, Problem
from ..tables import read_table, table_rows
from ..text_files import find_files, first_line, given_file
from .layout import Layout, Reading

__all__ = ["NEMO"]

AUDIO = "audio_filepath"


def _manifests(root: Path) -> list[str]:
    files = [name for pattern in ("*.json", "*.jsonl") for name in find_files(root, pattern)]
    return [name for name in files if f'"{AUDIO}"' in first_line(root, name)]


def _read(root: Path, *, transcripts_file: str = "", text_column: str = "", speaker_column: str = "") -> Reading:
    """Read the manifest that ``transcripts_file`` names, or the only one there is."""
    names = [given_file(root, transcripts_file, "transcripts_file")] if transcripts_file else _manifests(root)
    if len(names) != 1:
        told = listed(names, most=10)
        raise CorpusError(f"{root}: which manifest? With {AUDIO}: {told}. Name it with the parameter transcripts_file")
    table, problems = read_table(root, names[0])
    for where, _ in (cut := [record for record in table.records if record[1].get("offset") not in (None, 0)]):
        advice = "write this part as a file of its own, without offset"
        problems.append(Problem(ERROR, "part of a recording", where, "it begins within a longer one (offset)", advice))
    table.records[:] = [record for record in table.records if record not in cut] if cut else table.records
    rows, odd = table_rows(table, audio=AUDIO, text=text_column or "text", speaker=speaker_column)
    return Reading(rows, problems + odd, told=names[0])


NEMO = Layout("nemo", f"a JSON manifest with {AUDIO} and text", lambda root: bool(_manifests(root)), _read)

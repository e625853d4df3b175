"""What a person said of utterances after listening: kept beside the corpus, applied to it, never written over it."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

import pandas as pd

from asr_helpers.storage import csv_rows, csv_text, write_text
from asr_helpers.wording import listed, quoted

from .problems import ERROR, SURROGATE, WARNING, CorpusError, Problem
from .reading import Corpus
from .text_files import file_bytes

__all__ = ["BAD_AUDIO", "CORRECTIONS_FILE", "FINE", "MARKS", "WRONG", "Correction", "Corrections", "apply_corrections"]

CORRECTIONS_FILE = "corrections.csv"

MARKS = WRONG, BAD_AUDIO, FINE = "wrong transcript", "bad audio", "fine"


@dataclass(frozen=True)
class Correction:
    """What was said of one utterance.

    Attributes:
        id: The utterance's.
        transcript: Its transcript in the corpus, as it stood there then.
        mark: One of `MARKS`.
        corrected: What is really said, of a wrong transcript; empty where nobody has written that down yet.
    """

    id: str
    transcript: str
    mark: str
    corrected: str = ""


COLUMNS = [field.name for field in fields(Correction)]


class Corrections:
    """The file ``corrections.csv``: read anew whenever it is asked, since several browsers may write it.

    Attributes:
        file: Where it lies, or will lie once something is marked.
    """

    def __init__(self, file: str | Path) -> None:
        self.file = Path(file)

    def read(self) -> dict[str, Correction]:
        """What is marked, by id.

        Raises:
            CorpusError: The file is damaged; the text names the line, the value and the fix.
        """
        if not self.file.exists():
            return {}
        try:
            header, *rows = csv_rows(file_bytes(self.file.parent, self.file.name).decode("utf-8")) or [[]]
        except (csv.Error, UnicodeDecodeError) as error:
            raise CorpusError(f"{self.file.name} cannot be read ({error}); save it as CSV in UTF-8") from error
        if header != COLUMNS:
            told = f"{self.file.name} has the columns {listed(map(repr, header))}, not {listed(map(repr, COLUMNS))}"
            raise CorpusError(f"{told}; save it as CSV with commas, or mark the utterances anew")
        found: dict[str, Correction] = {}
        for number, row in ((n, row) for n, row in enumerate(rows, start=2) if row):
            where = f"row {number} of {self.file.name}"
            if len(row) != len(COLUMNS):
                told = f"{where} has {len(row)} fields, the header {len(COLUMNS)}: {quoted(' | '.join(row))}"
                raise CorpusError(f"{told}; put what is missing there, or take the row out")
            one = Correction(*row)
            if one.mark not in MARKS:
                raise CorpusError(f"{where}, {one.id}: the mark is {quoted(one.mark)}; write {', '.join(MARKS)}")
            if one.id in found:
                raise CorpusError(f"{where}: {one.id} stands there twice; keep one of its rows")
            found[one.id] = one
        return found

    def mark(self, name: str, shown: str, mark: str, corrected: str = "") -> None:
        """Keep what a person says of an utterance, in the place of what was said of it before.

        Args:
            name: Its id.
            shown: Its transcript, as the person saw it: the corpus's, or the corrected one.
            mark: One of `MARKS`; empty: nothing is said of it any more.
            corrected: What is really said.

        Raises:
            CorpusError: The file is damaged.
            OSError: It cannot be written.
        """
        now = self.read()
        before = now.pop(name, None)
        if mark:
            known = before is not None and shown in (before.corrected, before.transcript)
            original = before.transcript if before and known else shown
            new = SURROGATE.sub("\ufffd", corrected).strip() if mark == WRONG else ""
            now[name] = Correction(name, original, mark, "" if new == original else new)
        if now:
            write_text(csv_text(pd.DataFrame(map(astuple, now.values()), columns=COLUMNS)), self.file)
        else:
            self.file.unlink(missing_ok=True)


def apply_corrections(corpus: Corpus, given: Mapping[str, Correction]) -> tuple[Corpus, pd.DataFrame]:
    """Give a corpus its corrected transcripts, and leave out what nobody can learn from.

    Args:
        corpus: As it was read.
        given: What was said of its utterances, by id.

    Returns:
        The corpus with what was said applied; what no longer fits it is among its problems. And a table of the changes:
        id, mark, before, after, left_out (why; empty where it goes on).
    """
    rows = corpus.rows.set_index("id")
    problems, changes = [], []
    for name, one in given.items():
        if name not in rows.index:
            advice = f"there is no such utterance: take its row out of {CORRECTIONS_FILE}, or bring it back"
            problems.append(Problem(WARNING, "correction", name, one.mark, advice))
            continue
        before = rows.at[name, "transcript"]
        if before not in (one.transcript, one.corrected or one.transcript):
            told = f"{one.mark}, said of {quoted(one.transcript)}, and the transcript is {quoted(before)}"
            advice = f"listen and mark it anew, or take its row out of {CORRECTIONS_FILE}"
            problems.append(Problem(WARNING if one.mark == FINE else ERROR, "correction", name, told, advice))
        elif one.mark == BAD_AUDIO or (one.mark == WRONG and not one.corrected):
            why = one.mark if one.mark == BAD_AUDIO else f"{one.mark}, and nobody has written the right one"
            changes.append((name, one.mark, before, "", why))
        elif one.mark == WRONG and before != one.corrected:
            rows.at[name, "transcript"] = one.corrected
            changes.append((name, one.mark, before, one.corrected, ""))
    table = pd.DataFrame(changes, columns=["id", "mark", "before", "after", "left_out"])
    kept = rows.drop(index=table.id[table.left_out != ""]).reset_index()
    return replace(corpus, rows=kept[corpus.rows.columns], problems=[*corpus.problems, *problems]), table

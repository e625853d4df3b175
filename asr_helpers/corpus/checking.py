"""What is wrong with a corpus, row by row and as a whole, and what to do about it: one table, all at once."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from asr_helpers.audio.measuring import AudioMeasures, measure
from asr_helpers.audio.recording import AudioError
from asr_helpers.audio.sameness import copies
from asr_helpers.storage import FULL
from asr_helpers.text.sentences import count_spoken_letters
from asr_helpers.wording import counted

from .checks.duplicates import check_repeated_recordings, check_repeated_sentences
from .checks.rate import check_speaking_rate
from .checks.recordings import check_recordings
from .checks.shifts import check_alignment
from .checks.transcripts import check_transcripts
from .problems import ERROR, WARNING, CorpusError, Problem
from .reading import Corpus

__all__ = ["MEASURES", "check_corpus", "measure_corpus", "without_errors"]

MEASURES = {
    "seconds": "float64",
    "sampling_rate": "int64",
    "channels": "int64",
    "peak": "float64",
    "rms_db": "float64",
    "clipped": "float64",
    "snr_db": "float64",
    "digest": "str",
    "recording": "str",
}

LEFT_OUT = ("too short", "too long")  # checks of what notebook 03 will leave out

MIN_SENTENCES = 10  # the smallest corpus: with a tenth or two for validation and test, fewer leave a split empty

FOLD_ROWS, FOLD_SHARE = 20, 0.5  # a warning about more rows, and more of all rows, than this is said once


def measure_corpus(
    corpus: Corpus, *, channel: int | None = None, workers: int | None = None, progress: bool = True
) -> tuple[pd.DataFrame, list[Problem]]:
    """Decode every recording once and measure it.

    Threads, not processes: decoding and hashing let go of Python's lock. Measured on 300 MP3 clips (about 16 minutes)
    and two busy cores: 1.2 s one by one, 0.5 to 1.2 s in two threads, 1.2 s in two forked processes, 4.3 s in two
    that were started anew, as Windows and macOS do.

    Args:
        corpus: What `read_corpus` gave.
        channel: 0-based channel to measure; None measures the mix-down.
        workers: Threads; by default one a core.
        progress: Show a progress bar.

    Returns:
        One row for each recording that could be read, in the corpus's order: the corpus's columns and `MEASURES`
        (``digest`` is equal for equal samples, ``recording`` for copies of any gain and container too: it is the least
        digest of them); and the problems of unreadable, truncated and non-finite recordings.
    """
    names = corpus.rows["id"].tolist()
    paths = [corpus.root / name for name in corpus.rows["audio"]]
    workers = workers or os.cpu_count() or 1
    with ThreadPoolExecutor(max_workers=workers) as pool:
        results = pool.map(partial(_try_measure, channel=channel), paths)
        if progress:
            from tqdm.auto import tqdm  # one bar; the plain one leaves a line per update in an executed notebook

            results = tqdm(results, total=len(paths), desc="measuring recordings", unit="file")
        measured = list(results)
    problems = [problem for pair in zip(names, measured, strict=True) for problem in _file_problems(*pair)]
    readable = np.array([isinstance(result, AudioMeasures) for result in measured], dtype=bool)
    heard = [(result, path) for result, path in zip(measured, paths, strict=True) if isinstance(result, AudioMeasures)]
    recordings = copies([result for result, _ in heard], [path for _, path in heard], channel=channel)
    rows = [{**vars(result), "recording": name} for (result, _), name in zip(heard, recordings, strict=True)]
    table = pd.DataFrame(rows, columns=list(MEASURES)).astype(MEASURES)
    return pd.concat([corpus.rows[readable].reset_index(drop=True), table], axis=1), problems


def check_corpus(
    corpus: Corpus,
    utterances: pd.DataFrame,
    *,
    measured: Iterable[Problem] = (),
    script: str | None = None,
    min_seconds: float = 0.3,
    max_seconds: float = 30.0,
    min_sentences: int = MIN_SENTENCES,
) -> list[Problem]:
    """Run every check and list all problems, those of reading and measuring included.

    Problems with an ``utterance`` are that utterance's own, and dropping it mends the corpus; those without belong
    to the corpus as a whole. A warning that would come for most rows comes once.

    Args:
        corpus: What `read_corpus` gave; its transcripts are checked, recordings that cannot be read included.
        utterances: What `measure_corpus` gave, with the column ``sentence_key`` (see `asr_helpers.text`).
        measured: The problems that `measure_corpus` gave.
        script: Every transcript must have a letter of it; see `check_transcripts`.
        min_seconds: Shorter recordings are reported.
        max_seconds: Longer recordings are reported.
        min_sentences: Fewer different sentences that can be used cannot be split.

    Returns:
        Problems in a fixed order: reading, files, transcripts, recordings, then both together.
    """
    letters = corpus.rows["transcript"].map(count_spoken_letters).to_numpy(dtype=float)
    seconds = corpus.rows["id"].map(utterances.set_index("id")["seconds"]).to_numpy(dtype=float)
    ids = corpus.rows["id"].tolist()
    problems = [
        *corpus.problems,
        *measured,
        *check_transcripts(zip(corpus.rows["id"], corpus.rows["transcript"], strict=True), script=script),
        *check_recordings(utterances, min_seconds=min_seconds, max_seconds=max_seconds),
        *check_repeated_recordings(utterances),
        *check_repeated_sentences(utterances),
        *check_speaking_rate(ids, seconds, letters),
        *check_alignment(ids, seconds, letters),
    ]
    problems += _too_small(utterances, problems, min_sentences)
    return _fold(problems, len(corpus.rows))


def _try_measure(path: Path, *, channel: int | None) -> AudioMeasures | AudioError:
    try:
        return measure(path, channel=channel)
    except AudioError as error:
        return error
    except OSError as error:
        if error.errno in FULL:
            raise
        return AudioError(path, f"the system cannot read it ({error.strerror})", "check its permissions and the disk")


def _file_problems(name: str, result: AudioMeasures | AudioError) -> list[Problem]:
    if isinstance(result, AudioError):
        return [Problem(ERROR, "unreadable", name, result.found, result.fix)]
    problems = []
    if result.truncated:
        advice = "copy the file again, or record it again: its transcript says more than is heard"
        problems.append(Problem(ERROR, "truncated", name, result.truncated, advice))
    if not result.finite:
        problems.append(Problem(ERROR, "not a number", name, "NaN or infinite samples", "export the recording again"))
    return problems


def _too_small(utterances: pd.DataFrame, problems: list[Problem], least: int) -> list[Problem]:
    """Report a corpus that has too few different sentences for three splits, without those that will be left out."""
    faulty = {problem.utterance for problem in problems if problem.severity == ERROR or problem.check in LEFT_OUT}
    usable = utterances[~utterances["id"].isin(faulty)]
    sentences = len(set(usable["sentence_key"]) - {""})
    if sentences >= least:
        return []
    told = f"{counted(len(usable), 'usable utterance')}, {counted(sentences, 'different sentence')}"
    advice = f"record at least {least} different sentences, better hundreds"
    return [Problem(ERROR, "too small to split", "", told, advice)]


def _fold(problems: list[Problem], rows: int) -> list[Problem]:
    """Say a warning once that concerns most utterances, where its first row stood."""
    of_check: dict[str, list[Problem]] = defaultdict(list)
    for problem in problems:
        if problem.severity == WARNING and problem.utterance:
            of_check[problem.check].append(problem)
    folded = {check for check, found in of_check.items() if len(found) > max(FOLD_ROWS, FOLD_SHARE * rows)}
    result = []
    for problem in problems:
        found = of_check[problem.check]
        if problem.check not in folded or problem.severity != WARNING or not problem.utterance:
            result.append(problem)
        elif problem is found[0]:
            told = f"{len(found)} of {rows} utterances, the first: {problem.utterance}, {problem.value}"
            result.append(Problem(WARNING, problem.check, "", told, problem.advice))
    return result


def without_errors(utterances: pd.DataFrame, problems: pd.DataFrame, *, on_error: str) -> pd.DataFrame:
    """Stop at errors, or leave out the utterances that have one.

    Args:
        utterances: One row an utterance.
        problems: The data check; rows of severity ``"error"`` count.
        on_error: ``"stop"`` or ``"drop"``.

    Returns:
        The utterances that go on.

    Raises:
        CorpusError: There are errors and ``on_error`` is ``"stop"``, or an error belongs to the whole corpus and
            dropping utterances cannot mend it.
        ValueError: ``on_error`` is something else.
    """
    if on_error not in ("stop", "drop"):
        raise ValueError(f"on_error is {on_error!r}; use 'stop' or 'drop'")
    errors = problems[problems["severity"] == "error"]
    whole = errors[errors["utterance"] == ""]
    if len(whole) or (len(errors) and on_error == "stop"):
        first = (whole if len(whole) else errors).iloc[0]
        where = f"utterance {first['utterance']}" if first["utterance"] else "the corpus"
        hint = "" if len(whole) else "; mend them, or leave these utterances out with on_error: drop"
        raise CorpusError(
            f"the data check found {len(errors)} error(s), among them {first['check']} in {where}: {first['value']} "
            f"({first['advice']}){hint}. All are in the table above and in data_check.parquet."
        )
    return utterances[~utterances["id"].isin(errors["utterance"])].reset_index(drop=True)

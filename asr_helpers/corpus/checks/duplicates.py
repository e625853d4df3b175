"""The same sentence twice, and the same recording twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable

import pandas as pd

from asr_helpers.wording import listed, quoted

from ..problems import ERROR, WARNING, Problem

__all__ = ["check_repeated_recordings", "check_repeated_sentences"]


def check_repeated_sentences(utterances: pd.DataFrame) -> list[Problem]:
    """Report sentences that occur more than once.

    One row each where the same person (or nobody known) reads a sentence again; one row for the corpus where
    different speakers read the same sentences, because many corpora are made so.

    Args:
        utterances: ``id``, ``transcript``, ``sentence_key``, ``speaker``.
    """
    ids, texts = utterances["id"].tolist(), utterances["transcript"].tolist()
    speakers = utterances["speaker"].fillna("").tolist()
    problems, across = [], []
    for first, *others in _groups(utterances["sentence_key"]):
        known = {speakers[i] for i in (first, *others)} - {""}
        if len(known) == 1 + len(others):
            across.append(texts[first])
            continue
        told = f"{quoted(texts[first])} also in {listed(ids[i] for i in others)}"
        advice = "nothing, if it was read twice on purpose: the splits keep it together; else correct the transcript"
        problems.append(Problem(WARNING, "same sentence", ids[first], told, advice))
    if across:
        first = quoted(across[0])
        told = f"{len(across)} sentences are read by several speakers, the first: {first}"
        advice = "the splits keep each sentence together, so that no test sentence was heard in training"
        problems.append(Problem(WARNING, "sentences shared by speakers", "", told, advice))
    return problems


def check_repeated_recordings(utterances: pd.DataFrame) -> list[Problem]:
    """Report copies of one recording: an error where their transcripts differ, as one must be wrong.

    Args:
        utterances: ``id``, ``transcript``, ``sentence_key``, ``recording``, ``seconds``; empty ones are passed over.
    """
    heard = utterances[utterances["seconds"] > 0]
    ids, texts, keys = (heard[column].tolist() for column in ("id", "transcript", "sentence_key"))
    problems = []
    for rows in _groups(heard["recording"]):
        if len({keys[i] for i in rows}) == 1:
            told = f"the sound of {listed(ids[i] for i in rows[1:])}, and its text"
            problems.append(Problem(WARNING, "same recording", ids[rows[0]], told, "keep one of them"))
            continue
        few = rows[:10]  # enough to name others than any one of them, since all rows may have one sound
        for i in rows:
            others = [ids[j] for j in few if j != i]
            told = f"{quoted(texts[i])} has the sound of {listed(others, of=len(rows) - 1)}, and another text"
            advice = "listen and keep the text that is said; the other recording is missing, or was overwritten"
            problems.append(Problem(ERROR, "same recording, other text", ids[i], told, advice))
    return problems


def _groups(keys: Iterable[Hashable]) -> list[list[int]]:
    """Group positions by key, in the order of their first; only keys that occur again, and no empty key."""
    positions: dict[Hashable, list[int]] = defaultdict(list)
    for i, key in enumerate(keys):
        positions[key].append(i)
    return [rows for key, rows in positions.items() if key and len(rows) > 1]

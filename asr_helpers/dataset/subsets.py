"""Nested parts of a training split: each a smaller edition of the whole, and all of the smaller ones within it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from asr_helpers.storage import read_json, write_json

from .reading import load_prepared

__all__ = ["nested_subset", "write_subset"]


def nested_subset(speakers: Sequence[str], seconds: Sequence[float], share: float, *, seed: int) -> np.ndarray:
    """Choose a share of the speech, of every speaker about as large a share as of the whole.

    Each speaker's utterances are shuffled and spread evenly over the range 0 to 1, from a beginning that is drawn;
    the subset is what comes first. So it mixes the voices as the whole does, and a smaller share of the same
    arguments lies within a larger one.

    Args:
        speakers: One an utterance, ``""`` where unknown (all those count as one speaker).
        seconds: Their durations.
        share: Of the seconds, above 0 up to 1; never less than one utterance.
        seed: The same seed gives the same order, whatever the share.

    Returns:
        Rows of the subset in their own order, (chosen,) int64.

    >>> [nested_subset("aaaabbbb", [2.0] * 8, share, seed=1).tolist() for share in (0.25, 0.5)]
    [[1, 4], [1, 3, 4, 6]]
    """
    lengths, rng = np.asarray(seconds, dtype=np.float64), np.random.default_rng(seed)
    place = np.empty(len(lengths))
    for _, rows in pd.Series(np.arange(len(lengths))).groupby(np.asarray(speakers, dtype=object), sort=False):
        shuffled = rng.permutation(rows.to_numpy())
        ends = np.cumsum(lengths[shuffled])
        place[shuffled] = (ends - rng.random() * lengths[shuffled]) / ends[-1]
    order = np.argsort(place, kind="stable")
    within = np.cumsum(lengths[order]) <= share * lengths.sum() * (1 + 1e-9)
    return np.sort(order[: max(1, int(within.sum()))])


def write_subset(source: str | Path, folder: str | Path, rows: Sequence[int]) -> None:
    """Write a prepared dataset of which only some rows of the training split are left; validation stays whole.

    Args:
        source: A prepared dataset; what it says it was made for is said of the part too.
        folder: Where the part goes; not there yet.
        rows: Of the training split.
    """
    from datasets import DatasetDict, are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    whole, shown = load_prepared(source), not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        parts = {"train": whole["train"].select(rows), "validation": whole["validation"]}
        DatasetDict(parts).save_to_disk(str(folder))
    finally:
        if shown:
            enable_progress_bars()
    root = read_json(Path(source) / "dataset_dict.json")
    write_json({**root, "splits": list(parts)}, Path(folder) / "dataset_dict.json")

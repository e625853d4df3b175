"""Seeded train, validation and test splits that share no sentence and, on request, no speaker."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from asr_helpers.wording import counted, listed, quoted

from .problems import CorpusError

__all__ = ["SPLITS", "refuse_shared_texts", "shared_between_splits", "split_utterances"]

SPLITS = ("train", "validation", "test")
EXACT_CELLS = 50_000_000  # groups times utterances wanted: up to here the closest size is searched for, in 100 MB


def split_utterances(
    utterances: pd.DataFrame,
    *,
    validation: float = 0.1,
    test: float = 0.1,
    seed: int,
    by_speaker: bool = False,
) -> pd.Series:
    """Assign every utterance to a split, whole groups at a time.

    Utterances of one sentence (whose `sentence_key` is equal) stay together, and so do copies of one recording where
    the column ``recording`` is there; with ``by_speaker`` those of one speaker too, and then whatever is linked through
    either forms one group. A group's place depends on the seed and its key, not on the order of the rows nor on the
    process, so the same corpus is split alike everywhere.

    Every split gets a group, and comes as close to its share as whole groups allow: exactly, where single sentences are
    the groups. With few speakers the shares can be far off; look at the counts. Utterances whose speaker is unknown
    count as one speaker, because two of them may be the same person.

    Args:
        utterances: One row an utterance: ``id``, ``sentence_key``, ``speaker``; perhaps ``recording``.
        validation: Share of the utterances for validation, above 0.
        test: Share of the utterances for test, above 0.
        seed: Decides which groups go where.
        by_speaker: Keep each speaker within one split.

    Returns:
        ``"train"``, ``"validation"`` or ``"test"``, with the index of ``utterances``.

    Raises:
        CorpusError: There are fewer groups than splits; the text says how many of what, and what would help.
        ValueError: A share is 0, or the two leave nothing to train on.
    """
    if validation <= 0 or test <= 0:
        raise ValueError(
            f"validation_share is {validation:g} and test_share {test:g}; give each more than 0: the checkpoint is "
            "chosen by the validation split, and only the test split, which decided nothing, says how good it is"
        )
    if validation + test >= 1:
        raise ValueError(f"validation_share {validation:g} and test_share {test:g} leave nothing for train; lower them")
    links = _links(utterances, by_speaker=by_speaker)
    group = _components(utterances["id"].tolist(), links)
    sizes = Counter(group)
    if len(sizes) < len(SPLITS):
        raise CorpusError(_too_few(utterances, len(sizes), by_speaker))
    order = sorted(sizes, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())
    place: dict[str, str] = {}
    for to_come, name, share in ((2, "test", test), (1, "validation", validation)):
        left = [g for g in order if g not in place]
        spare = len(left) - to_come  # each split still to come must find a group
        chosen = _choose([sizes[g] for g in left], round(share * len(utterances)), spare)
        place.update((left[i], name) for i in chosen)
    return pd.Series([place.get(g, "train") for g in group], index=utterances.index, name="split", dtype="str")


def shared_between_splits(utterances: pd.DataFrame) -> pd.DataFrame:
    """Count what each pair of splits has in common; zeros in the first row are what a fair test needs.

    Args:
        utterances: One row an utterance: ``sentence_key``, ``speaker``, ``split``; perhaps ``recording``.

    Returns:
        One row each for sentences, speakers and (with ``recording``) recordings: how many distinct ones there are, and
        how many of them each pair of splits shares.
    """
    columns = {"sentences": _known(utterances["sentence_key"]), "speakers": _known(utterances["speaker"])}
    if "recording" in utterances:
        columns["recordings"] = _known(utterances["recording"])
    rows = []
    for what, values in columns.items():
        members: dict[str, set[str]] = {name: set() for name in SPLITS}
        for name, value in zip(utterances["split"], values, strict=True):
            members[name].update([value] if value else [])
        row: dict[Hashable, object] = {"what": what, "distinct": len(set().union(*members.values()))}
        for one, other in combinations(SPLITS, 2):
            row[f"{one} & {other}"] = len(members[one] & members[other])
        rows.append(row)
    return pd.DataFrame(rows)


def refuse_shared_texts(utterances: pd.DataFrame) -> None:
    """Stop where two splits hold one text: what was learnt would be tested, or choose the checkpoint.

    Args:
        utterances: One row an utterance: ``id``, ``text`` (normalised; empty ones are passed over), ``split``.

    Raises:
        CorpusError: Names how many texts, the first of them with their utterances, and the fix.
    """
    held = utterances[utterances["text"] != ""]
    shared = held[held.groupby("text")["split"].transform("nunique") > 1]
    if len(shared):
        told = [
            f"{quoted(text)} in {listed(rows['split'] + ' ' + rows['id'])}"
            for text, rows in shared.groupby("text", sort=False)
        ]
        raise CorpusError(
            f"sentences that stand in more than one split once they are normalised: {len(told)} "
            f"({listed(told, most=3)}). Run notebook 01 again, which keeps each in one split, and then 02"
        )


def _known(values: pd.Series) -> list[str]:
    return ["" if pd.isna(value) else str(value) for value in values]


def _links(utterances: pd.DataFrame, *, by_speaker: bool) -> list[list[str]]:
    """List, for each reason to stay together, what every utterance carries; ``""`` links nothing."""
    links = [[f"sentence {key}" if key else "" for key in _known(utterances["sentence_key"])]]
    if by_speaker:
        speakers = _known(utterances["speaker"])
        if not any(speakers):
            raise CorpusError("split_by_speaker is set and no speaker is known; give speakers_file or speaker_column")
        links.append([f"speaker {name}" for name in speakers])
    if "recording" in utterances:
        links.append([f"recording {name}" if name else "" for name in _known(utterances["recording"])])
    return links


def _components(ids: Sequence[str], links: Iterable[list[str]]) -> list[str]:
    """Join utterances that share any link; name each component by its smallest link, whatever the row order.

    Returns:
        The component of each utterance, shape (utterances,).
    """
    parent = list(range(len(ids)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    names = [f"id {name}" for name in ids]
    carried: list[list[str]] = [[] for _ in ids]
    for values in links:
        first: dict[str, int] = {}
        for i, value in enumerate(values):
            if value:
                carried[i].append(value)
                parent[root(i)] = root(first.setdefault(value, i))
    members: dict[int, list[str]] = defaultdict(list)
    for i, values in enumerate(carried):
        members[root(i)] += values[:1] or [names[i]]  # sentences first: a digest changes with the file's format
    smallest = {component: min(values) for component, values in members.items()}
    return [smallest[root(i)] for i in range(len(ids))]


def _choose(sizes: list[int], target: int, most: int) -> list[int]:
    """Choose 1 to ``most`` groups whose sizes sum up as close to ``target`` as possible.

    The first groups that fit are taken, in their (seeded) order; where that does not hit the target and the groups
    are few, the closest sum there is, with as few groups as it takes.

    Returns:
        Positions in ``sizes``.
    """
    chosen, total = [], 0
    for i, size in enumerate(sizes):
        if total + size <= target and len(chosen) < most:
            chosen.append(i)
            total += size
    if chosen and (total == target or len(sizes) * target > EXACT_CELLS):
        return chosen
    closest = _closest_subset(sizes, target, most)
    return chosen if chosen and abs(total - target) <= abs(sum(sizes[i] for i in closest) - target) else closest


def _closest_subset(sizes: list[int], target: int, most: int) -> list[int]:
    """Solve the subset-sum problem by dynamic programming over sums, counting the groups used.

    Returns:
        Positions in ``sizes``, between 1 and ``most`` of them.
    """
    limit = max(min(sizes), 2 * target - min(sizes))  # a larger sum is worse than the smallest group alone
    fewest = np.full(limit + 1, most + 1, dtype=np.int64)  # groups that a sum takes
    fewest[0] = 0
    taken = np.zeros((len(sizes), limit + 1), dtype=bool)
    for i, size in enumerate(sizes):
        if size <= limit:
            better = np.zeros(limit + 1, dtype=bool)
            better[size:] = fewest[: limit + 1 - size] + 1 < fewest[size:]
            fewest[size:] = np.where(better[size:], fewest[: limit + 1 - size] + 1, fewest[size:])
            taken[i] = better
    sums = np.flatnonzero(fewest <= most)[1:]  # not the empty one
    total = int(sums[np.abs(sums - target).argmin()])
    chosen = []
    for i in range(len(sizes) - 1, -1, -1):
        if total and taken[i, total]:
            chosen.append(i)
            total -= sizes[i]
    return chosen[::-1]


def _too_few(utterances: pd.DataFrame, groups: int, by_speaker: bool) -> str:
    """Say why the utterances cannot fill the splits, and what would help."""
    needed = len(SPLITS)
    if by_speaker:
        counts = Counter(_known(utterances["speaker"]))
        named = listed(f"{name or 'unknown'}: {n}" for name, n in counts.most_common())
        told, number = f"{counted(len(counts), 'speaker')} ({named})", len(counts)
        shared, fix = "sentences or recordings", "set split_by_speaker to false"
    else:
        number = utterances["sentence_key"].nunique()
        told, shared = counted(number, "different sentence"), "recordings"
        fix = "record more sentences"
    cause = f"cannot fill the {needed} splits {', '.join(SPLITS)}"
    if number >= needed:
        cause = f"share {shared}, so that only {groups} of the {needed} groups needed stand apart"
    return f"{told} {cause}; {fix}"

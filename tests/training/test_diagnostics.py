"""What is counted on the device, against counting by hand; and the plateau in words."""

from __future__ import annotations

import pytest
import torch

from asr_helpers.training.callbacks import plateau_advice
from asr_helpers.training.evaluation import SUMS, IntervalMeter, frame_counts

BLANK, UNKNOWN, A, B = 0, 1, 2, 3


def logits_of(paths: list[list[int]]) -> torch.Tensor:
    """One-hot logits; paths are padded with frames that shout A."""
    longest = max(map(len, paths))
    padded = torch.tensor([path + [A] * (longest - len(path)) for path in paths])
    return torch.nn.functional.one_hot(padded, 4).float()


@pytest.mark.parametrize(
    ("path", "expected"),  # frames, blank, utterances, empty, tokens, unknown
    [
        ([0, 0, 0], [3, 3, 1, 1, 0, 0]),
        ([A, A, B], [3, 0, 1, 0, 2, 0]),
        ([A, 0, A], [3, 1, 1, 0, 2, 0]),
        ([0, UNKNOWN, UNKNOWN, 0, UNKNOWN], [5, 2, 1, 0, 2, 2]),
    ],
)
@pytest.mark.parametrize("padded", [False, True])
def test_counts(path: list[int], expected: list[int], padded: bool) -> None:
    paths = [path, [0] * (len(path) + 4)] if padded else [path]
    weights = torch.tensor([1.0, 0.0][: len(paths)])  # the second is a stand-in and does not count
    ids, counts = frame_counts(logits_of(paths), [len(p) for p in paths], blank=BLANK, unknown=UNKNOWN, weights=weights)
    assert counts.tolist() == expected
    assert ids[0].tolist() == path + [BLANK] * (ids.shape[1] - len(path))


def test_the_meter_names_shares_and_speed() -> None:
    meter = IntervalMeter(torch.device("cpu"))
    for paths in ([[A, A, 0], [0]], [[B, 0, B]]):
        _, counts = frame_counts(
            logits_of(paths),
            [len(p) for p in paths],
            blank=BLANK,
            unknown=UNKNOWN,
            weights=torch.ones(len(paths)),
        )
        meter.add(counts, [float(len(p)) for p in paths], [1.0] * len(paths))
    meter.began -= 10
    meter.pause(5)
    values = meter.values(meter.totals() * 2)  # as two processes with the same share would
    assert values["blank_share"] == pytest.approx(3 / 7)
    assert values["empty_share"] == pytest.approx(1 / 3)
    assert values["examples_per_second"] == pytest.approx(6 / 5, rel=0.01)
    assert values["audio_seconds_per_second"] == pytest.approx(14 / 5, rel=0.01)
    assert values["padding_share"] == pytest.approx(1 - 7 / 9)
    assert meter.totals().sum() == 0 and len(meter.counts) == len(SUMS)


def entry(step: int, blank: float, empty: float) -> dict[str, float]:
    return {"step": step, "eval_blank_share": blank, "eval_empty_share": empty}


STUCK = [entry(step, 1.0, 1.0) for step in (10, 20, 30)]


@pytest.mark.parametrize(
    ("history", "found"),
    [
        ([], False),
        (STUCK[:2], False),
        (STUCK, True),
        ([entry(5, 0.5, 0.0), *STUCK], True),
        ([*STUCK[:2], entry(30, 0.9, 0.2)], False),
        ([STUCK[0], entry(20, 0.99, 0.2), STUCK[2]], False),
    ],
)
def test_the_plateau_is_found(history: list, found: bool) -> None:
    assert (plateau_advice(history, evaluations=3, warmup=5) is not None) == found


def test_the_advice_knows_whether_the_warmup_is_over() -> None:
    assert "warmup lasts until step 1000" in plateau_advice(STUCK, evaluations=3, warmup=1000)
    advice = plateau_advice(STUCK, evaluations=3, warmup=5)
    assert advice.startswith("At step 30 the model sits on the blank plateau") and "learning rate" in advice

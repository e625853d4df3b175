"""Batch plans: every utterance once, within the budget, the same everywhere, and little padding."""

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from asr_helpers.batching import (
    LengthBatchSampler,
    budget_batches,
    evaluation_batches,
    fixed_batches,
    padded_seconds,
    padding_share,
)


def lengths(count, seed=0):
    """Durations as people speak them: a long tail between 0.5 and 20 s."""
    return np.clip(np.random.default_rng(seed).lognormal(np.log(4.5), 0.45, count), 0.5, 20)


PLANS = {
    "budget": lambda s, **o: budget_batches(s, **{"budget_seconds": 60, "seed": 0} | o),
    "budget, at most 5": lambda s, **o: budget_batches(s, **{"budget_seconds": 60, "seed": 0, "max_batch": 5} | o),
    "fixed": lambda s, **o: fixed_batches(s, **{"batch_size": 8, "seed": 0} | o),
}


@pytest.mark.parametrize("multiple", [1, 2, 3, 8])
@pytest.mark.parametrize("count", [8, 9, 100, 331])
@pytest.mark.parametrize("plan", PLANS)
def test_every_utterance_is_in_one_batch_and_the_number_of_batches_divides(plan, count, multiple):
    batches = PLANS[plan](lengths(count), multiple=multiple)
    assert sorted(itertools.chain(*batches)) == list(range(count))
    assert all(batches) and len(batches) % multiple == 0


@pytest.mark.parametrize("multiple", [1, 4])
def test_no_batch_costs_more_than_the_budget(multiple):
    seconds = lengths(500)
    batches = budget_batches(seconds, budget_seconds=40, seed=3, max_batch=12, multiple=multiple)
    assert max(padded_seconds(seconds, batch) for batch in batches) <= 40
    assert max(map(len, batches)) <= 12
    full = [b for b in batches if len(b) == 12 or padded_seconds(seconds, b) > 40 - 2 * max(seconds[b])]
    assert len(full) >= 0.9 * len(batches)


def test_a_clip_above_the_budget_is_a_batch_of_its_own():
    batches = budget_batches([50.0, 1.0, 1.0, 60.0], budget_seconds=10, seed=0)
    assert sorted(map(sorted, batches)) == [[0], [1, 2], [3]]


def test_fixed_batches_are_full_but_for_one():
    sizes = sorted(len(batch) for batch in fixed_batches(lengths(100), batch_size=16, seed=0))
    assert sizes == [4, 16, 16, 16, 16, 16, 16]


def test_padding_is_little_and_batches_change_between_epochs():
    """The figures that the module's comment gives, and random batches beside them."""
    seconds = lengths(5_000)
    first, second = (fixed_batches(seconds, batch_size=16, seed=0, epoch=epoch) for epoch in (0, 1))
    assert padding_share(seconds, first) < 0.02
    order = np.random.default_rng(0).permutation(5_000)
    assert padding_share(seconds, np.array_split(order, 312)) > 0.45

    def pairs(batches):
        return {pair for batch in batches for pair in itertools.combinations(sorted(batch), 2)}

    assert 0.2 < len(pairs(first) & pairs(second)) / len(pairs(first)) < 0.35
    lengths_in_order = [seconds[batch].max() for batch in first]
    assert abs(np.corrcoef(lengths_in_order, np.arange(len(first)))[0, 1]) < 0.2  # short and long ones alternate


@pytest.mark.parametrize("plan", PLANS)
def test_the_plan_follows_from_seed_and_epoch(plan):
    seconds, make = lengths(100), PLANS[plan]
    assert make(seconds) == make(seconds) == make(list(seconds))
    assert make(seconds) != make(seconds, seed=1) and make(seconds) != make(seconds, epoch=1)
    code = f"from test_batching import PLANS, lengths; print(PLANS[{plan!r}](lengths(100)))"
    environment = {"PYTHONHASHSEED": "7", "PYTHONPATH": str(Path(__file__).parent)}
    printed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == str(make(seconds))


def test_batches_of_one_step_are_of_like_length():
    seconds = lengths(2_000)
    batches = budget_batches(seconds, budget_seconds=60, seed=0, multiple=4)
    longest = np.array([seconds[batch].max() for batch in batches]).reshape(-1, 4)
    assert np.median(longest.max(1) / longest.min(1)) < 1.1 < longest.max() / longest.min()


@pytest.mark.parametrize("count", [1, 7, 100])
@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_every_utterance_is_evaluated_once(count, world_size):
    seconds = lengths(count)
    shares = [
        evaluation_batches(seconds, budget_seconds=30, max_batch=4, rank=rank, world_size=world_size)
        for rank in range(world_size)
    ]
    assert sorted(i for share in shares for batch in share for i in batch) == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    for share in shares:
        costs = [seconds[batch].max() for batch in share]
        assert costs == sorted(costs, reverse=True)
        assert all(len(b) <= 4 and (len(b) == 1 or padded_seconds(seconds, b) <= 30) for b in share)


def test_nothing_to_batch_gives_no_batches():
    assert budget_batches([], budget_seconds=10, seed=0) == [] == evaluation_batches([])
    assert padding_share([], []) == 0


def test_padding_share_counts_by_hand():
    assert padding_share([1.0, 2.0, 4.0], [[0, 1], [2]]) == pytest.approx(1 / 8)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: budget_batches([1.0], budget_seconds=0, seed=0), "budget_seconds is 0"),
        (lambda: fixed_batches([1.0], batch_size=0, seed=0), "at most 0"),
        (lambda: fixed_batches([1.0, 2.0], batch_size=1, seed=0, multiple=3), "2 utterances cannot fill 3"),
        (lambda: fixed_batches([1.0, 0.0], batch_size=1, seed=0), "utterance 1 is 0.0 s"),
        (lambda: fixed_batches([1.0, np.nan], batch_size=1, seed=0), "utterance 1 is nan s"),
        (lambda: evaluation_batches([1.0], rank=1, world_size=1), "rank is 1 of 1"),
        (lambda: LengthBatchSampler([1.0], seed=0), "give budget_seconds, or batch_size"),
        (lambda: LengthBatchSampler([1.0], seed=0, batch_size=1, accumulation=0), "accumulation is 0"),
    ],
)
def test_numbers_out_of_range_are_named(call, text):
    with pytest.raises(ValueError, match=text):
        call()


# ---- the sampler ---------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{"budget_seconds": 60}, {"batch_size": 6}, {"budget_seconds": 60, "batch_size": 6}]
)
def test_processes_get_equally_many_batches_and_share_all_utterances(options):
    seconds = lengths(101)
    samplers = [
        LengthBatchSampler(seconds, seed=0, rank=rank, world_size=3, accumulation=2, **options) for rank in range(3)
    ]
    shares = [list(sampler) for sampler in samplers]
    assert {len(share) for share in shares} == {len(samplers[0])} and len(samplers[0]) % 2 == 0
    assert sorted(i for share in shares for batch in share for i in batch) == list(range(101))


@pytest.mark.parametrize("position", [0, 1, 7])
def test_it_goes_on_with_the_batch_that_came_next(position):
    def sampler():
        return LengthBatchSampler(lengths(100), batch_size=8, seed=0)

    running = sampler()
    running.set_epoch(3)
    state = running.state_dict(position=position)
    resumed = sampler()
    resumed.load_state_dict(state)
    resumed.set_epoch(3)  # what a training loop does at the start of the epoch that it resumes
    assert list(resumed) == list(running)[position:]
    assert len(resumed) == len(running)
    resumed.set_epoch(4), running.set_epoch(4)
    assert list(resumed) == list(running) and len(list(resumed)) == 13


@pytest.mark.parametrize("change", [{"seed": 1}, {"batch_size": 4}, {"world_size": 2}, {"blur": 0.5}])
def test_a_state_of_another_plan_is_refused(change):
    settings = {"batch_size": 8, "seed": 0}
    state = LengthBatchSampler(lengths(100), **settings).state_dict()
    with pytest.raises(ValueError, match="other data, seed or batch settings"):
        LengthBatchSampler(lengths(100), **settings | change).load_state_dict(state)
    with pytest.raises(ValueError, match="other data"):
        LengthBatchSampler(lengths(101), **settings).load_state_dict(state)


def test_a_data_loader_takes_it():
    from torch.utils.data import DataLoader

    sampler = LengthBatchSampler(lengths(50), budget_seconds=40, seed=0)
    assert list(DataLoader(range(50), batch_sampler=sampler, collate_fn=list)) == list(sampler)

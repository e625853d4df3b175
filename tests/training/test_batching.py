"""Batch plans: every utterance once, the same everywhere, and little padding."""

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from asr_helpers.training.sampling import evaluation_batches, fixed_batches


def lengths(count, seed=0):
    """Durations as people speak them: a long tail between 0.5 and 20 s."""
    return np.clip(np.random.default_rng(seed).lognormal(np.log(4.5), 0.45, count), 0.5, 20)


@pytest.mark.parametrize("count", [1, 8, 9, 100, 331])
def test_every_utterance_is_in_one_batch_and_batches_are_full_but_for_one(count):
    batches = fixed_batches(lengths(count), batch_size=8, seed=0)
    assert sorted(itertools.chain(*batches)) == list(range(count))
    assert sorted(map(len, batches)) == [count % 8] * (count % 8 > 0) + [8] * (count // 8)


def test_padding_is_little_and_batches_change_between_epochs():
    """The figures that the module's comment gives, and random batches beside them."""
    from measuring import padding_share

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


def test_the_plan_follows_from_seed_and_epoch():
    def plan(seconds, **options):
        return fixed_batches(seconds, **{"batch_size": 8, "seed": 0} | options)

    seconds = lengths(100)
    assert plan(seconds) == plan(seconds) == plan(list(seconds))
    assert plan(seconds) != plan(seconds, seed=1) and plan(seconds) != plan(seconds, epoch=1)
    code = "from test_batching import *; print(fixed_batches(lengths(100), batch_size=8, seed=0))"
    environment = {"PYTHONHASHSEED": "7", "PYTHONPATH": str(Path(__file__).parent)}
    printed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == str(plan(seconds))


@pytest.mark.parametrize("count", [1, 7, 100])
@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_every_utterance_is_evaluated_once(count, world_size):
    seconds = lengths(count)
    shares = [evaluation_batches(seconds, batch_size=4, rank=r, world_size=world_size) for r in range(world_size)]
    assert sorted(i for share in shares for batch in share for i in batch) == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    for share in shares:
        longest = [seconds[batch].max() for batch in share]
        assert longest == sorted(longest, reverse=True) and all(len(batch) <= 4 for batch in share)


def test_nothing_to_batch_gives_no_batches():
    assert fixed_batches([], batch_size=4, seed=0) == [] == evaluation_batches([], batch_size=4)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: fixed_batches([1.0], batch_size=0, seed=0), "a batch of 0 utterances"),
        (lambda: fixed_batches([1.0, 0.0], batch_size=1, seed=0), "utterance 1 is 0.0 s"),
        (lambda: fixed_batches([1.0, np.nan], batch_size=1, seed=0), "utterance 1 is nan s"),
        (lambda: evaluation_batches([1.0], batch_size=1, rank=1, world_size=1), "rank is 1 of 1"),
    ],
)
def test_numbers_out_of_range_are_named(call, text):
    with pytest.raises(ValueError, match=text):
        call()

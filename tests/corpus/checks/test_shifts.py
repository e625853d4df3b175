"""Shifted transcripts are found and placed; corpora that only look a little like it raise no alarm."""

import numpy as np
import pytest

from asr_helpers.corpus.checks.shifts import Shift, check_alignment, find_shifts
from asr_helpers.corpus.problems import ERROR

COUNT = 500


def speech(count, rng, *, spread=0.2):
    """Durations and letters of an aligned corpus: a pause and a time per letter, both varying."""
    letters = rng.integers(8, 70, count).astype(float)
    return (0.6 + 0.08 * letters) * rng.lognormal(0, spread, count), letters


def drift(count, rng, memory=0.95):
    steps = rng.standard_normal(count)
    series = np.empty(count)
    value = 0.0
    for i, step in enumerate(steps):
        value = series[i] = memory * value + np.sqrt(1 - memory**2) * step
    return np.exp(series)


def sorted_by_length(count, rng):
    seconds, letters = speech(count, rng)
    order = np.argsort(letters, kind="stable")
    return seconds[order], letters[order]


def with_outliers(count, rng):
    seconds, letters = speech(count, rng)
    return np.where(rng.random(count) < 0.05, seconds * rng.uniform(3, 10, count), seconds), letters


def few_lengths(count, rng):
    letters = rng.integers(3, 6, count).astype(float)
    return 0.5 + 0.1 * letters + rng.normal(0, 0.1, count), letters


NOT_SHIFTED = {
    "aligned": speech,
    "aligned loosely": lambda count, rng: speech(count, rng, spread=0.8),
    "unrelated": lambda count, rng: (rng.gamma(8, 0.4, count), rng.integers(8, 70, count).astype(float)),
    "sorted by length": sorted_by_length,
    "outliers": with_outliers,
    "few lengths": few_lengths,
    "one length": lambda count, rng: (rng.gamma(8, 0.4, count), np.full(count, 12.0)),
    "drifting together": lambda count, rng: (lambda letters: (letters * rng.lognormal(0, 0.3, count), letters))(
        drift(count, rng)
    ),
}


@pytest.mark.parametrize("kind", NOT_SHIFTED)
def test_no_false_alarm_on_random_corpora(kind):
    """250 corpora of each kind, 2,000 in all, most of them short: where chance correlations are greatest."""
    rng = np.random.default_rng(2024)
    sizes = rng.choice([8, 12, 20, 40, 80], size=250)
    alarms = sum(bool(find_shifts(*NOT_SHIFTED[kind](int(count), rng))) for count in sizes)
    assert alarms == 0


def test_unrelated_series_that_drift_seldom_look_shifted():
    rng = np.random.default_rng(7)
    alarms = sum(bool(find_shifts(drift(60, rng), drift(60, rng))) for _ in range(200))
    assert alarms <= 8, "measured on 400: 5"


@pytest.mark.parametrize("offset", [-3, -2, -1, 1, 2, 3])
def test_a_shift_of_the_whole_is_found_with_its_direction(offset):
    seconds, letters = speech(103, np.random.default_rng(offset + 10))
    # recording i holds what transcript i + offset says
    if offset > 0:
        shifts = find_shifts(seconds[offset:], letters[:-offset])
    else:
        shifts = find_shifts(seconds[:offset], letters[-offset:])
    assert [shift.offset for shift in shifts] == [offset]
    assert shifts[0].start == 0
    assert shifts[0].stop >= 103 - abs(offset) - 3
    assert shifts[0].correlation > 0.8
    assert abs(shifts[0].as_written) < 0.3


@pytest.mark.parametrize("count", [20, 30, 50])
def test_short_corpora_shifted_as_a_whole_are_mostly_found(count):
    rng = np.random.default_rng(count)
    found = 0
    for _ in range(40):
        seconds, letters = speech(count + 1, rng)
        found += [shift.offset for shift in find_shifts(seconds[1:], letters[:-1])] == [1]
    assert found >= {20: 20, 30: 36, 50: 39}[count]


@pytest.mark.parametrize("place", [30, 200, 470])
def test_a_line_lost_in_the_middle_is_placed(place):
    misses = []
    for seed in range(10):
        seconds, letters = speech(COUNT, np.random.default_rng(seed))
        shortened = np.append(np.delete(letters, place), 30.0)  # the text of recording i is now line i - 1
        shifts = find_shifts(seconds, shortened)
        assert [shift.offset for shift in shifts] == [-1]
        assert shifts[0].stop == COUNT
        misses.append(abs(shifts[0].start - place))
    assert np.median(misses) <= 3
    assert max(misses) <= 12


def test_a_line_too_many_and_one_lost_later_bound_the_run():
    seconds, letters = speech(COUNT, np.random.default_rng(3))
    lines = np.delete(np.insert(letters, 100, 20.0), 351)
    (shift,) = find_shifts(seconds, lines)
    assert shift.offset == 1
    assert abs(shift.start - 100) <= 10
    assert abs(shift.stop - 350) <= 10


def test_lines_lost_one_after_the_other_are_runs_of_growing_offset():
    seconds, letters = speech(COUNT, np.random.default_rng(4))
    lines = np.delete(letters, [150, 300])
    lines = np.append(lines, [30.0, 30.0])
    assert [shift.offset for shift in find_shifts(seconds, lines)] == [-1, -2]


def test_gaps_do_not_disturb():
    rng = np.random.default_rng(5)
    seconds, letters = speech(COUNT, rng)
    seconds[rng.random(COUNT) < 0.1] = np.nan
    letters[rng.random(COUNT) < 0.1] = 0
    assert find_shifts(seconds, letters) == []
    (shift,) = find_shifts(seconds[1:], letters[:-1])
    assert shift.offset == 1


@pytest.mark.parametrize("count", [0, 1, 3, 7])
def test_a_handful_says_nothing(count):
    assert find_shifts(np.linspace(1, 2, count), np.arange(count)) == []


def test_nothing_known_says_nothing():
    assert find_shifts(np.full(50, np.nan), np.arange(50)) == []
    assert find_shifts(np.arange(50.0), np.zeros(50)) == []


def test_the_problem_says_where_which_way_and_what_to_do():
    seconds, letters = speech(COUNT, np.random.default_rng(0))
    shortened = np.append(np.delete(letters, 200), 30.0)
    ids = [f"{n:04d}" for n in range(1, COUNT + 1)]
    (problem,) = check_alignment(ids, seconds, shortened)
    (shift,) = find_shifts(seconds, shortened)
    assert (problem.severity, problem.check, problem.utterance) == (ERROR, "shifted", "")
    assert f"recordings {ids[shift.start]!r} to '0500'" in problem.value
    assert "fit the transcripts 1 line earlier" in problem.value
    assert f"{shift.correlation:.2f} with those, {shift.as_written:.2f} with their own" in problem.value
    assert "a line seems lost, or a recording added" in problem.advice


@pytest.mark.parametrize(
    ("offsets", "causes"),
    [((-1,), ["lost"]), ((2,), ["added"]), ((-1, -2), ["lost", "lost"]), ((-2, -1), ["lost", "added"])],
)
def test_the_cause_follows_from_the_change_of_offset(monkeypatch, offsets, causes):
    shifts = [Shift(10 * i, 10 * i + 10, offset, 0.9, 0.1) for i, offset in enumerate(offsets)]
    monkeypatch.setattr("asr_helpers.corpus.checks.shifts.find_shifts", lambda *_, **__: shifts)
    problems = check_alignment([str(n) for n in range(40)], np.ones(40), np.ones(40))
    assert [p.advice.split(",")[0].removeprefix("a line seems ") for p in problems] == causes

"""What a training prints while it runs: a line an evaluation, and one where it would be silent for long."""

from types import SimpleNamespace

import pytest

from asr_helpers.training import log

EVALUATED = {"eval_loss": 1.5, "eval_wer": 0.5, "eval_cer": 0.125, "eval_blank_share": 0.75}


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(seconds=1000.0)
    monkeypatch.setattr(log.time, "monotonic", lambda: now.seconds)
    return now


def said(capsys, clock, *events, rank_zero=True, resumed=0):
    """Play events (seconds since the beginning, step, what is logged) of a training of 100 steps; its lines."""
    console = log.ConsoleLog()
    state = SimpleNamespace(global_step=resumed, max_steps=100, is_world_process_zero=rank_zero)
    console.on_train_begin(None, state, None)
    began = clock.seconds
    for seconds, step, logs in events:
        clock.seconds, state.global_step = began + seconds, step
        console.on_log(None, state, None, logs=logs)
    return capsys.readouterr().out.splitlines()


def test_a_line_an_evaluation_with_the_time_left(capsys, clock):
    lines = said(capsys, clock, (10, 20, {"loss": 3.0, "examples_per_second": 12.0}), (10, 20, EVALUATED))
    evaluated = "step 20/100 · loss 3.000 · validation loss 1.500 · WER 0.500 · CER 0.125 · blank 75 %"
    assert lines == [f"{evaluated} · 12.0 examples/s · 40 s left"]


def test_between_evaluations_that_lie_far_apart_it_is_never_silent_for_long(capsys, clock):
    steps = [(seconds, seconds, {"loss": 3.0, "examples_per_second": 8.0}) for seconds in range(1, 100)]
    lines = said(capsys, clock, *steps)
    assert [line.split(" · ")[0] for line in lines] == ["step 31/100", "step 62/100", "step 93/100"]
    assert lines[0] == "step 31/100 · loss 3.000 · 8.0 examples/s · 69 s left"


def test_a_training_that_goes_on_says_so_and_reckons_with_its_own_steps(capsys, clock):
    lines = said(capsys, clock, (40, 60, {"loss": 3.0, "examples_per_second": 8.0}), resumed=50)
    assert lines == ["going on from step 50 of 100", "step 60/100 · loss 3.000 · 8.0 examples/s · 3 min left"]


def test_one_process_of_several_speaks(capsys, clock):
    assert said(capsys, clock, (40, 60, EVALUATED), rank_zero=False, resumed=50) == []

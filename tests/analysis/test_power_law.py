"""A learning curve whose law is known is found again; where the points tell nothing, it says so."""

import re

import numpy as np
import pytest

from asr_helpers.analysis.metrics import wer
from asr_helpers.analysis.power_law import CurvePoint, LearningCurve, fit_curve
from asr_helpers.wording import percent

WORDS = 8  # of a test utterance
HOURS = (0.25, 0.5, 1.0)


def heard(rate: float, utterances: int, rng: np.random.Generator, hard: np.ndarray) -> tuple[str, ...]:
    """Hypotheses in which each word is wrong with a probability of about ``rate``, more often in hard utterances."""
    wrong = rng.random((utterances, WORDS)) < np.clip(rate * hard[:, None], 0, 1)
    return tuple(" ".join("x" if is_wrong else "ab" for is_wrong in row) for row in wrong)


def curve(rates: dict[float, float], *, utterances: int = 150, seed: int = 0) -> LearningCurve:
    """The curve of trainings that reach ``rates`` at so many hours."""
    rng = np.random.default_rng(seed)
    hard = rng.gamma(4, 1 / 4, utterances)
    points = [CurvePoint(hours, 1, heard(rate, utterances, rng, hard)) for hours, rate in rates.items()]
    return fit_curve(points, ["ab " * WORDS] * utterances, seed=seed, resamples=400)


def falling(factor: float, exponent: float, hours=HOURS) -> dict[float, float]:
    return {h: factor * h**-exponent for h in hours}


@pytest.mark.parametrize(("factor", "exponent"), [(0.2, 0.5), (0.3, 0.3), (0.1, 0.7)])
def test_a_known_law_is_found_within_its_interval(factor, exponent):
    """The intervals allow for chance in the trainings, of which there is none here: they hold the gain."""
    laws = [curve(falling(factor, exponent), seed=seed).laws[0] for seed in range(20)]
    gain = factor * (1 - 2**-exponent)
    assert sum(law.low <= gain <= law.high for law in laws) >= 19
    assert np.mean([law.exponent for law in laws]) == pytest.approx(exponent, abs=0.08)
    assert np.mean([law.value for law in laws]) == pytest.approx(factor * 2**-exponent, rel=0.08)
    assert all(law.hours == 2.0 and law.low < law.before - law.value < law.high for law in laws)
    assert all(bool(law.why) == (law.low <= 0) for law in laws)


def test_the_line_is_the_least_squares_line_of_the_logarithms():
    rates = falling(0.3, 0.4)
    found = curve(rates, utterances=400)
    measured = found.of("word")["value"].to_numpy()
    design = np.column_stack([np.ones(3), np.log(HOURS)])
    height, slope = np.linalg.lstsq(design, np.log(measured), rcond=None)[0]
    law = found.laws[0]
    assert (law.factor, law.exponent) == pytest.approx((np.exp(height), -slope))
    assert law.value == pytest.approx(np.exp(height + slope * np.log(2)))
    assert law.before == measured[-1]


def test_the_points_have_the_rates_of_their_hypotheses_in_the_order_of_their_hours():
    rng = np.random.default_rng(3)
    texts = {h: heard(rate, 20, rng, np.ones(20)) for h, rate in falling(0.2, 0.4).items()}
    points = [CurvePoint(h, round(100 * h), texts[h]) for h in (1.0, 0.25, 0.5)]
    found = fit_curve(points, ["ab " * WORDS] * 20, seed=1, resamples=100).of("word")
    assert found["hours"].tolist() == [0.25, 0.5, 1.0] and found["utterances"].tolist() == [25, 50, 100]
    assert found["value"].tolist() == pytest.approx([wer(["ab " * WORDS] * 20, texts[h]) for h in HOURS])
    assert (found["low"] < found["value"]).all() and (found["value"] < found["high"]).all()


OPEN = "leave open whether there is any gain (their line goes on to "


@pytest.mark.parametrize(
    ("rates", "utterances", "why"),
    [
        ({0.5: 0.3, 1.0: 0.2}, 150, "it takes 3 amounts of speech, and there are 2"),
        (falling(0.2, 0.5), 3, "3 test utterances are too few for an interval"),
        ({0.25: 99, 0.5: 99, 1.0: 99}, 150, "100.0, 100.0, 100.0 % at 0.25, 0.5, 1 h: the recogniser reads next to no"),
        ({0.25: 0.4, 0.5: 0.1, 1.0: 0.0}, 150, "without errors nothing is left to fall"),
        ({0.25: 0.3, 0.5: 0.3, 1.0: 0.3}, 150, OPEN),
        ({0.25: 0.2, 0.5: 0.25, 1.0: 0.3}, 150, OPEN),
        ({0.25: 0.3, 0.5: 0.1, 1.0: 0.2}, 150, OPEN),
        ({0.25: 0.4, 0.5: 0.2, 1.0: 0.2}, 2_000, OPEN),
    ],
    ids=["two points", "few tests", "reads nothing", "perfect", "flat", "rising", "uneven", "a sharp floor"],
)
def test_it_says_that_the_data_do_not_say(rates, utterances, why):
    found = curve(rates, utterances=utterances)
    law = found.laws[0]
    assert why in law.why
    assert why != OPEN or re.search(rf"on to {percent(law.value)}; 95 % interval of the gain −\d", law.why)
    assert found.verdict.startswith(
        f"What twice the recordings would bring, these data do not say: WER {law.why}; CER "
    )


def test_the_sentence_says_of_which_rate_the_data_do_not_say():
    found = curve({0.25: 5.0, 0.5: 0.6, 1.0: 0.4})
    word, character = found.laws
    assert word.why.endswith("the recogniser reads next to nothing yet, and no law holds there") and not character.why
    assert found.verdict.endswith(f"; of the rest these data do not say it: WER {word.why}.")
    assert f" would bring {character}, on 150 test utterances" in found.verdict


def test_the_sentence_says_what_twice_would_bring():
    found = curve(falling(0.2, 0.5), utterances=1_000)
    word, character = found.laws
    assert str(word) == (
        f"the WER from {100 * word.before:.1f} % to about {100 * word.value:.1f} %, "
        f"{100 * (word.before - word.value):.1f} points less "
        f"(95 % interval {100 * word.low:.1f} to {100 * word.high:.1f})"
    )
    amount = "Twice the recordings (2 h of training speech instead of 1 h)"
    assert found.verdict == f"{amount} would bring {word} and {character}, on 1,000 test utterances."
    assert (found.trial, str(character)[:7]) == ("", "the CER")


def test_three_smaller_points_are_tried_on_the_last():
    found = curve(falling(0.2, 0.5, (0.125, *HOURS)), utterances=1_000)
    rates = found.of("word")["value"].tolist()
    word, character = found.tried
    assert (word.hours, word.before) == (1.0, rates[-2])
    assert word.low <= word.before - rates[-1] <= word.high and word.value == pytest.approx(rates[-1], rel=0.1)
    said = f"they promise {word}, and {100 * rates[-1]:.1f} % came; they promise {character}, and "
    assert found.trial.startswith(f"Tried on the last point, from those before it: {said}")
    flat = curve(dict.fromkeys((0.125, *HOURS), 0.3))
    assert f"they promise nothing (WER {flat.tried[0].why}), and " in flat.trial


def test_hypotheses_that_are_missing_are_no_point():
    with pytest.raises(ValueError, match="2 references but 1 hypotheses"):
        fit_curve([CurvePoint(1.0, 10, ("a",))], ["a", "b"], seed=1)

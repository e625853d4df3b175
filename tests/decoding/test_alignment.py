"""Forced alignment against every path there is, on cases small enough to enumerate."""

import itertools

import numpy as np
import pytest

from asr_helpers.decoding import alignment
from asr_helpers.decoding.alignment import TooFewFrames, align, align_scored, best_path
from asr_helpers.decoding.hypotheses import FrameClock
from asr_helpers.model.vocabulary import Alphabet, collapse

ALPHABET = Alphabet(("[PAD]", "[UNK]", "|", "ا", "ب"), 0, 2)
CLOCK = FrameClock(320, 400)


def random_log_probs(frames: int, tokens: int, seed: int) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(0, 2, (frames, tokens))
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def brute_force(log_probs: np.ndarray, ids: list[int]) -> float:
    """Highest score of all paths, of all there are, that collapse to ``ids``."""
    frames, tokens = log_probs.shape
    paths = (p for p in itertools.product(range(tokens), repeat=frames) if collapse(p, 0) == ids)
    return max(log_probs[range(frames), p].sum() for p in paths)


@pytest.mark.parametrize("ids", [[], [1], [1, 1], [1, 2], [2, 1, 2], [2, 2, 1]])
@pytest.mark.parametrize("frames", [4, 5])
def test_the_path_found_is_the_best_of_all_paths(frames, ids):
    for seed in range(10):
        log_probs = random_log_probs(frames, 3, seed)
        path = best_path(log_probs, ids, blank=0)
        assert collapse(path.ids, 0) == ids
        assert path.score == pytest.approx(log_probs[range(frames), path.ids].sum())
        assert path.score == pytest.approx(brute_force(log_probs, ids))


def test_the_greedy_text_is_aligned_along_the_greedy_path():
    log_probs = random_log_probs(200, 5, 0)
    path = log_probs.argmax(-1)
    np.testing.assert_array_equal(best_path(log_probs, collapse(path, 0), blank=0).ids, path)


@pytest.mark.parametrize(("ids", "needed"), [([], 0), ([3], 1), ([3, 4], 2), ([3, 3, 3], 5), ([3, 4, 4], 4)])
def test_the_shortest_recording_that_fits_is_the_one_that_aligns(ids, needed):
    assert collapse(best_path(random_log_probs(needed, 5, 0), ids, blank=0).ids, 0) == ids
    if needed:
        with pytest.raises(TooFewFrames, match=f"at least {needed} frames, the recording has {needed - 1}"):
            best_path(random_log_probs(needed - 1, 5, 0), ids, blank=0)


def test_words_get_the_seconds_where_they_were_said_though_the_model_heard_another_letter():
    heard = np.full((8, 5), 0.02)
    for frame, token in enumerate([0, 4, 4, 0, 2, 3, 4, 0]):  # "ب ا" and then a louder "ب" than "ا"
        heard[frame, token] = 0.9
    found = align(np.log(heard / heard.sum(-1, keepdims=True)), "ب ا", ALPHABET, CLOCK)
    assert found.text == "ب ا"
    assert [(w.letters[0].first, w.letters[-1].last) for w in found.words] == [(1, 2), (5, 5)]
    assert found.words[1].start == pytest.approx(CLOCK.start(5) - 0.02)  # half way to the word before


def test_a_letter_without_an_output_is_placed_where_some_letter_is_said_and_has_no_confidence():
    heard = np.full((9, 5), 0.02)
    for frame, token in enumerate([0, 4, 0, 3, 0, 2, 0, 4, 0]):
        heard[frame, token] = 0.9
    found = align(np.log(heard / heard.sum(-1, keepdims=True)), "بپ ب", ALPHABET, CLOCK)
    assert found.text == "بپ ب"
    assert [(x.text, x.first, x.confidence > 0) for x in found.words[0].letters] == [("ب", 1, True), ("پ", 3, False)]
    assert found.words[0].confidence == 0
    assert found.words[1].confidence > 0.5


def test_a_blank_in_the_text_is_refused():
    with pytest.raises(ValueError, match="holds the blank"):
        best_path(random_log_probs(5, 5, 0), [3, 0], blank=0)


def test_a_letter_that_the_model_rules_out_is_still_placed():
    log_probs = random_log_probs(6, 5, 0)
    log_probs[:, 4] = -np.inf
    assert collapse(best_path(log_probs, [3, 4], blank=0).ids, 0) == [3, 4]


def test_the_score_is_the_ratio_of_the_best_paths_for_each_letter_and_a_wrong_text_shows():
    for seed in range(5):
        log_probs = random_log_probs(5, 5, seed)
        best = log_probs.max(-1).sum()
        for text in ("ا", "اب", "ب ا"):
            letters = len(text.replace(" ", ""))
            expected = np.exp((brute_force(log_probs, ALPHABET.encode(text)) - best) / letters)
            assert align_scored(log_probs, text, ALPHABET, CLOCK)[1] == pytest.approx(expected)
    heard = np.full((6, 5), 0.02)
    heard[range(6), [0, 3, 0, 4, 0, 0]] = 0.92
    right, wrong = (align_scored(np.log(heard), text, ALPHABET, CLOCK)[1] for text in ("اب", "باب"))
    assert right == pytest.approx(1) and wrong < 0.3


def test_letters_without_an_output_and_no_letters_score_nothing():
    log_probs = random_log_probs(8, 5, 0)
    assert align_scored(log_probs, "xyz", ALPHABET, CLOCK)[1] == 0
    assert align_scored(log_probs, "", ALPHABET, CLOCK)[1] == 0


def test_what_is_too_long_to_be_searched_is_refused_before_it_takes_the_memory(monkeypatch):
    monkeypatch.setattr(alignment, "MOST_CELLS", 20)
    with pytest.raises(ValueError, match="cut the recording and its text"):
        best_path(random_log_probs(7, 5, 0), [3], blank=0)

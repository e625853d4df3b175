"""Tuning on a recogniser that hears one homophone for another: what a language model can win back."""

import numpy as np
import pandas as pd
import pytest

from asr_helpers.decoding.beam_search import BeamSearch, Weights, write_language_model
from asr_helpers.decoding.tuning import tune
from asr_helpers.model.vocabulary import Alphabet

pytest.importorskip("flashlight.lib.text")

ALPHABET = Alphabet(("[PAD]", "[UNK]", "|", *"ادسصیکوہے"), 0, 2)
REFERENCES = ["اس کی صدا", "وہ سدا ہے", "کیا صدا ہے", "سدا اس کا ہے"] * 2


def heard(text: str, rng: np.random.Generator) -> np.ndarray:
    """Frames of ``text`` in which sin and sad are told apart no better than by a coin."""
    path = [i for letter in ALPHABET.encode(text) for i in (letter, ALPHABET.blank)]
    probs = np.full((len(path), len(ALPHABET.tokens)), 0.01)
    probs[range(len(path)), path] = 1
    sin, sad = ALPHABET.encode("سص")
    for frame in np.flatnonzero(np.isin(path, [sin, sad])):
        probs[frame, [sin, sad]] = rng.permutation([0.55, 0.45])
    return np.log(probs / probs.sum(-1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def searches(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lm")
    units = ("character", "word")
    return [
        BeamSearch(write_language_model(REFERENCES, folder, unit=unit, alphabet=ALPHABET), ALPHABET) for unit in units
    ]


@pytest.fixture(scope="module")
def log_probs():
    rng = np.random.default_rng(0)
    return [heard(text, rng) for text in REFERENCES]


def test_the_best_weights_undo_errors_of_hearing(searches, log_probs):
    tuned = tune(searches, log_probs, REFERENCES, seed=1, trials=6)
    rates = tuned.table.groupby("unit").wer.min()
    assert rates["greedy"] > 0.1
    assert rates["words"] == rates["letters"] == 0
    assert [tuned.search.text(x) for x in log_probs] == REFERENCES


def test_the_search_returned_is_the_first_row_of_its_kind(searches, log_probs):
    tuned = tune(searches, log_probs, REFERENCES, seed=1, trials=6)
    first = tuned.table[tuned.table.unit != "greedy"].iloc[0]
    assert (tuned.search.name, tuned.search.weights) == (first.unit, Weights(first.lm, first.word))
    assert tuned.table.wer.is_monotonic_increasing
    assert len(tuned.table) == 1 + 2 * 6


def test_the_same_seed_tries_the_same_weights_and_another_seed_others(searches, log_probs):
    tables = [tune(searches[:1], log_probs, REFERENCES, seed=s, trials=5).table for s in (1, 1, 2)]
    pd.testing.assert_frame_equal(tables[0], tables[1])
    assert set(tables[0].lm) != set(tables[2].lm)


def test_of_many_utterances_a_seeded_choice_is_used(searches, log_probs):
    few = tune(searches[:1], log_probs, REFERENCES, seed=1, trials=1, at_most=1).table
    chosen = np.random.default_rng(1).permutation(len(REFERENCES))[0]
    alone = tune(searches[:1], [log_probs[chosen]], [REFERENCES[chosen]], seed=1, trials=1).table
    pd.testing.assert_frame_equal(few, alone)


@pytest.mark.parametrize("references", [[], REFERENCES[:-1]])
def test_a_reference_is_needed_for_each_utterance(searches, log_probs, references):
    with pytest.raises(ValueError, match="tuning needs one for each"):
        tune(searches, log_probs, references, seed=0)

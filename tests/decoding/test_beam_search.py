"""Beam search against every path there is, and on a homophone that only a language model can decide."""

import itertools
import sys

import numpy as np
import pytest

from asr_helpers.analysis.metrics import UNITS
from asr_helpers.decoding.beam_search import NAMES, BeamSearch, Weights, no_search, write_language_model
from asr_helpers.decoding.hypotheses import FrameClock, greedy
from asr_helpers.decoding.language_model import estimate
from asr_helpers.model.vocabulary import Alphabet, collapse

pytest.importorskip("flashlight.lib.text")

TOKENS = ("[PAD]", "[UNK]", "|", "ا", "ب", "د")
ALPHABET = Alphabet(TOKENS, 0, 2)
CLOCK = FrameClock(320, 400)
TEXT = ["با دا", "دا با", "با", "اب دا", "دا اب با", "با دا دا"]


def random_log_probs(frames: int, seed: int) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(0, 1.5, (frames, len(TOKENS)))
    return (logits - np.log(np.exp(logits).sum(-1, keepdims=True))).astype(np.float32)


def spoken(text: str, alphabet: Alphabet, probability: float = 0.9) -> np.ndarray:
    """Frames in which ``text`` is heard, with a blank after each letter."""
    path = [i for letter in alphabet.encode(text) for i in (letter, alphabet.blank)]
    log_probs = np.full((len(path), len(alphabet.tokens)), np.log((1 - probability) / (len(alphabet.tokens) - 1)))
    log_probs[range(len(path)), path] = np.log(probability)
    return log_probs.astype(np.float32)


def best_of_all(log_probs, score_of):
    """The text of the best path of all there are, ``score_of(path, text)`` added to what was heard."""
    found = {}
    for path in itertools.product([0, 2, 3, 4, 5], repeat=len(log_probs)):
        letters = "".join(TOKENS[i] for i in collapse(path, 0)).replace("|", " ")
        added = score_of(path, letters)
        if added is not None:
            score = log_probs[range(len(path)), path].sum() + added
            found[" ".join(letters.split())] = max(score, found.get(" ".join(letters.split()), -np.inf))
    first, second, *_ = sorted(found.values(), reverse=True)
    assert first - second > 1e-3, "a tie decides nothing"
    return max(found, key=found.get)


@pytest.mark.parametrize("weights", [Weights(0.0, 0.0), Weights(1.0, 0.0), Weights(2.5, 1.0), Weights(1.0, -2.0)])
def test_words_are_the_best_of_all_sequences_of_known_words(weights, tmp_path):
    arpa = write_language_model(TEXT, tmp_path, unit="word", alphabet=ALPHABET)
    search = BeamSearch(arpa, ALPHABET, weights=weights, beam=500, threshold=1e3)
    model = estimate([t.split() for t in TEXT])

    def score_of(path, text):
        words = text.split()
        if not set(words) <= set(model.words):
            return None
        return weights.lm * sum(model.log10(words)) + weights.word * len(words)

    for seed in range(4):
        log_probs = random_log_probs(5, seed)
        assert search.text(log_probs) == best_of_all(log_probs, score_of)


@pytest.mark.parametrize("weights", [Weights(0.0, 0.0), Weights(1.0, 0.0), Weights(2.0, 1.0)])
def test_letters_are_the_best_of_all_spellings(weights, tmp_path):
    arpa = write_language_model(TEXT, tmp_path, unit="character", alphabet=ALPHABET, order=3)
    search = BeamSearch(arpa, ALPHABET, weights=weights, beam=500, threshold=1e3)
    model = estimate([list(t.replace(" ", "|")) for t in TEXT], order=3)

    def score_of(path, text):
        letters = list(text.replace(" ", "|"))
        unscored = letters[1:] if path[0] == 2 else letters  # the decoder starts as after a boundary
        boundaries = path.count(2)
        return weights.lm * sum(model.log10(unscored)) + weights.word * boundaries

    for seed in range(4):
        log_probs = random_log_probs(5, seed)
        assert search.text(log_probs) == best_of_all(log_probs, score_of)


@pytest.mark.parametrize("unit", ["character", "word"])
def test_without_weight_clear_speech_is_what_greedy_decoding_hears(unit, tmp_path):
    arpa = write_language_model(TEXT, tmp_path, unit=unit, alphabet=ALPHABET)
    search = BeamSearch(arpa, ALPHABET, weights=Weights(0.0, 0.0))
    heard = spoken("با دا اب", ALPHABET)
    assert search.text(heard) == greedy(heard, ALPHABET, CLOCK).text == "با دا اب"


HOMOPHONES = Alphabet(("[PAD]", "[UNK]", "|", *"اتدرسصنوکیہے"), 0, 2)  # sin and sad sound alike in Urdu
SENTENCES = ["دور سے صدا آتی ہے", "وہ صدا دیتا ہے", "اس کی صدا سنو", "سدا ہنستا رہے", "وہ سدا ہنستا ہے"]


@pytest.mark.parametrize("unit", ["character", "word"])
@pytest.mark.parametrize(("context", "right", "wrong"), [("کی", "صدا", "سدا"), ("وہ", "سدا", "صدا")])
def test_a_homophone_goes_to_the_word_that_fits_its_neighbours(unit, context, right, wrong, tmp_path):
    texts = [s.replace("آ", "ا") for s in SENTENCES] + ["وہ سدا سنتا ہے", "اس کی صدا سنو"] * 2
    arpa = write_language_model(texts, tmp_path, unit=unit, alphabet=HOMOPHONES)
    heard = spoken(f"{context} {wrong}", HOMOPHONES)
    at = 2 * len(f"{context} ")  # the frame of the first letter of the second word: a little more like the wrong one
    heard[at] = np.log(0.005)
    heard[at, HOMOPHONES.encode(wrong[0])] = np.log(0.51)
    heard[at, HOMOPHONES.encode(right[0])] = np.log(0.42)
    assert greedy(heard, HOMOPHONES, CLOCK).text == f"{context} {wrong}"
    found = BeamSearch(arpa, HOMOPHONES, weights=Weights(1.5)).hypothesis(heard, CLOCK)
    assert found.text == f"{context} {right}"
    assert found.words[1].letters[0].confidence == pytest.approx(0.42, abs=0.01)
    assert found.words[1].letters[0].first == at


def test_letters_write_words_that_the_text_does_not_hold_and_words_do_not(tmp_path):
    heard = spoken("باب", ALPHABET)
    found = {}
    for unit in ("character", "word"):
        arpa = write_language_model(TEXT, tmp_path, unit=unit, alphabet=ALPHABET)
        found[unit] = BeamSearch(arpa, ALPHABET, weights=Weights(0.5)).text(heard)
    assert found["character"] == "باب"
    assert set(found["word"].split()) <= {w for t in TEXT for w in t.split()}


def test_the_unknown_token_is_never_written(tmp_path):
    heard = spoken("با", ALPHABET)
    heard[1] = np.log(1e-3)
    heard[1, 1] = np.log(0.99)
    for unit in ("character", "word"):
        arpa = write_language_model(TEXT, tmp_path, unit=unit, alphabet=ALPHABET)
        assert "[UNK]" not in BeamSearch(arpa, ALPHABET).text(heard)


def test_words_with_letters_that_the_model_lacks_are_left_out_and_named(tmp_path):
    arpa = write_language_model([*TEXT, "پا با"], tmp_path, unit="word", alphabet=ALPHABET)
    search = BeamSearch(arpa, ALPHABET)
    assert search.left_out == ["پا"]
    assert search.words == sorted({w for t in TEXT for w in t.split()})


def test_weights_are_kept_beside_the_language_model(tmp_path):
    arpa = write_language_model(TEXT, tmp_path, unit="word", alphabet=ALPHABET)
    assert BeamSearch.load(arpa, ALPHABET).weights == Weights()
    BeamSearch(arpa, ALPHABET, weights=Weights(0.7, -1.25)).save_weights()
    assert BeamSearch.load(arpa, ALPHABET).weights == Weights(0.7, -1.25)


def test_no_frames_are_no_text(tmp_path):
    arpa = write_language_model(TEXT, tmp_path, unit="character", alphabet=ALPHABET)
    found = BeamSearch(arpa, ALPHABET).hypothesis(np.zeros((0, 6), dtype=np.float32), CLOCK)
    assert (found.text, found.words) == ("", ())


def test_reading_a_model_prints_nothing(tmp_path, capfd):
    BeamSearch(write_language_model(TEXT, tmp_path, unit="word", alphabet=ALPHABET), ALPHABET)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("unit", "order"), [("letters", None), ("word", 1), ("character", 7)])
def test_units_and_orders_that_kenlm_cannot_read_are_refused(unit, order, tmp_path):
    with pytest.raises(ValueError, match="use character or word, and an order of 2 to 6"):
        write_language_model(TEXT, tmp_path, unit=unit, order=order, alphabet=ALPHABET)


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"no language model .*words\.arpa"):
        BeamSearch(tmp_path / "words.arpa", ALPHABET)


def test_with_the_package_nothing_is_missing():
    assert no_search() == ""


def test_without_the_package_the_error_says_how_to_go_on(tmp_path, monkeypatch):
    arpa = write_language_model(TEXT, tmp_path, unit="word", alphabet=ALPHABET)
    monkeypatch.setitem(sys.modules, "flashlight.lib.text", None)
    monkeypatch.setitem(sys.modules, "flashlight.lib.text.decoder.kenlm", None)
    with pytest.raises(ImportError, match=r"pip install flashlight-text==0\.0\.7, or decode greedily"):
        BeamSearch(arpa, ALPHABET)
    assert no_search().startswith("beam search needs the package flashlight-text, which is not here (it has builds up")


def test_language_models_have_the_units_of_the_metrics():
    assert set(NAMES) == set(UNITS)

"""N-gram models against Kneser–Ney by its definition, and against KenLM, which reads what is written here."""

import math
from collections import Counter

import numpy as np
import pytest

from asr_helpers.decoding.language_model import estimate, write_arpa

TEXT = [
    "پانی ٹھنڈا ہے", "دودھ ٹھنڈا ہے", "پانی گرم ہے", "چائے گرم ہے", "چائے گرم تھی", "پانی گرم تھا", "گرم پانی لاؤ",
    "ٹھنڈا پانی لاؤ", "پانی لاؤ", "لاؤ", "کمرہ گرم ہے", "کمرہ ٹھنڈا تھا", "دودھ گرم ہے", "پانی ٹھنڈا تھا",
]  # fmt: skip


def random_sentences(count: int, seed: int = 0) -> list[list[str]]:
    rng = np.random.default_rng(seed)
    return [[f"w{k}" for k in rng.zipf(1.4, rng.integers(1, 9)) % 25] for _ in range(count)]


class ByDefinition:
    """Interpolated modified Kneser–Ney, straight from sets of n-grams; slow, and written without the module."""

    def __init__(self, sentences, order):
        self.order = order
        padded = [("<s>", *s, "</s>") for s in sentences]
        places = [[s[i : i + n] for s in padded for i in range(len(s) - n + 1)] for n in range(1, order + 1)]
        plain = [Counter(p) for p in places]
        self.counts = []
        for n in range(order):
            if n == order - 1:
                self.counts.append(dict(plain[n]))
                continue
            left = Counter(g[1:] for g in plain[n + 1])  # one for each distinct word on the left
            self.counts.append({g: plain[n][g] if g[0] == "<s>" else left[g] for g in plain[n]})
        self.counts[0].pop(("<s>",))
        self.words = {w for s in sentences for w in s} | {"</s>", "<unk>"}

    def discount(self, n, count):
        of = Counter(self.counts[n - 1].values())
        if not (of[1] and of[2] and of[3]):
            return (0, 0.5, 1, 1.5)[min(count, 3)]
        y = of[1] / (of[1] + 2 * of[2])
        found = [0] + [k - (k + 1) * y * of[k + 1] / of[k] for k in (1, 2, 3)]
        if not all(0 < d <= k for k, d in enumerate(found[1:], 1)):
            return (0, 0.5, 1, 1.5)[min(count, 3)]
        return found[min(count, 3)]

    def probability(self, word, context):
        if len(context) >= self.order:
            context = context[1 - self.order :] if self.order > 1 else ()
        n = len(context) + 1
        after = {g[-1]: c for g, c in self.counts[n - 1].items() if g[:-1] == context}
        shorter = self.probability(word, context[1:]) if context else 1 / len(self.words)
        if not after:
            return shorter
        total, count = sum(after.values()), after.get(word, 0)
        spread = sum(self.discount(n, c) for c in after.values())
        return (count - self.discount(n, count) + spread * shorter) / total


def kenlm(model, folder):
    """The same model as KenLM reads it."""
    pytest.importorskip("flashlight.lib.text")
    from flashlight.lib.text.decoder.kenlm import KenLM
    from flashlight.lib.text.dictionary import Dictionary

    return KenLM(str(write_arpa(model, folder / "model.arpa")), Dictionary(list(model.words)))


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_probabilities_are_those_of_the_definition(order):
    for sentences in ([t.split() for t in TEXT], random_sentences(200)):
        model, oracle = estimate(sentences, order=order), ByDefinition(sentences, order)
        for sentence in [*sentences[:5], sentences[0][::-1], ["unheard", *sentences[1]]]:
            known = [w if w in oracle.words else "<unk>" for w in sentence]
            expected = [
                math.log10(oracle.probability(word, ("<s>", *known[:i]))) for i, word in enumerate([*known, "</s>"])
            ]
            assert model.log10(sentence) == pytest.approx(expected)


@pytest.mark.parametrize("order", [2, 3, 6])
def test_kenlm_reads_the_same_probabilities(order, tmp_path):
    model = estimate(random_sentences(300), order=order)
    lm = kenlm(model, tmp_path)
    for sentence in [*random_sentences(20, seed=1), [], ["unheard", "w1"]]:
        state, scores = lm.start(False), []
        for word in sentence:
            state, score = lm.score(state, model.words.index(word) if word in model.words else 0)
            scores.append(score)
        scores.append(lm.finish(state)[1])
        assert model.log10(sentence) == pytest.approx(scores, abs=1e-5)


@pytest.mark.parametrize("context", [[], ["w1"], ["w1", "w2"], ["w2", "w9", "w1", "w1"], ["unheard"]])
def test_in_kenlm_every_contexts_probabilities_sum_to_one(context, tmp_path):
    model = estimate(random_sentences(300), order=4)
    lm = kenlm(model, tmp_path)
    state = lm.start(False)
    for word in context:
        state, _ = lm.score(state, model.words.index(word) if word in model.words else 0)
    following = [10 ** lm.score(state, i)[1] for i, w in enumerate(model.words) if w not in ("<s>", "</s>")]
    assert sum(following) + 10 ** lm.finish(state)[1] == pytest.approx(1, abs=1e-6)


def test_an_order_that_no_sentence_reaches_is_left_out():
    assert len(estimate([["a"], ["b"]], order=5).orders) == 3


@pytest.mark.parametrize(
    ("sentences", "message"),
    [([], "there is no sentence"), ([["a", "<s>"]], "'<s>' cannot be a word"), ([["a b"]], "'a b' cannot be")],
)
def test_text_that_gives_no_model_is_refused(sentences, message):
    with pytest.raises(ValueError, match=message):
        estimate(sentences)

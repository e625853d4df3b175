"""Which words follow which: n-gram models with modified Kneser–Ney smoothing, written as ARPA files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from pathlib import Path

import numpy as np

from asr_helpers.storage import replacing
from asr_helpers.text.sentences import sentence_key
from asr_helpers.wording import counted, listed, quoted

__all__ = [
    "Leak",
    "NgramModel",
    "NgramOrder",
    "estimate",
    "find_leaks",
    "without_leaks",
    "write_arpa",
]

UNKNOWN, BEGIN, END = 0, 1, 2  # ids of the reserved words
RESERVED = ("<unk>", "<s>", "</s>")  # as the ARPA format spells them
FALLBACK = (0.5, 1.0, 1.5)  # discounts where a small text allows no estimate; KenLM's lmplz has the same
NEVER = -99.0  # log10 probability that ARPA files give <s>, which is only ever a context

LONG = 4  # words; shorter test sentences ("thank you") are everyday phrases, and only count as a line of their own

FIRST = 8  # letters by which a long test sentence is looked up; four words have more


@dataclass(frozen=True)
class NgramOrder:
    """All n-grams of one length.

    Attributes:
        ngrams: Word ids, ``(count, order)``.
        log10: log10 probability of the last word after the others, ``(count,)``.
        backoff: log10 weight of the shorter context for words never seen after this n-gram, ``(count,)``.
        discounts: What was taken off n-grams counted once, twice, and three times or more.
    """

    ngrams: np.ndarray
    log10: np.ndarray
    backoff: np.ndarray
    discounts: tuple[float, float, float]


@dataclass(frozen=True)
class NgramModel:
    """A back-off n-gram model: its words by id, and its n-grams of each length from 1 up."""

    words: tuple[str, ...]
    orders: tuple[NgramOrder, ...]

    @cached_property
    def _table(self) -> dict[tuple[int, ...], tuple[float, float]]:
        """Log10 probability and back-off weight of each n-gram."""
        return {
            tuple(ngram): (log10, backoff)
            for order in self.orders
            for ngram, log10, backoff in zip(
                order.ngrams.tolist(), order.log10.tolist(), order.backoff.tolist(), strict=True
            )
        }

    def log10(self, tokens: Sequence[str]) -> list[float]:
        """Log10 probability of each token of a sentence after those before it, and of its end."""
        number = {word: i for i, word in enumerate(self.words)}
        ids = [BEGIN, *(number.get(token, UNKNOWN) for token in tokens), END]
        longest = len(self.orders)
        return [self._after(tuple(ids[max(0, i + 1 - longest) : i + 1])) for i in range(1, len(ids))]

    def _after(self, ngram: tuple[int, ...]) -> float:
        """Log10 probability of the last word after the others: as stored, or backed off to a shorter context."""
        if ngram in self._table:
            return self._table[ngram][0]
        return self._table.get(ngram[:-1], (0.0, 0.0))[1] + self._after(ngram[1:])


@dataclass(frozen=True)
class _Counts:
    """The distinct n-grams of one length, how often each was seen, and which n-grams their first and their last
    n-1 words are."""

    ngrams: np.ndarray
    seen: np.ndarray
    prefix: np.ndarray
    suffix: np.ndarray


def estimate(sentences: Iterable[Sequence[str]], *, order: int = 3) -> NgramModel:
    """Estimate an n-gram model with interpolated modified Kneser–Ney smoothing.

    KenLM's own estimator is a program that no Python package carries, while its reader comes with
    flashlight-text: this function makes what that reader reads. Tokens are words, or letters for a model
    without a lexicon.

    Args:
        sentences: Tokens of each sentence, without white space; ``<s>`` and ``</s>`` are added here.
        order: Longest n-gram; shorter where no sentence is that long.

    Raises:
        ValueError: There is no sentence, or a token is one of ``<s>``, ``</s>``, ``<unk>``.

    Source: Chen and Goodman (1998), section 4.1.6, for the discounts; Heafield et al. (2013), section 3, for
    n-grams that begin a sentence, and for giving the unknown word its share of a uniform distribution.
    """
    words, ids, sentence = _number(sentences)
    counts = _count(ids, sentence, order, len(words))
    lower = np.full(1, 1 / (len(words) - 1))  # anything but <s> may come next
    orders: list[NgramOrder] = []
    for n, found in enumerate(counts):
        adjusted = _adjusted(found, counts[n + 1] if n + 1 < len(counts) else None)
        discounts = _discounts(adjusted)
        off = np.array([0.0, *discounts])[np.minimum(adjusted, 3)]
        total = np.bincount(found.prefix, adjusted, len(lower))  # one a context
        rest = np.bincount(found.prefix, off, len(lower)) / np.maximum(total, 1)
        probs = (adjusted - off) / total[found.prefix] + rest[found.prefix] * lower[found.suffix]
        if orders:
            orders[-1] = replace(orders[-1], backoff=np.log10(np.where(total > 0, rest, 1.0)))
        orders.append(NgramOrder(found.ngrams, np.log10(probs), np.zeros(len(probs)), discounts))
        lower = probs
    return NgramModel(words, tuple(orders))


def _number(sentences: Iterable[Sequence[str]]) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Words in code-point order after the reserved ones; the running text in ids; the sentence of each."""
    held = [list(tokens) for tokens in sentences]
    if not held:
        raise ValueError("a language model needs text, and there is no sentence")
    known = sorted({token for tokens in held for token in tokens})
    if reserved := [word for word in known if word in RESERVED or word.split() != [word]]:
        raise ValueError(f"{reserved[0]!r} cannot be a word of a language model; remove it from the text")
    number = {word: i for i, word in enumerate(known, start=len(RESERVED))}
    ids = [i for tokens in held for i in (BEGIN, *(number[token] for token in tokens), END)]
    sentence = np.repeat(np.arange(len(held)), [len(tokens) + 2 for tokens in held])
    return (*RESERVED, *known), np.array(ids), sentence


def _count(ids: np.ndarray, sentence: np.ndarray, order: int, words: int) -> list[_Counts]:
    """Count n-grams of each length, numbering each by the number of its first n-1 words and its last."""
    nowhere = np.zeros(words, dtype=np.int64)
    seen = np.bincount(ids, minlength=words)
    found = [_Counts(np.arange(words)[:, None], seen, nowhere, nowhere)]
    number = ids  # of the n-gram that begins at each place of the text
    for n in range(2, order + 1):
        places = np.flatnonzero(sentence[: 1 - n] == sentence[n - 1 :])
        if not len(places):
            break
        _, first, own, seen = np.unique(
            number[places] * words + ids[places + n - 1],
            return_index=True,
            return_inverse=True,
            return_counts=True,
        )
        at = places[first]
        ngrams = ids[at[:, None] + np.arange(n)]
        found.append(_Counts(ngrams, seen, number[at], number[at + 1]))
        number = np.full(len(ids), -1)
        number[places] = own
    return found


def _adjusted(found: _Counts, longer: _Counts | None) -> np.ndarray:
    """Count how many words an n-gram follows, not how often it is seen, unless it is of the longest kind.

    What begins a sentence follows nothing and keeps its plain count; ``<s>`` itself is never predicted.
    """
    adjusted = found.seen.copy()
    if longer is not None:
        adjusted = np.where(found.ngrams[:, 0] == BEGIN, adjusted, np.bincount(longer.suffix, minlength=len(adjusted)))
    if found.ngrams.shape[1] == 1:
        adjusted[BEGIN] = 0
    return adjusted


def _discounts(adjusted: np.ndarray) -> tuple[float, float, float]:
    """Estimate the three discounts from how many n-grams were counted once to four times."""
    n1, n2, n3, n4 = (int((adjusted == k).sum()) for k in (1, 2, 3, 4))
    if not n1 or not n2 or not n3:
        return FALLBACK
    y = n1 / (n1 + 2 * n2)
    estimates = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    return estimates if all(0 < d <= k for k, d in enumerate(estimates, start=1)) else FALLBACK


def write_arpa(model: NgramModel, path: str | Path) -> Path:
    """Write the model in the ARPA format, which KenLM and most other toolkits read.

    Source: the format as described in the SRILM manual page ngram-format(5).
    """
    path = Path(path)
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="\n") as file:
        file.write("\\data\\\n")
        file.writelines(f"ngram {n}={len(each.ngrams)}\n" for n, each in enumerate(model.orders, start=1))
        for n, each in enumerate(model.orders, start=1):
            file.write(f"\n\\{n}-grams:\n")
            file.writelines(_lines(model.words, each, longest=n == len(model.orders)))
        file.write("\n\\end\\\n")
    return path


def _lines(words: Sequence[str], order: NgramOrder, *, longest: bool) -> Iterable[str]:
    """One line an n-gram: probability, words, and the back-off weight unless nothing is longer."""
    rows = zip(order.ngrams.tolist(), order.log10.tolist(), order.backoff.tolist(), strict=True)
    for ngram, log10, backoff in rows:
        text = " ".join(words[i] for i in ngram)
        log10 = NEVER if ngram == [BEGIN] else log10
        yield f"{log10:.7f}\t{text}\n" if longest else f"{log10:.7f}\t{text}\t{backoff:.7f}\n"


@dataclass(frozen=True)
class Leak:
    """A line (counted from 0) of a text that holds a whole sentence of the test or the validation split."""

    line: int
    sentence: str


def find_leaks(texts: Iterable[str], references: Iterable[str]) -> list[Leak]:
    """Find lines that are one of the sentences, or that hold one of four words or more among other words.

    A language model that has read the test sentences recites them, and the measured error says nothing about
    other speech; one that has read the validation sentences is trusted too much when it is tuned on them. Both sides
    have to come from one `Normaliser`; they are compared by their `sentence_key`, as the splits are, so that a space
    or a capital more hides nothing.

    Args:
        texts: Normalised lines that a language model is to be estimated from.
        references: Normalised transcripts of the splits that are not learnt from.
    """
    sentences = {key: " ".join(text.split()) for text in references if (key := sentence_key(text))}
    beginning = defaultdict(list)  # the long ones by their first letters, so that one pass over a text finds all
    for key, sentence in sentences.items():
        if len(sentence.split()) >= LONG:
            beginning[key[:FIRST]].append(key)
    leaks = []
    for line, text in enumerate(texts):
        words = [sentence_key(word) for word in text.split()]
        letters, edges = "".join(words), list(accumulate(map(len, words), initial=0))
        found = {letters} & sentences.keys()
        for start in edges[:-1]:
            keys = beginning.get(letters[start : start + FIRST], ())
            found |= {key for key in keys if letters.startswith(key, start) and start + len(key) in edges}
        leaks += [Leak(line, sentences[key]) for key in sorted(found)]
    return leaks


def without_leaks(texts: Sequence[str], references: Iterable[str]) -> tuple[list[str], str]:
    """Leave out the lines that hold a sentence which is tested or tuned on.

    Short sentences stand inside longer ones in every corpus that reads everyday speech: that is no mistake of its
    maker, and a few lines less do the language model little harm.

    Args:
        texts: As in `find_leaks`.
        references: Normalised transcripts of the test and the validation split.

    Returns:
        The other lines, in their order, and a sentence that says how many were left out, which and why.

    Raises:
        ValueError: No line is left.
    """
    leaks = find_leaks(texts, references)
    leaking = {leak.line for leak in leaks}
    told = f"{len(leaking):,} of {counted(len(texts), 'line')} left out of the language model's text"
    if leaks:
        shown = listed((f"{quoted(leak.sentence)} in {quoted(texts[leak.line])}" for leak in leaks), most=3)
        told += f", since sentences that are tested or tuned on stand in them: {shown}"
    kept = [text for line, text in enumerate(texts) if line not in leaking and text.strip()]
    if not kept:
        raise ValueError(f"{told}. No line is left to learn from; give language_model a larger text")
    return kept, f"{told}."

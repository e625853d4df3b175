"""Beam search with an n-gram language model: the likeliest text, rather than the likeliest frames."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from asr_helpers.model.vocabulary import Alphabet
from asr_helpers.storage import read_json, write_json

from .alignment import align
from .hypotheses import LOG_ZERO, FrameClock, Hypothesis, parted_at_pauses
from .language_files import NoLanguageModel, lexicon_of
from .language_model import RESERVED, UNKNOWN, estimate, write_arpa

__all__ = ["MAX_ORDER", "BeamSearch", "Weights", "no_search", "write_language_model"]

# Units of `analysis.metrics`, and what files and tables call a language model of each.
NAMES = {"character": "letters", "word": "words"}

MAX_ORDER = 6  # longest n-gram that KenLM, as flashlight-text 0.0.7 carries it, can read; the shortest is 2
TOKENS = 15  # of a frame's outputs, the likeliest that a search over letters tries (all: same text, 1.7 × the time)

MISSING = (
    "beam search needs the package flashlight-text, which is not here (it has builds up to Python 3.12): "
    "pip install flashlight-text==0.0.7, or decode greedily"
)


@dataclass(frozen=True)
class Weights:
    """How much the language model counts.

    Attributes:
        lm: Factor of its log10 probabilities, which are added to the natural logarithms of the frames.
        word: Added for every word, or with letters for every frame between words; above zero it makes up for the
            liking of a language model for few words.
    """

    lm: float = 1.5
    word: float = 0.0


def write_language_model(
    texts: Sequence[str],
    folder: str | Path,
    *,
    unit: str,
    alphabet: Alphabet,
    order: int | None = None,
) -> Path:
    """Estimate a language model for beam search from text, and write it into a folder.

    Args:
        texts: Normalised lines: the training transcripts, and a text of the user's where there is one, without the
            sentences that are tested (`without_leaks`).
        folder: Made if need be; gets ``letters.arpa`` or ``words.arpa``.
        unit: ``"character"`` scores any spelling, and so can write words that the text does not hold: the choice for
            the transcripts of a small corpus. ``"word"`` writes no other words than the text's: for large texts.
        alphabet: The model's outputs.
        order: Longest n-gram, 2 to 6; by default 6 characters or 3 words.

    Returns:
        The ARPA file.

    Raises:
        ValueError: The text is empty, or unit or order are out of range.
    """
    order = order or {"character": 6, "word": 3}.get(unit, 0)
    if unit not in NAMES or not 2 <= order <= MAX_ORDER:
        raise ValueError(f"unit is {unit!r} and order {order}; use character or word, and an order of 2 to {MAX_ORDER}")
    sentences = [text.split() for text in texts if text.split()]
    if unit == "character":
        sentences = [list(alphabet.tokens[alphabet.boundary].join(words)) for words in sentences]
    path = Path(folder) / f"{NAMES[unit]}.arpa"
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_arpa(estimate(sentences, order=order), path)


class BeamSearch:
    """A decoder that weighs what was heard against what is likely to be said.

    Args:
        language_model: An ARPA file, plain or gzipped, or KenLM's binary, under any name. Where all that it predicts
            are single characters, it is one of letters, otherwise of words.
        alphabet: The model's outputs.
        normaliser: The spelling that the model was taught: words of the language model that are spelled otherwise are
            found by it. Capitals are found without.
        weights: See ``Weights``; ``tuning.tune`` finds good ones.
        beam: Hypotheses kept after each frame.
        threshold: Hypotheses whose score lies further below the best are dropped.

    Attributes:
        unit: What the language model predicts: ``"character"`` or ``"word"``.
        words: The words that it can write, as they are written; of a language model of letters, none.
        left_out: The words that it cannot write, since the model has no output for one of their letters.

    Raises:
        ImportError: flashlight-text is not installed; says how to go on.
        NoLanguageModel: There is no such language model, KenLM does not read it, or it has none of the model's letters.
    """

    def __init__(
        self,
        language_model: str | Path,
        alphabet: Alphabet,
        *,
        normaliser: Callable[[str], str] | None = None,
        weights: Weights = Weights(),
        beam: int = 50,
        threshold: float = 25.0,
    ) -> None:
        self.path, self.alphabet, self.weights = Path(language_model), alphabet, weights
        self.beam, self.threshold = beam, threshold
        self._library = _flashlight()
        lexicon = lexicon_of(self.path, alphabet, normaliser)
        self.unit, self.words, self.left_out = lexicon.unit, lexicon.words, lexicon.left_out
        self._model = self._read([*lexicon.entries, RESERVED[UNKNOWN]])
        self._tree = self._spellings() if self.unit == "word" else None

    @classmethod
    def load(
        cls, language_model: str | Path, alphabet: Alphabet, *, normaliser: Callable[[str], str] | None = None
    ) -> BeamSearch:
        """Open a language model with the weights that were saved beside it, or the default ones."""
        file = _weights_file(Path(language_model))
        saved = read_json(file)
        try:
            weights = Weights(**{name: float(value) for name, value in saved.items()})
        except (TypeError, ValueError) as error:
            raise ValueError(f"{file} holds something else than two weights ({error}); delete it") from error
        return cls(language_model, alphabet, normaliser=normaliser, weights=weights)

    def save_weights(self) -> Path:
        """Keep the weights beside the language model, for ``load``."""
        path = _weights_file(self.path)
        write_json(self.weights, path)
        return path

    @property
    def name(self) -> str:
        """What files and tables call such a language model: ``"letters"`` or ``"words"``."""
        return NAMES[self.unit]

    def having(self, *, weights: Weights | None = None, beam: int | None = None) -> BeamSearch:
        """The same search with other weights or another beam; the language model is shared, not read again."""
        other = copy(self)
        other.weights, other.beam = weights or self.weights, beam or self.beam
        return other

    def text(self, log_probs: np.ndarray) -> str:
        """Find the likeliest text of one utterance.

        Args:
            log_probs: ``(frames, vocabulary)``, natural logarithms.
        """
        if not len(log_probs):
            return ""
        emissions = self._emissions(log_probs)
        found = self._decoder().decode(emissions.ctypes.data, *emissions.shape)
        if self.unit == "word":
            return " ".join(self.words[i] for i in found[0].words if i >= 0)
        path = found[0].tokens[1 : 1 + len(log_probs)]  # before the first frame and after the last: a boundary
        return self.alphabet.spell(path)

    def hypothesis(self, log_probs: np.ndarray, clock: FrameClock) -> Hypothesis:
        """Find the likeliest text and align it: times and confidences are those of the frames, as in ``greedy``.

        A confidence thus says how well the recording supports a word, not how well the language model does.
        """
        log_probs = parted_at_pauses(log_probs, self.alphabet, clock)
        return align(log_probs, self.text(log_probs), self.alphabet, clock)

    def _emissions(self, log_probs: np.ndarray) -> np.ndarray:
        """Log-probabilities as the decoder wants them: float32 in one block, nothing infinite, no special tokens."""
        emissions = np.array(log_probs, dtype=np.float32, order="C")
        spoken = (self.alphabet.blank, self.alphabet.boundary)
        special = [i for i, token in enumerate(self.alphabet.tokens) if len(token) != 1 and i not in spoken]
        emissions[:, special] = LOG_ZERO
        if self.unit == "word":  # every spelling ends in a boundary, which the last word of a recording lacks
            end = np.full((1, emissions.shape[1]), LOG_ZERO, dtype=np.float32)
            end[0, self.alphabet.boundary] = 0
            emissions = np.concatenate([emissions, end])
        return np.maximum(emissions, LOG_ZERO)

    def _decoder(self) -> Any:
        """A decoder of flashlight-text with the present weights."""
        lib, alphabet, outputs = self._library, self.alphabet, len(self.alphabet)
        shared = {
            "beam_size": self.beam,
            "beam_size_token": min(outputs, TOKENS) if self._tree is None else outputs,
            "beam_threshold": self.threshold,
            "lm_weight": self.weights.lm,
            "log_add": False,
            "criterion_type": lib.CriterionType.CTC,
        }
        if self._tree is None:
            options = lib.LexiconFreeDecoderOptions(sil_score=self.weights.word, **shared)
            return lib.LexiconFreeDecoder(options, self._model, alphabet.boundary, alphabet.blank, [])
        options = lib.LexiconDecoderOptions(word_score=self.weights.word, unk_score=-np.inf, sil_score=0.0, **shared)
        unknown = len(self.words)
        return lib.LexiconDecoder(
            options, self._tree, self._model, alphabet.boundary, alphabet.blank, unknown, [], False
        )

    def _read(self, entries: list[str]) -> Any:
        """Open the language model, with ids for its entries in their order."""
        try:
            with _quiet():
                return self._library.KenLM(str(self.path), self._library.Dictionary(entries))
        except (RuntimeError, ValueError) as error:
            told = " ".join(str(error).split())
            told = told.partition(" threw ")[2].partition(". ")[2] or told  # before it, where in KenLM's source
            raise NoLanguageModel(
                f"KenLM cannot read the language model {self.path} ({told}); save it as an ARPA file of order 2 to "
                f"{MAX_ORDER}, plain or .gz, or decode greedily"
            ) from error

    def _spellings(self) -> Any:
        """The words as a tree of letters, each node with the best score of the words below it (look-ahead)."""
        tree = self._library.Trie(len(self.alphabet), self.alphabet.boundary)
        state = self._model.start(False)
        for i, word in enumerate(self.words):
            spelling = [*self.alphabet.encode(word), self.alphabet.boundary]
            tree.insert(spelling, i, self._model.score(state, i)[1])
        tree.smear(self._library.SmearingMode.MAX)
        return tree


def no_search() -> str:
    """Why there can be no beam search on this machine, in a line for a person; empty where there can.

    The package that it needs is an extra: without it the greedy result stands.
    """
    try:
        _flashlight()
    except ImportError as error:
        return str(error)
    return ""


def _weights_file(language_model: Path) -> Path:
    return language_model.with_suffix(".weights.json")


def _flashlight() -> SimpleNamespace:
    """The names of flashlight-text that are used here."""
    try:
        from flashlight.lib.text import decoder
        from flashlight.lib.text.decoder.kenlm import KenLM
        from flashlight.lib.text.dictionary import Dictionary
    except ImportError as error:
        raise ImportError(MISSING) from error
    return SimpleNamespace(**vars(decoder) | {"KenLM": KenLM, "Dictionary": Dictionary})


@contextmanager
def _quiet() -> Iterator[None]:
    """Send what KenLM prints while it reads, a progress bar on the standard error stream, nowhere."""
    kept = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)

"""Language models of others, as they come: ARPA files, plain or gzipped, and KenLM's binaries."""

from __future__ import annotations

import gzip
import mmap
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import dropwhile, takewhile
from pathlib import Path

from asr_helpers.model.vocabulary import Alphabet
from asr_helpers.wording import listed

from .language_model import RESERVED, UNKNOWN

__all__ = ["Lexicon", "NoLanguageModel", "lexicon_of"]

SPACES = ("|", "<space>", "▁", "_")  # what models of letters call the boundary between words

BLANKS = re.compile(r"[\t ]+")  # spaces are CMU's, which KenLM then refuses in its own words

GZIP, KENLM = b"\x1f\x8b", b"mmap lm http://kheafield.com/code"  # first bytes of such files


class NoLanguageModel(ValueError):
    """A file is missing, or no language model that KenLM reads, or of another language than the model."""


@dataclass(frozen=True)
class Lexicon:
    """What a language model predicts, brought together with the letters of a model.

    Attributes:
        unit: ``"character"`` or ``"word"``.
        entries: As the language model spells them: of letters, one for each output of the model; otherwise words.
        words: The same words as the model writes them; of a language model of letters, none.
        left_out: Words for which the model lacks a letter.
    """

    unit: str
    entries: list[str]
    words: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def lexicon_of(path: Path, alphabet: Alphabet, normaliser: Callable[[str], str] | None = None) -> Lexicon:
    """Read what a language model predicts, and find it among what the model can write, whatever the case.

    Args:
        path: An ARPA file or KenLM's binary.
        alphabet: The model's outputs.
        normaliser: The spelling that the model was taught.

    Raises:
        NoLanguageModel: It is missing, cannot be read, or shares no letter or no word with the model.
    """
    predicted = _read_entries(path)
    if all(len(entry) == 1 or entry in SPACES for entry in predicted):
        entries = _letters(set(predicted), alphabet)
        if set(predicted).intersection(entries) - set(SPACES):
            return Lexicon("character", entries)
    else:
        spelled = {word: _spelling(word, alphabet, normaliser) for word in predicted}
        written = {word: spelling for word, spelling in spelled.items() if spelling}
        if written:
            left_out = [word for word in spelled if word not in written]
            return Lexicon("word", list(written), list(written.values()), left_out)
    letters = "".join(token for token in alphabet.tokens if len(token) == 1)
    raise NoLanguageModel(
        f"{path} is of another language than the model: nothing of {listed(predicted)} can be written with "
        f"{letters}; give a language model in the spelling of the transcripts"
    )


def _letters(predicted: set[str], alphabet: Alphabet) -> list[str]:
    """What the language model calls each output of the model; where it does not know one, the model's own name."""
    names = []
    for output, token in enumerate(alphabet.tokens):
        others = SPACES if output == alphabet.boundary else {token.lower(), token.upper()} - alphabet.ids.keys()
        names.append(token if token in predicted else next((name for name in others if name in predicted), token))
    return names


def _spelling(word: str, alphabet: Alphabet, normaliser: Callable[[str], str] | None) -> str:
    """A word in the model's letters, or an empty text."""
    letters = alphabet.ids.keys() - {alphabet.tokens[alphabet.boundary]}
    for change in (str, normaliser or str, str.lower, str.upper):
        if letters >= set(found := change(word)):
            return found
    return ""


def _is_text(entry: str) -> bool:
    """Say whether an entry is more than a mark for a sentence's edge or for unknown words, in capitals or not."""
    return bool(entry) and entry.lower() not in RESERVED


def _read_entries(path: Path) -> list[str]:
    """List what a language model predicts, words or letters, in the order of the file."""
    if not path.is_file():
        raise NoLanguageModel(f"there is no language model {path}; correct the name, or decode greedily")
    with path.open("rb") as file:
        head = file.read(len(KENLM))
    entries = _of_binary(path) if head == KENLM else _of_arpa(path, zipped=head.startswith(GZIP))
    if not (entries := list(filter(_is_text, entries))):
        raise NoLanguageModel(
            f"{path} is no language model: give an ARPA file (plain or .gz) or KenLM's binary with its words, "
            "as notebook 05, KenLM or SRILM make them, or decode greedily"
        )
    return entries


def _of_arpa(path: Path, *, zipped: bool) -> list[str]:
    with (gzip.open if zipped else open)(path, "rt", encoding="utf-8", errors="replace") as lines:
        try:
            unigrams = dropwhile(lambda line: line.strip() != "\\1-grams:", lines)
            next(unigrams, None)
            entries = takewhile(lambda line: not line.startswith("\\"), unigrams)
            return [word for line in entries for word in BLANKS.split(line.strip())[1:2]]
        except (EOFError, gzip.BadGzipFile) as error:
            raise NoLanguageModel(f"{path} is cut off ({error}); copy it again") from error


def _of_binary(path: Path) -> list[str]:
    """The words stand at the end, each with a zero byte after it, the unknown one first."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        first = data.rfind(RESERVED[UNKNOWN].encode() + b"\0")
        return data[first:].decode("utf-8", errors="replace").split("\0") if first >= 0 else []

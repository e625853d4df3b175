"""The tokens of a CTC head, as data that can be compared: token to id, and which id is the blank."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from asr_helpers.text.normaliser import code_point, letters

__all__ = ["BLANK", "SPECIALS", "Alphabet", "Vocabulary", "build_vocab", "read_vocabulary", "spell", "unseen_letters"]

SPECIALS = ("[PAD]", "[UNK]", "|")  # CTC blank, unknown, word boundary

BLANK, UNKNOWN, BOUNDARY = range(3)


@dataclass(frozen=True)
class Vocabulary:
    """What every output of a CTC head means.

    Attributes:
        ids: Token to id, contiguous from 0.
        blank_id: Id of the CTC blank.

    Raises:
        ValueError: Ids have gaps or repeat, or the blank is none of them.
    """

    ids: Mapping[str, int]
    blank_id: int

    def __post_init__(self) -> None:
        if not self.ids:
            raise ValueError("the vocabulary is empty; make it from the training transcripts (notebook 02)")
        if sorted(self.ids.values()) != list(range(len(self.ids))):
            raise ValueError(
                f"{len(self.ids)} tokens have ids from {min(self.ids.values())} to {max(self.ids.values())}; "
                "the head needs every id from 0 on exactly once (make the vocabulary again in notebook 02)"
            )
        if not isinstance(self.blank_id, int) or not 0 <= self.blank_id < len(self.ids):
            raise ValueError(f"the blank is {self.blank_id!r}, and the vocabulary has ids 0 to {len(self.ids) - 1}")

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def of(cls, processor: Any) -> Vocabulary:
        """Read the vocabulary of a processor or tokenizer, added tokens included."""
        tokenizer = getattr(processor, "tokenizer", processor)
        return cls(dict(tokenizer.get_vocab()), tokenizer.pad_token_id)

    def difference(self, other: Vocabulary, mine_is: str = "the checkpoint", other_is: str = "the processor") -> str:
        """Say in a sentence how two vocabularies differ."""
        mine, theirs = set(self.ids), set(other.ids)
        parts = []
        if mine - theirs:
            parts.append(f"only {mine_is} has {_some(mine - theirs)}")
        if theirs - mine:
            parts.append(f"only {other_is} has {_some(theirs - mine)}")
        moved = sorted(t for t in mine & theirs if self.ids[t] != other.ids[t])
        if moved:
            token = moved[0]
            parts.append(f"{len(moved)} tokens have other ids (first {token!r}: {self.ids[token]}, {other.ids[token]})")
        if self.blank_id != other.blank_id:
            parts.append(f"the blanks are {self.blank_id} and {other.blank_id}")
        return f"the vocabularies differ: {'; '.join(parts)}" if parts else "the vocabularies are the same"


def read_vocabulary(folder: Path) -> Vocabulary | None:
    """Read the vocabulary that was saved beside a checkpoint; None where there is none.

    ``vocab.json`` alone does not name the blank: it is the tokenizer's padding token.
    """
    from transformers import Wav2Vec2CTCTokenizer

    if not (folder / "vocab.json").is_file():
        return None
    if any(isinstance(ids, dict) for ids in json.loads((folder / "vocab.json").read_text("utf-8")).values()):
        return None  # one vocabulary a language (MMS): which of them the head speaks is not said here
    return Vocabulary.of(Wav2Vec2CTCTokenizer.from_pretrained(folder, trust_remote_code=False))


def _some(tokens: set[str], most: int = 5) -> str:
    """Name a few tokens and count the rest."""
    shown = sorted(tokens)[:most]
    rest = len(tokens) - len(shown)
    return ", ".join(map(repr, shown)) + (f" and {rest} more" if rest else "")


@dataclass(frozen=True)
class Alphabet:
    """What each output of the model means.

    Attributes:
        tokens: Token of each output id.
        blank: Id of the CTC blank.
        boundary: Id of the token between words.
    """

    tokens: tuple[str, ...]
    blank: int
    boundary: int

    @classmethod
    def of(cls, tokenizer: Any) -> Alphabet:
        """Read the alphabet off a ``Wav2Vec2CTCTokenizer``, once: decoding then needs no tokenizer."""
        tokens = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
        return cls(tuple(tokens), tokenizer.pad_token_id, tokenizer.word_delimiter_token_id)

    def encode(self, text: str) -> list[int]:
        """Spell a normalised text in ids; a letter that the model does not know is an error that names it."""
        ids = {token: i for i, token in enumerate(self.tokens)}
        letters = [self.tokens[self.boundary] if c == " " else c for c in " ".join(text.split())]
        unknown = sorted(set(letters) - ids.keys())
        if unknown:
            named = ", ".join(f"{c} (U+{ord(c):04X})" for c in unknown)
            raise ValueError(f"{text!r} holds {named}, which the model has no output for; normalise the text")
        return [ids[c] for c in letters]


def build_vocab(transcripts: Iterable[str]) -> dict[str, int]:
    """Give every letter of the *training* transcripts a CTC output id.

    Specials come first, letters follow in code-point order, so that the same text yields the same ids on
    every machine. Letters that only validation or test holds have no training audio and stay out
    (see `unseen_letters`).

    Args:
        transcripts: Normalised text, one utterance each; spaces become ``|``.

    Returns:
        Token to id, contiguous from 0; id 0 is the blank.

    Raises:
        ValueError: A transcript holds a reserved token, or no transcript holds a letter.

    Source: Graves et al. (2006), section 3, for the blank.
    """
    transcripts = list(transcripts)
    for row, text in enumerate(transcripts):
        for special in SPECIALS:
            if special in text:
                raise ValueError(
                    f"transcript {row} ({text!r}) holds {special!r}, which the tokenizer reserves; "
                    "normalise the transcripts first, or delete it from the text"
                )
    found = letters(transcripts)
    if not found:
        raise ValueError(f"no letter in {len(transcripts)} training transcripts; check which column holds the text")
    return {token: i for i, token in enumerate([*SPECIALS, *found])}


def unseen_letters(training: Iterable[str], other: Iterable[str]) -> pd.DataFrame:
    """List the letters that ``other`` has and the training transcripts lack: sure errors, before any training.

    Returns:
        One row a letter, most frequent first: letter, code_point, count, transcripts (how many hold it), example.
    """
    other = list(other)
    known = letters(training)
    counts = {letter: count for letter, count in letters(other).items() if letter not in known}
    holding = Counter(letter for text in other for letter in set(text) & counts.keys())
    rows = [
        (letter, code_point(letter), counts[letter], holding[letter], next(t for t in other if letter in t))
        for letter in sorted(counts, key=lambda letter: (-counts[letter], letter))
    ]
    return pd.DataFrame(rows, columns=["letter", "code_point", "count", "transcripts", "example"])


def spell(ids: Iterable[int], alphabet: Alphabet) -> str:
    """Spell collapsed output ids as text, words separated by single spaces."""
    tokens = (" " if i == alphabet.boundary else alphabet.tokens[i] for i in ids)
    return " ".join("".join(tokens).split())

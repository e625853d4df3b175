"""The alphabet of a CTC head: its tokens, the blank and the word boundary; text to ids, and frames to text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd

from asr_helpers.storage import read_json
from asr_helpers.text.normaliser import code_point, letters
from asr_helpers.wording import listed

__all__ = ["BLANK", "SPECIALS", "Alphabet", "build_vocab", "collapse", "read_alphabet", "unseen_letters"]

SPECIALS = ("[PAD]", "[UNK]", "|")  # CTC blank, unknown, word boundary
BLANK, UNKNOWN, BOUNDARY = range(3)


def collapse(ids: Iterable[int], blank: int) -> list[int]:
    """Turn one id a frame into output ids: runs count once, blanks vanish.

    Source: Graves et al. (2006), section 3.1, the map B.
    """
    return [int(token) for token, _ in groupby(ids) if token != blank]


@dataclass(frozen=True)
class Alphabet:
    """What each output of a CTC head means.

    Attributes:
        tokens: Token of each output id.
        blank: Id of the CTC blank.
        boundary: Id of the token between words; None where nobody says which it is.

    Raises:
        ValueError: There is no token, or the blank is none of them.
    """

    tokens: tuple[str, ...]
    blank: int
    boundary: int | None = None

    def __post_init__(self) -> None:
        if not self.tokens:
            raise ValueError("the vocabulary is empty; make it from the training transcripts (notebook 02)")
        if not isinstance(self.blank, int) or not 0 <= self.blank < len(self):
            raise ValueError(f"the blank is {self.blank!r}, and the vocabulary has ids 0 to {len(self) - 1}")

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def of(cls, processor: Any) -> Alphabet:
        """Read the alphabet off a processor or tokenizer, added tokens included: decoding then needs no tokenizer.

        Raises:
            ValueError: Ids have gaps or repeat.
        """
        tokenizer = getattr(processor, "tokenizer", processor)
        ids = tokenizer.get_vocab()
        tokens = tuple(sorted(ids, key=ids.get))
        if [ids[token] for token in tokens] != list(range(len(ids))):
            raise ValueError(
                f"{len(ids)} tokens have ids from {min(ids.values())} to {max(ids.values())}; "
                "the head needs every id from 0 on exactly once (make the vocabulary again in notebook 02)"
            )
        return cls(tokens, tokenizer.pad_token_id, tokenizer.word_delimiter_token_id)

    @cached_property
    def ids(self) -> dict[str, int]:
        """Token to id."""
        return {token: i for i, token in enumerate(self.tokens)}

    def encode(self, text: str) -> list[int]:
        """Turn a normalised text into ids; a letter that the model does not know is an error that names it."""
        letters = [self.tokens[self.boundary] if c == " " else c for c in " ".join(text.split())]
        unknown = sorted(set(letters) - self.ids.keys())
        if unknown:
            named = listed(f"{c} (U+{ord(c):04X})" for c in unknown)
            raise ValueError(f"{text!r} holds {named}, which the model has no output for; normalise the text")
        return [self.ids[c] for c in letters]

    def spell(self, path: Iterable[int]) -> str:
        """Turn one id a frame into text: collapsed, words separated by single spaces."""
        tokens = (" " if i == self.boundary else self.tokens[i] for i in collapse(path, self.blank))
        return " ".join("".join(tokens).split())

    def counterparts(self, other: Alphabet) -> dict[int, int]:
        """Map those ids that mean the same in another alphabet to their ids there: blank, boundary, equal letters."""
        same = {i: other.ids[token] for token, i in self.ids.items() if token in other.ids}
        own = {self.blank, self.boundary}
        same = {i: j for i, j in same.items() if i not in own and j not in {other.blank, other.boundary}}
        if self.boundary is not None and other.boundary is not None:
            same[self.boundary] = other.boundary
        return {self.blank: other.blank, **same}

    def difference(self, other: Alphabet, mine_is: str = "the checkpoint", other_is: str = "the processor") -> str:
        """Say in a sentence how the outputs of one alphabet differ from another's; empty if they do not."""
        mine, theirs = self.ids.keys(), other.ids.keys()
        parts = []
        if mine - theirs:
            parts.append(f"only {mine_is} has {listed(map(repr, sorted(mine - theirs)))}")
        if theirs - mine:
            parts.append(f"only {other_is} has {listed(map(repr, sorted(theirs - mine)))}")
        moved = sorted(t for t in mine & theirs if self.ids[t] != other.ids[t])
        if moved:
            token = moved[0]
            parts.append(f"{len(moved)} tokens have other ids (first {token!r}: {self.ids[token]}, {other.ids[token]})")
        if self.blank != other.blank:
            parts.append(f"the blanks are {self.blank} and {other.blank}")
        return f"the vocabularies differ: {'; '.join(parts)}" if parts else ""


def read_alphabet(folder: Path) -> Alphabet | None:
    """Read the alphabet that was saved beside a checkpoint; None where there is none.

    ``vocab.json`` alone does not name the blank: it is the tokenizer's padding token.
    """
    from transformers import Wav2Vec2CTCTokenizer

    if not (folder / "vocab.json").is_file():
        return None
    if any(isinstance(ids, dict) for ids in read_json(folder / "vocab.json").values()):
        return None  # one vocabulary a language (MMS): which of them the head speaks is not said here
    return Alphabet.of(Wav2Vec2CTCTokenizer.from_pretrained(folder, trust_remote_code=False))


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

"""The tokens of a CTC head, as data that can be compared: token to id, and which id is the blank."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Vocabulary", "read_vocabulary"]


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

    def difference(self, other: Vocabulary) -> str:
        """Say in a sentence how two vocabularies differ."""
        mine, theirs = set(self.ids), set(other.ids)
        parts = []
        if mine - theirs:
            parts.append(f"only the checkpoint has {_some(mine - theirs)}")
        if theirs - mine:
            parts.append(f"only the processor has {_some(theirs - mine)}")
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
    return Vocabulary.of(Wav2Vec2CTCTokenizer.from_pretrained(folder))


def _some(tokens: set[str], most: int = 5) -> str:
    """Name a few tokens and count the rest."""
    shown = sorted(tokens)[:most]
    rest = len(tokens) - len(shown)
    return ", ".join(map(repr, shown)) + (f" and {rest} more" if rest else "")

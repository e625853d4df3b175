"""Letters to label ids and back: the training transcripts' vocabulary, its tokenizer and the processor."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asr_helpers.audio.reading import SAMPLING_RATE
from asr_helpers.storage import write_json

from .vocabulary import BLANK, BOUNDARY, SPECIALS, UNKNOWN

if TYPE_CHECKING:
    from transformers import Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2Processor

__all__ = [
    "HeadFit",
    "encode",
    "head_fit",
    "load_vocab",
    "make_feature_extractor",
    "make_processor",
    "make_tokenizer",
    "round_trip",
]


def encode(text: str, vocab: Mapping[str, int]) -> list[int]:
    """Turn a normalised transcript into label ids, as the tokenizer does, at dictionary speed.

    Returns:
        One id a character; a space is the word boundary, an unknown letter ``[UNK]``; never the blank.
    """
    boundary, unknown = vocab[SPECIALS[BOUNDARY]], vocab[SPECIALS[UNKNOWN]]
    return [boundary if letter == " " else vocab.get(letter, unknown) for letter in text]


def make_tokenizer(vocab: Mapping[str, int], folder: str | Path) -> Wav2Vec2CTCTokenizer:
    """Make a vocabulary's tokenizer and save it into ``folder`` (``vocab.json`` and its configuration).

    transformers adds ``<s>`` and ``</s>`` unless told otherwise: two outputs that nothing trains.
    """
    from transformers import Wav2Vec2CTCTokenizer

    path = Path(folder) / "vocab.json"
    write_json(vocab, path)
    tokenizer = Wav2Vec2CTCTokenizer(
        str(path),
        pad_token=SPECIALS[BLANK],
        unk_token=SPECIALS[UNKNOWN],
        word_delimiter_token=SPECIALS[BOUNDARY],
        bos_token=None,
        eos_token=None,
        clean_up_tokenization_spaces=False,  # would edit spaces around punctuation in the decoded text
    )
    tokenizer.save_pretrained(folder)
    return tokenizer


def make_feature_extractor(checkpoint: str | Path | None = None) -> Wav2Vec2FeatureExtractor:
    """Take the feature extractor of a checkpoint, or a 16 kHz one that scales to zero mean and unit variance.

    ``return_attention_mask`` is always true here. Checkpoints with group norm in the feature encoder
    (wav2vec2-base) ship false, because their statistics run over the padding whether a mask is given or not;
    this project computes those statistics over the real frames only, so the mask is right for every checkpoint.

    Args:
        checkpoint: Folder or Hub id; its feature extractor's configuration decides whether audio is scaled.

    Raises:
        CheckpointUnavailable: No such folder, and the Hub gives no such checkpoint.
        ValueError: The checkpoint expects another sampling rate than 16 kHz.
    """
    from transformers import Wav2Vec2FeatureExtractor

    from .hub import locate_checkpoint

    found = {}
    if checkpoint is not None:  # transformers 5 saves it inside processor_config.json, earlier versions by itself
        folder = locate_checkpoint(checkpoint, weights=False)
        found = read_json(folder / "preprocessor_config.json")
        found = found or read_json(folder / "processor_config.json").get("feature_extractor", {})
    if not found:
        return Wav2Vec2FeatureExtractor(return_attention_mask=True)
    if found.get("sampling_rate", SAMPLING_RATE) != SAMPLING_RATE:
        raise ValueError(
            f"{checkpoint} expects {found['sampling_rate']} Hz; choose a checkpoint for {SAMPLING_RATE:,} Hz"
        )
    return Wav2Vec2FeatureExtractor.from_dict(found | {"return_attention_mask": True})


def make_processor(
    vocab: Mapping[str, int], folder: str | Path, *, checkpoint: str | Path | None = None
) -> Wav2Vec2Processor:
    """Join the vocabulary's tokenizer to the checkpoint's feature extractor, and save both into ``folder``.

    Args:
        vocab: Token to id, from `build_vocab`.
        folder: Made if missing; `Wav2Vec2Processor.from_pretrained` reads it.
        checkpoint: See `make_feature_extractor`, also for what is raised.
    """
    from transformers import Wav2Vec2Processor

    processor = Wav2Vec2Processor(
        feature_extractor=make_feature_extractor(checkpoint), tokenizer=make_tokenizer(vocab, folder)
    )
    processor.save_pretrained(folder)
    return processor


def round_trip(tokenizer: Wav2Vec2CTCTokenizer, texts: Iterable[str]) -> list[str]:
    """Encode and decode every text; list those that do not come back letter by letter.

    ``group_tokens=False``, since collapsing repeats belongs to CTC output, not to labels: ممکن would lose a م.
    """
    return [t for t in texts if tokenizer.decode(tokenizer(t).input_ids, group_tokens=False) != t]


def load_vocab(folder: str | Path) -> dict[str, int]:
    """Read the vocabulary that `make_tokenizer` saved, in the order of its ids."""
    vocab = json.loads((Path(folder) / "vocab.json").read_text(encoding="utf-8"))
    return dict(sorted(vocab.items(), key=lambda item: item[1]))


@dataclass(frozen=True)
class HeadFit:
    """Whether a checkpoint's CTC head can be used with a vocabulary as it is.

    Attributes:
        fits: Every id of the head means the same token here and there, the blank included.
        has_head: The checkpoint was saved with a CTC head at all.
        reason: One sentence for a person.
    """

    fits: bool
    has_head: bool
    reason: str


def head_fit(vocab: Mapping[str, int], checkpoint: str | Path) -> HeadFit:
    """Compare a vocabulary with the head of a checkpoint, without loading its weights.

    The same number of letters is not enough: a head whose ids mean other letters decodes to the wrong letters
    without any error.

    Raises:
        CheckpointUnavailable: No such folder, and the Hub gives no such checkpoint.
    """
    from .hub import locate_checkpoint
    from .vocabulary import Alphabet, read_alphabet

    folder = locate_checkpoint(checkpoint, weights=False)
    config = read_json(folder / "config.json")
    if not any(name.endswith("ForCTC") for name in config.get("architectures") or []):
        return HeadFit(False, False, f"{checkpoint} has no CTC head; it gets a fresh one, {len(vocab)} outputs.")
    own, outputs, blank = read_alphabet(folder), config.get("vocab_size"), config.get("pad_token_id")
    if outputs != len(vocab):
        differs = f"its head has {outputs} outputs, the vocabulary {len(vocab)} tokens"
    elif blank != vocab[SPECIALS[BLANK]]:
        differs = f"its blank is output {blank}, the vocabulary's is {vocab[SPECIALS[BLANK]]}"
    elif own is None:
        differs = f"it has no vocabulary of one language, so nobody can say what its {outputs} outputs mean"
    elif not (differs := own.difference(Alphabet(tuple(sorted(vocab, key=vocab.get)), vocab[SPECIALS[BLANK]]))):
        return HeadFit(True, True, f"The head of {checkpoint} has exactly this vocabulary.")
    fix = "train a fresh head, or use the checkpoint with its own processor"
    return HeadFit(False, True, f"The vocabulary does not fit the checkpoint {checkpoint}: {differs}; {fix}.")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file; empty where there is none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

"""Letters to label ids and back: the training transcripts' vocabulary, its tokenizer and the processor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from asr_helpers.audio.reading import SAMPLING_RATE
from asr_helpers.storage import read_json, write_json

from .vocabulary import BLANK, BOUNDARY, SPECIALS, UNKNOWN

if TYPE_CHECKING:
    from transformers import Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2Processor

__all__ = [
    "make_feature_extractor",
    "make_processor",
    "make_tokenizer",
    "round_trip",
]


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

"""Letters to label ids and back: the training transcripts' vocabulary, its tokenizer and the processor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asr_helpers.audio.reading import SAMPLING_RATE
from asr_helpers.storage import read_json, write_json

from .families import FAMILIES, family_of
from .vocabulary import BLANK, BOUNDARY, SPECIALS, UNKNOWN

if TYPE_CHECKING:
    from transformers import ProcessorMixin, SequenceFeatureExtractor, Wav2Vec2CTCTokenizer

__all__ = [
    "load_processor",
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


def make_feature_extractor(checkpoint: str | Path | None = None) -> SequenceFeatureExtractor:
    """Take the feature extractor of a checkpoint, or its family's for 16 kHz: zero mean and unit variance.

    ``return_attention_mask`` is always true here. Checkpoints with group norm in the feature encoder
    (wav2vec2-base) ship false, because their statistics run over the padding whether a mask is given or not;
    this project computes those statistics over the real frames only, so the mask is right for every checkpoint.

    Args:
        checkpoint: Folder or Hub id; its family decides whether the model hears samples or features, and its
            feature extractor's configuration whether samples are scaled. None: samples, scaled.

    Raises:
        CheckpointUnavailable: No such folder, and the Hub gives no such checkpoint.
        ValueError: The checkpoint is of no family that can be fine-tuned here (the text lists those that can), or
            expects another sampling rate than 16 kHz.
    """
    from .hub import locate_checkpoint

    kind, found = "wav2vec2", {}
    if checkpoint is not None:
        folder = locate_checkpoint(checkpoint, weights=False)
        kind, found = read_json(folder / "config.json").get("model_type", ""), _extractor_settings(folder)
    make = _of_transformers(family_of(kind, checkpoint=checkpoint).feature_extractor)
    if not found:
        return make(return_attention_mask=True)
    if found.get("sampling_rate", SAMPLING_RATE) != SAMPLING_RATE:
        raise ValueError(
            f"{checkpoint} expects {found['sampling_rate']} Hz; choose a checkpoint for {SAMPLING_RATE:,} Hz"
        )
    return make.from_dict(found | {"return_attention_mask": True})


def _extractor_settings(folder: Path) -> dict[str, Any]:
    """Read a feature extractor's settings: transformers 5 saves them in processor_config.json, earlier ones alone."""
    alone = read_json(folder / "preprocessor_config.json")
    return alone or read_json(folder / "processor_config.json").get("feature_extractor", {})


def _of_transformers(name: str) -> Any:
    """Import a class of transformers by name, one of those that `FAMILIES` names."""
    import transformers

    return getattr(transformers, name)


def make_processor(
    vocab: Mapping[str, int], folder: str | Path, *, checkpoint: str | Path | None = None
) -> ProcessorMixin:
    """Join the vocabulary's tokenizer to the checkpoint's feature extractor, and save both into ``folder``.

    Args:
        vocab: Token to id, from `build_vocab`.
        folder: Made if missing; `load_processor` reads it, and `AutoProcessor` of transformers.
        checkpoint: See `make_feature_extractor`, also for what is raised.
    """
    extractor = make_feature_extractor(checkpoint)
    processor = _processor_for(type(extractor).__name__)(
        feature_extractor=extractor, tokenizer=make_tokenizer(vocab, folder)
    )
    processor.save_pretrained(folder)
    return processor


def load_processor(folder: str | Path) -> ProcessorMixin:
    """Read a processor that `make_processor` saved, or the one beside a model; Python that lies there never runs.

    Raises:
        ValueError: Its feature extractor is that of no family that can be fine-tuned here.
    """
    settings = _extractor_settings(Path(folder))
    kind = settings.get("feature_extractor_type", "Wav2Vec2FeatureExtractor")
    return _processor_for(kind).from_pretrained(folder, trust_remote_code=False)


def _processor_for(feature_extractor: str) -> Any:
    """The class of transformers that joins a feature extractor to a tokenizer."""
    classes = {family.feature_extractor: family.processor for family in FAMILIES.values()}
    if feature_extractor not in classes:
        raise ValueError(
            f"no family of models hears through a {feature_extractor!r}; use one of {', '.join(classes)} "
            "(notebook 02 makes it)"
        )
    return _of_transformers(classes[feature_extractor])


def round_trip(tokenizer: Wav2Vec2CTCTokenizer, texts: Iterable[str]) -> list[str]:
    """Encode and decode every text; list those that do not come back letter by letter.

    ``group_tokens=False``, since collapsing repeats belongs to CTC output, not to labels: ممکن would lose a م.
    """
    return [t for t in texts if tokenizer.decode(tokenizer(t).input_ids, group_tokens=False) != t]

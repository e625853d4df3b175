"""Letters to label ids and back: the training transcripts' vocabulary, its tokenizer and the processor."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from .text import code_point, letters

if TYPE_CHECKING:
    from transformers import Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2Processor

__all__ = [
    "BLANK",
    "SPECIALS",
    "CheckpointUnavailable",
    "HeadFit",
    "build_vocab",
    "encode",
    "head_fit",
    "load_vocab",
    "make_feature_extractor",
    "make_processor",
    "make_tokenizer",
    "round_trip",
    "unseen_letters",
]

SPECIALS = ("[PAD]", "[UNK]", "|")  # CTC blank, unknown, word boundary
BLANK, UNKNOWN, BOUNDARY = range(3)
SAMPLING_RATE = 16_000  # Hz, of every Wav2Vec2 checkpoint


class CheckpointUnavailable(OSError):
    """A checkpoint is neither a folder nor reachable on the Hub; the text names it and says what to do."""


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


def encode(text: str, vocab: Mapping[str, int]) -> list[int]:
    """Turn a normalised transcript into label ids, as the tokenizer does, at dictionary speed.

    Returns:
        One id a character; a space is the word boundary, an unknown letter ``[UNK]``; never the blank.
    """
    boundary, unknown = vocab[SPECIALS[BOUNDARY]], vocab[SPECIALS[UNKNOWN]]
    return [boundary if letter == " " else vocab.get(letter, unknown) for letter in text]


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


def make_tokenizer(vocab: Mapping[str, int], folder: str | Path) -> Wav2Vec2CTCTokenizer:
    """Make a vocabulary's tokenizer and save it into ``folder`` (``vocab.json`` and its configuration).

    transformers adds ``<s>`` and ``</s>`` unless told otherwise: two outputs that nothing trains.
    """
    from transformers import Wav2Vec2CTCTokenizer

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "vocab.json"
    path.write_text(json.dumps(dict(vocab), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
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

    found = None
    if checkpoint is not None:  # transformers 5 saves it inside processor_config.json, earlier versions by itself
        found = read_json(checkpoint, "preprocessor_config.json")
        found = found or (read_json(checkpoint, "processor_config.json") or {}).get("feature_extractor")
    if not found:
        return Wav2Vec2FeatureExtractor(return_attention_mask=True)
    if found.get("sampling_rate", SAMPLING_RATE) != SAMPLING_RATE:
        raise ValueError(f"{checkpoint} expects {found['sampling_rate']} Hz; choose a checkpoint for 16,000 Hz")
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
    """Compare a vocabulary with the head of a checkpoint.

    The same number of letters is not enough: a head whose ids mean other letters decodes to the wrong letters
    without any error.

    Raises:
        CheckpointUnavailable: No such folder, and the Hub gives no such checkpoint.
    """
    config = read_json(checkpoint, "config.json")
    if config is None:
        raise CheckpointUnavailable(f"{checkpoint} has no config.json; give a folder that save_pretrained wrote")
    if not any(name.endswith("ForCTC") for name in config.get("architectures") or []):
        return HeadFit(False, False, f"{checkpoint} has no CTC head; it gets a fresh one, {len(vocab)} outputs.")
    differs = first_difference(vocab, config=config, theirs=read_json(checkpoint, "vocab.json"))
    if not differs:
        return HeadFit(True, True, f"The head of {checkpoint} has exactly this vocabulary.")
    return HeadFit(
        False,
        True,
        f"The vocabulary does not fit the checkpoint {checkpoint}: {differs}; "
        "train a fresh head, or use the checkpoint with its own processor.",
    )


def first_difference(vocab: Mapping[str, int], *, config: Mapping[str, Any], theirs: Mapping[str, int] | None) -> str:
    """Say in which way a checkpoint's head differs from the vocabulary; empty when it does not."""
    outputs, blank, our_blank = config.get("vocab_size"), config.get("pad_token_id"), vocab[SPECIALS[BLANK]]
    if outputs != len(vocab):
        return f"its head has {outputs} outputs, the vocabulary {len(vocab)} tokens"
    if blank != our_blank:
        return f"its blank is id {blank}, the vocabulary's is {our_blank}"
    if theirs is None:
        return f"it has no vocab.json, so nobody can say what its {outputs} outputs mean"
    differing = sorted((i, token) for token, i in vocab.items() if theirs.get(token) != i)
    if not differing:
        return ""
    i, token = differing[0]
    other = next((repr(t) for t, their in theirs.items() if their == i), "nothing")
    return f"{len(differing)} outputs mean other tokens (id {i} is {other} there, {token!r} here)"


def read_json(checkpoint: str | Path, name: str) -> dict[str, Any] | None:
    """Read one JSON file of a checkpoint folder or Hub id; None when the checkpoint has no such file.

    Raises:
        CheckpointUnavailable: No such folder, and the Hub gives no such checkpoint.
    """
    folder = Path(checkpoint)
    path = folder / name if folder.is_dir() else file_from_hub(str(checkpoint), name)
    return json.loads(path.read_text(encoding="utf-8")) if path is not None and path.is_file() else None


def file_from_hub(repository: str, name: str) -> Path | None:
    """Find a file in the Hub's local cache, else download it; None where the repository has no such file."""
    import huggingface_hub as hub
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    try:
        cached = hub.try_to_load_from_cache(repository, name)
        return Path(cached if isinstance(cached, str) else hub.hf_hub_download(repository, name))
    except (OSError, ValueError, EntryNotFoundError) as error:
        # LocalEntryNotFoundError is an EntryNotFoundError too, but means: not in the cache, and no network.
        if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
            return None
        reason = str(error).strip().partition("\n")[0]
        raise CheckpointUnavailable(
            f"{repository} is no folder here, and the Hub does not give it ({reason}); check the spelling, "
            "connect to the network, or give the path of a downloaded copy"
        ) from error

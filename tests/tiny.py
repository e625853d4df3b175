"""A tiny model, processor and corpus of tones for the tests of the training: a step takes milliseconds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from transformers import (
    Wav2Vec2Config,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    Wav2Vec2Processor,
)

torch.set_num_threads(1)  # models this small only wait for a second thread

LETTERS = "ابپتٹ"  # alef, beh, peh, teh, tteh
VOCAB = {"[PAD]": 0, "[UNK]": 1, "|": 2, **{letter: 3 + i for i, letter in enumerate(LETTERS)}}
RATE = 16_000


def tiny_processor(folder: Path) -> Wav2Vec2Processor:
    folder.mkdir(parents=True, exist_ok=True)
    vocab = folder / "vocab.json"
    vocab.write_text(json.dumps(VOCAB, ensure_ascii=False), encoding="utf-8")
    specials = {"unk_token": "[UNK]", "pad_token": "[PAD]", "word_delimiter_token": "|"}
    tokenizer = Wav2Vec2CTCTokenizer(str(vocab), bos_token=None, eos_token=None, **specials)
    extractor = Wav2Vec2FeatureExtractor(return_attention_mask=True)
    return Wav2Vec2Processor(feature_extractor=extractor, tokenizer=tokenizer)


def tiny_model(*, seed: int = 0, dropout: float = 0.0, mask: float = 0.0, layers: int = 2) -> Wav2Vec2ForCTC:
    torch.manual_seed(seed)
    config = Wav2Vec2Config(
        vocab_size=len(VOCAB),
        pad_token_id=0,
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=64,
        conv_dim=(16, 16, 24),
        conv_kernel=(16, 8, 6),
        conv_stride=(10, 8, 4),
        num_feat_extract_layers=3,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        hidden_dropout=dropout,
        attention_dropout=dropout,
        activation_dropout=dropout,
        feat_proj_dropout=dropout,
        final_dropout=dropout,
        layerdrop=0.0,
        mask_time_prob=mask,
        mask_time_length=2,
        ctc_loss_reduction="mean",
        ctc_zero_infinity=True,
    )
    model = Wav2Vec2ForCTC(config)
    model.freeze_feature_encoder()
    return model


def tones(text: str, rng: np.random.Generator, letter: float = 0.06) -> np.ndarray:
    """Speak a text in tones: one pitch a letter, silence for a space, a little noise. int16 at 16 kHz."""
    samples = int(letter * RATE)
    time = np.arange(samples) / RATE
    parts = []
    for character in text:
        pitch = 0.0 if character == " " else 300.0 * 1.5 ** LETTERS.index(character)
        parts += [np.sin(2 * np.pi * pitch * time) * np.hanning(samples), np.zeros(samples // 3)]
    wave = np.concatenate(parts) + 0.01 * rng.standard_normal(sum(map(len, parts)))
    return (wave * 12_000).astype(np.int16)


def tiny_rows(count: int, *, seed: int = 0, shortest: int = 3, longest: int = 9) -> list[dict]:
    rng = np.random.default_rng(seed)
    rows = []
    for index in range(count):
        words, left = [], int(rng.integers(shortest, longest + 1))
        while left > 0:
            words.append("".join(rng.choice(list(LETTERS), size=min(left, int(rng.integers(1, 5))))))
            left -= len(words[-1])
        text = " ".join(words)
        audio = tones(text, rng)
        labels = [VOCAB["|" if c == " " else c] for c in text]
        seconds = len(audio) / RATE
        rows.append({"id": f"{seed}-{index}", "audio": audio, "labels": labels, "seconds": seconds, "text": text})
    return rows


def collate(rows: list[dict]) -> dict[str, torch.Tensor]:
    """An independent collator: zero mean and unit variance each, zeros behind, -100 behind labels."""
    longest, most = max(len(r["audio"]) for r in rows), max(len(r["labels"]) for r in rows)
    values, mask = torch.zeros(len(rows), longest), torch.zeros(len(rows), longest, dtype=torch.long)
    labels = torch.full((len(rows), most), -100)
    for i, row in enumerate(rows):
        wave = torch.from_numpy(np.asarray(row["audio"], dtype=np.float32))
        values[i, : len(wave)] = (wave - wave.mean()) / (wave.std() + 1e-5)
        mask[i, : len(wave)] = 1
        labels[i, : len(row["labels"])] = torch.tensor([int(x) for x in row["labels"]])
    return {"input_values": values, "attention_mask": mask, "labels": labels}

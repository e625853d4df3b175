"""The letters and the config of a small checkpoint that ``tests/model`` loads in every way."""

import json

from transformers import Wav2Vec2CTCTokenizer

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
SMALL |= {"conv_dim": (16,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4, "vocab_size": 12}
LETTERS = dict(zip(["[PAD]", "[UNK]", "|", *"ابپتٹجچحخ"], range(12), strict=True))


def tokenizer(folder, vocab):
    folder.mkdir(exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocab), "utf-8")
    specials = {"pad_token": "[PAD]", "unk_token": "[UNK]", "bos_token": None, "eos_token": None}
    made = Wav2Vec2CTCTokenizer(str(folder / "vocab.json"), **specials)
    made.save_pretrained(folder)
    return made

"""Every family in the shape of its real config, made tiny, in the variants in which it is published."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCTC, PreTrainedModel

from asr_helpers.model.families import family_of

STILL = dict.fromkeys(
    (
        "hidden_dropout", "attention_dropout", "activation_dropout", "feat_proj_dropout", "final_dropout",
        "layerdrop", "mask_time_prob", "conformer_conv_dropout",
    ),
    0.0,
)  # fmt: skip

TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
TINY |= {"vocab_size": 12, "pad_token_id": 0, "ctc_loss_reduction": "mean", "ctc_zero_infinity": True}
TINY |= {"num_conv_pos_embedding_groups": 4, "initializer_range": 0.2}

CONVOLUTIONS = {"conv_dim": (24,) * 7, "num_conv_pos_embeddings": 16}
ADAPTER = {"add_adapter": True, "num_adapter_layers": 2, "output_hidden_size": 32}
GROUP, LAYER = {"feat_extract_norm": "group"}, {"feat_extract_norm": "layer", "conv_bias": True}
STABLE = {**LAYER, "do_stable_layer_norm": True}

# What is tested: a name, the model_type, and what the published config says otherwise than the family's defaults.
SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "wav2vec2-base": ("wav2vec2", GROUP),
    "xls-r": ("wav2vec2", STABLE),
    "mms": ("wav2vec2", {**STABLE, "adapter_attn_dim": 16}),
    "wav2vec2 with adapter": ("wav2vec2", {**GROUP, **ADAPTER}),
    "hubert-base": ("hubert", GROUP),
    "hubert-large": ("hubert", STABLE),
    "hubert with batch norm": ("hubert", {**GROUP, "conv_pos_batch_norm": True}),
    "wavlm-base": ("wavlm", GROUP),
    "wavlm-large": ("wavlm", {**STABLE, "conv_bias": False}),
    "wavlm with adapter": ("wavlm", {**STABLE, **ADAPTER}),
    "data2vec-audio": ("data2vec-audio", {"num_conv_pos_embeddings": 5, "conv_pos_kernel_size": 19}),
    "data2vec-audio with adapter": ("data2vec-audio", {"num_conv_pos_embeddings": 5, **ADAPTER}),
    "unispeech-sat-base": ("unispeech-sat", GROUP),
    "unispeech-sat-large": ("unispeech-sat", STABLE),
    "conformer-rel-pos": ("wav2vec2-conformer", {**LAYER, "position_embeddings_type": "relative"}),
    "conformer-rope": ("wav2vec2-conformer", {**LAYER, "position_embeddings_type": "rotary"}),
    "conformer, group norm, adapter": ("wav2vec2-conformer", {**GROUP, **ADAPTER}),
    "w2v-bert": ("wav2vec2-bert", {}),
    "w2v-bert with adapter": ("wav2vec2-bert", {**ADAPTER, "num_adapter_layers": 1}),
}
NAMES = list(SHAPES)


def config_of(name: str, **settings: Any) -> Any:
    """The config of a shape; ``settings`` are those of the caller."""
    kind, own = SHAPES[name]
    wanted = {**STILL, **TINY, **CONVOLUTIONS, **own, **settings}
    known = AutoConfig.for_model(kind)
    return AutoConfig.for_model(kind, **{key: value for key, value in wanted.items() if hasattr(known, key)})


def model_of(name: str, *, seed: int = 0, **settings: Any) -> PreTrainedModel:
    """A random model whose norms have something to do: weights off 1, biases off 0, statistics off both."""
    torch.manual_seed(seed)
    model = AutoModelForCTC.from_config(config_of(name, **settings), attn_implementation="eager")
    for module in model.modules():
        if isinstance(module, (torch.nn.GroupNorm, torch.nn.BatchNorm1d)):
            torch.nn.init.uniform_(module.weight, 0.5, 2)
            torch.nn.init.uniform_(module.bias, -1, 1)
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.uniform_(-1, 1)
            module.running_var.uniform_(0.5, 2)
        if type(module).__name__ == "WavLMAttention":
            torch.nn.init.uniform_(module.gru_rel_pos_const, 0.5, 2)
    return model


def hears_features(name: str) -> bool:
    """Say whether this shape is given features instead of samples."""
    return bool(family_of(SHAPES[name][0]).before(config_of(name)))


def batch_of(name: str, lengths: tuple[int, ...], *, seed: int = 1) -> dict[str, torch.Tensor]:
    """A padded batch of noise of different loudness, as the model is given it; padding is anything but silence."""
    rng = np.random.default_rng(seed)
    width = (160,) if hears_features(name) else ()
    values = torch.full((len(lengths), max(lengths), *width), 3.0)
    for i, length in enumerate(lengths):
        values[i, :length] = torch.from_numpy(rng.standard_normal((length, *width))).float() * (1 + i) + 0.3 * i
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return {("input_features" if width else "input_values"): values, "attention_mask": mask.int()}


def one_by_one(batch: dict[str, torch.Tensor], *, masked: bool = False) -> list[dict[str, torch.Tensor]]:
    """The clips of a batch, each alone and without padding."""
    lengths = batch["attention_mask"].sum(-1).tolist()
    names = batch if masked else [name for name in batch if name != "attention_mask"]
    return [{name: batch[name][i : i + 1, :length] for name in names} for i, length in enumerate(lengths)]

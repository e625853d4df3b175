"""The families of encoders that can be fine-tuned: all that one differs in from another. Imports no torch.

A checkpoint's ``model_type`` says which it is. To add a family whose input is the waveform, add its line to
:data:`FAMILIES` and its shape to ``tests/shapes.py``: the tests find out whether it is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["ADAPTER", "FAMILIES", "HEAD", "INPUTS", "STORED", "Family", "family_of", "inputs_of"]

HEAD = "lm_head."  # where every family's CTC output layer lies; everything else is "the encoder"
ADAPTER = "adapter."  # in every family that has them: layers behind the encoder that halve the frames

STORED = "hidden_states"  # what a model with frozen layers takes in place of a recording (model.frozen)

INPUTS = ("input_values", "input_features", STORED, "attention_mask")  # what models take; first two axes: (batch, time)

MEL_BINS, MEL_WINDOW, MEL_HOP = 80, 400, 160  # samples; fixed in SeamlessM4TFeatureExtractor

Layers = tuple[tuple[int, int], ...]


def _waveform(config: Any) -> Layers:
    """The model hears the samples themselves."""
    return ()


def _log_mel(config: Any) -> Layers:
    """Windows of 25 ms every 10 ms, then as many of them side by side as the model's input is wide."""
    side_by_side = config.feature_projection_input_dim // MEL_BINS
    return (MEL_WINDOW, MEL_HOP), (side_by_side, side_by_side)


@dataclass(frozen=True)
class Family:
    """What a family of CTC checkpoints differs in.

    What all have in common needs no entry: the output layer (:data:`HEAD`), ``base_model``, ``feature_extractor`` for
    the convolutions that hear a waveform, SpecAugment's ``mask_*`` and ``masked_spec_embed``.

    Attributes:
        name: For people.
        before: Config to the (kernel, stride) layers that the collator computes, before the model.
        feature_extractor: Class of transformers that makes the input.
        processor: Class of transformers that joins it to a tokenizer.
        attention: The only way in which its attention is written; empty: it may be chosen.
        projection_gives_input: Whether ``feature_projection`` gives, beside its output, what it normalised.
        norm_last: Whether the encoder's norm stands behind the layers whatever ``do_stable_layer_norm`` says.
        low_rank: Layers of each encoder layer that LoRA adds to, by the ends of their names.
    """

    name: str
    before: Callable[[Any], Layers] = _waveform
    feature_extractor: str = "Wav2Vec2FeatureExtractor"
    processor: str = "Wav2Vec2Processor"
    attention: str = ""
    projection_gives_input: bool = True
    norm_last: bool = False
    low_rank: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "out_proj")


# transformers takes the weights of its attention past the layers that hold them, and so past what LoRA adds to these.
WAVLM = {"attention": "eager", "low_rank": ("intermediate_dense", "output_dense")}

CONFORMER = ("linear_q", "linear_k", "linear_v", "linear_out")

FAMILIES: Mapping[str, Family] = {
    "wav2vec2": Family("wav2vec2 (XLS-R, MMS, Omnilingual)"),
    "hubert": Family("HuBERT", projection_gives_input=False),
    "wavlm": Family("WavLM", **WAVLM),
    "data2vec-audio": Family("Data2Vec-audio"),
    "unispeech-sat": Family("UniSpeech-SAT"),
    "wav2vec2-conformer": Family("Wav2Vec2-Conformer", norm_last=True, low_rank=CONFORMER),
    "wav2vec2-bert": Family(
        "w2v-BERT 2.0", _log_mel, "SeamlessM4TFeatureExtractor", "Wav2Vec2BertProcessor", low_rank=CONFORMER
    ),
}


def family_of(source: Any, *, checkpoint: Any = "this") -> Family:
    """Look up the family of a model, a config or a ``model_type``.

    Args:
        source: One of these.
        checkpoint: What an error calls it.

    Raises:
        ValueError: It is none that can be fine-tuned here; the text lists those that can.
    """
    kind = getattr(getattr(source, "config", source), "model_type", source)
    kind = kind if isinstance(kind, str) else type(source).__name__
    if kind in FAMILIES:
        return FAMILIES[kind]
    known = ", ".join(f"{name} ({family.name})" for name, family in FAMILIES.items())
    raise ValueError(f"{checkpoint} is a {kind!r} model; choose one of {known}")


def inputs_of(batch: Mapping[str, Any]) -> dict[str, Any]:
    """Take out of a collated batch what the model is called with: its samples or features, and their mask."""
    return {name: batch[name] for name in INPUTS if batch.get(name) is not None}

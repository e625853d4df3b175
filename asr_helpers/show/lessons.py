"""What only a lesson shows: the model as a drawing, what each rule of the normaliser changed, sounds side by side."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import SequenceMatcher
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes

from asr_helpers.audio.reading import SAMPLING_RATE

from .figures import COLOURS, finish
from .fragments import Fragment, speech
from .markup import element, escape
from .players import clip_button
from .tables import table

__all__ = ["architecture", "changes", "clips"]

ARROW = {"arrowstyle": "->", "color": COLOURS[1], "linewidth": 2}
SHORT = 2  # characters that are named by their code points; longer pieces stand as they are


def architecture(recogniser: Any, clock: Any, ax: Axes, *, head: str = "new", title: str = "") -> Axes:
    """Draw what a recording passes through, with the numbers of this checkpoint.

    Args:
        recogniser: A CTC model of transformers, of any family.
        clock: When each frame is (a `decoding.FrameClock`).
        ax: Where to draw; 6 inches by 3.5 have room for every number, and are still read on a phone.
        head: Where its head comes from.
        title: The finding.
    """
    config, body = recogniser.config, recogniser.base_model
    hears, step = 1000 * clock.field / SAMPLING_RATE, 1000 * clock.seconds
    layers = f"{config.num_hidden_layers} layers of {config.hidden_size}, {config.num_attention_heads} attention heads"
    boxes = (
        ("waveform", f"{SAMPLING_RATE:,} samples a second"),
        _front(config, body),
        ("frames", f"one every {step:.0f} ms, each hears {hears:.0f} ms: {_width(config)} numbers"),
        ("transformer", f"{layers}, {_size(body.feature_projection, body.encoder)}"),
        (f"head ({head})", f"{config.vocab_size} probabilities a frame, {_size(recogniser.lm_head)}"),
    )
    for place, (name, numbers) in enumerate(boxes):
        learns = name.split()[0] in ("convolutions", "transformer", "head")
        box = {"boxstyle": "round,pad=0.5", "edgecolor": COLOURS[0], "facecolor": "#dcecf7" if learns else "white"}
        ax.text(0, place, f"{name}\n{numbers}", ha="center", va="center", fontsize=9, bbox=box, linespacing=1.3)
        if place:
            ax.annotate("", (0, place - 0.29), (0, place - 0.71), arrowprops=ARROW)
    ax.set(xlim=(-0.5, 0.5), ylim=(len(boxes) - 0.6, -0.4))
    ax.set_axis_off()
    return finish(ax, title)


def _front(config: Any, body: Any) -> tuple[str, str]:
    """What makes frames of samples: convolutions that were learnt, or a spectrogram."""
    if not hasattr(body, "feature_extractor"):
        return "log-mel", "80 bands, nothing to learn"
    strides = "·".join(map(str, config.conv_stride))
    return "convolutions", f"{len(config.conv_stride)} layers, strides {strides}, {_size(body.feature_extractor)}"


def _width(config: Any) -> int:
    return config.conv_dim[-1] if hasattr(config, "conv_dim") else config.feature_projection_input_dim


def _size(*parts: Any) -> str:
    """How many parameters a part of a model has, and whether they learn."""
    parameters = [parameter for part in parts for parameter in part.parameters()]
    count = sum(parameter.numel() for parameter in parameters)
    said = f"{count / 1e6:.1f} M" if count >= 1e5 else f"{count:,}"
    return f"{said} parameters" + ("" if any(parameter.requires_grad for parameter in parameters) else ", frozen")


def changes(text: str, steps: pd.DataFrame, *, language: str = "none") -> Fragment:
    """Show what each rule made of a transcript, and which characters it changed: many look alike.

    Args:
        text: The transcript as it was typed.
        steps: From `text.Normaliser.steps`: rule, text.
        language: Code of the language of the transcript.
    """
    rows = []
    for before, (rule, after) in zip([text, *steps["text"]], steps[["rule", "text"]].to_numpy(), strict=False):
        rows.append({"rule": rule, "changed": _changed(before, after, language), "text": after})
    return table(pd.DataFrame(rows, columns=["rule", "changed", "text"]), language=language, spoken=["text"])


def _changed(before: str, after: str, language: str) -> Fragment:
    """The characters of one step that became others, each pair on a line of its own."""
    steps = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()  # neighbours that change go together
    pairs = list(dict.fromkeys((before[a:b], after[c:d]) for tag, a, b, c, d in steps if tag != "equal"))
    marked = [Markup(" → ").join(_piece(side, language) for side in pair) for pair in pairs]
    lines = [" → ".join(map(_named, pair)) for pair in pairs]
    return Fragment(element("span", Markup("<br>").join(marked), dir="ltr"), "; ".join(lines))


def _piece(piece: str, language: str) -> Markup:
    return escape(_named(piece)) if len(piece) <= SHORT else speech(piece, language=language)


def _named(piece: str) -> str:
    if not piece:
        return "nothing"
    if len(piece) > SHORT:
        return piece
    return " ".join("space" if character == " " else f"U+{ord(character):04X}" for character in piece)


def clips(recordings: Mapping[str, np.ndarray]) -> Fragment:
    """Put buttons side by side, each of which plays a short recording.

    Args:
        recordings: What a button says → (samples,) int16 at 16 kHz.
    """
    buttons = [clip_button(samples / 32768, f"▶ {name}", label=name) for name, samples in recordings.items()]
    return Fragment(Markup(" ").join(buttons), " · ".join(recordings))

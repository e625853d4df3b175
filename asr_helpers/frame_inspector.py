"""A widget that walks through the frames of one utterance: probabilities, tokens, how they collapse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ipywidgets as widgets
import numpy as np
from matplotlib.figure import Figure

from .ctc_display import collapse_steps, top_tokens
from .error_plots import ctc_frames
from .figures import picture
from .fragments import styled

__all__ = ["frame_inspector"]

WINDOW = 30  # frames of the table: as many as fit a notebook's width


def frame_inspector(
    log_probs: np.ndarray | Mapping[str, np.ndarray],
    tokens: Sequence[str],
    frame_seconds: float,
    *,
    blank: int = 0,
    boundary: str = "|",
    lang: str = "ur",
) -> widgets.VBox:
    """Look at the frames of an utterance one by one.

    The picture shows the probability of every token over time. The slider (arrow keys, page keys) chooses a frame:
    its likeliest tokens, and around it how best tokens are merged and blanks dropped until text is left.
    :func:`asr_helpers.ctc_display.collapse_steps` is the same without a kernel.

    Args:
        log_probs: Natural logarithms, shape ``(frames, tokens)``; or several such arrays by utterance id.
        tokens: Token of each column.
        frame_seconds: Seconds from one frame to the next.
        blank: Column of the CTC blank.
        boundary: Token between words.
        lang: Language of the text.

    Raises:
        ValueError: An array has no frame, or not one column a token.
    """
    arrays = dict(log_probs) if isinstance(log_probs, Mapping) else {"": np.asarray(log_probs)}
    for name, array in arrays.items():
        if np.ndim(array) != 2 or not len(array) or array.shape[1] != len(tokens):
            raise ValueError(
                f"log-probabilities {name!r} have shape {np.shape(array)}; give (frames, {len(tokens)}) with a frame"
            )
    return _build(arrays, tokens, frame_seconds, blank, boundary, lang)


def _build(
    arrays: dict[str, np.ndarray],
    tokens: Sequence[str],
    frame_seconds: float,
    blank: int,
    boundary: str,
    lang: str,
) -> widgets.VBox:
    wide = {"description_width": "initial"}
    names = list(arrays)
    which = widgets.Dropdown(description="utterance", options=names, style=wide)
    frame = widgets.IntSlider(description="frame", style=wide, layout=widgets.Layout(width="min(100%, 50em)"))
    image, steps, best = widgets.HTML(), widgets.HTML(), widgets.HTML()

    def show_frame(_: object = None) -> None:
        array = arrays[which.value]
        first = min(max(0, frame.value - WINDOW // 2), max(0, len(array) - WINDOW))
        span = (first, min(len(array), first + WINDOW))
        table = collapse_steps(
            array,
            tokens,
            frame_seconds,
            blank=blank,
            boundary=boundary,
            span=span,
            chosen=frame.value,
            lang=lang,
        )
        steps.value = styled(table.html)
        best.value = styled(top_tokens(array, frame.value, tokens).html)

    def show_utterance(_: object = None) -> None:
        array = arrays[which.value]
        image.value = styled(_heat_map(array, tokens, frame_seconds, blank))
        frame.max = len(array) - 1
        frame.value = min(int(np.argmax(array.argmax(axis=1) != blank)), frame.max)  # the first letter
        show_frame()

    which.observe(show_utterance, names="value")
    frame.observe(show_frame, names="value")
    show_utterance()
    box = widgets.VBox([*([which] if len(names) > 1 else []), image, frame, steps, best])
    box.add_class("asr-frames")
    return box


def _heat_map(array: np.ndarray, tokens: Sequence[str], frame_seconds: float, blank: int) -> str:
    used = int((np.exp(array).max(axis=0) >= 0.05).sum())
    fig = Figure(figsize=(10, 1.5 + 0.24 * used), dpi=90, layout="constrained", facecolor="white")
    ctc_frames(array, tokens, frame_seconds, fig.subplots(), blank=blank)
    return picture(fig, alt="probability of each token over time").html

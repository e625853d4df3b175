"""How CTC frames become text, step by step, as a table: best token, runs merged, blanks dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

import ipywidgets as widgets
import numpy as np
from matplotlib.figure import Figure

from .figures import letter_label, picture
from .fragments import Fragment, escape, phrase, styled
from .plots import ctc_frames

__all__ = ["collapse_steps", "collapsed_text", "frame_inspector", "top_tokens"]

# The page has fonts that a picture lacks, so letters stand as they are; only the special tokens get a sign.
SIGNS = {"[PAD]": "∅", "<pad>": "∅", "|": "␣", "[UNK]": "?", "<unk>": "?"}

WINDOW = 30  # frames of the table: as many as fit a notebook's width


def collapsed_text(path: Sequence[int], tokens: Sequence[str], *, blank: int = 0, boundary: str = "|") -> str:
    """Turn the best token of every frame into text: runs count once, blanks vanish, boundaries become spaces."""
    letters = [tokens[token] for token, _ in groupby(path) if token != blank]
    return " ".join("".join(" " if t == boundary else t for t in letters).split())


def collapse_steps(
    log_probs: np.ndarray,
    tokens: Sequence[str],
    frame_seconds: float,
    *,
    blank: int = 0,
    boundary: str = "|",
    span: tuple[int, int] | None = None,
    chosen: int | None = None,
    lang: str = "ur",
) -> Fragment:
    """Show what the frames say and how they collapse: one column a frame.

    Args:
        log_probs: Natural logarithms, shape ``(frames, tokens)``.
        tokens: Token of each column.
        frame_seconds: Seconds from one frame to the next.
        blank: Column of the CTC blank.
        boundary: Token between words.
        span: First frame and one past the last to show; the text is always that of all frames.
        chosen: A frame to point at.
        lang: Language of the text.

    Returns:
        A table of three steps, and the text that all frames give.
    """
    path = np.asarray(log_probs).argmax(axis=1)
    first, last = span or (0, len(path))
    shown = path[first:last]
    sure = np.exp(np.asarray(log_probs)[np.arange(len(path)), path])
    runs = [(int(token), len(list(group))) for token, group in groupby(shown)]
    # A run that began before the window is shown, but counted where it began.
    begun = first > 0 and len(shown) > 0 and path[first - 1] == path[first]
    rows = [
        ("time (s)", [_time(f, frame_seconds, f == chosen) for f in range(first, last)]),
        (
            "1. best token of each frame",
            [_best(f, path, sure, tokens, blank, chosen) for f in range(first, last)],
        ),
        ("2. equal neighbours merged", [_run(t, n, tokens, blank) for t, n in runs]),
        (
            "3. blanks dropped",
            [_kept(t, n, tokens, blank, begun and i == 0) for i, (t, n) in enumerate(runs)],
        ),
    ]
    body = "".join(f'<tr><th scope="row">{name}</th>{"".join(cells)}</tr>' for name, cells in rows)
    text = collapsed_text(path, tokens, blank=blank, boundary=boundary)
    markup = (
        f'<div class="scroll"><table class="frames" dir="ltr">{body}</table></div>'
        f'<p class="note">4. all {len(path)} frames, read right to left:</p><p>{phrase(text, lang=lang)}</p>'
    )
    return Fragment(markup, _as_text(shown, runs, tokens, blank, text))


def _as_text(shown: np.ndarray, runs: list[tuple[int, int]], tokens: Sequence[str], blank: int, text: str) -> str:
    lines = (
        "1. best tokens: " + " ".join(letter_label(tokens[t]) for t in shown),
        "2. merged:      " + " ".join(letter_label(tokens[t]) for t, _ in runs),
        "3. no blanks:   " + " ".join(letter_label(tokens[t]) for t, _ in runs if t != blank),
        "4. text:        " + text,
    )
    return "\n".join(lines)


def _time(frame: int, frame_seconds: float, is_chosen: bool) -> str:
    mark = ' class="here"' if is_chosen else ""
    label = f"{frame * frame_seconds:.2f}" if frame % 5 == 0 or is_chosen else ""
    return f"<td{mark}><small>{label}</small></td>"


def _best(frame: int, path: np.ndarray, sure: np.ndarray, tokens: Sequence[str], blank: int, chosen: int | None) -> str:
    token = int(path[frame])
    kind = ("blank" if token == blank else "letter") + (" here" if frame == chosen else "")
    shade = f"--p:{100 * sure[frame]:.0f}%"
    title = f"frame {frame}: {letter_label(tokens[token])}, probability {sure[frame]:.2f}"
    return f'<td class="{kind}" style="{shade}" title="{escape(title)}">{_letter(tokens[token])}</td>'


def _letter(token: str) -> str:
    return f'<span class="ur">{escape(SIGNS.get(token, token))}</span>'


def _run(token: int, length: int, tokens: Sequence[str], blank: int) -> str:
    kind = "blank" if token == blank else "letter"
    return f'<td class="{kind}" style="--p:60%" colspan="{length}">{_letter(tokens[token])}</td>'


def _kept(token: int, length: int, tokens: Sequence[str], blank: int, begun: bool) -> str:
    if token == blank or begun:
        return f'<td colspan="{length}"></td>'
    return f'<td class="letter" style="--p:100%" colspan="{length}">{_letter(tokens[token])}</td>'


def top_tokens(log_probs: np.ndarray, frame: int, tokens: Sequence[str], *, count: int = 5) -> Fragment:
    """Show the likeliest tokens of one frame, with bars as long as their probabilities.

    Args:
        log_probs: Natural logarithms, shape ``(frames, tokens)``.
        frame: Which frame.
        tokens: Token of each column.
        count: Tokens at most.
    """
    shares = np.exp(np.asarray(log_probs[frame], dtype=np.float64))
    best = np.argsort(-shares, kind="stable")[:count]
    rows = "".join(
        f'<tr><th scope="row">{_letter(tokens[t])}</th>'
        f'<td><div class="bar" style="width:{100 * shares[t]:.1f}%"></div></td>'
        f'<td class="num">{shares[t]:.3f}</td></tr>'
        for t in best
    )
    text = "\n".join(f"{letter_label(tokens[t])}  {shares[t]:.3f}" for t in best)
    return Fragment(f'<table class="bars"><caption>frame {frame}</caption>{rows}</table>', f"frame {frame}\n{text}")


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
    :func:`asr_helpers.show.frames.collapse_steps` is the same without a kernel.

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

"""How CTC frames become text: their probabilities as a picture, and step by step as a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import ipywidgets as widgets
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .figures import COLOURS, MARK, finish, letter_label, picture
from .fragments import Fragment, direction, naskh, speech, styled
from .markup import element, render

__all__ = ["collapse_steps", "ctc_frames", "frame_inspector", "top_tokens"]

SIGNS = {"[PAD]": "∅", "<pad>": "∅", "|": "␣", "[UNK]": "?", "<unk>": "?"}

THRESHOLD = 0.05  # a token that never gets more probable has no row in the picture

WINDOW = 30  # frames of the table: as many as fit a notebook's width


def collapse_steps(
    log_probs: np.ndarray | Sequence[int],
    alphabet: Any,
    clock: Any = None,
    *,
    span: tuple[int, int] | None = None,
    chosen: int | None = None,
    language: str = "none",
) -> Fragment:
    """Show what the frames say and how they collapse: one column a frame, from left to right with time.

    Args:
        log_probs: Natural logarithms, shape ``(frames, tokens)``; or, for frames made up by hand, one token id a frame.
        alphabet: What each column means (a `model.Alphabet`).
        clock: When each frame is (a `decoding.FrameClock`); without one the frames are numbered.
        span: First frame and one past the last to show; the text is always that of all frames.
        chosen: A frame to point at.
        language: Code of the language of the text.

    Returns:
        A table of three steps, and the text that all frames give.
    """
    tokens, blank = alphabet.tokens, alphabet.blank
    given = np.asarray(log_probs)
    shares = np.eye(len(tokens))[given] if given.ndim == 1 else np.exp(given)
    path = shares.argmax(axis=1)
    first, last = span or (0, len(path))
    shown = path[first:last]
    runs = [(int(token), len(list(group))) for token, group in groupby(shown)]
    # A run that began before the window is shown, but counted where it began.
    begun = first > 0 and len(shown) > 0 and path[first - 1] == path[first]
    text = alphabet.spell(path)
    markup = render(
        "frames",
        timed=clock is not None,
        frames=[_frame(f, int(path[f]), shares[f, path[f]], tokens, clock, blank, chosen) for f in range(first, last)],
        runs=[
            {**_token(t, tokens, blank), "length": n, "kept": t != blank and not (begun and i == 0)}
            for i, (t, n) in enumerate(runs)
        ],
        count=len(path),
        way=direction(text),
        text=speech(text, language=language),
    )
    return Fragment(markup, _as_text(shown, runs, tokens, blank, text))


def _frame(
    frame: int, token: int, sure: float, tokens: Sequence[str], clock: Any, blank: int, chosen: int | None
) -> dict[str, Any]:
    """One column of the table: where it begins, and the best token with its probability."""
    cell, here = _token(token, tokens, blank), "here" if frame == chosen else None
    begins = f"{clock.start(frame):.2f}" if clock else str(frame)
    return {
        **cell,
        "kind": f"{cell['kind']} here" if here else cell["kind"],
        "here": here,
        "time": begins if not clock or frame % 5 == 0 or here else "",
        "share": f"{100 * sure:.0f}",
        "title": f"frame {frame}: {_sign(tokens[token])}, probability {sure:.2f}",
    }


def _token(token: int, tokens: Sequence[str], blank: int) -> dict[str, Any]:
    return {"kind": "blank" if token == blank else "letter", "letter": _letter(tokens[token])}


def _sign(token: str) -> str:
    return SIGNS.get(token, token)


def _letter(token: str) -> Markup:
    return element("span", _sign(token), class_=f"token {naskh(token)}".strip())


def _as_text(shown: np.ndarray, runs: list[tuple[int, int]], tokens: Sequence[str], blank: int, text: str) -> str:
    def in_time(ids: Iterable[int]) -> str:  # marks keep the letters from running from right to left, as a word does
        return f" {MARK}".join(_sign(tokens[t]) for t in ids)

    lines = (
        "1. best tokens: " + in_time(shown),
        "2. merged:      " + in_time(t for t, _ in runs),
        "3. no blanks:   " + in_time(t for t, _ in runs if t != blank),
        "4. text:        " + text,
    )
    return "\n".join(lines)


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
    text = "\n".join(f"{shares[t]:.3f}  {_sign(tokens[t])}" for t in best)
    markup = render("bars", frame=frame, rows=[(_letter(tokens[t]), shares[t]) for t in best])
    return Fragment(markup, f"frame {frame}\n{text}")


def frame_inspector(
    log_probs: np.ndarray,
    alphabet: Any,
    clock: Any,
    *,
    language: str = "none",
) -> widgets.VBox:
    """Look at the frames of an utterance one by one.

    The picture shows the probability of every token over time. The slider (arrow keys, page keys) chooses a frame:
    its likeliest tokens, and around it how best tokens are merged and blanks dropped until text is left.
    :func:`collapse_steps` is the same without a kernel.

    Args:
        log_probs: Natural logarithms, shape ``(frames, tokens)``.
        alphabet: What each column means (a `model.Alphabet`).
        clock: When each frame is (a `decoding.FrameClock`).
        language: Code of the language of the text.

    Raises:
        ValueError: The array has no frame, or not one column a token.
    """
    array = np.asarray(log_probs)
    if array.ndim != 2 or not len(array) or array.shape[1] != len(alphabet.tokens):
        raise ValueError(
            f"log-probabilities have shape {array.shape}; give (frames, {len(alphabet.tokens)}) with a frame"
        )
    begin = int(np.argmax(array.argmax(axis=1) != alphabet.blank))  # the first letter
    frame = widgets.IntSlider(
        value=begin,
        max=len(array) - 1,
        description="frame",
        style={"description_width": "initial"},
        layout=widgets.Layout(width="min(100%, 50em)"),
    )
    image, steps, best = widgets.HTML(), widgets.HTML(), widgets.HTML()

    def show_frame(_: object = None) -> None:
        first = min(max(0, frame.value - WINDOW // 2), max(0, len(array) - WINDOW))
        span = (first, min(len(array), first + WINDOW))
        table = collapse_steps(array, alphabet, clock, span=span, chosen=frame.value, language=language)
        steps.value = styled(table)
        best.value = styled(top_tokens(array, frame.value, alphabet.tokens))

    image.value = styled(_heat_map(array, alphabet, clock))
    frame.observe(show_frame, names="value")
    show_frame()
    box = widgets.VBox([image, frame, steps, best])
    box.add_class("asr-frames")
    return box


def _heat_map(array: np.ndarray, alphabet: Any, clock: Any) -> Fragment:
    used = len(_drawn(np.exp(array), alphabet.blank))
    fig = Figure(figsize=(10, 1.5 + 0.24 * used), dpi=90, layout="constrained", facecolor="white")
    ctc_frames(array, alphabet, clock, fig.subplots())
    return picture(fig, alt="probability of each token over time")


def ctc_frames(
    log_probs: np.ndarray,
    alphabet: Any,
    clock: Any,
    ax: Axes,
    *,
    title: str = "",
) -> Axes:
    """Draw the probability of every token over time, and write the winner of every run of frames on it.

    A token that never gets more probable than 5 %, and is the best of no frame, has no row, so that the picture stays
    readable.

    Args:
        log_probs: Natural logarithms, shape ``(frames, tokens)``.
        alphabet: What each column means (a `model.Alphabet`); the blank is drawn as the lowest row.
        clock: When each frame is (a `decoding.FrameClock`).
        ax: Where to draw.
        title: The finding.
    """
    tokens, blank = alphabet.tokens, alphabet.blank
    shares = np.exp(np.asarray(log_probs, dtype=np.float64))
    rows = _drawn(shares, blank)
    extent = (clock.start(0), clock.end(len(shares) - 1), -0.5, len(rows) - 0.5)
    picture = ax.imshow(
        shares[:, rows].T, aspect="auto", origin="lower", extent=extent, cmap="Blues", vmin=0, vmax=1,
        interpolation="nearest",
    )  # fmt: skip
    ax.figure.colorbar(picture, ax=ax, label="probability", pad=0.01)
    row_points = 72 * ax.figure.get_figheight() / (len(rows) + 4)  # the axes take some of the height
    size = min(13, 0.7 * row_points)
    ax.set_yticks(range(len(rows)), [letter_label(tokens[t]) for t in rows], fontsize=size, va="center")
    _write_winners(ax, shares.argmax(axis=1), rows, tokens, clock)
    return finish(ax, title, f"time (s), {1000 * clock.seconds:.0f} ms a frame", "token")


def _drawn(shares: np.ndarray, blank: int) -> list[int]:
    """The tokens with a row of their own: the blank, and what is ever probable or the best of a frame."""
    wanted = set(np.flatnonzero(shares.max(axis=0) >= THRESHOLD).tolist()) | set(shares.argmax(axis=1).tolist())
    return [blank, *sorted(wanted - {blank})]


def _write_winners(ax: Axes, best: np.ndarray, rows: list[int], tokens: Sequence[str], clock: Any) -> None:
    """Write what collapsing keeps along the upper edge, with a line down to where it was seen.

    A run of frames is one letter however long it lasts.
    """
    ax.set_ylim(-0.5, len(rows) + 0.9)
    changes = np.flatnonzero(np.diff(best)) + 1
    for run in np.split(np.arange(len(best)), changes):
        token = int(best[run[0]])
        if token == rows[0]:
            continue
        middle = (clock.start(run[0]) + clock.end(run[-1])) / 2
        ax.plot([middle, middle], [rows.index(token) + 0.5, len(rows) - 0.2], ":", color=COLOURS[1], linewidth=0.8)
        size = min(13, ax.figure.get_figwidth())  # points and inches: a narrow picture sets its letters closer
        text = ax.text(middle, len(rows) + 0.2, letter_label(tokens[token]), ha="center", va="center", fontsize=size)
        text.set_color(COLOURS[1])

"""Pictures of what a model gets wrong: error rates by slice, calibration, frames, confused letters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from .figures import COLOURS, finish, label_letters, letter_label

__all__ = ["calibration", "confusions", "ctc_frames", "slices"]


def slices(
    frame: pd.DataFrame,
    ax: Axes,
    *,
    label: str = "slice",
    value: str = "value",
    low: str = "low",
    high: str = "high",
    count: str = "utterances",
    overall: float | None = None,
    xlabel: str = "WER (%)",
    title: str = "",
) -> Axes:
    """Draw an error rate with its interval for each part of the test set.

    Args:
        frame: One row a slice; rates as fractions.
        ax: Where to draw.
        label: Column that names the slice.
        value: Column of the rate.
        low: Column of the interval's lower end.
        high: Column of its upper end.
        count: Column with the number of utterances, written beside the bar.
        overall: Rate over everything, drawn as a line.
        xlabel: What is drawn, with its unit.
        title: The finding.
    """
    places = np.arange(len(frame))[::-1]
    rate = 100 * frame[value].to_numpy(float)
    reach = np.abs(100 * frame[[low, high]].to_numpy(float).T - rate)
    ax.errorbar(rate, places, xerr=np.nan_to_num(reach), fmt="o", color=COLOURS[0], capsize=4, markersize=6)
    if overall is not None:
        ax.axvline(100 * overall, color=COLOURS[1], linestyle="--", label=f"all: {100 * overall:.1f} %")
        ax.legend(frameon=False)
    ax.set_yticks(places, [f"{n}  (n = {c:,})" for n, c in zip(frame[label], frame[count], strict=True)])
    label_letters(ax.get_yticklabels())
    ax.set_ylim(-0.6, len(frame) - 0.4)
    ax.set_xlim(left=0)
    ax.grid(axis="x", alpha=0.3)
    return finish(ax, title, xlabel)


def calibration(
    confidence: Sequence[float],
    correct: Sequence[bool],
    ax: Axes,
    *,
    bins: int = 10,
    title: str = "",
) -> Axes:
    """Draw how often a word is right against how sure the model was of it.

    Args:
        confidence: One number a word, 0 to 1.
        correct: Whether that word was right.
        ax: Where to draw.
        bins: Groups of equal width.
        title: The finding.
    """
    sure, right = np.asarray(confidence, dtype=float), np.asarray(correct, dtype=float)
    group = np.clip((sure * bins).astype(int), 0, bins - 1)
    counts = np.bincount(group, minlength=bins)
    used = counts > 0
    mean_sure = np.bincount(group, sure, bins)[used] / counts[used]
    mean_right = np.bincount(group, right, bins)[used] / counts[used]
    ax.plot([0, 1], [0, 1], ":", color="grey", label="confidence equals accuracy")
    ax.plot(mean_sure, mean_right, color=COLOURS[0], linewidth=1)
    ax.scatter(mean_sure, mean_right, s=20 + 180 * counts[used] / counts.max(), color=COLOURS[0], zorder=3)
    for x, y, n in zip(mean_sure, mean_right, counts[used], strict=True):
        ax.annotate(f"{n:,}", (x, y), xytext=(7, -11), textcoords="offset points", fontsize=8)
    ax.set_xlim(0, 1.04)
    ax.set_ylim(0, 1.04)
    ax.legend(frameon=False, loc="upper left")
    ax.grid(alpha=0.3)
    return finish(ax, title, "confidence of the word", "share of words that are right")


def ctc_frames(
    log_probs: np.ndarray,
    tokens: Sequence[str],
    frame_seconds: float,
    ax: Axes,
    *,
    blank: int = 0,
    threshold: float = 0.05,
    span: tuple[float, float] | None = None,
    title: str = "",
) -> Axes:
    """Draw the probability of every token over time, and write the winner of every run of frames on it.

    Args:
        log_probs: Natural logarithms, shape ``(frames, tokens)``.
        tokens: Token of each column.
        frame_seconds: Seconds from one frame to the next.
        ax: Where to draw.
        blank: Column of the CTC blank; drawn as the lowest row.
        threshold: A token that never gets this probable is left out, so that the picture stays readable.
        span: Seconds to show, from and to; all by default.
        title: The finding.
    """
    first, last = _frame_span(len(log_probs), frame_seconds, span)
    shares = np.exp(np.asarray(log_probs, dtype=np.float64)[first:last])
    rows = [blank] + [t for t in range(shares.shape[1]) if t != blank and shares[:, t].max() >= threshold]
    extent = (first * frame_seconds, last * frame_seconds, -0.5, len(rows) - 0.5)
    picture = ax.imshow(
        shares[:, rows].T, aspect="auto", origin="lower", extent=extent, cmap="Blues", vmin=0, vmax=1,
        interpolation="nearest",
    )  # fmt: skip
    ax.figure.colorbar(picture, ax=ax, label="probability", pad=0.01)
    ax.set_yticks(range(len(rows)), [letter_label(tokens[t]) for t in rows])
    label_letters(ax.get_yticklabels())
    _write_winners(ax, shares.argmax(axis=1), rows, tokens, frame_seconds, first)
    return finish(ax, title, f"time (s), {1000 * frame_seconds:.0f} ms a frame", "token")


def _frame_span(frames: int, frame_seconds: float, span: tuple[float, float] | None) -> tuple[int, int]:
    if span is None:
        return 0, frames
    first = min(max(0, int(span[0] / frame_seconds)), max(0, frames - 1))
    return first, max(first + 1, min(frames, int(np.ceil(span[1] / frame_seconds))))


def _write_winners(
    ax: Axes, best: np.ndarray, rows: list[int], tokens: Sequence[str], frame_seconds: float, first: int
) -> None:
    """Write what collapsing keeps along the upper edge, with a line down to where it was seen.

    A run of frames is one letter however long it lasts.
    """
    ax.set_ylim(-0.5, len(rows) + 0.9)
    changes = np.flatnonzero(np.diff(best)) + 1
    for run in np.split(np.arange(len(best)), changes):
        token = int(best[run[0]])
        if token == rows[0]:
            continue
        middle = (first + run[0] + len(run) / 2) * frame_seconds
        ax.plot([middle, middle], [rows.index(token) + 0.5, len(rows) - 0.2], ":", color=COLOURS[1], linewidth=0.8)
        text = ax.text(middle, len(rows) + 0.2, letter_label(tokens[token]), ha="center", va="center", fontsize=13)
        text.set_color(COLOURS[1])
        label_letters([text])


def confusions(
    counts: pd.DataFrame,
    ax: Axes,
    *,
    title: str = "",
    reference: str = "reference",
    hypothesis: str = "hypothesis",
) -> Axes:
    """Draw which letter was taken for which, as a matrix of counts.

    Args:
        counts: A square or oblong table: index = letter said, columns = letter predicted, cells = times.
        ax: Where to draw.
        title: The finding.
        reference: Name of the rows.
        hypothesis: Name of the columns.
    """
    cells = counts.to_numpy(float)
    ax.imshow(cells, cmap="Oranges", vmin=0, aspect="auto")
    for i, j in np.argwhere(cells > 0):
        colour = "white" if cells[i, j] > 0.6 * cells.max() else "black"
        ax.text(j, i, f"{cells[i, j]:.0f}", ha="center", va="center", fontsize=8, color=colour)
    ax.set_xticks(range(cells.shape[1]), [letter_label(str(c)) for c in counts.columns])
    ax.set_yticks(range(cells.shape[0]), [letter_label(str(c)) for c in counts.index])
    label_letters([*ax.get_xticklabels(), *ax.get_yticklabels()])
    ax.tick_params(length=0, labelsize=12)
    return finish(ax, title, hypothesis, reference)

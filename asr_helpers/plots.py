"""Pictures of recordings and of training: every helper draws on the axes it is given and returns them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from .error_plots import calibration, confusions, ctc_frames, slices
from .figures import COLOURS, figure, finish, letter_label, picture, png

__all__ = [
    "COLOURS",
    "calibration",
    "confusions",
    "ctc_frames",
    "figure",
    "histogram",
    "letter_label",
    "picture",
    "png",
    "slices",
    "spectrogram",
    "training_curves",
    "waveform",
]

LABEL_GAP = 0.075  # least distance of two labels, as a share of the height of a small panel
RANGE_DB = -70  # what lies further below the loudest point is drawn black


def waveform(
    samples: np.ndarray,
    sampling_rate: int,
    ax: Axes,
    *,
    words: Iterable[Mapping[str, Any]] = (),
    title: str = "",
) -> Axes:
    """Draw a recording over time, and where its words lie.

    Args:
        samples: Mono audio, float, shape ``(samples,)``.
        sampling_rate: Samples per second.
        ax: Where to draw.
        words: Mappings with ``start`` and ``end`` in seconds; drawn as numbered bands, since words are set
            right to left while time runs left to right.
        title: What the picture shows.
    """
    times, low, high = _envelope(np.asarray(samples), sampling_rate)
    ax.fill_between(times, low, high, color=COLOURS[0], linewidth=0.4)
    for number, word in enumerate(words):
        start, end = float(word["start"]), float(word["end"])
        ax.axvspan(start, end, color=COLOURS[4], alpha=0.45 if number % 2 else 0.2, linewidth=0)
        ax.annotate(
            str(number + 1),
            ((start + end) / 2, 1.0),
            xycoords=("data", "axes fraction"),
            ha="center",
            va="top",
        )
    ax.set_xlim(0, len(samples) / sampling_rate)
    return finish(ax, title, "time (s)", "amplitude")


def _envelope(samples: np.ndarray, sampling_rate: int, bins: int = 1_500) -> tuple[np.ndarray, ...]:
    """Lowest and highest sample of each stretch: what a line through all samples would fill."""
    edges = np.linspace(0, len(samples), min(bins, len(samples)) + 1).astype(int)
    low = np.minimum.reduceat(samples, edges[:-1])
    high = np.maximum.reduceat(samples, edges[:-1])
    return (edges[:-1] + edges[1:]) / 2 / sampling_rate, low, high


def spectrogram(samples: np.ndarray, sampling_rate: int, ax: Axes, *, title: str = "") -> Axes:
    """Draw the energy of a recording over time and frequency, in decibels below its loudest point.

    Windows of 16 ms tell the pulses of a voice apart in time, as the wide-band spectrograms of phonetics do.

    Args:
        samples: Mono audio, float, shape ``(samples,)``.
        sampling_rate: Samples per second.
        ax: Where to draw.
        title: What the picture shows.
    """
    decibels, seconds = _decibels(np.asarray(samples, dtype=np.float32), sampling_rate)
    extent = (0.0, seconds, 0.0, sampling_rate / 2000)
    picture = ax.imshow(decibels, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=RANGE_DB, vmax=0)
    ax.figure.colorbar(picture, ax=ax, format="%.0f dB", pad=0.01)
    return finish(ax, title, "time (s)", "frequency (kHz)")


def _decibels(samples: np.ndarray, sampling_rate: int, columns: int = 1_000) -> tuple[np.ndarray, float]:
    """Power of every window, shape ``(frequencies, windows)``, in decibels below the largest; and the seconds."""
    width = round(0.016 * sampling_rate)
    padded = np.pad(samples, width // 2)
    hop = max(width // 8, len(samples) // columns)
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)[::hop] * np.hanning(width).astype(np.float32)
    power = np.abs(np.fft.rfft(windows, n=2 * width)).T ** 2
    return 10 * np.log10(np.maximum(power / max(float(power.max()), 1e-20), 1e-12)), len(samples) / sampling_rate


def histogram(
    values: Sequence[float] | pd.Series, ax: Axes, *, xlabel: str, title: str = "", bins: int | str = "auto"
) -> Axes:
    """Draw how often each value occurs, with the median marked.

    Args:
        values: One number an utterance; missing ones are left out.
        ax: Where to draw.
        xlabel: What is counted, with its unit, as in ``"duration (s)"``.
        title: The finding.
        bins: Number of bars, or a rule that ``numpy.histogram_bin_edges`` knows; whole numbers get a bar
            each.
    """
    numbers = np.asarray(values, dtype=float)
    numbers = numbers[np.isfinite(numbers)]
    if not numbers.size:
        ax.text(0.5, 0.5, "no data", transform=ax.transAxes, ha="center", va="center")
        return finish(ax, title, xlabel, "utterances")
    whole = np.array_equal(numbers, np.round(numbers)) and np.ptp(numbers) <= 60
    edges = np.arange(numbers.min() - 0.5, numbers.max() + 1) if whole else _edges(numbers, bins)
    ax.hist(numbers, bins=edges, color=COLOURS[0], edgecolor="white", linewidth=0.5)
    middle = float(np.median(numbers))
    ax.axvline(middle, color=COLOURS[1], linestyle="--", label=f"median {middle:.3g}")
    ax.legend(frameon=False)
    ax.grid(axis="y", alpha=0.3)
    return finish(ax, title, xlabel, "utterances")


def _edges(numbers: np.ndarray, bins: int | str) -> np.ndarray:
    edges = np.histogram_bin_edges(numbers, bins=bins)
    return edges if len(edges) <= 61 else np.histogram_bin_edges(numbers, bins=60)  # one outlier makes "auto" huge


def training_curves(log: pd.DataFrame, ax: Axes, *, names: Sequence[str] = ("loss",), title: str = "") -> Axes:
    """Draw training and validation values over steps.

    Args:
        log: One row a log event: ``step``, ``split``, ``name``, ``value``.
        ax: Where to draw.
        names: Which values, e.g. ``("loss",)`` or ``("wer", "cer")``; the minimum of each in
            validation is marked.
        title: The finding.
    """
    chosen = log[log["name"].isin(names) & np.isfinite(log["value"])]
    styles = {"train": "-", "validation": "--"}
    ends = []  # label, step, value and colour of the end of each curve
    for index, ((name, split), rows) in enumerate(chosen.groupby(["name", "split"], sort=False)):
        rows = rows.sort_values("step")
        colour = COLOURS[index % len(COLOURS)]
        mark = "o" if split == "validation" or len(rows) == 1 else None
        ax.plot(rows["step"], rows["value"], styles.get(split, ":"), color=colour, marker=mark, ms=3.5)
        last = rows.iloc[-1]
        ends.append((f" {split} {name}", last["step"], last["value"], colour))
        if split == "validation":
            best = rows.loc[rows["value"].idxmin()]
            ax.plot(best["step"], best["value"], "*", color=colour, markersize=12)
    ax.set_ylim(bottom=0)
    ax.margins(x=0.02)
    ax.grid(alpha=0.3)
    _label_ends(ax, ends)
    shares = len(names) > 1 and all(name.endswith("_share") for name in names)
    said = "share" if shares else " and ".join(name.upper() if len(name) == 3 else name for name in names)
    return finish(ax, title, "step", said)


def _label_ends(ax: Axes, ends: Sequence[tuple[str, float, float, str]]) -> None:
    """Write each curve's label beside its end, moved up where it would cover the label of a curve below."""
    low, high = ax.get_ylim()
    least = LABEL_GAP * (high - low)
    place = -np.inf
    for label, step, value, colour in sorted(ends, key=lambda end: end[2]):
        place = max(value, place + least)
        ax.annotate(label, (step, place), color=colour, va="center", annotation_clip=False)

"""Pictures of recordings and of training: every helper draws on the axes it is given and returns them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from asr_helpers.analysis.power_law import PowerLaw
from asr_helpers.wording import percent

from .figures import COLOURS, MARK, axis_label, finish, letter_label

__all__ = [
    "calibration",
    "confusions",
    "histogram",
    "learning_curve",
    "slices",
    "spectrogram",
    "training_curves",
    "waveform",
]

LABEL_GAP = 0.075  # least distance of two labels, as a share of the height of a small panel
RANGE_DB = -70  # what lies further below the loudest point is drawn black

WINDOW_SECONDS = 0.016  # of a spectrogram

COLUMNS = 1_000  # of a spectrogram, about: more are not seen

QUIETEST = 1e-6  # amplitude that counts as the loudest point of digital silence, which is black then


def waveform(samples: np.ndarray, sampling_rate: int, ax: Axes, *, title: str = "") -> Axes:
    """Draw a recording over time.

    Args:
        samples: Mono audio, float, shape ``(samples,)``.
        sampling_rate: Samples per second.
        ax: Where to draw.
        title: What the picture shows.
    """
    times, low, high = _envelope(np.asarray(samples), sampling_rate)
    ax.fill_between(times, low, high, color=COLOURS[0], linewidth=0.4)
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
    import librosa  # only here: importing it takes seconds

    width = round(WINDOW_SECONDS * sampling_rate)
    hop = max(width // 8, len(samples) // COLUMNS)
    padded = np.pad(np.asarray(samples, dtype=np.float32), (0, max(0, 2 * width - len(samples))))
    size = np.abs(librosa.stft(padded, n_fft=2 * width, win_length=width, hop_length=hop))[:, : 1 + len(samples) // hop]
    decibels = librosa.amplitude_to_db(size, ref=max(float(size.max()), QUIETEST), amin=1e-4 * QUIETEST, top_db=None)
    extent = (0.0, len(samples) / sampling_rate, 0.0, sampling_rate / 2000)
    picture = ax.imshow(decibels, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=RANGE_DB, vmax=0)
    ax.figure.colorbar(picture, ax=ax, format="%.0f dB", pad=0.01)
    window, step = 1000 * width / sampling_rate, 1000 * hop / sampling_rate
    return finish(ax, title, f"time (s); {window:.3g} ms windows every {step:.3g} ms", "frequency (kHz)")


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
    if np.ptp(numbers) <= 1e-9 * np.abs(numbers).max():
        numbers = numbers[:1]  # equal but for rounding: numpy finds no room for bars between them
    edges = np.histogram_bin_edges(numbers, bins=bins)
    return edges if len(edges) <= 61 else np.histogram_bin_edges(numbers, bins=60)  # one outlier makes "auto" huge


def training_curves(log: pd.DataFrame, ax: Axes, *, names: Sequence[str] = ("loss",), title: str = "") -> Axes:
    """Draw training and validation values over steps.

    A loss falls from hundreds to a fraction of one: only on a logarithmic axis is a rise at its end to be seen.

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
        label = f"{split} {name}" if len(names) > 1 else split  # else the axis names it
        ends.append((label.replace("_", " "), last["step"], last["value"], colour))
        if split == "validation":
            best = rows.loc[rows["value"].idxmin()]
            ax.plot(best["step"], best["value"], "*", color=colour, markersize=12)
    if tuple(names) == ("loss",) and (chosen["value"] > 0).any():
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter(NullFormatter())
    else:
        ax.set_ylim(bottom=0)
    ax.margins(x=0.02)
    ax.grid(alpha=0.3)
    _label_ends(ax, ends)
    shares = len(names) > 1 and all(name.endswith("_share") for name in names)
    said = "share" if shares else " and ".join(name.upper() if len(name) == 3 else name for name in names)
    return finish(ax, title, "step", said.replace("_", " "))


def _label_ends(ax: Axes, ends: Sequence[tuple[str, float, float, str]]) -> None:
    """Write each curve's label beside its end, moved up or down where it would cover another label or the title."""
    ax.get_ylim()  # settles the limits that the transformation goes by
    to_share = ax.transScale + ax.transLimits  # 0 is the lower edge, 1 the upper, on any scale
    shares = [(label, step, to_share.transform((step, value))[1], colour) for label, step, value, colour in ends]
    places = np.array(sorted(share for _, _, share, _ in shares))
    steps = LABEL_GAP * np.arange(len(places))
    places = np.maximum.accumulate(places - steps) + steps  # each at least a gap above the one below
    places = np.minimum.accumulate(np.minimum(places, 1)[::-1] + steps)[::-1] - steps[::-1]
    for (label, step, _, colour), place in zip(sorted(shares, key=lambda end: end[2]), places, strict=True):
        ax.annotate(
            axis_label(label), (step, place), xycoords=("data", "axes fraction"), xytext=(9, 0),
            textcoords="offset points", color=colour, va="center", annotation_clip=False,
        )  # fmt: skip


def slices(
    frame: pd.DataFrame,
    ax: Axes,
    *,
    label: str = "slice",
    overall: float | None = None,
    title: str = "",
) -> Axes:
    """Draw an error rate with its interval for each part of the test set.

    Args:
        frame: One row a slice: ``value`` with its interval from ``low`` to ``high`` as fractions, and how many
            ``utterances`` it has, which is written beside its name.
        ax: Where to draw.
        label: Column that names the slice.
        overall: Rate over everything, drawn as a line.
        title: The finding.
    """
    places = np.arange(len(frame))[::-1]
    rate = 100 * frame["value"].to_numpy(float)
    reach = np.abs(100 * frame[["low", "high"]].to_numpy(float).T - rate)
    ax.errorbar(rate, places, xerr=reach, fmt="o", color=COLOURS[0], capsize=4, markersize=6)
    if overall is not None:
        ax.axvline(100 * overall, color=COLOURS[1], linestyle="--", label=f"all: {percent(overall)}")
        ax.legend(frameon=False)
    named = zip(frame[label], frame["utterances"], strict=True)
    ax.set_yticks(places, [f"{MARK}{axis_label(str(name))}  (n = {count:,})" for name, count in named])
    ax.set_ylim(-0.6, len(frame) - 0.4)
    ax.set_xlim(left=0)
    ax.grid(axis="x", alpha=0.3)
    return finish(ax, title, "WER (%)")


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
    ax.legend(frameon=False, loc="lower right")
    ax.grid(alpha=0.3)
    return finish(ax, title, "confidence of the word", "share of words that are right")


def confusions(counts: pd.DataFrame, ax: Axes, *, title: str = "") -> Axes:
    """Draw which letter was taken for which, as a matrix of counts.

    Args:
        counts: A square or oblong table: index = letter said, columns = letter predicted, cells = times.
        ax: Where to draw.
        title: The finding.
    """
    cells = counts.to_numpy(float)
    ax.imshow(cells, cmap="Oranges", vmin=0, aspect="auto")
    for i, j in np.argwhere(cells > 0):
        colour = "white" if cells[i, j] > 0.6 * cells.max() else "black"
        ax.text(j, i, f"{cells[i, j]:.0f}", ha="center", va="center", fontsize=8, color=colour)
    ax.set_xticks(range(cells.shape[1]), [letter_label(str(c)) for c in counts.columns])
    ax.set_yticks(range(cells.shape[0]), [letter_label(str(c)) for c in counts.index])
    ax.tick_params(length=0, labelsize=12)
    return finish(ax, title, "hypothesis", "reference")


def learning_curve(points: pd.DataFrame, law: PowerLaw, ax: Axes, *, title: str = "") -> Axes:
    """Draw an error rate over the hours of training speech, and how it goes on if the data say so.

    Args:
        points: One row a training: ``hours``, ``value`` with its interval from ``low`` to ``high`` as fractions.
        law: The line through them, and where it leads.
        ax: Where to draw; its hours are logarithmic.
        title: The finding.
    """
    hours, rate = points["hours"].to_numpy(float), 100 * points["value"].to_numpy(float)
    reach = np.abs(100 * points[["low", "high"]].to_numpy(float).T - rate)
    ax.errorbar(hours, rate, yerr=reach, fmt="o", color=COLOURS[0], capsize=4, label="measured")
    shown = [*hours]
    if not law.why:
        along = np.geomspace(hours.min(), law.hours, 50)
        ax.plot(along, 100 * law.factor * along**-law.exponent, ":", color=COLOURS[1])
        low, high = law.before - law.high, law.before - law.low  # matplotlib refuses a reach below 0
        ends = 100 * np.maximum(0, [[law.value - low], [high - law.value]])
        ax.errorbar([law.hours], [100 * law.value], yerr=ends, fmt="s", color=COLOURS[1], capsize=4, label="expected")
        shown.append(law.hours)
        ax.legend(frameon=False)
    ax.set_xscale("log")
    ax.set_xticks(shown, [f"{h:.2g}" for h in shown])
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_ylim(bottom=0)
    ax.grid(alpha=0.3)
    return finish(ax, title, "training speech (h)", "error rate (%)")

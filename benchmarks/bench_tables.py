"""The results of the benchmarks as Markdown tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asr_helpers.wording import percent

__all__ = ["markdown", "tables"]


def tables(results: dict[str, Any]) -> str:
    """Set the results as three Markdown tables; without absolute speeds on a CPU, which mean nothing elsewhere."""
    parts, absolute = [], results["kind"] == "cuda"
    if "preprocessing" in results:
        rows = [
            {
                "preprocessing": name,
                **({"hours a minute": f"{row['hours_per_minute']:.1f}"} if absolute else {}),
                "speed-up": f"{row['speedup']:.1f}",
                "MB an hour": f"{row['bytes_per_hour'] / 1e6:.0f}",
                "bytes ratio": f"{row['bytes_ratio']:.2f}",
            }
            for name, row in results["preprocessing"].items()
        ]
        parts.append(markdown(rows))
    if "training" in results:
        rows = [
            {
                "training": ("+ " if i and i < len(results["training"]) - 1 else "") + row["variant"],
                "predicted": f"{row['predicted']:.2f}",
                "brought": f"{row['brought']:.2f}",
                "speed-up": f"{row['speedup']:.2f}",
                **({"hours a second": f"{row['hours_per_second']:.4f}"} if absolute else {}),
                **({"utterances a second": f"{row['utterances_per_second']:.1f}"} if absolute else {}),
                "padding": percent(row["padding_share"]),
                "peak memory": f"{row['peak_bytes'] / 1e9:.2f} GB" if row["peak_bytes"] else "",
                "of the matrix rate": f"{percent(row['matrix_rate_share'], 0)} ({row['precision']})",
            }
            for i, row in enumerate(results["training"])
        ]
        parts.append(markdown(rows))
    if "evaluation" in results:
        rows = [
            {
                "evaluation": row["way"],
                "speed-up": f"{row['speedup']:.2f}",
                "WER": f"{row['wer']:.4f}",
                "hypotheses that differ": f"{row['hypotheses_that_differ']} of {row['utterances']}",
            }
            for row in results["evaluation"]
        ]
        parts.append(markdown(rows))
    return "\n\n".join(parts)


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """Set rows as a Markdown table, columns as in the first row."""
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    return "\n".join(lines + ["| " + " | ".join(str(row[name]) for name in names) + " |" for row in rows])

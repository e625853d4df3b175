"""The environment of a process that computes, where the user has not set it; torch reads it once, while it loads."""

from __future__ import annotations

import os

__all__ = ["unless_set"]


def unless_set(processes: int = 1) -> dict[str, str]:
    """Environment variables for a process that computes beside others, without those that are set already.

    Threads that wait shall sleep: those that spin keep the cores from the very process they wait for, and a training
    beside another busy one slows down several times more than its share (``benchmarks/RESULTS.md``). A single process
    keeps its libraries' own number of threads, one a core; several share the cores out.

    Args:
        processes: Training processes on this machine.
    """
    wanted = {"OMP_WAIT_POLICY": "PASSIVE"}
    if processes > 1:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        wanted["OMP_NUM_THREADS"] = str(max(1, cores // processes))
    return {name: value for name, value in wanted.items() if name not in os.environ}

"""Time two ways of doing the same in turn, so that a machine that drifts slows both."""

import gc
import statistics
import time
from collections.abc import Callable

__all__ = ["line", "paired"]


def paired(
    ours: Callable, theirs: Callable, *, runs: int = 15, clock: Callable = time.perf_counter
) -> tuple[float, float, float]:
    """Return the median seconds of each, and the median of their ratios pair by pair."""
    ours(), theirs()
    pairs = []
    for _ in range(runs):
        pairs.append((_seconds(ours, clock), _seconds(theirs, clock)))
    return (
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(a / b for a, b in pairs),
    )


def _seconds(work: Callable, clock: Callable) -> float:
    gc.collect()
    start = clock()
    work()
    return clock() - start


def line(what: str, ours: float, theirs: float, ratio: float, aim: str, limit: str = "") -> str:
    """Return a row of the report: milliseconds, ratio, what is aimed at, what is possible."""
    return f"{what:<68}{ours * 1e3:>9.2f}{theirs * 1e3:>9.2f}{ratio:>8.2f}  {aim:<8}{limit}"

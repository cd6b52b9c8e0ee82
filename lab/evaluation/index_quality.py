"""How good and how quick an approximate search is, against an exact one (Aumüller et al. 2020, "ANN-Benchmarks")."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ROUNDING = 1e-5  # of a score: float32 sums of another order
WARM_UP = 20


def index_recall(
    found: NDArray[np.int64], scores: NDArray[np.float32], exact: NDArray[np.float32], k: int
) -> NDArray[np.float64]:
    """Share of the k best that was found for each query, (m,): ties count, whichever of the equal was answered.

    `found` (m, w): answered places, -1 for none; `scores` (m, w): their similarities, more is better; `exact` (m, w'):
    the scores of the exact answer, best first, NaN where there is none. An answer counts where it is as good as the
    exact k-th, within rounding. A query for which there is nothing to be found has recall 1.
    """
    due = np.minimum((~np.isnan(exact)).sum(axis=1), k)
    if not len(due) or not due.max():
        return np.ones(len(due))
    last = np.take_along_axis(exact, np.maximum(due - 1, 0)[:, None], axis=1)
    floor = last - _ROUNDING * np.maximum(1, np.abs(last))
    good = (found[:, :k] >= 0) & (scores[:, :k] >= floor)
    return np.where(due > 0, np.minimum(good.sum(axis=1), due) / np.maximum(due, 1), 1.0)


def milliseconds(call: Callable[[int], Any], count: int) -> NDArray[np.float64]:
    """Time of `call(0)` … `call(count - 1)`, one after another, in milliseconds: (count,), after a few to warm up.

    The processor's time of the calling thread, so that what else the machine does is not counted: whatever is called
    must work in this thread alone.
    """
    for number in range(min(count, WARM_UP)):
        call(number)
    taken = np.empty(count)
    for number in range(count):
        started = time.thread_time_ns()
        call(number)
        taken[number] = time.thread_time_ns() - started
    return taken / 1e6


def latency(taken: NDArray[np.float64]) -> dict[str, float]:
    """Median and 99th percentile of times, in their unit: `{"p50", "p99"}`."""
    p50, p99 = np.quantile(taken, [0.5, 0.99])
    return {"p50": float(p50), "p99": float(p99)}

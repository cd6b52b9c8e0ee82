"""Numbers for ranked lists: how much of what belongs to a user is near the top, and what the lists are like as a whole.

Per user, so that rows can be compared user by user and slice by slice. Formulas as in trec_eval, against which they
are checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Values = NDArray[np.float64]
METRICS = ("recall", "ndcg", "mrr", "map", "hit", "precision")


def user_metrics(
    items: NDArray[np.int64], relevant: csr_array, ks: Sequence[int], metrics: Sequence[str] = METRICS
) -> dict[str, Values]:
    """Metrics of each user's list at several cut-offs: `{"recall@10": (m,) float64, …}`.

    `items` (m, k): ranked, -1 where there is none, at least as long as the largest cut-off. `relevant` (m, n): what
    belongs to each user, its values gains above 0 (nDCG uses them, all others ask whether there is one). A user
    without anything relevant cannot be judged and has NaN.

    recall: share of the relevant found; precision: share of the k shown; hit: whether there is any; mrr: 1 over the
    rank of the first (0 where none is shown); map: precision at each relevant place, summed, over the number of the
    relevant (not over k where that is less, as some libraries do); ndcg: gains over log2(rank + 1), over those of
    the best list (Järvelin and Kekäläinen 2002).

    Raises:
        ValueError: an unknown metric, shapes that do not fit, or lists shorter than the largest cut-off.
    """
    if unknown := sorted(set(metrics) - set(METRICS)):
        raise ValueError(f"unknown metric {unknown[0]!r}: there are {', '.join(METRICS)}")
    if len(items) != relevant.shape[0] or items.shape[1] < max(ks):
        raise ValueError(f"lists of shape {items.shape} do not fit {relevant.shape[0]} users and cut-offs {list(ks)}")
    gains = gains_of(items, relevant)
    count = np.diff(relevant.indptr).astype(np.float64)
    known = count > 0
    found: dict[str, Values] = {}
    for k in ks:
        at_k = _at_cutoff(gains[:, :k], relevant, count, metrics, k)
        found |= {f"{name}@{k}": np.where(known, values, np.nan) for name, values in at_k.items()}
    return found


def _at_cutoff(gains: Values, relevant: csr_array, count: Values, metrics: Sequence[str], k: int) -> dict[str, Values]:
    hits = gains > 0
    ranks = np.arange(1, k + 1)
    total, at_least = hits.sum(axis=1), np.maximum(count, 1)
    values: dict[str, Values] = {}
    if "recall" in metrics:
        values["recall"] = total / at_least
    if "precision" in metrics:
        values["precision"] = total / k
    if "hit" in metrics:
        values["hit"] = (total > 0).astype(np.float64)
    if "mrr" in metrics:
        values["mrr"] = np.where(total > 0, 1 / (1 + hits.argmax(axis=1)), 0.0)
    if "map" in metrics:
        values["map"] = (hits * hits.cumsum(axis=1) / ranks).sum(axis=1) / at_least
    if "ndcg" in metrics:
        discounts = 1 / np.log2(ranks + 1)
        best = best_gains(relevant, k) @ discounts
        values["ndcg"] = np.divide(gains @ discounts, best, out=np.zeros(len(gains)), where=best > 0)
    return values


def gains_of(items: NDArray[np.int64], relevant: csr_array) -> Values:
    """What each place of each list (m, k) is worth to its user: the value in `relevant` (m, n), or 0."""
    width = relevant.shape[1]
    rows = np.repeat(np.arange(relevant.shape[0]), np.diff(relevant.indptr))
    keys = rows * width + relevant.indices
    order = np.argsort(keys)
    keys, worth = keys[order], np.asarray(relevant.data, dtype=np.float64)[order]
    if not len(keys):
        return np.zeros(items.shape)
    asked = np.arange(len(items))[:, None] * width + items
    place = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    return np.where((keys[place] == asked) & (items >= 0), worth[place], 0.0)


def best_gains(relevant: csr_array, k: int) -> Values:
    """The k largest gains of each user, descending, 0 behind them: (m, k)."""
    rows = np.repeat(np.arange(relevant.shape[0]), np.diff(relevant.indptr))
    worth = np.asarray(relevant.data, dtype=np.float64)
    order = np.lexsort((-worth, rows))
    rows, worth = rows[order], worth[order]
    place = np.arange(len(rows)) - relevant.indptr[rows]
    best = np.zeros((relevant.shape[0], k))
    keep = place < k
    best[rows[keep], place[keep]] = worth[keep]
    return best


def coverage(items: NDArray[np.int64], catalogue: int) -> float:
    """Share of the `catalogue` items that are shown to anybody."""
    return len(np.unique(items[items >= 0])) / catalogue


def gini(items: NDArray[np.int64], catalogue: int) -> float:
    """Gini index of how often each of the `catalogue` items is shown: 0 all alike, near 1 always the same few."""
    counts = np.sort(np.bincount(items[items >= 0], minlength=catalogue).astype(np.float64))
    if not counts.sum():
        return 0.0
    weights = 2 * np.arange(1, catalogue + 1) - catalogue - 1
    return float((weights * counts).sum() / (catalogue * counts.sum()))


def mean_popularity(items: NDArray[np.int64], popularity: Values) -> Values:
    """Mean popularity (n,) of the items of each list, (m,): whatever it is measured in; NaN for an empty list."""
    shown = items >= 0
    total = np.where(shown, popularity[np.maximum(items, 0)], 0).sum(axis=1)
    return np.divide(total, shown.sum(axis=1), out=np.full(len(items), np.nan), where=shown.any(axis=1))


def popularity_lift(items: NDArray[np.int64], history: csr_array, popularity: Values) -> float:
    """How much more popular the shown items are than what the users had before (Abdollahpouri et al. 2019), as a share.

    `history` (m, n) of the same users. 0: as popular; 1: twice as popular.
    """
    count = np.diff(history.indptr)
    own = np.bincount(
        np.repeat(np.arange(history.shape[0]), count), popularity[history.indices], minlength=history.shape[0]
    )
    before = np.divide(own, count, out=np.full(len(own), np.nan), where=count > 0)
    shown = mean_popularity(items, popularity)
    both = ~np.isnan(before) & ~np.isnan(shown)
    if not both.any():
        return float("nan")
    return float(shown[both].mean() / before[both].mean() - 1)


def intra_list_diversity(items: NDArray[np.int64], vectors: NDArray[np.float32]) -> Values:
    """Mean cosine distance between two items of a list, (m,): 0 all alike (Ziegler et al. 2005); NaN below two items.

    `vectors` (n, d). The mean over pairs follows from the length of the sum of unit vectors.
    """
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    unit = np.divide(vectors, lengths, out=np.zeros(vectors.shape), where=lengths > 0)
    shown = items >= 0
    count = shown.sum(axis=1)
    found = np.full(len(items), np.nan)
    for start in range(0, len(items), 4096):
        part = slice(start, start + 4096)
        own = np.where(shown[part, :, None], unit[np.maximum(items[part], 0)], 0)
        squares = (own.sum(axis=1) ** 2).sum(axis=1) - (own**2).sum(axis=(1, 2))
        pairs = count[part] * (count[part] - 1)
        found[part] = np.divide(squares, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)
    return 1 - found


def bootstrap_intervals(
    values: Values, *, alpha: float = 0.05, resamples: int = 1000, seed: int = 0
) -> tuple[list[float], list[float]]:
    """Percentile intervals (low, high) of the mean of each column of `values` (m, c), over resampled users (rows).

    Efron and Tibshirani 1993, ch. 13. All columns see the same resamples.
    """
    rng, m = np.random.default_rng(seed), len(values)
    means = np.empty((resamples, values.shape[1]))
    step = max(1, 2**22 // m)
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        weights = rng.multinomial(m, np.full(m, 1 / m), size=count)
        means[start : start + count] = weights @ values / m
    low, high = np.quantile(means, [alpha / 2, 1 - alpha / 2], axis=0)
    return low.tolist(), high.tolist()

"""How much of a space's neighbourhoods a projection keeps: trustworthiness and continuity (Venna and Kaski 2001)."""

from __future__ import annotations

import numpy as np

from lab.embeddings.neighbors import Metric, row_norms, top_k
from lab.errors import UserError

CHUNK_BYTES = 128 * 2**20


def trustworthiness(
    original: np.ndarray,
    projected: np.ndarray,
    k: int = 15,
    metric: Metric = "cosine",
    items: np.ndarray | None = None,
) -> float:
    """How far the k nearest on the map are near in the original space: 1 is perfect, near 0.5 a random map.

    `original` (n, d), compared by `metric`; `projected` (n, e), compared by Euclidean distance; 1 ≤ k < n/2. A
    neighbour on the map that is the r-th nearest in the original space, r > k, costs r - k; the sum is scaled so that
    the worst map has 0. `items`: row numbers whose neighbourhoods are judged, among all n items; by default all.
    Items at one distance share the smallest rank. "Local multidimensional scaling", Venna and Kaski, Neural
    Networks 19 (2006), eq. 1. Raises `UserError` for a k out of range and for different numbers of items.
    """
    return _kept(projected, "euclidean", original, metric, k, items)


def continuity(
    original: np.ndarray,
    projected: np.ndarray,
    k: int = 15,
    metric: Metric = "cosine",
    items: np.ndarray | None = None,
) -> float:
    """How far the k nearest in the original space stay near on the map: 1 is perfect; see `trustworthiness`."""
    return _kept(original, metric, projected, "euclidean", k, items)


def _kept(
    claimed: np.ndarray, claimed_metric: Metric, true: np.ndarray, true_metric: Metric, k: int, items: np.ndarray | None
) -> float:
    """Judge the k nearest in `claimed` by their ranks in `true`."""
    n = len(true)
    if len(claimed) != n:
        raise UserError(f"a space and its map must hold the same items, but they have {len(claimed)} and {n}")
    if not 1 <= k < n / 2:
        raise UserError(f"k is {k}: neighbourhoods of {n} items need 1 ≤ k < {n / 2:g}")
    judged = np.arange(n) if items is None else np.asarray(items, dtype=np.int64)
    neighbors, _ = top_k(claimed[judged], claimed, k, claimed_metric, exclude=judged)
    excess = np.maximum(_ranks(true, judged, neighbors, true_metric) - k, 0).sum()
    return float(1 - 2 * excess / (len(judged) * k * (2 * n - 3 * k - 1)))


def _ranks(vectors: np.ndarray, rows: np.ndarray, columns: np.ndarray, metric: Metric) -> np.ndarray:
    """Rank of item `columns[i, j]` among the neighbours of item `rows[i]`, the nearest 1: (m, k) int64."""
    points = np.asarray(vectors, dtype=np.float64)
    lengths = row_norms(points)
    if metric == "cosine":
        points = np.divide(points, lengths[:, None], out=np.zeros_like(points), where=lengths[:, None] > 0)
    ranks = np.empty(columns.shape, dtype=np.int64)
    step = max(1, CHUNK_BYTES // (14 * len(points)))  # 8 bytes of product, 4 of distance, 1 of mask, 1 to spare
    for start in range(0, len(rows), step):
        own, answers = rows[start : start + step], columns[start : start + step]
        farness = -(points[own] @ points.T)
        if metric == "euclidean":
            farness = np.maximum(lengths[own, None] ** 2 + 2 * farness + lengths**2, 0)
        farness = farness.astype(np.float32)  # so that items at one distance tie whatever their last bits are
        each = np.arange(len(own))
        farness[each, own] = np.inf
        for place in range(answers.shape[1]):
            limit = farness[each, answers[:, place]]
            ranks[start : start + step, place] = 1 + np.count_nonzero(farness < limit[:, None], axis=1)
    return ranks

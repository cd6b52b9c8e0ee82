"""Exact nearest neighbours: the one top-k search of the lab.

A float32 matrix product finds who may be among the k best, within a proven bound of its rounding error; those few
are scored again in float64, pair by pair, and put in order. So the answer depends neither on the size of a chunk nor
on the BLAS library: it is the brute-force answer, and equal vectors always tie.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from lab.errors import UserError

Metric = Literal["cosine", "dot", "euclidean"]
METRICS: tuple[Metric, ...] = ("cosine", "dot", "euclidean")

_UNIT_ROUNDOFF = 2.0**-24  # of float32
_SAFE_NORMS = (1e-15, 1e15)  # outside of these a float32 product may overflow, or vanish


def top_k(
    queries: np.ndarray,
    vectors: np.ndarray,
    k: int,
    metric: Metric = "cosine",
    *,
    exclude: np.ndarray | None = None,
    chunk_bytes: int = 128 * 2**20,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the `k` best of `vectors` for each query, best first, ties by ascending index.

    `queries` (m, d) and `vectors` (n, d) are finite reals, taken as float32. `exclude` (m,) or (m, e) int holds, for
    each query, indices that must not be answered; -1 stands for none. Memory beyond the arguments and the answer
    stays near `chunk_bytes` (or one row of n scores, where that is more).

    Returns `indices` (m, w) int64 and `scores` (m, w) float32, where w is k, or all there are where that is less. A
    score is the similarity (cosine, dot: descending) or the distance (euclidean: ascending), computed in float64 and
    rounded once; two items tie when their scores are equal. The cosine with a zero vector is 0. A query left with
    fewer than w items is padded with index -1 and score NaN.

    Raises `UserError` for an unknown metric, k < 1, arrays that are not matrices of one width, and NaN or infinity.
    """
    if metric not in METRICS:
        raise UserError(f"unknown metric {metric!r}: use one of {', '.join(METRICS)}")
    if k < 1:
        raise UserError(f"k is {k}: ask for at least 1 neighbour")
    queries, vectors = _matrix(queries, "queries"), _matrix(vectors, "vectors")
    if queries.shape[1] != vectors.shape[1]:
        raise UserError(f"queries have {queries.shape[1]} dimensions but the vectors have {vectors.shape[1]}")
    query_norms, norms = row_norms(queries), row_norms(vectors)
    for name, values in (("queries", query_norms), ("vectors", norms)):
        if not np.isfinite(values).all():
            raise UserError(f"{name} hold NaN or infinity, first in row {np.argmin(np.isfinite(values))}")

    excluded = _excluded(exclude, len(queries), len(vectors))
    width = _width(excluded, len(vectors), k)
    indices = np.full((len(queries), width), -1, dtype=np.int64)
    scores = np.full((len(queries), width), np.nan, dtype=np.float32)
    if indices.size == 0:
        return indices, scores

    screen = _Screen(vectors, norms, metric)
    rows_at_once = max(1, chunk_bytes // (6 * len(vectors)))  # 4 bytes of score, 1 of mask, 1 to spare
    for start in range(0, len(queries), rows_at_once):
        part = slice(start, start + rows_at_once)
        rows, columns = screen.candidates(queries[part], query_norms[part], excluded[part], width)
        exact = _score_pairs(queries[part], vectors, rows, columns, metric, chunk_bytes)
        order = np.lexsort((exact if metric == "euclidean" else -exact, rows))  # stable, columns ascend within a row
        rows, columns, exact = rows[order], columns[order], exact[order]
        place = np.arange(len(rows)) - np.searchsorted(rows, rows)
        keep = place < width
        indices[start + rows[keep], place[keep]] = columns[keep]
        scores[start + rows[keep], place[keep]] = exact[keep]
    return indices, scores


def row_norms(matrix: np.ndarray) -> np.ndarray:
    """Euclidean length of each row: (n,) float64. The same row gives the same bits wherever it stands."""
    norms = np.empty(len(matrix), dtype=np.float64)
    for part in _parts(len(matrix), matrix.shape[1], 16 * 2**20):
        norms[part] = _lengths(matrix[part].astype(np.float64))
    return norms


def _lengths(block: np.ndarray) -> np.ndarray:
    # Not np.einsum or np.linalg.norm: their order of summation, so the last bit, may change with the shape.
    return np.sqrt((block * block).sum(axis=1))


class _Screen:
    """The quick float32 pass: who may be among the k best of a query."""

    def __init__(self, vectors: np.ndarray, norms: np.ndarray, metric: Metric) -> None:
        self.vectors, self.metric = vectors, metric
        self.largest = float(norms.max())
        low, high = _SAFE_NORMS
        positive = norms[norms > 0]
        self.safe = not len(positive) or bool(positive.max() < high and positive.min() > low)
        if metric == "cosine":
            inverse = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)
            self.item_terms = inverse.astype(np.float32) if self.safe else norms
        elif metric == "euclidean":
            self.item_terms = (norms**2 / 2).astype(np.float32) if self.safe else norms

    def candidates(
        self, queries: np.ndarray, query_norms: np.ndarray, excluded: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (rows, columns) of a set that holds the k best of every query, ordered by row, then column."""
        low, high = _SAFE_NORMS
        barred = np.nonzero(excluded >= 0)[0], excluded[excluded >= 0]
        if not (self.safe and np.all((query_norms == 0) | ((query_norms > low) & (query_norms < high)))):
            mask = np.ones((len(queries), len(self.vectors)), dtype=bool)
        else:
            approximate, error = self._approximate(queries, query_norms)
            approximate[barred] = -np.inf
            floor = lower_bound(approximate, k) - 2 * error
            mask = approximate >= floor.astype(np.float32)[:, None]
        mask[barred] = False
        return np.divmod(np.flatnonzero(mask), len(self.vectors))

    def _approximate(self, queries: np.ndarray, query_norms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Scores of which more is better, and a bound on each query's rounding error (Higham 2002, eq. 3.5)."""
        unit = 2 * (queries.shape[1] + 8) * _UNIT_ROUNDOFF
        if self.metric == "cosine":
            inverse = np.divide(1.0, query_norms, out=np.zeros_like(query_norms), where=query_norms > 0)
            scores = (queries * inverse[:, None]).astype(np.float32) @ self.vectors.T
            scores *= self.item_terms
            return scores, np.full(len(queries), unit)
        scores = queries @ self.vectors.T
        if self.metric == "euclidean":
            scores -= self.item_terms  # q.v - |v|^2/2 falls as the distance grows
            return scores, unit * (query_norms + self.largest) ** 2
        return scores, unit * query_norms * self.largest


def lower_bound(scores: np.ndarray, k: int) -> np.ndarray:
    """A value that at least k entries of each row reach, close below the k-th largest: (m,) float64.

    Columns are dealt into many more than k groups; k groups have a maximum that reaches the k-th largest maximum.
    One pass of maxima is several times quicker than a partition of the whole row.
    """
    n = scores.shape[1]
    size = max(1, n // max(32 * k, 1024))
    groups = n // size
    if size > 1:
        scores = scores[:, : groups * size].reshape(len(scores), size, groups).max(axis=1)
    return np.partition(scores, groups - k, axis=1)[:, groups - k].astype(np.float64)


def _score_pairs(
    queries: np.ndarray, vectors: np.ndarray, rows: np.ndarray, columns: np.ndarray, metric: Metric, chunk_bytes: int
) -> np.ndarray:
    """Score pairs (queries[row], vectors[column]) in float64, rounded once to float32: (pairs,)."""
    scores = np.empty(len(rows), dtype=np.float32)
    for part in _parts(len(rows), queries.shape[1], min(chunk_bytes, 32 * 2**20)):
        left = queries[rows[part]].astype(np.float64)
        right = vectors[columns[part]].astype(np.float64)
        if metric == "euclidean":
            values = _lengths(left - right)
        else:
            values = (left * right).sum(axis=1)
        if metric == "cosine":
            lengths = _lengths(left) * _lengths(right)
            values = np.divide(values, lengths, out=np.zeros_like(values), where=lengths > 0)
        with np.errstate(over="ignore"):  # a product beyond float32 is infinite, and ties as such
            scores[part] = values
    return scores


def _parts(rows: int, dimensions: int, part_bytes: int) -> Iterator[slice]:
    """Slices over `rows` rows of float64 that each take about `part_bytes`."""
    step = max(1, part_bytes // (8 * dimensions))
    for start in range(0, rows, step):
        yield slice(start, start + step)


def _matrix(array: np.ndarray, name: str) -> np.ndarray:
    array = np.asarray(array)
    if array.ndim != 2 or array.shape[1] == 0 or array.dtype.kind not in "fiu":
        raise UserError(f"{name} must be a matrix of numbers (items, dimensions), not {array.dtype} {array.shape}")
    return np.ascontiguousarray(array, dtype=np.float32)


def _excluded(exclude: np.ndarray | None, m: int, n: int) -> np.ndarray:
    """Bring `exclude` to (m, e) int64, -1 for none."""
    if exclude is None:
        return np.full((m, 0), -1, dtype=np.int64)
    excluded = np.asarray(exclude, dtype=np.int64)
    excluded = excluded[:, None] if excluded.ndim == 1 else excluded
    if excluded.ndim != 2 or len(excluded) != m:
        raise UserError(f"exclude has shape {np.shape(exclude)}: one row of indices for each of {m} queries was due")
    if excluded.size and (excluded.min() < -1 or excluded.max() >= n):
        raise UserError(f"exclude holds an index outside of -1 to {n - 1}")
    return excluded


def _width(excluded: np.ndarray, n: int, k: int) -> int:
    """How many items an answer can hold: k, or what the query with fewest exclusions has left."""
    if k + excluded.shape[1] <= n or not len(excluded):
        return min(k, n)
    fewest = min(len({int(index) for index in row if index >= 0}) for row in excluded)
    return min(k, n - fewest)

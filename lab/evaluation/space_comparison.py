"""How alike two embedding spaces of the same items are as a whole: CKA, Procrustes, representational similarity.

Each is blind to rotation, reflection and scale of either space, and to where its origin lies. A value stands on
products of sums over items; how much it moves with one item (its influence, Hampel 1974) gives the interval over
items, as the jackknife would, from one pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from lab.embeddings.neighbors import row_norms
from lab.evaluation.intervals import Component, Estimate

Matrix = NDArray[np.floating]
Vector = NDArray[np.float64]
_CHUNK_BYTES = 64 * 2**20


def centred(vectors: Matrix) -> NDArray[np.float64]:
    """`vectors` (n, d) less their mean, float64; more dimensions than items are turned onto as many as items."""
    points = np.asarray(vectors, dtype=np.float64)
    points = points - points.mean(axis=0)
    if points.shape[1] > len(points):  # a rotation, which changes none of the measures
        values, axes = np.linalg.eigh(points @ points.T)
        points = axes * np.sqrt(np.maximum(values, 0))
    return points


def linear_cka(x: Matrix, y: Matrix, debiased: bool = False) -> Estimate:
    """Centred kernel alignment with the linear kernel (Kornblith et al. 2019, arXiv:1905.00414).

    `x` (n, d), `y` (n, e), n ≥ 4: vectors of the same items, `centred`. With few items for many dimensions it is high
    for unrelated spaces; `debiased` takes the unbiased estimator of its numerator and denominator (Song et al. 2012,
    JMLR 13:1393; Nguyen et al. 2021, arXiv:2010.15327), which is 0 for these in the mean. NaN where a space has no
    spread.
    """
    terms = _debiased_terms if debiased else _plain_terms
    lowest = -1.0 if debiased else 0.0
    return _ratio(terms(x, y), terms(x, x), terms(y, y), 2, lowest)


def cka_by_chance(x: Matrix, y: Matrix) -> float:
    """The mean of plain linear CKA over all pairings of items of `x` with items of `y`; of the debiased it is 0."""
    top = (x**2).sum() * (y**2).sum() / (len(x) - 1)
    return float(top / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)))


def procrustes(x: Matrix, y: Matrix) -> Estimate:
    """How much of one space the best rotation or reflection of the other matches: 1 is all of it.

    The nuclear norm of xᵀy over the product of the norms (Schönemann 1966; the square is 1 less the disparity of
    `scipy.spatial.procrustes`). The narrower of `x` (n, d) and `y` (n, e), `centred`, counts as padded with zeros.
    High for unrelated spaces with few items for many dimensions: judge it by `procrustes_by_chance`.
    """
    turned = rotation(x, y)
    return _ratio((y * (x @ turned)).sum(axis=1), (x**2).sum(axis=1), (y**2).sum(axis=1), 1, 0.0)


def rotation(x: Matrix, y: Matrix) -> NDArray[np.float64]:
    """The matrix (d, e) with orthonormal rows or columns that brings `x` (n, d) nearest to `y` (n, e)."""
    left, _, right = np.linalg.svd(x.T @ y, full_matrices=False)
    return left @ right


def procrustes_by_chance(x: Matrix, y: Matrix, generator: np.random.Generator, times: int = 3) -> float:
    """The mean of the Procrustes similarity over `times` random pairings of items."""
    scale = np.linalg.norm(x) * np.linalg.norm(y)
    if scale == 0:
        return float("nan")
    found = [np.linalg.norm(x.T @ y[generator.permutation(len(y))], "nuc") / scale for _ in range(times)]
    return float(np.mean(found))


@dataclass(frozen=True)
class PairRanks:
    """The cosine distances of all pairs of `items` items by rank: `ranks` (pairs,) from 0 to 1, less their mean.

    `order` (pairs,) int64: the pairs, the nearest first. Equal distances share their mean rank.
    """

    items: int
    ranks: Vector
    order: NDArray[np.int64]


def pair_ranks(x: Matrix) -> PairRanks:
    """Rank all n (n - 1) / 2 pairs of `x` (n, d), `centred`, by cosine distance; all of them are held in memory."""
    unit = x / np.maximum(row_norms(x), 1e-300)[:, None]
    distances = (1 - unit @ unit.T)[np.triu_indices(len(x), 1)].astype(np.float32)  # so that rounding makes no order
    order = np.argsort(distances, kind="stable")
    ordered = distances[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] > ordered[:-1]]))
    ends = np.append(starts[1:], len(ordered))
    ranks = np.empty(len(ordered))
    ranks[order] = np.repeat((starts + ends - 1) / 2, ends - starts) / len(ordered)
    return PairRanks(len(x), ranks - ranks.mean(), order)


def representational_similarity(x: PairRanks, y: PairRanks) -> Estimate:
    """Spearman's correlation of two spaces' cosine distances of all pairs of items (Kriegeskorte et al. 2008, 2:4).

    0 in the mean for random pairings. NaN where all distances of a space are equal.
    """
    n, pairs = x.items, len(x.ranks)
    f, g = x.ranks, y.ranks
    scale = sqrt(float(f @ f) * float(g @ g)) / pairs
    if scale == 0:
        return _unknown(n)
    value = float(f @ g) / pairs / scale
    sums = f * g + _later(x.order, g) + _later(y.order, f)  # each pair's part, its place among others' ranks included
    rows, columns = np.triu_indices(n, 1)
    by_item = np.bincount(rows, sums, n) + np.bincount(columns, sums, n)
    return _estimate(value, 2 * (by_item / (n - 1) - sums.mean()) / scale, -1.0)


def _later(order: NDArray[np.int64], ranks: Vector) -> Vector:
    """For each pair the mean of `ranks` over the pairs that do not come before it in `order`."""
    found = np.empty(len(order))
    found[order] = np.cumsum(ranks[order][::-1])[::-1] / len(order)
    return found


def _plain_terms(x: Matrix, y: Matrix) -> Vector:
    """Of each item its part of ‖xᵀy‖², (n,)."""
    return _forms(x, x.T @ y, y)


def _debiased_terms(x: Matrix, y: Matrix) -> Vector:
    """Of each item its part of the U-centred inner product of the kernels (Székely and Rizzo 2014), (n,)."""
    n = len(x)
    a, b = (x**2).sum(axis=1), (y**2).sum(axis=1)
    whole_a, whole_b = a.sum() / ((n - 1) * (n - 2)), b.sum() / ((n - 1) * (n - 2))
    # U-centred kernels, off the diagonal: x_i·x_j + (a_i + a_j) / (n - 2) - whole_a, and so for y.
    cross = _forms(x, x.T @ y, y) - a * b
    p, q = a / (n - 2), b / (n - 2)
    x_q, y_p = x @ (x.T @ q) - a * q, y @ (y.T @ p) - b * p  # Σ over j ≠ i of x_i·x_j q_j
    others_p, others_q = p.sum() - p, q.sum() - q
    both = p * q * (n - 1) + p * others_q + q * others_p + (p @ q - p * q)
    mixed = q * -a + x_q + p * -b + y_p  # Σ over j ≠ i of x_i·x_j is -a_i, as the items are centred
    means = whole_b * (a - others_p - p * (n - 1)) + whole_a * (b - others_q - q * (n - 1))
    return cross + both + mixed + means + (n - 1) * whole_a * whole_b


def _forms(x: Matrix, middle: Matrix, y: Matrix) -> Vector:
    """x_i · middle · y_i for each item, (n,)."""
    found = np.empty(len(x))
    for part in _parts(len(x), middle.shape[1]):
        found[part] = ((x[part] @ middle) * y[part]).sum(axis=1)
    return found


def _ratio(top: Vector, left: Vector, right: Vector, degree: int, lowest: float) -> Estimate:
    """Σ top / √(Σ left · Σ right) of parts by item; `degree`: how many items each part is a product of."""
    sums = [float(part.sum()) for part in (top, left, right)]
    if not (sums[1] > 0 and sums[2] > 0):
        return _unknown(len(top))
    value = sums[0] / sqrt(sums[1] * sums[2])
    n, scale = len(top), sqrt(sums[1] * sums[2])
    influence = degree * n * (top / scale - value * (left / sums[1] + right / sums[2]) / 2)
    return _estimate(value, influence, lowest)


def _estimate(value: float, influence: Vector, lowest: float) -> Estimate:
    n = len(influence)
    return Estimate(value, value, (Component("items", float(influence.var(ddof=1)) / n, n, n - 1),), lowest, 1.0)


def _unknown(n: int) -> Estimate:
    return Estimate(float("nan"), float("nan"), (Component("items", 0.0, n, n - 1),))


def _parts(rows: int, dimensions: int) -> Iterator[slice]:
    step = max(1, _CHUNK_BYTES // (8 * dimensions))
    for start in range(0, rows, step):
        yield slice(start, start + step)

"""How much of an item's neighbourhood two spaces share: mean Jaccard overlap, and rank-biased overlap, with intervals.

A mean over items is not a mean of independent values: each item stands in the neighbourhoods of many others. So its
interval is the jackknife's (Efron and Stein 1981, doi:10.1214/aos/1176345462), in which an item that is left out also
leaves the lists of all others, whose next neighbour moves up. Lists one longer than they are judged make that exact,
and it costs no second search. Its variance is never too small in expectation; `docs/spaces.md` gives its coverage.
Resampling items with replacement would not do: a copy is its original's nearest neighbour in every space.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.embeddings.neighbors import top_k
from lab.evaluation.intervals import Component, Estimate

Rows = NDArray[np.int64]
PERSISTENCE = 0.9
"""p of rank-biased overlap: the first ten ranks have 86 % of the weight (Webber et al. 2010, section 4.3)."""
_TABLE = 2**24  # entries of the table of ranks


@dataclass(frozen=True)
class Lists:
    """The neighbours of some items of a space.

    `judged` (m,) int64: whose; `neighbors` (m, w) int64: rows of the space, the nearest first; `items`: how many
    items the space has.
    """

    judged: Rows
    neighbors: Rows
    items: int


def neighbor_lists(vectors: NDArray[np.floating], depth: int, judged: Rows, order: Rows) -> Lists:
    """The `depth` + 1 nearest of each judged item by cosine, of `vectors` (n, d) less their mean.

    `order` (n,) is a permutation, another for each space: of items at one distance that which comes first in it is the
    nearer. By their place in the space they would come in one order in every space, and seem to agree.
    """
    centred = vectors - vectors.mean(axis=0, dtype=np.float64)
    shuffled = centred[order].astype(np.float32)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    found, _ = top_k(shuffled[place[judged]], shuffled, depth + 1, "cosine", exclude=place[judged])
    return Lists(judged, order[found], len(vectors))


@dataclass(frozen=True)
class Overlap:
    """What two spaces' lists of the same items have in common.

    `shared[d]` (m, depth + 1) int64 counts items common to the first of each, for lists cut at d and d, d + 1 and d,
    d and d + 1, d + 1 and d + 1 (`_SHIFTS`); the last three tell what remains where an item is left out.
    """

    first: Lists
    second: Lists
    ranks: tuple[Rows, Rows]
    shared: tuple[Rows, ...]
    depth: int

    def jaccard_of_items(self, k: int) -> NDArray[np.float64]:
        """Size of intersection over size of union of the k nearest of each judged item, (m,)."""
        return _jaccard(self.shared[0][:, k], k)

    def jaccard(self, k: int) -> Estimate:
        """The mean of `jaccard_of_items`."""
        return self._at(k, _jaccard)

    def share(self, k: int) -> Estimate:
        """The mean share of the k nearest that both spaces have."""
        return self._at(k, lambda common, k: common / k)

    def rank_biased_of_items(self, persistence: float = PERSISTENCE) -> NDArray[np.float64]:
        """Rank-biased overlap of each judged item, extrapolated from the lists' depth, (m,).

        Weights fall by `persistence` from rank to rank (Webber, Moffat and Zobel 2010, eq. 30).
        """
        return self.shared[0] @ rank_weights(self.depth, persistence)

    def rank_biased(self, persistence: float = PERSISTENCE) -> Estimate:
        """The mean of `rank_biased_of_items`."""
        weights = rank_weights(self.depth, persistence)
        sums = [np.cumsum(counts * weights, axis=1) for counts in self.shared]
        both = np.cumsum(weights)

        def without(rows: Rows, p: Rows, q: Rows) -> NDArray[np.float64]:
            early, late = np.minimum(p, q) - 1, np.minimum(np.maximum(p, q) - 1, self.depth)
            one = np.where(p <= q, sums[1][rows, late], sums[2][rows, late])
            one -= np.where(p <= q, sums[1][rows, early], sums[2][rows, early])
            rest = sums[3][rows, -1] - sums[3][rows, late] - (both[-1] - both[late])
            return sums[0][rows, early] + one + rest - sums[0][rows, -1]

        return self._estimate(sums[0][:, -1], without)

    def _at(self, k: int, score: Callable[[Rows, int], NDArray[np.float64]]) -> Estimate:
        """The mean of a score of how many of the k nearest are common."""
        values = [score(counts[:, k], k) for counts in self.shared[:3]]
        dropped = score(self.shared[3][:, k] - 1, k)

        def without(rows: Rows, p: Rows, q: Rows) -> NDArray[np.float64]:
            case = (p <= k) + 2 * (q <= k)
            return np.choose(case, [value[rows] for value in [*values, dropped]]) - values[0][rows]

        return self._estimate(values[0], without)

    def _estimate(
        self, values: NDArray[np.float64], without: Callable[[Rows, Rows, Rows], NDArray[np.float64]]
    ) -> Estimate:
        """The mean of `values` (m,) with the jackknife's variance.

        `without(rows, p, q)`: how the values of these rows change where the item that is p-th of the first list and
        q-th of the second is left out; a rank beyond the lists stands for none.
        """
        m, n = len(values), self.first.items
        mean = float(values.mean())
        influence = np.zeros(n)
        influence[self.first.judged] = (values - mean) / m
        in_b, in_a = self.ranks
        far = self.depth + 1
        for lists, other, second in ((self.first, in_b, False), (self.second, in_a, True)):
            # Each item that either list has within its depth, once: of the second list only what the first lacks.
            rows, columns = np.nonzero(other > far if second else other > 0)
            own, theirs = columns + 1, np.minimum(other[rows, columns], far)
            p, q = (theirs, own) if second else (own, theirs)
            inside = np.minimum(p, q) <= self.depth
            changed = without(rows[inside], p[inside], q[inside])
            left_out = lists.neighbors[rows[inside], columns[inside]]
            influence -= np.bincount(left_out, weights=changed, minlength=n) / m
        variance = n / (n - 1) * float(((influence - influence.mean()) ** 2).sum())
        return Estimate(mean, mean, (Component("items", variance, m, m - 1),), 0.0, 1.0)


_SHIFTS = ((0, 0), (1, 0), (0, 1), (1, 1))


def overlap(first: Lists, second: Lists) -> Overlap:
    """Compare the lists of the same judged items in two spaces over the same items."""
    in_b = _ranks(first.neighbors, second.neighbors, first.items)
    in_a = _ranks(second.neighbors, first.neighbors, first.items)
    width = first.neighbors.shape[1]
    depth = width - 1
    own = np.broadcast_to(np.arange(1, width + 1), in_b.shape)
    shared = []
    for ahead_a, ahead_b in _SHIFTS:
        enters = np.maximum(np.maximum(own - ahead_a, in_b - ahead_b), 1)
        enters = np.where(in_b > width, width + 1, np.minimum(enters, width + 1))
        flat = np.arange(len(enters))[:, None] * (width + 2) + enters
        counts = np.bincount(flat.ravel(), minlength=len(enters) * (width + 2)).reshape(len(enters), width + 2)
        shared.append(np.cumsum(counts[:, : depth + 1], axis=1))
    return Overlap(first, second, (in_b, in_a), tuple(shared), depth)


def jaccard_by_chance(k: int, items: int) -> float:
    """Mean Jaccard overlap at k where items of one space are paired with the other's at random: hypergeometric."""
    from scipy.stats import hypergeom

    common = np.arange(k + 1)
    return float((hypergeom(items - 1, k, k).pmf(common) * common / (2 * k - common)).sum())


def rank_biased_by_chance(depth: int, items: int, persistence: float = PERSISTENCE) -> float:
    """Mean rank-biased overlap of randomly paired items: at depth d, d² / (n - 1) are common in the mean."""
    common = np.arange(depth + 1, dtype=np.float64) ** 2 / (items - 1)
    return float((rank_weights(depth, persistence) * common).sum())


def rank_weights(depth: int, persistence: float) -> NDArray[np.float64]:
    """What one common item counts at each depth 0 to `depth`: p^d (1 - p) / (p d), and at the last p^d / d more."""
    at = np.arange(depth + 1, dtype=np.float64)
    weights = np.divide((1 - persistence) / persistence * persistence**at, at, out=np.zeros(depth + 1), where=at > 0)
    weights[depth] += persistence**depth / depth
    return weights


def _jaccard(common: Rows, k: int) -> NDArray[np.float64]:
    return common / (2 * k - common)


def _ranks(lists: Rows, among: Rows, items: int) -> Rows:
    """For each entry of `lists` (m, w) its rank in the same row of `among`, from 1; 2 w where it is not in it."""
    width = lists.shape[1]
    ranks = np.empty(lists.shape, dtype=np.int64)
    step = max(1, _TABLE // items)
    table = np.zeros((min(step, len(lists)), items), dtype=np.int32)  # rank of every item in each of some rows
    for start in range(0, len(lists), step):
        theirs = among[start : start + step]
        rows = np.arange(len(theirs))[:, None]
        table[rows, theirs] = np.arange(1, width + 1)
        ranks[start : start + step] = table[rows, lists[start : start + step]]
        table[rows, theirs] = 0
    return np.where(ranks == 0, 2 * width, ranks)


def depth_for(ks: Sequence[int], items: int) -> int:
    """How deep lists are judged: the deepest of `ks` that leaves an item to move up."""
    return max(k for k in ks if k <= items - 2)

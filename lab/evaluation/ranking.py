"""Every user against every item: the best items of each user, in chunks, with ties broken by no one's favour.

Whoever recommends is a function from users to scores of all items: two matrices of vectors, a neighbourhood, a count.
All are ranked here, so that all are ranked alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lab.embeddings.neighbors import lower_bound

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Scorer = Callable[[NDArray[np.int64]], NDArray[Any]]
"""Users (b,) int64 → scores (b, items), more is better; -inf where an item may not be shown, NaN never."""


@dataclass(frozen=True)
class Ranking:
    """The best items of m users, best first.

    `items` (m, k) int64, -1 where none is left; `scores` (m, k) float32, NaN there. `tied` (m,) bool: whether the last
    item shown has the same score as one that is not shown, so that a hash, not the score, chose between them.
    """

    items: NDArray[np.int64]
    scores: NDArray[np.float32]
    tied: NDArray[np.bool_]

    @property
    def share_tied(self) -> float:
        """Share of users whose list was cut off within a tie."""
        return float(self.tied.mean()) if len(self.tied) else 0.0


def by_vectors(users: NDArray[np.float32], items: NDArray[np.float32]) -> Scorer:
    """Score by inner product: `users` (u, d), `items` (n, d) float32."""
    left, right = np.ascontiguousarray(users, dtype=np.float32), np.ascontiguousarray(items, dtype=np.float32)
    return lambda index: left[index] @ right.T


def rank(
    scorer: Scorer,
    users: NDArray[np.int64],
    items: int,
    k: int,
    *,
    seen: csr_array | None = None,
    allowed: NDArray[np.bool_] | None = None,
    seed: int = 0,
    memory_bytes: int = 256 * 2**20,
) -> Ranking:
    """Rank all `items` for each of `users` (m,) and keep the `k` best; equal scores in the order of a seeded hash.

    `seen` (all users, items): what a user had before and is not shown again. `allowed` (items,): which items may be
    shown at all. Scores are made and sifted for so many users at once as `memory_bytes` hold; the answer does not
    depend on it, and neither on the order of items: all-zero scores rank at random, not by index.

    Raises:
        ValueError: k < 1, or scores that hold NaN or have another shape.
    """
    if k < 1:
        raise ValueError(f"k is {k}: at least one item is ranked")
    users = np.asarray(users, dtype=np.int64)
    found = Ranking(
        np.full((len(users), k), -1, dtype=np.int64),
        np.full((len(users), k), np.nan, dtype=np.float32),
        np.zeros(len(users), dtype=bool),
    )
    at_once = max(1, memory_bytes // (14 * items))  # float32 scores, perhaps float64 before, a mask, and to spare
    for start in range(0, len(users), at_once):
        _rank_chunk(scorer, users, slice(start, start + at_once), items, seen, allowed, seed, found)
    return found


def _rank_chunk(
    scorer: Scorer,
    users: NDArray[np.int64],
    part: slice,
    items: int,
    seen: csr_array | None,
    allowed: NDArray[np.bool_] | None,
    seed: int,
    found: Ranking,
) -> None:
    chunk, k = users[part], found.items.shape[1]
    scores = np.asarray(scorer(chunk))
    if scores.shape != (len(chunk), items):
        raise ValueError(f"scores have shape {scores.shape}, not {(len(chunk), items)}")
    if scores.dtype != np.float32 or not scores.flags.writeable:
        scores = scores.astype(np.float32)
    if allowed is not None:
        scores[:, ~allowed] = -np.inf
    if seen is not None:
        own = seen[chunk]
        scores[np.repeat(np.arange(len(chunk)), np.diff(own.indptr)), own.indices] = -np.inf
    if np.isnan(scores.max(axis=1)).any():
        raise ValueError("scores hold NaN")
    floor = lower_bound(scores, min(k + 1, items))  # one more than are shown, to see whether it is tied with the last
    mask = scores >= floor.astype(np.float32)[:, None]
    mask &= scores > -np.inf
    rows, columns = np.divmod(np.flatnonzero(mask), items)
    values = scores[rows, columns]
    order = np.lexsort((pair_hash(chunk[rows], columns, seed), -values, rows))
    rows, columns, values = rows[order], columns[order], values[order]
    place = np.arange(len(rows)) - np.searchsorted(rows, rows)
    keep = place < k
    found.items[part.start + rows[keep], place[keep]] = columns[keep]
    found.scores[part.start + rows[keep], place[keep]] = values[keep]
    following = np.flatnonzero(place == k)
    found.tied[part.start + rows[following]] = values[following] == values[following - 1]


def pair_hash(users: NDArray[np.int64], items: NDArray[np.int64], seed: int) -> NDArray[np.uint64]:
    """A number for each pair (u,) of user and item, wherever it stands (splitmix64; Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        mixed = _mix(users.astype(np.uint64) + np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15))
        return _mix(mixed ^ items.astype(np.uint64))


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))

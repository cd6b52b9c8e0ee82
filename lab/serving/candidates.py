"""The first stage of a funnel: the items that the towers find for a user, and what a second stage is told of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lab.embeddings.index import VectorIndex, one_thread
from lab.evaluation.ranking import by_vectors, rank
from lab.serving.measure import without

if TYPE_CHECKING:
    from scipy.sparse import csr_array

NUMBERS = ("score", "rank", "popularity", "activity", "nearest", "likeness")
"""What is told of a pair beside its vectors, in this order: see `pair_numbers`."""


@dataclass(frozen=True)
class FirstStage:
    """Towers' vectors of users (u, d) and items (n, d) float32, compared by inner product, and perhaps an index.

    `index` holds the items at `places` (those that may be shown), in their order; None: exact search of all.
    """

    users: NDArray[np.float32]
    items: NDArray[np.float32]
    index: VectorIndex | None = None
    places: NDArray[np.int64] | None = None

    def candidates(
        self, users: NDArray[np.int64], k: int, seen: csr_array | None, allowed: NDArray[np.bool_] | None, seed: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The k best items of each user (m,) and their scores, both (m, k), best first; -1 and NaN where none is left.

        `seen` (users, items): not shown again. An index is asked for as many more, of which those are left out.
        """
        if self.index is None:
            found = rank(
                by_vectors(self.users, self.items), users, len(self.items), k, seen=seen, allowed=allowed, seed=seed
            )
            return found.items, found.scores
        items = np.full((len(users), k), -1, dtype=np.int64)
        scores = np.full((len(users), k), np.nan, dtype=np.float32)
        assert self.places is not None
        had = np.zeros(len(users), dtype=np.int64) if seen is None else np.diff(seen.indptr)[users]
        with one_thread():
            for row, user in enumerate(users):
                own_scores, own = self.index.search(self.users[user : user + 1], min(len(self.index), k + had[row]))
                own = np.where(own >= 0, self.places[own], -1)
                if had[row]:
                    assert seen is not None
                    barred = seen.indices[seen.indptr[user] : seen.indptr[user + 1]].astype(np.int64)
                    own, own_scores = without(own, own_scores, barred[None])
                count = min(k, int((own >= 0).sum()))
                items[row, :count], scores[row, :count] = own[0, :count], own_scores[0, :count]
        return items, scores


def pair_numbers(
    users: NDArray[np.int64],
    items: NDArray[np.int64],
    scores: NDArray[np.float32],
    unit: NDArray[np.float32],
    before: csr_array,
    popularity: NDArray[np.float64],
) -> NDArray[np.float32]:
    """What is told of each user and candidate, (m, k, 6) float32; zeros behind a short list.

    score; rank: 1 / log2(1 + rank); popularity: log(1 + users who had the item in training); activity: log(1 + items
    the user had); nearest, likeness: the largest and the mean cosine of the item's vector with those of the items that
    she had (0 where she had none).

    `users` (m,); `items`, `scores` (m, k); `unit` (n, d): items' vectors of length 1; `before` (users, n): who had
    what; `popularity` (n,).
    """
    m, k = items.shape
    numbers = np.zeros((m, k, len(NUMBERS)), dtype=np.float32)
    shown = items >= 0
    places = np.maximum(items, 0)
    numbers[:, :, 0] = np.where(shown, scores, 0)
    numbers[:, :, 1] = 1 / np.log2(2 + np.arange(k))
    numbers[:, :, 2] = np.log1p(popularity[places])
    had = np.diff(before.indptr)[users]
    numbers[:, :, 3] = np.log1p(had)[:, None]
    for row in np.flatnonzero(had):
        own = before.indices[before.indptr[users[row]] : before.indptr[users[row] + 1]]
        alike = unit[places[row]] @ unit[own].T
        numbers[row, :, 4], numbers[row, :, 5] = alike.max(axis=1), alike.mean(axis=1)
    numbers[~shown] = 0
    return numbers

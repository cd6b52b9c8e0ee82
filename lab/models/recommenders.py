"""Recommenders without a network: what any two towers have to beat (Dacrema et al. 2019, arXiv:1907.06902).

Each is fitted to who had what, a sparse matrix (users, items), and scores all items for some of its users.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from lab.errors import UserError

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Scores = NDArray[np.float32]


class Recommender(Protocol):
    """Scores all items for some users of the matrix that it was fitted to; more is better."""

    def __call__(self, users: NDArray[np.int64]) -> Scores:
        """Users (b,) → scores (b, items) float32."""


def random_items(history: csr_array) -> Recommender:
    """All scores equal: the ranking's own seeded hash then decides, which is a random list for each user."""
    return lambda users: np.zeros((len(users), history.shape[1]), dtype=np.float32)


def popularity(history: csr_array) -> Recommender:
    """The number of users who had the item, the same for everybody."""
    return same_for_all(np.bincount(history.indices, minlength=history.shape[1]))


def same_for_all(scores: NDArray[np.floating | np.integer]) -> Recommender:
    """The same scores (items,) for everybody."""
    row = scores.astype(np.float32)
    return lambda users: np.tile(row, (len(users), 1))


def item_neighbors(
    history: csr_array, neighbors: int = 100, shrinkage: float = 0.0, of: csr_array | None = None
) -> Recommender:
    """Items near to what the user had: the sum of cosines to them (Sarwar et al. 2001; Deshpande and Karypis 2004).

    Each item keeps its `neighbors` nearest, and passes on what it was given only to those. `shrinkage` is added to the
    product of lengths, so that a cosine over few users counts for less. `of` (users, items): the histories that are
    scored, by default those it is fitted to.
    """
    from scipy.sparse import csc_array

    matrix = history.astype(np.float32)
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=0), dtype=np.float32)).ravel()
    kept = [_nearest(matrix, lengths, part, neighbors, shrinkage) for part in _parts(history.shape[1])]
    rows = np.concatenate([rows for rows, _, _ in kept])
    columns = np.concatenate([columns for _, columns, _ in kept])
    values = np.concatenate([values for _, _, values in kept])
    similarity = csc_array((values, (rows, columns)), shape=(history.shape[1],) * 2, dtype=np.float32)
    scored = matrix if of is None else of.astype(np.float32)
    return lambda users: np.asarray((scored[users] @ similarity).todense())


def _nearest(
    matrix: csr_array, lengths: NDArray[np.float32], part: slice, neighbors: int, shrinkage: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """For each item of a part, its nearest others: (neighbour, item, similarity) as three arrays."""
    products = np.asarray((matrix.T @ matrix[:, part]).todense())  # (items, part)
    scale = lengths[:, None] * lengths[part] + shrinkage
    similarity = np.divide(products, scale, out=np.zeros_like(products), where=scale > 0)
    width = similarity.shape[1]
    similarity[np.arange(part.start, part.start + width), np.arange(width)] = 0
    k = min(neighbors, len(similarity) - 1)
    best = np.argpartition(-similarity, k - 1, axis=0)[:k] if k else np.empty((0, width), dtype=np.int64)
    values = np.take_along_axis(similarity, best, axis=0)
    columns = np.broadcast_to(np.arange(part.start, part.start + width), best.shape)
    keep = values > 0
    return best[keep], columns[keep], values[keep]


def _parts(items: int, size: int = 1024) -> list[slice]:
    return [slice(start, start + size) for start in range(0, items, size)]


def ease(history: csr_array, penalty: float = 500.0, of: csr_array | None = None) -> Recommender:
    """Each item from all others by ridge regression, in closed form (EASE; Steck 2019, arXiv:1905.03375).

    `penalty`: λ of the paper; `of`: as of `item_neighbors`. Needs a dense float64 matrix of items × items. Raises
    `UserError` for more than 40,000 items, whose matrix (12 GB) hardly any laptop holds.
    """
    items = history.shape[1]
    if items > 40_000:
        raise UserError(f"EASE needs a matrix of {items:,} × {items:,} items; it serves up to 40,000 items")
    matrix = history.astype(np.float64)
    gram = np.asarray((matrix.T @ matrix).todense())
    gram[np.diag_indices(items)] += penalty
    inverse = np.linalg.inv(gram)
    weights = (inverse / -np.diag(inverse)).astype(np.float32)
    weights[np.diag_indices(items)] = 0
    own = (history if of is None else of).astype(np.float32)
    return lambda users: np.asarray(own[users] @ weights)


def alternating_least_squares(
    history: csr_array,
    factors: int = 32,
    penalty: float = 10.0,
    alpha: float = 1.0,
    iterations: int = 15,
    seed: int = 0,
    of: csr_array | None = None,
) -> Recommender:
    """Matrix factorisation of implicit feedback, iALS (Hu, Koren and Volinsky 2008), by the library implicit.

    `alpha`: weight of an interaction, where the absence of one weighs 1; `penalty`: of the squared factors; `of`:
    as of `item_neighbors`, each user's factors solved anew for it. Raises `UserError` where the library is not
    installed.
    """
    try:
        from implicit.cpu.als import AlternatingLeastSquares
    except ImportError as error:
        raise UserError('iALS needs the library implicit: pip install "embeddings-lab[baselines]"') from error
    from scipy.sparse import csr_matrix
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"):  # its own threads and those of the matrix library would fight for the cores
        model = AlternatingLeastSquares(
            factors=factors,
            regularization=penalty,
            alpha=alpha,
            iterations=iterations,
            random_state=seed,
            dtype=np.float32,
            num_threads=0,
        )
        model.fit(csr_matrix(history.astype(np.float32)), show_progress=False)
        if of is not None:
            everybody = np.arange(of.shape[0])
            model.user_factors = model.recalculate_user(everybody, csr_matrix(of.astype(np.float32)))
    left, right = np.asarray(model.user_factors), np.asarray(model.item_factors)
    return lambda users: left[users] @ right.T

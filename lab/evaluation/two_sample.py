"""Can a classifier tell two sets of items apart? (Lopez-Paz and Oquab 2017, arXiv:1610.06545)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab.evaluation.held_out import held_out_ridge, standardized

FOLDS, PENALTY, PERMUTATIONS, MOST_ITEMS = 5, 1.0, 999, 4000


@dataclass(frozen=True)
class TwoSample:
    """How far `first` and `second` sets differ.

    `auc`: chance that an item of the second looks more like the second than an item of the first does, by a classifier
    that saw neither; about .5 for sets of one kind. `p_value`: share of random divisions into two such sets that gave
    as high an AUC. `typical_of_first`, `typical_of_second`: numbers of the items, within their set, that the classifier
    is surest of: where the sets differ most.
    """

    auc: float
    p_value: float
    typical_of_first: list[int]
    typical_of_second: list[int]

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, for a JSON file."""
        return dict(vars(self))


def two_sample_auc(
    first: ArrayLike, second: ArrayLike, seed: int = 0, *, items: int = 8, permutations: int = PERMUTATIONS
) -> TwoSample:
    """Cross-validated AUC of ridge regression that is to tell `first` (n, d) from `second` (m, d), float features.

    The null permutes which set an item is in and does all again; with one division into folds the predictions are
    linear in the sets, so that every permutation is one more right-hand side. Of a set beyond 4,000 items as many are
    drawn by `seed`. `items`: how many of each set are returned.

    Raises:
        ValueError: sets of different width, fewer than five items in one, or features that are not finite.
    """
    from scipy.stats import rankdata

    rng = np.random.default_rng(seed)
    one, two = np.asarray(first), np.asarray(second)
    if one.ndim != 2 or two.ndim != 2 or one.shape[1] != two.shape[1] or min(len(one), len(two)) < FOLDS:
        raise ValueError(f"two sets of at least {FOLDS} items of one width are needed, not {one.shape} and {two.shape}")
    chosen = [_drawn(len(values), rng) for values in (one, two)]
    points = np.concatenate([one[chosen[0]], two[chosen[1]]]).astype(np.float64)
    if not np.isfinite(points).all():
        raise ValueError("features must be finite")
    n = len(points)
    member = (np.arange(n) >= len(chosen[0])).astype(np.float64)
    memberships = np.stack([member, *(rng.permutation(member) for _ in range(permutations))], axis=1)
    folds = rng.permutation(n) % FOLDS
    scores = held_out_ridge(standardized(points), memberships, folds, (PENALTY,))[0]
    inside = member.sum()
    wins = (rankdata(scores, axis=0) * memberships).sum(axis=0) - inside * (inside + 1) / 2
    areas = wins / (inside * (n - inside))
    p_value = (1 + np.count_nonzero(areas[1:] >= areas[0])) / (1 + permutations)
    ascending = np.argsort(scores[:, 0], kind="stable")
    of_first, of_second = ascending[member[ascending] == 0], ascending[::-1][member[ascending[::-1]] == 1]
    return TwoSample(
        auc=float(areas[0]),
        p_value=float(p_value),
        typical_of_first=chosen[0][of_first[:items]].tolist(),
        typical_of_second=chosen[1][of_second[:items] - len(chosen[0])].tolist(),
    )


def _drawn(count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """All places, or a sorted sample of them."""
    return np.arange(count) if count <= MOST_ITEMS else np.sort(rng.choice(count, MOST_ITEMS, replace=False))

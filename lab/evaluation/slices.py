"""Parts of the test items on which the error is above average: by named columns, and by clusters of features."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab.evaluation.significance import holm

FEWEST_ITEMS = 10  # of a slice; fewer say nothing
MOST_VALUES = 30  # of a column; one with more is no grouping
_BINS = 4  # of a column of numbers


@dataclass(frozen=True)
class Slice:
    """The `n` items where `column` is `value`, their `error` (mean of 1 - correct) and that of all items.

    `p_holm`: chance of so high an error in as many items drawn at random, adjusted over all slices tested.
    `above_average`: that chance is below α. `items` (n,) int64: which; for clusters the most central first.
    """

    column: str
    value: str
    n: int
    error: float
    average: float
    p_holm: float
    above_average: bool
    items: NDArray[np.int64]

    def to_dict(self, most_items: int = 8) -> dict[str, Any]:
        """The fields by name, with the first few items, for a JSON file."""
        return {**asdict(self), "items": self.items[:most_items].tolist()}


def slices(
    correct: ArrayLike,
    columns: Mapping[str, ArrayLike] | None = None,
    features: ArrayLike | None = None,
    *,
    alpha: float = 0.05,
    clusters: int | None = None,
    seed: int = 0,
) -> list[Slice]:
    """All slices of at least ten items, the highest error first, judged together.

    `correct` (m,): 0/1, or the share of seeds that were right. `columns`: a value per item each; numbers of more than
    30 different values are cut into quarters, other columns with more are left out, missing values belong nowhere.
    `features` (m, d): frozen ones, not learned from these labels; `clusters` of them by k-means, one for 25 items but
    at most 20 by default. One-sided: Fisher's exact test for 0/1, else the normal approximation to drawing at random.

    Raises:
        ValueError: a column or features with another number of items.
    """
    right = np.asarray(correct, dtype=np.float64)
    parts = [part for name, values in (columns or {}).items() for part in _by_column(name, values, len(right))]
    if features is not None:
        parts += _by_cluster(np.asarray(features, dtype=np.float64), len(right), clusters, seed)
    parts = [part for part in parts if FEWEST_ITEMS <= len(part[2]) < len(right)]
    if not parts:
        return []
    wrong = 1 - right
    adjusted = np.minimum(holm(np.array([chance_of_error(wrong, items) for _, _, items in parts])), 1)
    found = [
        Slice(
            column=column,
            value=value,
            n=len(items),
            error=float(wrong[items].mean()),
            average=float(wrong.mean()),
            p_holm=float(p),
            above_average=bool(p < alpha),
            items=items,
        )
        for (column, value, items), p in zip(parts, adjusted, strict=True)
    ]
    return sorted(found, key=lambda own: (-own.error, own.column, own.value))


def chance_of_error(wrong: NDArray[np.float64], items: NDArray[np.int64]) -> float:
    """Chance that as many items, drawn at random of all `wrong` (m,), have at least the errors that `items` have."""
    from scipy.stats import hypergeom, norm

    m, n = len(wrong), len(items)
    if ((wrong == 0) | (wrong == 1)).all():
        return float(hypergeom.sf(wrong[items].sum() - 1, m, int(wrong.sum()), n))
    spread = np.sqrt(wrong.var(ddof=1) * (1 / n - 1 / m))
    return float(norm.sf((wrong[items].mean() - wrong.mean()) / spread)) if spread else 1.0


Part = tuple[str, str, NDArray[np.int64]]


def _by_column(name: str, values: ArrayLike, count: int) -> list[Part]:
    import pandas as pd

    column = pd.Series(np.asarray(values))
    if len(column) != count:
        raise ValueError(f"column {name} has {len(column)} values for {count} items")
    if column.nunique() > MOST_VALUES:
        if not pd.api.types.is_numeric_dtype(column):
            return []
        quarters, edges = pd.qcut(column, _BINS, labels=False, retbins=True, duplicates="drop")
        spans = [f"{low:.4g} to {high:.4g}" for low, high in pairwise(edges)]
        return [(name, span, np.flatnonzero(quarters == place)) for place, span in enumerate(spans)]
    return [(name, str(value), np.flatnonzero(column == value)) for value in column.dropna().unique()]


def _by_cluster(features: NDArray[np.float64], count: int, clusters: int | None, seed: int) -> list[Part]:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    if features.ndim != 2 or len(features) != count:
        raise ValueError(f"features {features.shape} do not fit {count} items")
    wanted = clusters or min(count // 25, 20)
    if wanted < 2:
        return []
    points = features - features.mean(axis=0)
    norms = np.linalg.norm(points, axis=1, keepdims=True)
    points = np.divide(points, norms, out=np.zeros_like(points), where=norms > 0)
    with warnings.catch_warnings():  # fewer different points than clusters: some stay empty
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = KMeans(wanted, n_init=4, random_state=seed).fit(points)
    distance = np.linalg.norm(points - found.cluster_centers_[found.labels_], axis=1)
    order = np.argsort(distance, kind="stable")
    members = [order[found.labels_[order] == place] for place in np.unique(found.labels_)]
    return [("cluster", str(place + 1), own) for place, own in enumerate(sorted(members, key=len, reverse=True))]

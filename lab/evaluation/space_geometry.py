"""The shape of an embedding space: how many dimensions it uses, how it spreads, and who is near to whom."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lab.embeddings.neighbors import row_norms, top_k

Matrix = NDArray[np.floating]
Labels = NDArray[np.int64]


def effective_rank(vectors: Matrix) -> float:
    """Exponential of the entropy of the singular values' shares (Roy and Vetterli 2007, EUSIPCO): 1 to d.

    Of `vectors` (n, d) less their mean; as many dimensions with equal spread would have the same entropy. 0 where all
    vectors are alike.
    """
    centred = np.asarray(vectors, dtype=np.float64)
    centred = centred - centred.mean(axis=0)
    gram = centred @ centred.T if len(centred) < centred.shape[1] else centred.T @ centred
    values = np.sqrt(np.maximum(np.linalg.eigvalsh(gram), 0))
    values = values[values > 1e-7 * values.max()]
    if not len(values):
        return 0.0
    shares = values / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def uniformity(vectors: Matrix, t: float = 2.0) -> float:
    """Logarithm of the mean of exp(-t |x - y|²) over pairs of unit vectors: lower is more uniform, 0 is one point.

    `vectors` (n, d), n ≥ 2, are brought to length 1 (Wang and Isola 2020, arXiv:2005.10242).
    """
    unit = _unit(vectors)
    n, total = len(unit), 0.0
    for start in range(0, n, 1024):
        block = unit[start : start + 1024]
        total += float(np.exp(2 * t * (block @ unit.T - 1)).sum())
    return float(np.log((total - n) / (n * (n - 1))))


def alignment(vectors: Matrix, labels: Labels) -> float:
    """Mean squared distance of unit vectors of one class, over all pairs: lower is better (Wang and Isola 2020).

    `vectors` (n, d), `labels` (n,). The pairs of the paper are two views of an item; here they are two items of a
    class. NaN where no class has two items.
    """
    unit = _unit(vectors)
    total, pairs = 0.0, 0
    for label in np.unique(labels):
        own = unit[labels == label]
        count = len(own) * (len(own) - 1)
        total += 2 * (len(own) ** 2 - float((own.sum(axis=0) ** 2).sum()))  # Σ |x - y|² over ordered pairs
        pairs += count
    return total / pairs if pairs else float("nan")


def nearest_items(vectors: Matrix, k: int) -> NDArray[np.int64]:
    """The `k` nearest other items of each by Euclidean distance, (n, min(k, n - 1)) int64."""
    return top_k(vectors, vectors, k, "euclidean", exclude=np.arange(len(vectors)))[0]


def neighbor_purity(nearest: NDArray[np.int64], labels: Labels) -> float:
    """Share of items' nearest neighbours, `nearest_items` (n, k), that have the item's own label (n,)."""
    return float((labels[nearest] == labels[:, None]).mean())


def hubness(nearest: NDArray[np.int64]) -> float:
    """Skewness of how often an item is among the k nearest of others (Radovanović et al. 2010, JMLR 11:2487).

    `nearest`: `nearest_items` (n, k). Near 0 where all are equally often; high where a few items, the hubs, are
    near to everything.
    """
    counts = np.bincount(nearest.ravel(), minlength=len(nearest)).astype(np.float64)
    centred = counts - counts.mean()
    spread = float(np.sqrt((centred**2).mean()))
    return float((centred**3).mean() / spread**3) if spread else 0.0


def _unit(vectors: Matrix) -> NDArray[np.float64]:
    points = np.asarray(vectors, dtype=np.float64)
    return points / np.maximum(row_norms(points), 1e-12)[:, None]

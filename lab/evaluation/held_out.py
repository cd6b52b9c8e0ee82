"""Predictions of items by models that never saw them: ridge regression and nearest neighbours over folds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)  # of ridge regression, in units of the mean variance of a direction


def stratified_folds(labels: ArrayLike, folds: int, seed: int = 0) -> NDArray[np.int64]:
    """A fold from 0 to `folds` - 1 for each of `labels` (n,), drawn by `seed`, the shares of the labels kept alike."""
    values = np.asarray(labels)
    order = np.random.default_rng(seed).permutation(len(values))
    order = order[np.argsort(values[order], kind="stable")]
    dealt = np.empty(len(values), dtype=np.int64)
    dealt[order] = np.arange(len(values)) % folds
    return dealt


def standardized(features: ArrayLike) -> NDArray[np.float64]:
    """`features` (n, d) as float64 with mean 0 and standard deviation 1 in every column; constant columns are 0."""
    centred = np.asarray(features, dtype=np.float64)
    centred = centred - centred.mean(axis=0)
    spread = centred.std(axis=0)
    return np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 1e-7 * max(float(spread.max()), 1e-30))


def held_out_ridge(
    features: NDArray[np.float64], targets: NDArray[np.float64], folds: NDArray[np.int64], penalties: Sequence[float]
) -> NDArray[np.float64]:
    """Predict the `targets` (n, t) of every fold by ridge regression on the other folds: (penalties, n, t) float64.

    `features` (n, d), `folds` (n,); the intercept goes unpenalised. A penalty counts in units of
    the mean eigenvalue of the training items' covariance, so that one value means the same for every network.
    Solved in the features or in the items, whichever are fewer.
    """
    from scipy.linalg import cho_factor, cho_solve

    predicted = np.empty((len(penalties), *targets.shape))
    for fold in np.unique(folds):
        out = folds == fold
        center, mean = features[~out].mean(axis=0), targets[~out].mean(axis=0)
        inside, outside, wanted = features[~out] - center, features[out] - center, targets[~out] - mean
        wide = inside.shape[1] > inside.shape[0]
        gram = inside @ inside.T if wide else inside.T @ inside
        seen = outside @ inside.T if wide else outside
        against = wanted if wide else inside.T @ wanted
        unit = max(float(np.trace(gram)) / inside.shape[1], 1e-30)
        for place, penalty in enumerate(penalties):
            own = gram.copy()
            own.flat[:: len(own) + 1] += penalty * unit
            solved = cho_solve(cho_factor(own, lower=True, overwrite_a=True, check_finite=False), against)
            predicted[place, out] = seen @ solved + mean
    return predicted


def held_out_neighbors(
    features: ArrayLike, labels: NDArray[np.int64], folds: NDArray[np.int64], classes: int, k: int, temperature: float
) -> NDArray[np.float64]:
    """Votes of each item's `k` nearest items of other folds, by class: (n, classes) float64.

    `features` (n, d), compared by cosine after centring (features behind a ReLU all point one way); a neighbour's vote
    weighs exp(cosine / temperature) (Wu et al. 2018, arXiv:1805.01978).
    """
    from lab.embeddings.neighbors import top_k

    points = np.asarray(features, dtype=np.float64)
    points = points - points.mean(axis=0)
    votes = np.zeros((len(points), classes))
    for fold in np.unique(folds):
        out = np.flatnonzero(folds == fold)
        others = np.flatnonzero(folds != fold)
        nearest, cosines = top_k(points[out], points[others], k)
        weights = np.exp((cosines.astype(np.float64) - 1) / temperature)
        np.add.at(votes, (out[:, None], labels[others[nearest]]), weights)
    return votes

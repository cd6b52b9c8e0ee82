"""Linear and nearest-neighbour classifiers on fixed features: exact, without a training loop.

Linear probes: Alain and Bengio 2016 (arXiv:1610.01644). Logistic regression: `lab.evaluation.logistic`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class LinearHead:
    """`scores = features @ weight.T + bias`; weight (C, d), bias (C,), float64. `converged`: of an iterative solver."""

    weight: np.ndarray
    bias: np.ndarray
    converged: bool = True

    def logits(self, features: Any) -> np.ndarray:
        """Class scores (m, C) float64 of features (m, d)."""
        return np.asarray(features @ self.weight.T + self.bias)

    def probabilities(self, features: Any) -> np.ndarray:
        """Class probabilities (m, C) float64: softmax of the scores."""
        return _softmax(self.logits(features))


def ridge(features: np.ndarray, labels: np.ndarray, classes: int, *, penalty: float = 1.0) -> LinearHead:
    """Ridge regression to one-hot labels in closed form: `|Y - XW|² + penalty · |W|²`.

    Features are centred and scaled by one number, as for `logistic_regression`. The scores are then multiplied by the
    number that makes the cross-entropy of the leave-one-out predictions (also closed form) smallest, so that softmax
    gives usable probabilities; the ranking of classes stays.
    """
    from scipy.optimize import minimize_scalar

    x, mean, size = scaled(features)
    wanted = one_hot(labels, classes)
    centre = wanted.mean(0)
    left, singular, right = np.linalg.svd(x, full_matrices=False)
    shrunk = singular / (singular**2 + penalty)
    projected = left.T @ (wanted - centre)
    weight = (right.T @ (shrunk[:, None] * projected)).T
    leverage = ((left**2) @ (singular * shrunk) + 1 / len(x)).clip(max=1 - 1e-6)[:, None]
    fitted = left @ ((singular * shrunk)[:, None] * projected) + centre
    held_out = wanted - (wanted - fitted) / (1 - leverage)

    def loss(log_scale: float) -> float:
        scores = held_out * np.exp(log_scale)
        top = scores.max(1, keepdims=True)
        total = np.log(np.exp(scores - top).sum(1, keepdims=True)) + top
        return float((total - (scores * wanted).sum(1, keepdims=True)).mean())

    sharper = np.exp(minimize_scalar(loss, bounds=(-3, 6), method="bounded").x)
    return unscaled(weight * sharper, centre * sharper, mean, size)


def knn_probabilities(
    features: np.ndarray, labels: np.ndarray, queries: np.ndarray, classes: int, *, k: int = 5
) -> np.ndarray:
    """Shares of classes among the `k` items nearest by Euclidean distance, (m, C) float64; ties by the earlier item.

    `features` (n, d), `labels` (n,), `queries` (m, d). A `k` above n means all items.
    """
    from lab.embeddings.neighbors import top_k

    nearest, _ = top_k(queries, features, k, "euclidean")
    return one_hot(labels[nearest], classes).mean(axis=1)


def scaled(features: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Features of mean 0 and mean variance 1, with their means and what they were divided by."""
    x = np.asarray(features, dtype=np.float64)
    mean = x.mean(0)
    x = x - mean
    size = float(np.sqrt((x**2).mean()))
    return x / (size or 1.0), mean, size or 1.0


def unscaled(
    weight: np.ndarray, bias: np.ndarray, mean: np.ndarray | None, size: float, converged: bool = True
) -> LinearHead:
    """The head that reads features as they were before `scaled`, of one for scaled ones; no `mean`: not centred."""
    weight = weight / size
    return LinearHead(weight, bias if mean is None else bias - weight @ mean, converged)


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """Labels (…) as indicators of their class, (…, classes) float64."""
    return np.eye(classes)[np.asarray(labels, dtype=np.int64)]


def _softmax(scores: np.ndarray) -> np.ndarray:
    shifted = np.exp(scores - scores.max(1, keepdims=True))
    return shifted / shifted.sum(1, keepdims=True)

"""Logistic regression whose penalty is chosen on validation items; quick for texts, whose words outnumber the items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lab.evaluation.probes import logistic_regression

MOST_COMBINED = 4000
"""Up to so many items the weights are sought among their combinations: an (n, n) matrix is decomposed for it."""


@dataclass(frozen=True)
class ChosenLinear:
    """`weight` (classes, d) and `bias` (classes,), float64; the penalty, the accuracy it was chosen by, and on what."""

    weight: np.ndarray
    bias: np.ndarray
    penalty: float
    accuracy: float
    how: str


def choose_penalty(
    x: Any, labels: np.ndarray, held_x: Any, held_labels: np.ndarray, *, classes: int, penalties: Sequence[float]
) -> ChosenLinear:
    """Fit to `x` (n, d), dense or sparse, with each penalty, and keep the one most accurate on `held_x` (m, d).

    Of equally accurate ones the smaller log loss wins, then the stronger penalty. Without held-out items every fifth
    item stands in for them during the choice, and all are fitted with what was chosen.
    """
    fitting, how = (x, labels), f"on {len(held_labels):,} validation items"
    if not len(held_labels):
        held = np.arange(len(labels)) % 5 == 0
        fitting, held_x, held_labels = (x[~held], labels[~held]), x[held], labels[held]
        how = "on a fifth of the training items"
    fit = Fit(*fitting, classes)
    best: tuple[tuple[float, float], ChosenLinear] | None = None
    for penalty in sorted(penalties, reverse=True):
        weight, bias = fit(penalty)
        logits = np.asarray(held_x @ weight.T) + bias
        accuracy = float((logits.argmax(axis=1) == held_labels).mean())
        rank = accuracy, -_log_loss(logits, held_labels)
        if best is None or rank > best[0]:
            best = rank, ChosenLinear(weight, bias, penalty, accuracy, f"among {len(penalties)} {how}")
    assert best is not None
    if fitting[1] is labels:
        return best[1]
    weight, bias = Fit(x, labels, classes)(best[1].penalty)
    return replace(best[1], weight=weight, bias=bias)


class Fit:
    """Logistic regression on the same items for one penalty after the other.

    The weights are a combination of the items. Where those are fewer than the features, as texts are than words, they
    are sought among the combinations: the same weights in a tenth of the time.
    """

    def __init__(self, x: Any, labels: np.ndarray, classes: int, tolerance: float = 1e-4) -> None:
        self.x, self.labels, self.classes, self.tolerance = x, labels, classes, tolerance
        self.back: Any = None
        if hasattr(x, "tocsr") and x.shape[0] < min(x.shape[1], MOST_COMBINED):
            values, vectors = np.linalg.eigh((x @ x.T).toarray())
            kept = values > 1e-9 * max(float(values[-1]), 1e-300)
            roots = np.sqrt(values[kept])
            self.x = vectors[:, kept] * roots
            self.back = np.asarray(x.T @ (vectors[:, kept] / roots)).T

    def __call__(self, penalty: float) -> tuple[np.ndarray, np.ndarray]:
        """Weights (classes, d) and bias (classes,)."""
        options: dict[str, Any] = {"penalty": penalty, "scale": False, "tolerance": self.tolerance}
        head = logistic_regression(self.x, self.labels, self.classes, **options)
        return (head.weight if self.back is None else head.weight @ self.back), head.bias


def _log_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    from scipy.special import log_softmax

    return float(-log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())

"""Penalised logistic regression: quick for one penalty after another, and the penalty chosen on held-out items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lab.evaluation.probes import LinearHead, one_hot, scaled, unscaled

MOST_DECOMPOSED = 4000
"""Of no more items or features, whichever are fewer, the principal axes are found first."""
_NEGLIGIBLE = 1e-9  # of the largest eigenvalue: below this it is rounding


class LogisticPath:
    """Multinomial logistic regression on the same items for one penalty after another, best the strongest first.

    `features` (n, d), dense or (with `scale=False`) scipy-sparse; `labels` (n,) in [0, classes). A class without an
    item is possible. With `scale` the features are centred and divided by one number, their root mean variance, and
    the heads returned read them as they are. (Each by its own deviation would let channels that hardly ever answer
    outweigh the others: 200 digits through EfficientNet-Lite0, .75 instead of .82.) Features of float32 that are not
    to be scaled are computed with in float32, all others in float64.

    L-BFGS along the principal axes of the items, each in units of its curvature (after the bound of Böhning 1992,
    doi:10.1007/BF00048682), from the last solution on: some dozen steps where plain L-BFGS takes hundreds. Where items
    are fewer than features, as texts are than words, there are only as many axes.
    """

    def __init__(self, features: Any, labels: np.ndarray, classes: int, *, scale: bool = True) -> None:
        self.mean: np.ndarray | None = None
        x, self.size = features, 1.0
        if scale:
            x, self.mean, self.size = scaled(features)
        self.points, self.squares, self.restore = _along_axes(x)
        self.wanted = one_hot(labels, classes).astype(self.points.dtype)
        self.theta = np.zeros((classes, len(self.squares) + 1))

    def __call__(self, penalty: float, *, tolerance: float = 1e-4, iterations: int = 500) -> LinearHead:
        """Minimise `Σ cross-entropy + penalty / 2 · |W|²` (penalty = 1/C).

        `tolerance`: largest gradient of the mean loss at the end, in units in which its curvature is about 1.
        """
        from scipy.optimize import minimize

        n, classes = self.wanted.shape
        curvature = np.append(self.squares / (2 * classes) + penalty, n / (2 * classes)) / n
        unit = 1 / np.sqrt(curvature)

        def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = self._loss(flat.reshape(classes, -1) * unit, penalty)
            return value / n, (gradient * unit).ravel() / n

        rounding = 1e-10 if self.points.dtype == np.float32 else 1e-14
        ends = {"maxiter": iterations, "gtol": tolerance, "ftol": rounding}
        found = minimize(loss, (self.theta / unit).ravel(), jac=True, method="L-BFGS-B", options=ends)
        self.theta = found.x.reshape(classes, -1) * unit
        weight = self.restore(self.theta[:, :-1])
        return unscaled(weight, self.theta[:, -1], self.mean, self.size, bool(found.success))

    def _loss(self, theta: np.ndarray, penalty: float) -> tuple[float, np.ndarray]:
        """The penalised loss summed over items, and its gradient (classes, axes + 1), for weights and biases."""
        weight = theta[:, :-1].astype(self.points.dtype)
        scores = np.asarray(self.points @ weight.T) + theta[:, -1].astype(self.points.dtype)
        scores -= scores.max(1, keepdims=True)
        own = np.einsum("nc,nc->", scores, self.wanted, dtype=np.float64)
        np.exp(scores, out=scores)
        total = scores.sum(1, keepdims=True)
        value = float(np.log(total).sum(dtype=np.float64) - own)
        scores /= total
        scores -= self.wanted
        gradient = np.empty_like(theta)
        gradient[:, :-1] = np.asarray(self.points.T @ scores).T + penalty * theta[:, :-1]
        gradient[:, -1] = scores.sum(0, dtype=np.float64)
        return value + penalty / 2 * float((theta[:, :-1] ** 2).sum()), gradient


def logistic_regression(
    features: Any,
    labels: np.ndarray,
    classes: int,
    *,
    penalty: float = 1.0,
    scale: bool = True,
    tolerance: float = 1e-4,
    iterations: int = 500,
) -> LinearHead:
    """Multinomial logistic regression with one penalty; see `LogisticPath`."""
    path = LogisticPath(features, labels, classes, scale=scale)
    return path(penalty, tolerance=tolerance, iterations=iterations)


@dataclass(frozen=True)
class Chosen:
    """A head whose penalty was chosen; the accuracy it was chosen by, and among how many and on what."""

    head: LinearHead
    penalty: float
    accuracy: float
    how: str


def choose_penalty(
    x: Any, labels: np.ndarray, held_x: Any, held_labels: np.ndarray, *, classes: int, penalties: Sequence[float]
) -> Chosen:
    """Fit to `x` (n, d), dense or sparse, as it is, with each penalty; keep the one most accurate on `held_x` (m, d).

    Of equally accurate ones the smaller log loss wins, then the stronger penalty. Without held-out items every fifth
    item stands in for them during the choice, and all are fitted with what was chosen.
    """
    fitting, how = (x, labels), f"on {len(held_labels):,} validation items"
    if not len(held_labels):
        held = np.arange(len(labels)) % 5 == 0
        fitting, held_x, held_labels = (x[~held], labels[~held]), x[held], labels[held]
        how = "on a fifth of the training items"
    path = LogisticPath(*fitting, classes, scale=False)
    best: tuple[tuple[float, float], Chosen] | None = None
    for penalty in sorted(penalties, reverse=True):
        head = path(penalty)
        logits = head.logits(held_x)
        accuracy = float((logits.argmax(axis=1) == held_labels).mean())
        rank = accuracy, -_log_loss(logits, held_labels)
        if best is None or rank > best[0]:
            best = rank, Chosen(head, penalty, accuracy, f"among {len(penalties)} {how}")
    assert best is not None
    chosen = best[1]
    if fitting[1] is labels:
        return chosen
    head = logistic_regression(x, labels, classes, penalty=chosen.penalty, scale=False)
    return Chosen(head, chosen.penalty, chosen.accuracy, chosen.how)


def _along_axes(x: Any) -> tuple[Any, np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Items (n, r) along their principal axes, the squared length of each column, and weights (C, r) → (C, d)."""
    n, d = x.shape
    dense = isinstance(x, np.ndarray)
    if min(n, d) > MOST_DECOMPOSED or (not dense and d <= n):
        return x, np.asarray((x**2 if dense else x.multiply(x)).sum(0), dtype=np.float64).ravel(), lambda weight: weight
    from scipy.linalg import eigh

    wide = n < d
    exact = x.astype(np.float64)
    gram = exact @ exact.T if wide else exact.T @ exact
    squares, axes = eigh(gram if dense else gram.toarray(), overwrite_a=True, check_finite=False)
    kept = squares > _NEGLIGIBLE * max(float(squares[-1]), 1e-300)
    squares, axes = squares[kept], axes[:, kept]
    if not wide:
        return x @ axes.astype(x.dtype), squares, lambda weight: weight @ axes.T
    roots = np.sqrt(squares)
    return (axes * roots).astype(x.dtype), squares, lambda weight: np.asarray(x.T @ ((axes / roots) @ weight.T)).T


def _log_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    from scipy.special import log_softmax

    return float(-log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())

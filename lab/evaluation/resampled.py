"""Means over folds or random splits, whose training sets overlap (Nadeau and Bengio 2003, doi:10.1023/A:1024068626366).

The scores of J folds are no J independent measurements: most items of one training set stand in the next as well. The
naive variance of the mean, s² / J, is therefore too small, whatever J; the corrected one is

    (1 / J + test items / training items) · s²,

under Student's t with J - 1 degrees of freedom. Only more labels, not more repeats, shrink its second part.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab.evaluation.intervals import Component, Estimate
from lab.evaluation.power import power, smallest

MOST_FOLDS, MOST_LABELS_FACTOR = 1_000, 1_000


@dataclass(frozen=True)
class FoldScores:
    """What a row earned on each of J folds or random splits: `values` (J,) float64, a metric's mean over their items.

    `train_n`, `test_n`: items trained and judged on in one of them (for k folds, `test_n` is `train_n` / (k - 1)).
    With several seeds a fold, a value is the mean over them. Rows are compared fold by fold, in the same order.

    Raises:
        ValueError: fewer than two folds, values that are not finite, or no items.
    """

    values: NDArray[np.float64]
    train_n: float
    test_n: float

    def __post_init__(self) -> None:
        values = np.array(self.values, dtype=np.float64)
        if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
            raise ValueError(f"scores of folds must be at least two finite numbers, not {values.tolist()}")
        if not self.train_n > 0 or not self.test_n > 0:
            raise ValueError(f"folds need items to train and to judge on, not {self.train_n} and {self.test_n}")
        object.__setattr__(self, "values", values)


def resampled_mean(scores: FoldScores) -> Estimate:
    """The mean over folds with the corrected variance, for an interval of what such a training set earns."""
    return _estimate(scores.values, scores.test_n / scores.train_n)


def resampled_difference(differences: ArrayLike, train_n: float, test_n: float) -> Estimate:
    """The mean of `differences` (J,), of two rows fold by fold, with the corrected variance.

    `train_n`, `test_n`: items trained and judged on in one fold. For repeated k-fold cross-validation J is k times the
    repeats (Bouckaert and Frank 2004).

    Raises:
        ValueError: see `FoldScores`.
    """
    return resampled_mean(FoldScores(np.asarray(differences, dtype=np.float64), train_n, test_n))


def _estimate(values: NDArray[np.float64], overlap: float) -> Estimate:
    folds = len(values)
    spread = float(values.var(ddof=1))
    part = Component("folds", (1 / folds + overlap) * spread, folds, folds - 1, overlap * spread)
    mean = float(values.mean())
    return Estimate(mean, mean, (part,), -inf, inf)


@dataclass(frozen=True)
class FoldsNeeded:
    """What would show a difference of `margin` with the power wanted: `folds` of these labels, or labels × `labels`.

    `power`: with what is at hand. None where no number of folds, or no multiple of the labels up to 1,000, would do.
    """

    power: float
    folds: int | None
    labels: float | None


def folds_needed(estimate: Estimate, margin: float, alpha: float = 0.05, wanted: float = 0.8) -> FoldsNeeded:
    """Folds, or times the labels, that raise the power at a true difference of `margin` to `wanted`.

    `estimate`: a `resampled_difference`, for its variance only; a fold's variance is taken to fall with its items.

    Raises:
        ValueError: a margin that is not positive.
    """
    if not margin > 0:
        raise ValueError(f"margin must be positive, not {margin}")
    (part,) = estimate.components
    spread = (part.variance - part.residual) * part.count

    def power_at(folds: int, labels: float) -> float:
        variance = (spread / folds + part.residual) / labels
        more = Component("folds", variance, folds, folds - 1, part.residual / labels)
        return power(Estimate(estimate.value, estimate.center, (more,)), margin, alpha)

    tenths = smallest(lambda tenth: power_at(part.count, tenth / 10) >= wanted, 10, 10 * MOST_LABELS_FACTOR)
    return FoldsNeeded(
        power=power_at(part.count, 1.0),
        folds=smallest(lambda folds: power_at(folds, 1.0) >= wanted, part.count, MOST_FOLDS),
        labels=None if tenths is None else tenths / 10,
    )

"""Means and differences of scores with intervals in which seeds *and* test items are random.

A score matrix is `(seeds, items) float64`: `scores[s, i]` is what the run with seed `s` earned on test item `i`, and
the mean over items is the metric. The model is two-way random effects without replication,

    score[s, i] = mean + seed[s] + item[i] + seed_by_item[s, i],

so the variance of the grand mean has a part that only more seeds shrink, `var(means over items) / S` on S - 1 degrees
of freedom, and a part that only more items shrink, `(var(means over seeds) - residual / S) / I` on I - 1.

The half-width of the interval joins the parts, each under its own Student t:

    half_width² = t²(S - 1) · seed part  +  t²(I - 1) · item part       (Howe 1974, JASA 69:789)

With Z normal, P(Z² <= u) is concave in u; by Jensen's inequality such an interval covers at least 1 - α whatever the
mix of the parts, and exactly 1 - α where there is one part only. The two obvious alternatives do not hold their level:
`docs/statistics.md` gives the false-positive rates of `tests/evaluation/null_simulation.py` (at α = .05 the
Satterthwaite approximation reaches .082 with three seeds, a crossed bootstrap .28).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Scores = NDArray[np.float64]


_ROUNDING = 1e-9  # of the variance of items: a seed part below it is nothing but rounding


@dataclass(frozen=True)
class Component:
    """One part of the variance of an estimate.

    `variance`: its share of the squared standard error, in squared units of the metric.
    `count`, `degrees`: how many seeds, items or folds it was seen on, and its degrees of freedom.
    `residual`: how much of a seed part is seed-by-item interaction, which more items shrink as well; of a fold part
    (`lab.evaluation.resampled`), how much more folds do not shrink.
    """

    source: Literal["seeds", "items", "folds"]
    variance: float
    count: int
    degrees: int
    residual: float = 0.0


@dataclass(frozen=True)
class Estimate:
    """A mean, or a difference of two, with what makes it uncertain.

    `value` is the plain mean; `center` is the middle of the interval, the same except where the scores are 0/1 (see
    `with_pseudo_items`).
    """

    value: float
    center: float
    components: tuple[Component, ...]
    lowest: float = -inf
    highest: float = inf

    @property
    def standard_error(self) -> float:
        """Square root of the summed variances, in units of the metric."""
        return sqrt(sum(part.variance for part in self.components))

    def half_width(self, alpha: float = 0.05) -> float:
        """Half the width of the 1 - `alpha` interval, in units of the metric."""
        from scipy.special import stdtrit

        return sqrt(sum(stdtrit(part.degrees, alpha / 2) ** 2 * part.variance for part in self.components))

    def interval(self, alpha: float = 0.05) -> tuple[float, float]:
        """The 1 - `alpha` interval (low, high), within the range of the scores where they are 0/1."""
        half = self.half_width(alpha)
        return max(self.center - half, self.lowest), min(self.center + half, self.highest)

    def p_value(self) -> float:
        """The smallest α whose interval leaves out zero: the two-sided p-value of "the true value is zero"."""
        from scipy.optimize import brentq

        smallest = 1e-15
        if self.center == 0 or self.standard_error == 0:
            return 1.0 if self.center == 0 else smallest
        if self.half_width(smallest) <= abs(self.center):
            return smallest
        return float(
            brentq(lambda alpha: self.half_width(alpha) - abs(self.center), smallest, 1.0, xtol=1e-15, rtol=1e-9)
        )


def score_matrix(values: ArrayLike) -> Scores:
    """`values` as a `(seeds, items) float64` matrix; one row per seed, a single row where nothing random varied.

    Raises:
        ValueError: not two-dimensional, no row, fewer than two items, or a value that is not finite.
    """
    matrix = np.array(values, dtype=np.float64, ndmin=2, order="C")
    if matrix.ndim != 2 or matrix.shape[0] < 1 or matrix.shape[1] < 2:
        raise ValueError(f"scores must be (seeds, items) with at least one seed and two items, not {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ValueError("scores must be finite: the evaluation's convention has to score a missing item")
    return matrix


def collapse(scores: Scores) -> Scores:
    """One row where every seed gave the same scores (nothing random varied), else `scores` unchanged."""
    return scores[:1] if len(scores) > 1 and bool((scores == scores[0]).all()) else scores


def mean_squares(scores: Scores) -> tuple[float, float, float]:
    """Mean squares of the two-way layout without replication: between seeds, between items, residual.

    `scores` is `(seeds, items)`; with one seed the first and last are 0.
    """
    seeds, items = scores.shape
    seed_means, item_means = scores.mean(axis=1), scores.mean(axis=0)
    between_items = seeds * float(item_means.var(ddof=1))
    if seeds == 1:
        return 0.0, between_items, 0.0
    residual = scores - seed_means[:, None] - item_means + scores.mean()
    between_seeds = items * float(seed_means.var(ddof=1))
    return between_seeds, between_items, float((residual**2).sum()) / ((seeds - 1) * (items - 1))


def mean_estimate(scores: ArrayLike) -> Estimate:
    """The mean of one `(seeds, items)` score matrix; identical rows count as one, and then only items are random.

    Raises:
        ValueError: see `score_matrix`.
    """
    matrix = collapse(score_matrix(scores))
    if _is_binary(matrix):
        widened = with_pseudo_items(matrix, (1.0, 1.0, 0.0, 0.0))
        return _estimate(float(matrix.mean()), [widened], widened.mean(axis=0), (0.0, 1.0))
    return _estimate(float(matrix.mean()), [matrix], matrix.mean(axis=0))


def difference_estimate(first: ArrayLike, second: ArrayLike, *, paired: bool) -> Estimate:
    """The mean of `first` minus that of `second`: `(seeds, items)` matrices over the same items in the same order.

    `paired` says that row s of both has the same seed, so that differences are taken seed by seed; otherwise seeds are
    two independent samples (their numbers may differ) and only items are paired. A row in which nothing random varied
    is broadcast against the other's seeds; if both are such, items alone are random.

    Raises:
        ValueError: see `score_matrix`; also when the numbers of items, or of paired seeds, differ.
    """
    one, two = score_matrix(first), score_matrix(second)
    if one.shape[1] != two.shape[1]:
        raise ValueError(f"rows of {one.shape[1]} and {two.shape[1]} items cannot be compared")
    one, two = collapse(one), collapse(two)
    value, bounds = float(one.mean() - two.mean()), (-inf, inf)
    if _is_binary(one) and _is_binary(two):
        one, two, bounds = with_pseudo_items(one, (1.0, 0.0)), with_pseudo_items(two, (0.0, 1.0)), (-1.0, 1.0)
    if len(one) == 1 or len(two) == 1 or not paired:
        return _estimate(value, [one, two], one.mean(axis=0) - two.mean(axis=0), bounds)
    if len(one) != len(two):
        raise ValueError(f"paired rows must have the same seeds, not {len(one)} and {len(two)} of them")
    return _estimate(value, [one - two], (one - two).mean(axis=0), bounds)


def with_pseudo_items(scores: Scores, values: Sequence[float]) -> Scores:
    """`scores` with one more item per value, the same for every seed.

    0/1 scores near their limits look less variable than they are: 120 of 120 right is not "1.00, no doubt". Two right
    and two wrong answers added to a mean (Agresti and Coull 1998, doi:10.1080/00031305.1998.10480550), or one item won
    by either side added to a difference (Bonett and Price 2012, J. Educ. Behav. Stat.
    37:479), mend the interval.
    """
    return np.hstack([scores, np.tile(np.asarray(values, dtype=np.float64), (len(scores), 1))])


def _is_binary(scores: Scores) -> bool:
    return bool(((scores == 0) | (scores == 1)).all())


def _estimate(
    value: float, blocks: Sequence[Scores], item_means: NDArray[np.float64], bounds: tuple[float, float] = (-inf, inf)
) -> Estimate:
    """Join the seed part of every independent block of seeds with the one item part they share."""
    items = len(item_means)
    components, residuals = [], 0.0
    for block in blocks:
        seeds = len(block)
        if seeds > 1:
            between_seeds, _, residual = mean_squares(block)
            share = residual / (seeds * items)
            components.append(Component("seeds", between_seeds / (seeds * items), seeds, seeds - 1, share))
            residuals += share
    whole = float(item_means.var(ddof=1)) / items
    item_part = max(whole - residuals, 0.0)
    if item_part == 0 and all(part.variance < _ROUNDING * whole for part in components):
        item_part = whole  # seeds that happen to agree to the last item are no proof of anything
    components.append(Component("items", item_part, items, items - 1))
    return Estimate(value, float(item_means.mean()), tuple(components), *bounds)

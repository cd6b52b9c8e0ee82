"""Rows measured over folds or random splits, compared pair by pair under the rule of `lab.evaluation.significance`.

Where every split has test items of its own, a row has one number a split, and differences are taken split by split
(`compare_folds`). Where all are judged on the same items, the two-way model holds, but its seeds are splits whose
training sets overlap (`widened`). Both have the variance of Nadeau and Bengio 2003 (`lab.evaluation.resampled`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import Any

import numpy as np

from lab.evaluation.intervals import Estimate
from lab.evaluation.power import Needed
from lab.evaluation.resampled import folds_needed, resampled_difference
from lab.evaluation.significance import FEWEST_SEEDS, Difference, families, holm, judged, not_worse, sample_tests

FoldValues = Mapping[Any, float]


def compare_folds(
    rows: Sequence[FoldValues],
    train_n: float,
    test_n: float,
    *,
    higher_is_better: bool = True,
    margin: float = 0.01,
    alpha: float = 0.05,
    controls: Collection[int] = (),
) -> list[Difference]:
    """Compare every pair of rows that share two folds or more, Holm-adjusted over all of these pairs.

    `controls`: as in `lab.evaluation.significance.compare_rows`.

    `rows`: for each the metric by fold. `train_n`, `test_n`: items trained and judged on in one fold.

    Raises:
        ValueError: values that are not finite, or sizes that are not positive.
    """
    found = []
    for family in families(len(rows), controls):
        shared = {(i, j): [fold for fold in rows[i] if fold in rows[j]] for i, j in family}
        pairs = [pair for pair, folds in shared.items() if len(folds) > 1]
        gaps = [np.array([rows[i][fold] - rows[j][fold] for fold in shared[i, j]]) for i, j in pairs]
        estimates = [resampled_difference(gap, train_n, test_n) for gap in gaps]
        p_values = np.array([estimate.p_value() for estimate in estimates])
        found += [
            _difference(pair, gap, estimate, float(p_holm), higher_is_better, margin, alpha)
            for pair, gap, estimate, p_holm in zip(pairs, gaps, estimates, holm(p_values), strict=True)
        ]
    return found


def best_of(
    rows: Sequence[FoldValues], differences: Sequence[Difference], *, higher_is_better: bool = True
) -> set[int]:
    """The row with the best mean and every row that is not worse than it by the rule; none where there is but one."""
    sign = 1 if higher_is_better else -1
    best = max(range(len(rows)), key=lambda place: sign * float(np.mean(list(rows[place].values()))))
    return not_worse(best, len(rows), differences) if len(rows) > 1 else set()


def widened(estimate: Estimate, overlap: float) -> Estimate:
    """A two-way estimate whose seeds are splits with overlapping training sets.

    `overlap`: items held out of training for another use over items trained on, in one split; the variance over splits
    is multiplied by 1 + splits * `overlap`, so that 1 / J becomes 1 / J + `overlap`.
    """
    parts = [
        replace(part, variance=part.variance * (1 + part.count * overlap)) if part.source == "seeds" else part
        for part in estimate.components
    ]
    return replace(estimate, components=tuple(parts))


def _difference(
    pair: tuple[int, int],
    gap: np.ndarray,
    estimate: Estimate,
    p_holm: float,
    higher_is_better: bool,
    margin: float,
    alpha: float,
) -> Difference:
    alone, permutation = sample_tests(gap)

    def need(level: float) -> Needed:
        found = folds_needed(estimate, margin, level)
        return Needed(margin, 0.8, found.power, found.folds, None, found.labels)

    return judged(
        pair,
        estimate,
        p_holm,
        enough=len(gap) >= FEWEST_SEEDS,
        higher_is_better=higher_is_better,
        margin=margin,
        alpha=alpha,
        need=need,
        paired=True,
        effect=_in_spreads(estimate.value, float(gap.std(ddof=1))),
        seed_test=alone,
        item_test=None,
        permutation=permutation,
    )


def _in_spreads(value: float, spread: float) -> float:
    if spread <= 1e-12 * abs(value):
        return 0.0 if value == 0 else float(np.copysign(inf, value))
    return value / spread

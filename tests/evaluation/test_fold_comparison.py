from __future__ import annotations

from math import inf, sqrt

import numpy as np
import pytest
from scipy import stats

from lab.evaluation.fold_comparison import best_of, compare_folds, widened
from lab.evaluation.intervals import mean_estimate

FOLDS = list(range(10))


def row(level: float, seed: int, folds=FOLDS) -> dict:
    shared, own = np.random.default_rng(0), np.random.default_rng(seed)
    hard = dict(zip(FOLDS, 0.05 * shared.standard_normal(len(FOLDS)), strict=True))
    return {fold: level + hard[fold] + 0.01 * own.standard_normal() for fold in folds}


def test_the_corrected_t_of_nadeau_and_bengio():
    a, b = row(0.9, 1), row(0.85, 2)
    (found,) = compare_folds([a, b], 80, 20)
    gaps = np.array([a[fold] - b[fold] for fold in FOLDS])
    error = sqrt((1 / 10 + 20 / 80) * gaps.var(ddof=1))
    half = stats.t.ppf(0.975, 9) * error
    assert found.value == pytest.approx(gaps.mean())
    assert (found.low, found.high) == pytest.approx((gaps.mean() - half, gaps.mean() + half))
    assert found.p_value == pytest.approx(2 * stats.t.sf(gaps.mean() / error, 9))
    assert found.verdict == "better"
    assert found.seed_test is not None
    assert found.seed_test.p_value == pytest.approx(stats.ttest_1samp(gaps, 0).pvalue)
    assert found.item_test is None
    assert found.effect == pytest.approx(gaps.mean() / gaps.std(ddof=1))


def test_verdicts_turn_with_the_direction():
    rows = [row(0.9, 1), row(0.8, 2), row(0.9003, 3)]
    found = {(d.first, d.second): d.verdict for d in compare_folds(rows, 900, 100, margin=0.05)}
    assert found == {(0, 1): "better", (0, 2): "equivalent", (1, 2): "worse"}
    lower = {(d.first, d.second): d.verdict for d in compare_folds(rows, 900, 100, margin=0.05, higher_is_better=False)}
    assert lower == {(0, 1): "worse", (0, 2): "equivalent", (1, 2): "better"}
    differences = compare_folds(rows, 900, 100)
    assert best_of(rows, differences) == {0, 2}
    assert best_of(rows, compare_folds(rows, 900, 100, higher_is_better=False), higher_is_better=False) == {1}
    assert best_of(rows[:1], []) == set()


def test_only_folds_that_both_have_are_compared():
    found = compare_folds([row(0.9, 1), row(0.8, 2, FOLDS[3:]), row(0.7, 3, FOLDS[:1])], 80, 20)
    assert [(d.first, d.second) for d in found] == [(0, 1)], "one fold says nothing of others"
    assert found[0].needed.labels is not None


def test_two_folds_name_no_winner():
    (found,) = compare_folds([{0: 0.9, 1: 0.91}, {0: 0.5, 1: 0.51}], 80, 20)
    assert (found.verdict, found.enough_seeds, found.effect) == ("cannot tell", False, inf)


def test_splits_on_the_same_items_are_no_independent_seeds():
    plain = mean_estimate(np.random.default_rng(5).normal(size=(5, 40)))
    wide = widened(plain, 0.25)
    seeds, items = plain.components
    assert wide.components[0].variance == pytest.approx(seeds.variance * (1 + 5 * 0.25))
    assert wide.components[1] == items
    assert wide.value == plain.value


@pytest.mark.slow
@pytest.mark.parametrize("folds", [5, 10])
def test_equal_rows_are_told_apart_no_more_often_than_alpha(folds):
    """Two learners without a difference: k-fold accuracies of a nearest mean on either half of the features."""
    random, wrong, times = np.random.default_rng(8), 0, 400
    n = 100
    for _ in range(times):
        y = random.integers(0, 2, n)
        x = random.normal(size=(n, 8)) + 0.5 * y[:, None]
        fold = random.permutation(n) % folds
        rows: list[dict] = [{}, {}]
        for k in range(folds):
            train, test = fold != k, fold == k
            for half, scores in enumerate(rows):
                z = x[:, 4 * half : 4 * half + 4]
                means = [z[train & (y == c)].mean(axis=0) for c in (0, 1)]
                near = np.argmin([((z[test] - m) ** 2).sum(axis=1) for m in means], axis=0)
                scores[k] = float((near == y[test]).mean())
        (found,) = compare_folds(rows, n - n / folds, n / folds)
        wrong += found.verdict in ("better", "worse")
    assert wrong / times <= 0.05 + 2 * sqrt(0.05 * 0.95 / times)

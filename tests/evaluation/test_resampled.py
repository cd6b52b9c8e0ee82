from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lab.evaluation.resampled import FoldScores, folds_needed, resampled_difference, resampled_mean


def test_the_corrected_t_of_the_paper():
    differences = np.array([0.02, -0.01, 0.03, 0.01, 0.02, 0.0, 0.01, 0.04, 0.02, -0.02])
    estimate = resampled_difference(differences, train_n=90, test_n=10)
    variance = (1 / 10 + 10 / 90) * differences.var(ddof=1)
    assert estimate.standard_error**2 == pytest.approx(variance)
    t = differences.mean() / np.sqrt(variance)
    assert estimate.p_value() == pytest.approx(2 * stats.t.sf(t, 9), rel=1e-6)
    low, high = estimate.interval()
    assert (low, high) == pytest.approx(differences.mean() + np.array([-1, 1]) * stats.t.ppf(0.975, 9) * variance**0.5)


def test_more_repeats_do_not_make_it_certain():
    rng = np.random.default_rng(0)
    many = resampled_difference(rng.normal(0.01, 0.02, 10_000), train_n=80, test_n=20)
    assert many.standard_error == pytest.approx(0.02 * np.sqrt(0.25), rel=0.05)


def cross_validated(rng, n=60, k=5, repeats=2):
    """Differences by fold of two nearest-mean classifiers that see one feature each, equally good."""
    labels = np.arange(n) % 2
    features = rng.normal(size=(n, 2)) + 0.6 * labels[:, None]
    out = []
    for _ in range(repeats):
        folds = rng.permutation(n) % k
        for fold in range(k):
            inside, outside = folds != fold, folds == fold
            means = np.array([features[inside & (labels == c)].mean(axis=0) for c in (0, 1)])
            near = np.abs(features[outside] - means[1]) < np.abs(features[outside] - means[0])
            right = near == labels[outside, None].astype(bool)
            out.append(right[:, 0].mean() - right[:, 1].mean())
    return np.array(out)


def test_on_overlapping_folds_the_correction_keeps_the_level_and_the_plain_t_does_not():
    rng = np.random.default_rng(1)
    corrected = plain = 0
    trials = 600
    for _ in range(trials):
        differences = cross_validated(rng)
        corrected += resampled_difference(differences, train_n=48, test_n=12).p_value() < 0.05
        plain += stats.ttest_1samp(differences, 0).pvalue < 0.05
    assert corrected / trials < 0.065
    assert plain / trials > 0.12


def test_what_more_folds_and_more_labels_bring():
    rng = np.random.default_rng(0)
    estimate = resampled_difference(rng.normal(0, 0.02, 10), train_n=80, test_n=20)
    need = folds_needed(estimate, margin=0.01)
    assert need.power < 0.5
    assert need.folds is None  # the overlap of training sets is no matter of their number
    assert need.labels is not None
    assert need.labels > 2
    again = folds_needed(resampled_difference(rng.normal(0, 0.002, 10), train_n=80, test_n=20), margin=0.01)
    assert (again.folds, again.labels) == (10, 1.0)
    some = folds_needed(resampled_difference(0.02 * stats.norm.ppf(np.arange(1, 6) / 6), 95, 5), margin=0.02)
    assert some.folds is not None
    assert some.folds > 5


def test_the_mean_has_an_interval_too():
    scores = FoldScores(np.array([0.8, 0.9, 0.85, 0.8, 0.95]), train_n=80, test_n=20)
    low, high = resampled_mean(scores).interval()
    assert low < scores.values.mean() < high


@pytest.mark.parametrize(
    ("values", "train_n", "test_n"), [([0.1], 8, 2), ([0.1, np.nan], 8, 2), ([[0.1, 0.2]], 8, 2), ([0.1, 0.2], 0, 2)]
)
def test_what_are_no_folds_is_refused(values, train_n, test_n):
    with pytest.raises(ValueError, match="folds"):
        FoldScores(np.array(values), train_n, test_n)


def test_a_margin_is_positive():
    with pytest.raises(ValueError, match="margin"):
        folds_needed(resampled_difference([0.1, 0.2], 8, 2), margin=0)

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lab.evaluation.intervals import Component, Estimate, difference_estimate, mean_estimate, mean_squares


def crossed(seeds=4, items=30, seed_size=0.3, item_size=1.0, noise=0.5, mean=2.0, key=0):
    rng = np.random.default_rng(key)
    effects = seed_size * rng.standard_normal((seeds, 1)) + item_size * rng.standard_normal((1, items))
    return mean + effects + noise * rng.standard_normal((seeds, items))


def test_mean_squares_are_those_of_statsmodels():
    import pandas as pd
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    scores = crossed()
    seed, item = np.indices(scores.shape)
    frame = pd.DataFrame({"score": scores.ravel(), "seed": seed.ravel(), "item": item.ravel()})
    table = anova_lm(ols("score ~ C(seed) + C(item)", frame).fit())
    np.testing.assert_allclose(mean_squares(scores), table["sum_sq"] / table["df"], rtol=1e-9)


def test_variance_components_are_those_of_the_mean_squares():
    scores = crossed()
    seeds, items = scores.shape
    rows, columns, residual = mean_squares(scores)
    seed_part, item_part = mean_estimate(scores).components
    assert (seed_part.degrees, item_part.degrees) == (seeds - 1, items - 1)
    assert seed_part.variance + item_part.variance == pytest.approx((rows + columns - residual) / (seeds * items))


def test_one_seed_is_the_t_interval_over_items():
    from scipy.stats import t

    scores = crossed(seeds=1)[0]
    expected = t.interval(0.95, len(scores) - 1, scores.mean(), scores.std(ddof=1) / len(scores) ** 0.5)
    np.testing.assert_allclose(mean_estimate(scores).interval(), expected)


def test_identical_seeds_are_no_evidence():
    scores = crossed(seeds=1)
    assert mean_estimate(np.repeat(scores, 5, axis=0)) == mean_estimate(scores)


def test_only_seeds_random_is_the_paired_t_test_over_seeds():
    from scipy.stats import ttest_rel

    rng = np.random.default_rng(1)
    shared = rng.standard_normal(50)
    first, second = shared + rng.standard_normal((5, 1)), shared + 1 + rng.standard_normal((5, 1))
    expected = ttest_rel(first.mean(axis=1), second.mean(axis=1)).pvalue
    assert difference_estimate(first, second, paired=True).p_value() == pytest.approx(expected, rel=1e-6)


def test_two_deterministic_rows_are_the_paired_t_test_over_items():
    from scipy.stats import ttest_rel

    first, second = crossed(seeds=1), crossed(seeds=1, key=1, mean=2.3)
    expected = ttest_rel(first[0], second[0])
    estimate = difference_estimate(first, second, paired=False)
    assert estimate.p_value() == pytest.approx(expected.pvalue, rel=1e-6)
    low, high = expected.confidence_interval()
    np.testing.assert_allclose(estimate.interval(), (low, high))


def test_a_deterministic_row_is_broadcast_over_the_others_seeds():
    random, fixed = crossed(), crossed(seeds=1, key=3)
    estimate = difference_estimate(random, fixed, paired=False)
    expected = mean_estimate(random - fixed)
    assert estimate.value == pytest.approx(expected.value)
    np.testing.assert_allclose(estimate.interval(), expected.interval())
    assert difference_estimate(random, np.repeat(fixed, 4, axis=0), paired=True) == estimate


def test_paired_seeds_are_the_mean_of_the_differences():
    first, second = crossed(), crossed(key=1)
    assert difference_estimate(first, second, paired=True).components == mean_estimate(first - second).components


def test_unpaired_seeds_have_a_part_for_each_row():
    first, second = crossed(seeds=3), crossed(seeds=5, key=1)
    one, two, items = difference_estimate(first, second, paired=False).components
    assert one.variance == pytest.approx(mean_estimate(first).components[0].variance)
    assert two.variance == pytest.approx(mean_estimate(second).components[0].variance)
    item_means = first.mean(axis=0) - second.mean(axis=0)
    assert items.variance == pytest.approx(item_means.var(ddof=1) / 30 - one.residual - two.residual)
    assert (one.degrees, two.degrees, items.degrees) == (2, 4, 29)


def test_unpaired_parts_are_unbiased():
    rng = np.random.default_rng(5)
    trials = [
        difference_estimate(
            rng.standard_normal((3, 1)) + rng.standard_normal((3, 20)),
            0.5 * rng.standard_normal((6, 1)) + rng.standard_normal((6, 20)) + 2 * rng.standard_normal(20),
            paired=False,
        )
        for _ in range(1500)
    ]
    variance = 1 / 3 + 0.25 / 6 + 4 / 20 + 1 / (3 * 20) + 1 / (6 * 20)
    assert np.var([trial.value for trial in trials]) == pytest.approx(variance, rel=0.12)
    assert np.mean([trial.standard_error**2 for trial in trials]) == pytest.approx(variance, rel=0.08)


scores = arrays(np.float64, (3, 12), elements=st.floats(-100, 100, width=32))


@settings(max_examples=60, deadline=None)
@given(scores, scores, st.booleans())
def test_swapping_rows_mirrors_the_interval(first, second, paired):
    one, two = difference_estimate(first, second, paired=paired), difference_estimate(second, first, paired=paired)
    assert one.value == pytest.approx(-two.value, abs=1e-9)
    np.testing.assert_allclose(one.interval(), np.negative(two.interval())[::-1], atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.floats(0.01, 5), st.lists(st.tuples(st.floats(1e-6, 4), st.integers(1, 400)), min_size=1, max_size=3))
def test_the_p_value_is_where_the_interval_touches_zero(center, parts):
    estimate = Estimate(center, center, tuple(Component("items", v, df + 1, df) for v, df in parts))
    p = estimate.p_value()
    assert 0 < p <= 1
    if p > 1e-12:
        assert estimate.half_width(p) == pytest.approx(center, rel=1e-3)


def test_degenerate_differences():
    flat = np.ones((3, 10)) * 0.5
    same = difference_estimate(flat, flat, paired=True)
    assert (same.p_value(), same.interval()) == (1.0, (0.0, 0.0))
    assert difference_estimate(flat + 0.25, flat, paired=True).p_value() < 1e-12


class TestRightOrWrong:
    def test_all_right_is_not_beyond_doubt(self):
        estimate = mean_estimate(np.ones(120))
        low, high = estimate.interval()
        assert (estimate.value, high) == (1.0, 1.0)
        assert 0.95 < low < 0.98

    @pytest.mark.parametrize("right", [3, 40, 90, 119])
    def test_a_mean_is_close_to_agresti_and_coull(self, right):
        from statsmodels.stats.proportion import proportion_confint

        expected = proportion_confint(right, 120, method="agresti_coull")
        np.testing.assert_allclose(mean_estimate(np.arange(120) < right).interval(), np.clip(expected, 0, 1), atol=3e-3)

    def test_a_difference_is_bonett_and_price(self):
        from scipy.special import stdtrit

        first = np.repeat([1, 1, 0, 0], [60, 9, 2, 49])
        second = np.repeat([1, 0, 1, 0], [60, 9, 2, 49])
        estimate = difference_estimate(first, second, paired=False)
        won, lost = 10 / 122, 3 / 122
        half = -stdtrit(121, 0.025) * np.sqrt((won + lost - (won - lost) ** 2) / 121)
        np.testing.assert_allclose(estimate.interval(), (won - lost - half, won - lost + half))
        assert estimate.value == pytest.approx(7 / 120)

    def test_no_disagreement_on_few_items_proves_little(self):
        low, high = difference_estimate(np.ones(120), np.ones(120), paired=False).interval()
        assert high == -low > 0.02

    @pytest.mark.parametrize(("items", "won"), [(500, 0.01), (1000, 0.01)])
    def test_a_true_difference_of_a_point_is_rarely_called_less(self, items, won):
        rng = np.random.default_rng(0)
        missed = 0
        for _ in range(600):
            first = (rng.random(items) < won).astype(float)
            missed += difference_estimate(first, np.zeros(items), paired=False).interval()[1] < won
        assert missed / 600 < 0.06


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.ones((2, 1)), "two items"),
        (np.ones((2, 3, 4)), "seeds, items"),
        (np.empty((0, 5)), "at least one seed"),
        ([[1.0, np.nan]], "finite"),
        ([[1.0, np.inf]], "finite"),
    ],
)
def test_bad_scores(scores, message):
    with pytest.raises(ValueError, match=message):
        mean_estimate(scores)


def test_rows_that_do_not_fit():
    with pytest.raises(ValueError, match="30 and 20 items"):
        difference_estimate(crossed(), crossed(items=20), paired=True)
    with pytest.raises(ValueError, match="same seeds"):
        difference_estimate(crossed(seeds=3), crossed(seeds=4), paired=True)


def test_seeds_that_agree_to_the_last_item_prove_nothing():
    """Every seed of both rows gets as many items right, but others: the difference is 0 and not sure at all."""
    first, second = np.zeros((3, 60)), np.zeros((3, 60))
    for seed in range(3):
        first[seed, : 50 + seed] = second[seed, : 50 + seed] = 1
        first[seed, [seed, 59 - seed]] = 0, 1
        second[seed, [10 + seed, 55 - seed]] = 0, 1
    assert (first.mean(axis=1) == second.mean(axis=1)).all()
    estimate = difference_estimate(first, second, paired=True)
    low, high = estimate.interval()
    assert low < -0.005 < 0.005 < high
    assert estimate.p_value() > 0.9

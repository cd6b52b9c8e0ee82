from __future__ import annotations

import numpy as np
import pytest

from lab.evaluation.intervals import Component, Estimate, difference_estimate
from lab.evaluation.power import needed, power, scaled


def estimate(*parts: Component) -> Estimate:
    return Estimate(0.0, 0.0, parts)


def test_items_alone_need_what_statsmodels_says():
    from statsmodels.stats.power import TTestPower

    spread, margin = 0.3, 0.01
    items = needed(estimate(Component("items", spread**2 / 200, 200, 199)), margin).items
    expected = TTestPower().solve_power(effect_size=margin / spread, power=0.8, alpha=0.05)
    assert items == pytest.approx(expected, rel=0.01)


def test_seeds_alone_need_about_what_statsmodels_says():
    from statsmodels.stats.power import TTestPower

    for spread, margin in [(0.02, 0.01), (0.01, 0.01)]:
        seeds = needed(estimate(Component("seeds", spread**2 / 3, 3, 2), Component("items", 0, 100, 99)), margin).seeds
        expected = TTestPower().solve_power(effect_size=margin / spread, power=0.8, alpha=0.05)
        assert abs(seeds - expected) <= 1.5


def test_power_is_the_rate_at_which_the_difference_is_seen():
    rng = np.random.default_rng(0)

    def pair(gap):
        first = gap + 0.02 * rng.standard_normal((8, 1)) + 0.2 * rng.standard_normal((8, 300))
        return difference_estimate(first + 0.2 * rng.standard_normal(300), np.zeros(300), paired=False)

    truth = estimate(
        Component("seeds", 0.02**2 / 8 + 0.2**2 / 2400, 8, 7, 0.2**2 / 2400), Component("items", 0.2**2 / 300, 300, 299)
    )
    seen = np.mean([pair(0.04).interval()[0] > 0 for _ in range(800)])
    assert 0.5 < seen < 0.95
    assert power(truth, 0.04) == pytest.approx(seen, abs=0.04)


def test_power_without_a_difference_is_alpha_at_most():
    parts = Component("seeds", 0.01, 5, 4), Component("items", 0.02, 100, 99)
    assert power(estimate(*parts), 1e-12) < 0.05


def test_more_seeds_and_items_shrink_their_own_parts():
    parts = Component("seeds", 0.05, 4, 3, residual=0.02), Component("items", 0.1, 100, 99)
    seeds, items = scaled(estimate(*parts), seeds=2).components
    assert (seeds.variance, seeds.degrees, items.variance) == (pytest.approx(0.025), 7, 0.1)
    seeds, items = scaled(estimate(*parts), items=10).components
    assert (seeds.variance, items.variance, items.degrees) == (pytest.approx(0.032), pytest.approx(0.01), 999)


def test_enough_already():
    plenty = needed(estimate(Component("seeds", 1e-10, 3, 2), Component("items", 1e-10, 100, 99)), 0.01)
    assert (plenty.power, plenty.seeds, plenty.items) == (pytest.approx(1), 3, 100)


def test_out_of_reach():
    items_limit = needed(estimate(Component("seeds", 1e-8, 3, 2), Component("items", 0.1, 100, 99)), 0.01)
    assert items_limit.seeds is None
    assert items_limit.items > 100
    seeds_limit = needed(estimate(Component("seeds", 0.1, 3, 2), Component("items", 1e-8, 100, 99)), 0.01)
    assert seeds_limit.items is None


def test_no_seeds_vary():
    assert needed(estimate(Component("items", 0.1, 100, 99)), 0.01).seeds is None


def test_a_margin_of_nothing():
    with pytest.raises(ValueError, match="margin"):
        needed(estimate(Component("items", 0.1, 100, 99)), 0)

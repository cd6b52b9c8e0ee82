"""What is recommended is worse by the margin no more often than α; the table is in docs/statistics.md."""

from __future__ import annotations

import pytest
from recommendation_simulation import ITEMS, METHODS, SCENES, SEEDS, false_recommendations
from scipy.stats import binom

QUICK = ["normal: items; 4 worse", "normal: seeds; 4 worse", "normal: all three; 1 worse", "folds; 4 worse"]


def most(trials: int, alpha: float = 0.05) -> float:
    """What a method that keeps α exceeds once in ten thousand simulations."""
    return binom.ppf(1 - 1e-4, trials, alpha) / trials


@pytest.mark.parametrize("name", QUICK)
def test_false_recommendations_stay_at_alpha(name):
    assert false_recommendations(SCENES[name], 3, 200, 150)["lab"] <= most(150)


def test_the_simpler_rules_do_not_keep_it():
    rates = false_recommendations(SCENES["normal: items; 4 worse"], 3, 200, 200, METHODS)
    assert rates["lab"] <= most(200) < min(rates["against all"], rates["against the best seen"])


def test_with_enough_data_the_right_one_is_recommended():
    import numpy as np
    from recommendation_simulation import right_or_wrong

    from lab.evaluation.non_inferiority import recommend

    rng = np.random.default_rng(0)
    for _ in range(10):
        candidates, margin, worse = right_or_wrong(0.8, 3, 0.05, seed=0.01, item=0.05, both=0.05)(rng, 5, 4000)
        assert recommend(candidates, margin=margin / 2).recommended == str(len(worse))


@pytest.mark.slow
@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("items", ITEMS)
@pytest.mark.parametrize("name", SCENES)
def test_false_recommendations_stay_at_alpha_everywhere(name, items, seeds):
    assert false_recommendations(SCENES[name], seeds, items, 200)["lab"] <= most(200)

"""No method may see differences that are not there more often than α; the table is in docs/statistics.md."""

from __future__ import annotations

import pytest
from null_simulation import GENERATORS, ITEMS, SEEDS, UNPAIRED, false_positives, pseudo_values
from scipy.stats import binom, spearmanr

QUICK = [
    ("normal: seeds", 3, 120),
    ("normal: mostly seeds", 3, 120),
    ("normal: seed by item", 3, 120),
    ("normal: items", 5, 120),
    ("0/1, 60 % right", 3, 120),
    ("0/1, 60 % right, mostly seeds", 3, 200),
    ("0/1, 97 % right", 3, 120),
    ("Spearman, mostly items", 3, 120),
    ("Spearman, mostly seeds", 3, 120),
]


def most(trials: int, alpha: float = 0.05) -> float:
    """What a method that keeps α exceeds once in ten thousand simulations."""
    return binom.ppf(1 - 1e-4, trials, alpha) / trials


def trials_for(name: str, seeds: int, items: int) -> int:
    return 150 if name.startswith("Spearman") and items == 1000 else 1000


@pytest.mark.parametrize(("name", "seeds", "items"), QUICK)
def test_false_positives_stay_at_alpha(name, seeds, items):
    assert false_positives(GENERATORS[name], seeds, items, 400)["two-way"] <= most(400)


@pytest.mark.parametrize("name", UNPAIRED)
def test_false_positives_of_unpaired_rows_stay_at_alpha(name):
    assert false_positives(UNPAIRED[name], 3, 120, 400, paired=False)["two-way"] <= most(400)


@pytest.mark.parametrize("alpha", [0.05, 0.005])
def test_the_level_is_reached_where_one_thing_varies(alpha):
    rates = [false_positives(GENERATORS[f"normal: {what}"], 5, 120, 1000, alpha=alpha) for what in ("items", "seeds")]
    for rate in rates:
        assert binom.ppf(1e-4, 1000, alpha) / 1000 <= rate["two-way"] <= most(1000, alpha)


def test_the_methods_that_lost_would_be_caught():
    rates = false_positives(GENERATORS["normal: mostly seeds"], 3, 120, 1500, ("two-way", "Satterthwaite", "bootstrap"))
    assert rates["two-way"] <= 0.05
    assert rates["Satterthwaite"] > most(1500)
    assert rates["bootstrap"] > most(1500)


@pytest.mark.slow
@pytest.mark.parametrize("items", ITEMS)
@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("name", GENERATORS | UNPAIRED)
def test_false_positives_stay_at_alpha_everywhere(name, seeds, items):
    trials = trials_for(name, seeds, items)
    generate = (GENERATORS | UNPAIRED)[name]
    assert false_positives(generate, seeds, items, trials, paired=name not in UNPAIRED)["two-way"] <= most(trials)


def test_pseudo_values_are_the_jackknifes():
    import numpy as np

    rng = np.random.default_rng(0)
    human, model = rng.standard_normal((2, 40))
    rho = spearmanr(human, model).statistic
    without = [spearmanr(np.delete(human, i), np.delete(model, i)).statistic for i in range(40)]
    raw = 40 * rho - 39 * np.array(without)
    np.testing.assert_allclose(pseudo_values(human, model), raw - raw.mean() + rho, atol=1e-12)

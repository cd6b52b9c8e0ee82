from __future__ import annotations

import json

import numpy as np
import pytest

from lab.evaluation.learning_curve import expected_gain

SIZES = np.array([50, 100, 200, 400, 600.0])
TRUTHS = {
    "power": lambda n: 0.1 + 1.5 * n**-0.6,
    "power without floor": lambda n: 1.2 * n**-0.35,
    "logarithm": lambda n: 0.5 - 0.06 * np.log(n),
    "exponential": lambda n: 0.1 + 0.4 * np.exp(-n / 150),
    "flat": lambda n: 0.15 + 0 * n,
}


def curve(truth, seeds=3, seed=0, noise=0.03):
    rng = np.random.default_rng(seed)
    return TRUTHS[truth](SIZES) + rng.normal(size=(seeds, len(SIZES))) * noise * np.sqrt(100 / SIZES)


def covered(truth, trials, seeds):
    expected = TRUTHS[truth](600.0) - TRUTHS[truth](900.0)
    hits = 0
    for trial in range(trials):
        found = expected_gain(SIZES, curve(truth, seeds, trial), 300)
        hits += found.low - 1e-4 <= expected <= found.high + 1e-4
    return hits / trials


@pytest.mark.parametrize("truth", TRUTHS)
def test_without_noise_the_gain_is_the_truths(truth):
    found = expected_gain(SIZES, curve(truth, noise=1e-6), 300)
    expected = TRUTHS[truth](600.0) - TRUTHS[truth](900.0)
    assert found.gain == pytest.approx(expected, abs=1e-3)
    assert found.low - 1e-3 <= expected <= found.high + 1e-3


@pytest.mark.parametrize("truth", ["power", "exponential"])
def test_the_interval_mostly_holds_the_truth(truth):
    assert covered(truth, 40, 3) >= 0.85


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("truth", TRUTHS)
def test_the_interval_covers_what_it_says(truth, seeds):
    assert covered(truth, 300, seeds) >= 0.9


def test_a_flat_curve_is_flat_since_and_a_falling_one_is_not():
    flat = expected_gain(SIZES, curve("flat", seeds=5, noise=0.002), 300)
    assert flat.flat_since == 50
    assert flat.sentence() == "flat since 50"
    late = np.array([0.3, 0.2, 0.1, 0.1, 0.1]) + np.random.default_rng(0).normal(size=(5, 5)) * 0.001
    assert expected_gain(SIZES, late, 300).flat_since == 200
    falling = expected_gain(SIZES, curve("power", noise=0.002), 300)
    assert falling.flat_since is None
    assert falling.sentence().startswith("300 more labels: +0.")


def test_a_noisy_curve_is_not_called_flat():
    assert expected_gain(SIZES, curve("flat", seeds=2, noise=0.1), 300).flat_since is None


def test_nothing_is_extrapolated_beyond_twofold():
    errors = curve("power")
    assert expected_gain(SIZES, errors, 10_000).to_dict() == expected_gain(SIZES, errors, 600).to_dict()
    assert expected_gain(SIZES, errors, 10_000).more == 600


def test_what_the_hidden_size_showed_widens_the_interval():
    rng = np.random.default_rng(0)
    broken = np.array([0.4, 0.3, 0.22, 0.16, 0.30])  # it turns back where nobody could see it coming
    found = expected_gain(SIZES, broken + rng.normal(size=(5, 5)) * 0.002, 300)
    assert found.hidden is not None
    assert not found.hidden.held
    fine = expected_gain(SIZES, curve("power", seeds=5, noise=0.002), 300)
    assert fine.hidden is not None
    assert fine.hidden.held
    assert fine.hidden.low < fine.hidden.observed < fine.hidden.high


def test_order_of_sizes_missing_runs_and_one_too_many():
    errors = curve("power")
    there = expected_gain(SIZES, errors, 300)
    order = [3, 0, 4, 2, 1]
    assert expected_gain(SIZES[order], errors[:, order], 300).to_dict() == there.to_dict()
    errors[0, 1] = np.nan
    assert expected_gain(SIZES, errors, 300) is not None
    wider = np.hstack([errors, np.array([[0.1], [np.nan], [np.nan]])])
    assert expected_gain([*SIZES, 800], wider, 300).size == 600
    json.dumps(there.to_dict(), allow_nan=False)


def test_too_little_says_nothing():
    assert expected_gain(SIZES[:2], curve("power")[:, :2], 100) is None
    assert expected_gain(SIZES, curve("power", seeds=1), 100) is None
    three = expected_gain(SIZES[:3], curve("power")[:, :3], 100)
    assert three.hidden is None


@pytest.mark.parametrize(
    ("sizes", "errors", "more"),
    [([1, 2], [[0.1]], 1), ([1, 1], [[0.1, 0.2]], 1), ([0, 1], [[0.1, 0.2]], 1), ([1, 2], [[0.1, 0.2]], 0)],
)
def test_what_is_no_curve_is_refused(sizes, errors, more):
    with pytest.raises(ValueError, match=r"sizes|positive"):
        expected_gain(sizes, errors, more)

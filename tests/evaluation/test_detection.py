from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from lab.evaluation.detection import detection


@pytest.mark.parametrize("decimals", [1, 6], ids=["ties", "no ties"])
def test_the_area_is_that_of_scikit_learn(decimals):
    rng = np.random.default_rng(0)
    sought, others = rng.normal(1, 1, 30).round(decimals), rng.normal(0, 1, 90).round(decimals)
    found = detection(sought, others)
    area = roc_auc_score(np.repeat([1, 0], [30, 90]), np.concatenate([sought, others]))
    assert found.auroc == pytest.approx(area)
    assert found.placements.mean() == pytest.approx(area)
    assert found.low < area < found.high


def test_all_found_is_no_certainty():
    found = detection(np.arange(5.0) + 10, np.arange(50.0) / 10)
    assert found.auroc == found.high == 1
    assert found.low < 0.9
    assert detection(np.ones(4), np.ones(9)).auroc == 0.5
    assert 0 <= detection(np.array([3.0]), np.arange(9.0)).low < detection(np.array([3.0]), np.arange(9.0)).high <= 1


@pytest.mark.parametrize("area", [0.5, 0.75, 0.97])
def test_the_interval_covers_the_true_area(area):
    rng, hits, spread = np.random.default_rng(0), 0, 2.0
    place = norm.ppf(area) * np.sqrt(1 + spread**2)
    for _ in range(300):
        found = detection(rng.normal(place, spread, 36), rng.normal(0, 1, 324))
        hits += found.low <= area <= found.high
    assert hits / 300 > 0.92

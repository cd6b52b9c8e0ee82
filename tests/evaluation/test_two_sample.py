from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score

from lab.evaluation.two_sample import FOLDS, two_sample_auc


def test_sets_of_one_kind_are_not_told_apart_more_often_than_alpha():
    rejected = 0
    for trial in range(50):
        rng = np.random.default_rng(trial)
        found = two_sample_auc(rng.normal(size=(60, 8)), rng.normal(size=(30, 8)), trial, permutations=99)
        rejected += found.p_value <= 0.05
    assert rejected <= 8  # exceeded once in a thousand where the level is 5 %


def test_a_shift_is_seen_and_its_items_are_named():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(200, 10)), rng.normal(size=(150, 10))
    second[:5] += 6  # five items of another kind
    second[:, 3] += 0.7
    found = two_sample_auc(first, second, items=5)
    assert found.auc > 0.6
    assert found.p_value == pytest.approx(1 / 1000)
    assert set(found.typical_of_second) == set(range(5))
    assert len(found.typical_of_first) == 5
    json.dumps(found.to_dict())


def test_the_area_is_scikit_learns():
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(40, 6)), rng.normal(size=(40, 6)) + 0.4
    found = two_sample_auc(first, second, seed=3, permutations=1)
    points = np.concatenate([first, second])
    points = (points - points.mean(axis=0)) / points.std(axis=0)
    member = np.repeat([0.0, 1.0], 40)
    again = np.random.default_rng(3)
    again.permutation(member)
    folds = again.permutation(80) % FOLDS
    scores = np.empty(80)
    for fold in range(FOLDS):
        inside = points[folds != fold]
        unit = ((inside - inside.mean(axis=0)) ** 2).sum() / 6
        scores[folds == fold] = Ridge(alpha=unit).fit(inside, member[folds != fold]).predict(points[folds == fold])
    assert found.auc == pytest.approx(roc_auc_score(member, scores))


def test_large_sets_are_sampled_and_the_seed_decides():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(4500, 3)), rng.normal(size=(50, 3)) + 1
    found = two_sample_auc(first, second, 0, permutations=9)
    assert found == two_sample_auc(first, second, 0, permutations=9)
    assert max(found.typical_of_first) < 4500


def test_what_are_no_two_sets_is_refused():
    with pytest.raises(ValueError, match="two sets"):
        two_sample_auc(np.ones((10, 3)), np.ones((10, 4)))
    with pytest.raises(ValueError, match="two sets"):
        two_sample_auc(np.ones((10, 3)), np.ones((2, 3)))
    with pytest.raises(ValueError, match="finite"):
        two_sample_auc(np.full((10, 3), np.nan), np.ones((10, 3)))

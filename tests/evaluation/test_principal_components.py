from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from lab.evaluation.principal_components import principal_components


@pytest.mark.parametrize("shape", [(60, 12), (20, 90)], ids=["tall", "wide"])
def test_they_are_those_of_scikit_learn(shape):
    points = (np.random.default_rng(0).normal(size=shape) * np.linspace(1, 3, shape[1])).astype(np.float32)
    found, reference = principal_components(points, 5), PCA(5, svd_solver="full").fit(points.astype(float))
    assert np.allclose(found.mean, reference.mean_, atol=1e-5)
    assert np.allclose(np.abs(found.components @ reference.components_.T), np.eye(5), atol=1e-4)
    again = np.random.default_rng(1).normal(size=(7, shape[1])).astype(np.float32)
    wanted = reference.inverse_transform(reference.transform(again))
    assert np.allclose(found.restore(found.project(again)), wanted, atol=1e-4)
    assert np.allclose(np.abs(found.project(again)), np.abs(reference.transform(again)), atol=1e-4)


def test_there_are_no_more_than_points_or_numbers():
    points = np.random.default_rng(0).normal(size=(6, 9)).astype(np.float32)
    assert principal_components(points, 30).components.shape == (5, 9)
    assert principal_components(points[:, :3], 30).components.shape == (3, 3)
    assert np.allclose(
        principal_components(points, 30).restore(principal_components(points, 30).project(points)), points, atol=1e-5
    )


def test_points_that_are_all_alike():
    found = principal_components(np.ones((5, 4), np.float32), 2)
    assert np.isfinite(found.components).all()
    assert np.allclose(found.restore(found.project(np.ones((3, 4), np.float32))), 1)

"""The shape of a space, against slow formulas and spaces whose answer is known."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy.stats import skew
from sklearn.neighbors import NearestNeighbors

from lab.evaluation.space_geometry import (
    alignment,
    effective_rank,
    hubness,
    nearest_items,
    neighbor_purity,
    uniformity,
)


@pytest.fixture
def space():
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 3
    return (rng.normal(size=(3, 6))[labels] + 0.7 * rng.normal(size=(40, 6))).astype(np.float32), labels


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("shape", [(40, 6), (8, 30)], ids=["tall", "wide"])
def test_effective_rank_is_the_entropy_of_singular_values(shape):
    vectors = np.random.default_rng(1).normal(size=shape)
    values = np.linalg.svd(vectors - vectors.mean(axis=0), compute_uv=False)
    shares = values[values > 1e-10] / values.sum()
    assert effective_rank(vectors) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-6)


def test_effective_rank_of_known_spaces():
    axes = np.concatenate([np.eye(4), -np.eye(4)])
    assert effective_rank(axes) == pytest.approx(4)
    assert effective_rank(np.hstack([axes, 5 * np.ones((8, 3))])) == pytest.approx(4)
    assert effective_rank(np.outer(np.arange(5.0), [1, 2, 3])) == pytest.approx(1, abs=1e-4)
    assert effective_rank(np.ones((5, 3))) == 0


def test_alignment_and_uniformity_are_means_over_pairs(space):
    vectors, labels = space
    points = unit(vectors.astype(float))
    pairs = [(i, j, ((points[i] - points[j]) ** 2).sum()) for i, j in permutations(range(len(points)), 2)]
    assert uniformity(vectors) == pytest.approx(np.log(np.mean([np.exp(-2 * d) for _, _, d in pairs])))
    assert alignment(vectors, labels) == pytest.approx(np.mean([d for i, j, d in pairs if labels[i] == labels[j]]))
    assert uniformity(np.ones((5, 3))) == pytest.approx(0)
    assert np.isnan(alignment(vectors[:3], np.arange(3)))


def test_purity_and_hubness_are_those_of_counted_neighbours(space):
    vectors, labels = space
    nearest = nearest_items(vectors, 4)
    reference = NearestNeighbors(n_neighbors=4).fit(vectors).kneighbors(return_distance=False)
    assert (nearest == reference).all()
    assert neighbor_purity(nearest, labels) == pytest.approx(np.mean(labels[reference] == labels[:, None]))
    assert hubness(nearest) == pytest.approx(skew(np.bincount(reference.ravel(), minlength=40)))


def test_a_hub_is_near_to_everything():
    on_a_sphere = unit(np.random.default_rng(0).normal(size=(100, 100)))
    with_hub = np.vstack([on_a_sphere, np.zeros((1, 100))])
    assert hubness(nearest_items(with_hub, 1)) > 9
    ring = np.stack([np.cos(np.arange(12) * np.pi / 6), np.sin(np.arange(12) * np.pi / 6)], axis=1)
    assert hubness(nearest_items(np.round(ring, 6), 11)) == 0

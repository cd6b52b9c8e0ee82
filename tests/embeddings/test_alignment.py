"""Maps of several spaces: what did not change stays in its place, what did moves, and each map is as good as alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import procrustes

from lab.embeddings.alignment import align_maps, superimposed
from lab.embeddings.projection import MapSettings
from lab.embeddings.space import EmbeddingSpace
from lab.errors import UserError
from lab.evaluation.geometry import trustworthiness

MOVED = 30


def spaces() -> list[EmbeddingSpace]:
    """Five clusters; the second space is rotated, and its first items have gone over to another cluster."""
    rng = np.random.default_rng(0)
    centres = 6 * rng.normal(size=(5, 12))
    cluster = rng.integers(5, size=240)
    cluster[:MOVED] = 0
    noise = rng.normal(size=(240, 12))
    first = centres[cluster] + noise
    cluster = cluster.copy()
    cluster[:MOVED] = 1
    turn = np.linalg.qr(rng.normal(size=(12, 12)))[0]
    second = (centres[cluster] + noise) @ turn
    ids = [f"item {i}" for i in range(240)]
    return [EmbeddingSpace(ids, first), EmbeddingSpace(ids, second)]


@pytest.fixture(scope="module")
def maps() -> list[np.ndarray]:
    return align_maps(spaces(), MapSettings(metric="euclidean"))


def test_a_point_whose_neighbours_stay_stays_and_one_that_changes_sides_is_seen_to(maps):
    moved = np.linalg.norm(maps[1] - maps[0], axis=1) / maps[0].std(axis=0).mean()
    assert np.median(moved[:MOVED]) > 4 * np.median(moved[MOVED:])
    assert np.median(moved[MOVED:]) < 0.5


def test_each_map_keeps_its_own_neighbourhoods(maps):
    for space, points in zip(spaces(), maps, strict=True):
        assert points.dtype == np.float32
        assert points.shape == (240, 2)
        assert trustworthiness(space.vectors, points, 15, "euclidean") > 0.85


def test_the_same_seed_gives_the_same_maps(maps):
    for one, other in zip(maps, align_maps(spaces(), MapSettings(metric="euclidean")), strict=True):
        np.testing.assert_array_equal(one, other)


def test_superimposed_is_what_scipy_does():
    rng = np.random.default_rng(0)
    points, onto = rng.normal(size=(20, 2)), rng.normal(size=(20, 2)) + 5
    found = superimposed(points, onto)
    wanted, turned, _ = procrustes(onto, points)
    scale = np.linalg.norm(onto - onto.mean(axis=0))
    np.testing.assert_allclose((found - onto.mean(axis=0)) / scale, turned, atol=1e-5)
    assert superimposed(onto, onto) == pytest.approx(onto)
    assert wanted.shape == (20, 2)


def test_linear_maps_and_few_items_are_aligned_too():
    few = [space.subset(np.arange(6)) for space in spaces()]
    assert [one.shape for one in align_maps(few)] == [(6, 2), (6, 2)]
    linear = align_maps(spaces(), MapSettings(method="pca", metric="euclidean"))
    assert np.median(np.linalg.norm(linear[1] - linear[0], axis=1)[MOVED:]) < linear[0].std()


def test_other_items_are_refused():
    first, second = spaces()
    with pytest.raises(UserError, match="same items in the same order"):
        align_maps([first, second.subset(np.arange(239))])

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from lab.errors import UserError
from lab.evaluation.novelty import familiar


def test_about_one_in_a_hundred_of_the_same_kind_is_unlike_and_another_kind_is():
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(5, 32))
    same = centers[rng.integers(0, 5, 2000)] + 0.4 * rng.normal(size=(2000, 32))
    known = familiar(same[:1000])
    assert 0.003 < known.unlike(same[1000:]).mean() < 0.03
    assert known.unlike(rng.normal(size=(200, 32))).mean() > 0.95


def test_the_distance_is_that_to_the_kth_neighbour():
    rng = np.random.default_rng(0)
    training, new = rng.normal(size=(60, 4)), rng.normal(size=(7, 4))
    known = familiar(training, k=3)
    reference = NearestNeighbors(n_neighbors=4, metric="cosine").fit(training)
    assert known.distances(new) == pytest.approx(reference.kneighbors(new, 3)[0][:, -1], abs=1e-6)
    own = reference.kneighbors(training, 4)[0][:, -1]  # the nearest of all is the item itself
    assert known.threshold == pytest.approx(np.percentile(own, 99), abs=1e-6)


def test_few_items_have_few_neighbours():
    assert familiar(np.random.default_rng(0).normal(size=(12, 3))).k == 2
    with pytest.raises(UserError, match="10 training items"):
        familiar(np.ones((3, 2)))

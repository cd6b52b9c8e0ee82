from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from lab.evaluation.ranking import by_vectors, pair_hash, rank


def matrix(scores):
    return lambda users: np.array(scores, dtype=np.float32)[users]


def brute_force(scores, k, seed, seen=None):
    """Sort every user's items by score, then hash."""
    users, items = np.indices(scores.shape)
    hashes = pair_hash(users.ravel(), items.ravel(), seed).reshape(scores.shape)
    scores = np.where(np.asarray(seen.todense(), bool), -np.inf, scores) if seen is not None else scores
    order = np.lexsort((hashes, -scores), axis=1)[:, :k]
    best = np.take_along_axis(scores, order, axis=1)
    return np.where(np.isfinite(best), order, -1)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(2, 90), st.integers(1, 12), st.booleans())
def test_it_is_the_sorted_list_whatever_the_chunk(seed, users, items, k, coarse):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4, (users, items)) if coarse else rng.normal(size=(users, items))
    scores = scores.astype(np.float32)
    seen = csr_array(rng.random((users, items)) < 0.2)
    k = min(k, items)
    everyone = np.arange(users)
    small, large = (
        rank(matrix(scores), everyone, items, k, seen=seen, seed=seed, memory_bytes=size) for size in (1, 10**8)
    )
    assert (small.items == large.items).all()
    assert (small.tied == large.tied).all()
    assert (small.items == brute_force(scores, k, seed, seen)).all()
    shown = small.items >= 0
    assert (small.scores[shown] == np.take_along_axis(scores, np.maximum(small.items, 0), 1)[shown]).all()
    assert np.isnan(small.scores[~shown]).all()


def test_ties_at_the_cut_are_counted():
    scores = np.array([[3, 2, 2, 1], [3, 2, 1, 1], [0, 0, 0, 0], [4, 3, 2, 2]])
    found = rank(matrix(scores), np.arange(4), 4, 2)
    assert found.tied.tolist() == [True, False, True, False]
    assert found.share_tied == 0.5


def test_equal_scores_favour_no_item():
    shown = rank(lambda users: np.zeros((len(users), 50)), np.arange(4000), 50, 10).items
    counts = np.bincount(shown.ravel(), minlength=50)
    assert abs(counts - 800).max() < 5 * np.sqrt(800)
    other = rank(lambda users: np.zeros((len(users), 50)), np.arange(4000), 50, 10, seed=1).items
    assert (shown == other).mean() < 0.1


def test_only_some_users_and_only_some_items():
    rng = np.random.default_rng(0)
    users, items = rng.normal(size=(9, 4)).astype(np.float32), rng.normal(size=(20, 4)).astype(np.float32)
    allowed = np.arange(20) % 2 == 0
    found = rank(by_vectors(users, items), np.array([7, 2]), 20, 12, allowed=allowed)
    assert (found.items[:, 10:] == -1).all()
    assert (found.items[:, :10] % 2 == 0).all()
    expected = [sorted(range(0, 20, 2), key=lambda i, u=u: -users[u] @ items[i]) for u in (7, 2)]
    assert found.items[:, :10].tolist() == expected


def test_wrong_scores_are_refused():
    with pytest.raises(ValueError, match="NaN"):
        rank(lambda users: np.full((len(users), 3), np.nan), np.arange(2), 3, 1)
    with pytest.raises(ValueError, match="shape"):
        rank(lambda users: np.zeros((len(users), 4)), np.arange(2), 3, 1)
    with pytest.raises(ValueError, match="at least one"):
        rank(lambda users: np.zeros((len(users), 3)), np.arange(2), 3, 0)

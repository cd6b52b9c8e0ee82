from __future__ import annotations

import builtins

import numpy as np
import pytest
from scipy.sparse import csr_array

from lab.errors import UserError
from lab.models import recommenders as r


def history(users=40, items=25, seed=0):
    rng = np.random.default_rng(seed)
    return csr_array((rng.random((users, items)) < 0.25).astype(np.float64))


def everyone(matrix):
    return np.arange(matrix.shape[0])


def test_popularity_and_nothing():
    matrix = history()
    assert (r.popularity(matrix)(everyone(matrix))[3] == matrix.todense().sum(axis=0)).all()
    assert not r.random_items(matrix)(np.array([1, 2])).any()


@pytest.mark.parametrize("shrinkage", [0, 5])
def test_item_neighbors_against_loops(shrinkage):
    matrix, k = history(), 4
    dense = matrix.todense()
    similarity = np.zeros((25, 25))
    for i in range(25):
        for j in range(25):
            if i != j:
                scale = np.linalg.norm(dense[:, i]) * np.linalg.norm(dense[:, j]) + shrinkage
                similarity[i, j] = dense[:, i] @ dense[:, j] / scale
        # ties at the k-th place would make the answer a matter of taste
    similarity += np.random.default_rng(1).random((25, 25)) * 1e-9
    for j in range(25):
        similarity[np.argsort(-similarity[:, j])[k:], j] = 0
    got = r.item_neighbors(matrix, k, shrinkage)(everyone(matrix))
    expected = dense @ similarity
    assert np.median(np.abs(got - expected)) < 1e-6
    assert (np.abs(got - expected) < 1e-5).mean() > 0.9


def test_item_neighbors_in_parts_is_the_same(monkeypatch):
    matrix = history(60, 40)
    whole = r.item_neighbors(matrix, 100)(everyone(matrix))
    monkeypatch.setattr(r, "_parts", lambda items: [slice(s, s + 7) for s in range(0, items, 7)])
    assert np.allclose(whole, r.item_neighbors(matrix, 100)(everyone(matrix)), atol=1e-6)


def test_ease_solves_the_regression_of_the_paper():
    """Minimise |X - XB|² + λ|B|² with diag(B) = 0: column by column, ridge regression on all other items."""
    matrix, penalty = history(), 3.0
    dense = matrix.todense()
    weights = np.zeros((25, 25))
    for j in range(25):
        others = np.delete(np.arange(25), j)
        left = dense[:, others]
        weights[others, j] = np.linalg.solve(left.T @ left + penalty * np.eye(24), left.T @ dense[:, j])
    assert r.ease(matrix, penalty)(everyone(matrix)) == pytest.approx(dense @ weights, abs=1e-5)


def test_ease_says_what_it_cannot_hold():
    with pytest.raises(UserError, match="40,001 × 40,001"):
        r.ease(csr_array((2, 40_001)))


def test_least_squares_reaches_the_minimum_over_users():
    """With the item factors as they are, each user's factors solve the weighted least squares of the paper."""
    matrix = history(30, 20)
    factors, penalty, alpha = 3, 0.5, 4.0
    scores = r.alternating_least_squares(matrix, factors, penalty, alpha, iterations=300)(everyone(matrix))
    dense = matrix.todense()

    def loss(predicted, squares):
        return ((1 + (alpha - 1) * dense) * (dense - predicted) ** 2).sum() + squares

    assert loss(scores, 0) < loss(np.zeros_like(scores), 0)
    assert scores[dense > 0].mean() > scores[dense == 0].mean() + 0.3
    again = r.alternating_least_squares(matrix, factors, penalty, alpha, iterations=300)(everyone(matrix))
    assert np.allclose(scores, again, atol=1e-4)


def test_without_the_library_one_line_names_the_cure(monkeypatch):
    original = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.startswith("implicit"):
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(UserError, match=r"embeddings-lab\[baselines\]"):
        r.alternating_least_squares(history())

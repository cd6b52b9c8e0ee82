from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from lab.evaluation.logistic import choose_penalty, logistic_regression


def made_up(n: int = 60, d: int = 200, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.arange(n) % classes
    x = rng.random((n, d)) * (rng.random((n, d)) < 0.1)
    x[np.arange(n), labels] += 1
    return x, labels


@pytest.mark.parametrize("penalty", [0.1, 1.0])
def test_the_combination_of_items_is_the_solution_itself(penalty):
    x, labels = made_up()
    head = logistic_regression(sparse.csr_matrix(x), labels, 3, penalty=penalty, scale=False, tolerance=1e-8)
    reference = LogisticRegression(C=1 / penalty, tol=1e-9, max_iter=5000).fit(x, labels)
    assert np.allclose(head.weight, reference.coef_, atol=1e-4)
    assert np.allclose(head.probabilities(x), reference.predict_proba(x), atol=1e-5)


def test_held_out_items_decide():
    x, labels = made_up(90)
    found = choose_penalty(x[:60], labels[:60], x[60:], labels[60:], classes=3, penalties=[1e4, 0.1])
    assert found.penalty == 0.1
    assert found.accuracy > 0.9
    assert "on 30 validation items" in found.how


def test_without_held_out_items_a_fifth_stands_in_and_all_are_fitted():
    x, labels = made_up(90)
    found = choose_penalty(x, labels, x[:0], labels[:0], classes=3, penalties=[0.1])
    assert np.allclose(found.head.weight, logistic_regression(x, labels, 3, penalty=0.1, scale=False).weight)
    assert "a fifth" in found.how


def test_of_equals_the_smaller_loss_wins():
    x, labels = np.eye(3).repeat(5, axis=0), np.arange(3).repeat(5)
    found = choose_penalty(x, labels, x, labels, classes=3, penalties=[10.0, 0.001])
    assert found.penalty == 0.001

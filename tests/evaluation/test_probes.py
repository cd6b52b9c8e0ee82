from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier

from lab.evaluation.logistic import logistic_regression
from lab.evaluation.probes import knn_probabilities, ridge


class Scaler:
    """Centred, and divided by one number."""

    def fit(self, x):
        self.mean, self.scale = x.mean(0), np.sqrt(x.var(0).mean())
        return self

    def transform(self, x):
        return (x - self.mean) / self.scale


def data(n=90, d=12, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    centres = rng.normal(0, 1, (classes, d))
    return (centres[labels] + rng.normal(0, 1, (n, d))) * rng.uniform(0.1, 10, d) + rng.normal(0, 3, d), labels


@pytest.mark.parametrize("penalty", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("shape", [(90, 12), (30, 200)], ids=["tall", "wide"])
def test_logistic_regression_is_that_of_sklearn(penalty, shape):
    x, y = data(*shape)
    scaler = Scaler().fit(x)
    reference = LogisticRegression(C=1 / penalty, tol=1e-9, max_iter=5000).fit(scaler.transform(x), y)
    ours = logistic_regression(x, y, 4, penalty=penalty, tolerance=1e-8, iterations=5000)
    assert np.allclose(ours.probabilities(x), reference.predict_proba(scaler.transform(x)), atol=1e-5)
    weight = ours.weight * scaler.scale
    assert np.allclose(weight, reference.coef_, atol=1e-4)
    quick = logistic_regression(x, y, 4, penalty=penalty)
    assert np.allclose(quick.probabilities(x), ours.probabilities(x), atol=2e-2)
    assert quick.converged


def test_two_classes_are_a_softmax_of_two():
    """sklearn writes two classes as one score; with W and -W its penalty counts half."""
    x, y = data(classes=2)
    scaler = Scaler().fit(x)
    reference = LogisticRegression(C=2.0, tol=1e-9, max_iter=5000).fit(scaler.transform(x), y)
    ours = logistic_regression(x, y, 2, penalty=1.0, tolerance=1e-8, iterations=5000)
    assert np.allclose(ours.probabilities(x), reference.predict_proba(scaler.transform(x)), atol=1e-5)


def test_sparse_features_as_they_are():
    x, y = data()
    x = np.abs(x) * (x > np.median(x))
    reference = LogisticRegression(C=1.0, tol=1e-9, max_iter=5000).fit(x, y)
    for features in (x, scipy.sparse.csr_matrix(x)):
        ours = logistic_regression(features, y, 4, scale=False, tolerance=1e-8, iterations=5000)
        assert np.allclose(ours.probabilities(features), reference.predict_proba(x), atol=1e-4)


def test_a_feature_that_does_not_vary_and_a_class_without_items():
    x, y = data()
    x = np.hstack([x, np.full((len(x), 1), 7.3)])
    for solve in (logistic_regression, ridge):
        head = solve(x, y, 6)
        assert head.weight.shape == (6, 13)
        assert np.isfinite(head.weight).all()
        assert np.abs(head.weight[:, -1]).max() < 1e-12
        assert set(head.logits(x).argmax(1)) <= set(y.tolist())
        one = solve(x, np.zeros_like(y), 3)
        assert (one.logits(x).argmax(1) == 0).all()


@pytest.mark.parametrize("shape", [(90, 12), (30, 200)], ids=["tall", "wide"])
def test_ridge_is_that_of_sklearn_up_to_its_scale(shape):
    x, y = data(*shape)
    scaler = Scaler().fit(x)
    reference = Ridge(alpha=3.0).fit(scaler.transform(x), np.eye(4)[y]).predict(scaler.transform(x))
    ours = ridge(x, y, 4, penalty=3.0).logits(x)
    scale = (ours * reference).sum() / (reference**2).sum()
    assert scale > 1
    assert np.allclose(ours, scale * reference, atol=1e-8 * scale)


def test_ridge_scores_make_usable_probabilities():
    x, y = data(400)
    held_out, wanted = data(400, seed=0)[0][200:], y[200:]
    head = ridge(x[:200], y[:200], 4)
    probabilities = head.probabilities(held_out)
    loss = -np.log(probabilities[np.arange(200), wanted]).mean()
    best = min(
        -np.log(_softmax(head.logits(held_out) * scale)[np.arange(200), wanted]).mean()
        for scale in np.geomspace(0.3, 3)
    )
    assert loss < best + 0.05
    assert loss < np.log(4)


def test_neighbours_are_those_of_sklearn():
    x, y = data()
    queries = data(seed=1)[0]
    reference = KNeighborsClassifier(7).fit(x, y).predict_proba(queries)
    assert np.allclose(knn_probabilities(x, y, queries, 4, k=7), reference)
    assert np.allclose(knn_probabilities(x, y, queries, 4, k=1000), np.bincount(y, minlength=4) / len(y))


def _softmax(scores):
    shifted = np.exp(scores - scores.max(1, keepdims=True))
    return shifted / shifted.sum(1, keepdims=True)

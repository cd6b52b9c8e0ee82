from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsClassifier

from lab.evaluation.held_out import held_out_neighbors, held_out_ridge, standardized, stratified_folds
from lab.evaluation.transferability import (
    h_score,
    knn_probe,
    leep,
    linear_probe,
    logme,
    nce,
    ranking_agreement,
    ranking_agreements,
    similarity_to_pretraining,
    transferability,
)


def task(n=120, d=10, classes=3, apart=1.0, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    centers = rng.normal(size=(classes, d))
    return apart * centers[labels] + rng.normal(size=(n, d)) + 0.5, labels


@pytest.mark.parametrize(("n", "d"), [(60, 8), (30, 50)])
def test_logme_is_the_largest_evidence_that_any_alpha_and_beta_give(n, d):
    features, labels = task(n, d)
    evidence = []
    for c in range(3):
        target = (labels == c).astype(float)

        def negative(logs, target=target):
            covariance = np.exp(-logs[1]) * np.eye(n) + np.exp(-logs[0]) * features @ features.T
            return -stats.multivariate_normal.logpdf(target, cov=covariance)

        starts = [(1.0, 1.0), (3.0, 3.0), (5.0, 1.0)]
        best = min((minimize(negative, start, method="Nelder-Mead") for start in starts), key=lambda found: found.fun)
        evidence.append(-best.fun / n)
    assert logme(features, labels) == pytest.approx(np.mean(evidence), rel=1e-4)


def test_h_score_of_a_known_case():
    # with many more items than features nothing is shrunk, and the formula of Bao et al. can be written down
    features, labels = task(20_000, 4, apart=0.5)
    centred = features - features.mean(axis=0)
    means = np.array([centred[labels == c].mean(axis=0) for c in labels])
    expected = np.trace(np.linalg.inv(np.cov(centred.T, bias=True)) @ np.cov(means.T, bias=True))
    assert h_score(features, labels) == pytest.approx(expected, rel=2e-3)


def test_h_score_of_noise_is_not_the_number_of_classes():
    rng = np.random.default_rng(0)
    assert h_score(rng.normal(size=(100, 200)), rng.integers(0, 4, 100)) < 0.5


def test_leep_and_nce_of_known_cases():
    labels = np.array([0, 0, 1, 1])
    sure = np.eye(2)[[0, 0, 1, 1]]
    assert leep(sure, labels) == pytest.approx(0)
    assert nce([7, 7, 3, 3], labels) == pytest.approx(0)
    assert leep(np.full((4, 2), 0.5), labels) == pytest.approx(np.log(0.5))
    assert nce([1, 1, 1, 1], labels) == pytest.approx(np.log(0.5))
    # with hard source labels both are the same number: -H(Y|Z)
    rng = np.random.default_rng(0)
    source, truth = rng.integers(0, 5, 200), rng.integers(0, 3, 200)
    assert leep(np.eye(5)[source], truth) == pytest.approx(nce(source, truth))


def test_leep_by_the_formula_of_the_paper():
    rng = np.random.default_rng(1)
    theta, labels = rng.dirichlet(np.ones(4), 50), rng.integers(0, 3, 50)
    joint = np.array([[theta[labels == y, z].sum() / 50 for z in range(4)] for y in range(3)])
    given = joint / joint.sum(axis=0)
    expected = np.mean([np.log(sum(given[labels[i], z] * theta[i, z] for z in range(4))) for i in range(50)])
    assert leep(theta, labels) == pytest.approx(expected)


def test_nce_of_gaps_in_the_names_of_classes():
    table = stats.contingency.crosstab([10, 10, 99, 99, 99], [5, 2, 2, 2, 5]).count / 5
    expected = (table * np.log(table / table.sum(axis=1, keepdims=True))).sum()
    assert nce([10, 10, 99, 99, 99], [5, 2, 2, 2, 5]) == pytest.approx(expected)


@pytest.mark.parametrize(("n", "d"), [(80, 6), (40, 70)])
def test_held_out_ridge_is_scikit_learns_fold_by_fold(n, d):
    features, labels = task(n, d)
    points, targets = standardized(features), np.eye(3)[labels]
    folds = stratified_folds(labels, 4)
    found = held_out_ridge(points, targets, folds, (0.1, 2.0))
    for place, penalty in enumerate((0.1, 2.0)):
        for fold in range(4):
            inside = points[folds != fold]
            unit = ((inside - inside.mean(axis=0)) ** 2).sum() / d
            model = Ridge(alpha=penalty * unit).fit(inside, targets[folds != fold])
            assert found[place, folds == fold] == pytest.approx(model.predict(points[folds == fold]), abs=1e-8)


def test_held_out_neighbors_are_scikit_learns():
    features, labels = task(90, 5)
    folds = stratified_folds(labels, 3)
    votes = held_out_neighbors(features, labels, folds, 3, k=5, temperature=0.1)
    points = features - features.mean(axis=0)
    model = KNeighborsClassifier(5, metric="cosine", weights=lambda distance: np.exp(-distance / 0.1))
    for fold in range(3):
        model.fit(points[folds != fold], labels[folds != fold])
        assert (votes[folds == fold].argmax(axis=1) == model.predict(points[folds == fold])).all()


def test_folds_keep_the_shares_and_follow_the_seed():
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    folds = stratified_folds(labels, 5)
    assert np.array_equal(folds, stratified_folds(labels, 5))
    assert not np.array_equal(folds, stratified_folds(labels, 5, seed=1))
    for fold in range(5):
        assert np.bincount(labels[folds == fold]).tolist() == [10, 6, 4]


def test_probes_cannot_cheat():
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(300, 400)), rng.integers(0, 2, 300)
    assert abs(linear_probe(features, labels).accuracy - 0.5) < 0.1
    assert abs(knn_probe(features, labels).accuracy - 0.5) < 0.1
    # twins in one fold do not help each other
    twice, both = np.repeat(features, 2, axis=0), np.repeat(labels, 2)
    assert knn_probe(twice, both, folds=np.repeat(np.arange(300), 2) % 5).accuracy < 0.65
    assert knn_probe(twice, both, folds=np.arange(600) % 2).accuracy > 0.9


def test_better_features_score_higher_in_everything():
    scores = [transferability(*task(400, 20, apart=apart)).to_dict() for apart in (0.1, 0.4, 1.2)]
    for name in scores[0]:
        values = [score[name] for score in scores]
        assert values == sorted(values), name


def test_constant_features_are_no_error():
    labels = np.arange(40) % 2
    scores = transferability(np.ones((40, 3)), labels)
    assert np.isfinite(list(scores.to_dict().values())).all()


def test_what_does_not_fit_is_refused():
    features, labels = task(20)
    with pytest.raises(ValueError, match="two classes"):
        logme(features, np.zeros(20))
    with pytest.raises(ValueError, match="do not fit"):
        h_score(features, labels[:5])
    with pytest.raises(ValueError, match="finite"):
        linear_probe(np.full((20, 2), np.nan), labels)
    with pytest.raises(ValueError, match="folds"):
        knn_probe(features, labels, folds=np.zeros(20))
    with pytest.raises(ValueError, match="per item"):
        nce([1, 2], [1])
    with pytest.raises(ValueError, match="candidate"):
        ranking_agreement([1.0], [1.0])


def test_agreement_of_rankings():
    measured = [0.7, 0.8, 0.9, 0.95]
    found = ranking_agreements({"same": [1, 2, 3, 4], "against": [4, 3, 2, 1], "constant": [1, 1, 1, 1]}, measured)
    assert (found["same"].kendall, found["same"].weighted) == pytest.approx((1, 1))
    assert (found["against"].kendall, found["against"].weighted) == pytest.approx((-1, -1))
    assert np.isnan(found["constant"].kendall)
    assert np.isnan(found["constant"].weighted)
    at_top, at_bottom = ranking_agreement([1, 2, 4, 3], measured), ranking_agreement([2, 1, 3, 4], measured)
    assert at_top.kendall == at_bottom.kendall
    assert at_top.weighted < at_bottom.weighted


def test_similarity_is_where_frozen_features_lie():
    assert similarity_to_pretraining(0.8, 0.4, 0.9) == pytest.approx(0.8)
    assert similarity_to_pretraining(0.3, 0.4, 0.9) == 0
    assert similarity_to_pretraining(0.95, 0.4, 0.9) == 1
    assert similarity_to_pretraining(0.5, 0.9, 0.9) is None

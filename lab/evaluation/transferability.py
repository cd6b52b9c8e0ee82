"""How well features will serve a task, said without training: LogME, H-score, LEEP, NCE, linear and kNN probes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab.evaluation.held_out import (
    PENALTIES,
    held_out_neighbors,
    held_out_ridge,
    stratified_folds,
)

Matrix = NDArray[np.float64]
NEIGHBORS, TEMPERATURE, FOLDS = 10, 0.07, 5
_ITERATIONS, _TOLERANCE = 100, 1e-6
_NEGLIGIBLE = 1e-12  # of the largest eigenvalue: below this it is rounding


@dataclass(frozen=True)
class Probe:
    """What a simple classifier on frozen features gets right in cross-validation.

    `accuracy`: share of right answers; `correct` (n,) bool: which; `penalty`: the one of ridge regression, else None.
    """

    accuracy: float
    correct: NDArray[np.bool_]
    penalty: float | None = None


@dataclass(frozen=True)
class Transferability:
    """The scores of one block's features; each is higher for features that promise more."""

    logme: float
    h_score: float
    linear: float
    knn: float

    def to_dict(self) -> dict[str, float]:
        """The scores by name, for a JSON file."""
        return {"logme": self.logme, "h_score": self.h_score, "linear": self.linear, "knn": self.knn}


@dataclass(frozen=True)
class Agreement:
    """How well a score's ranking agrees with the measured one, of `n` candidates; 1 is the same, 0 is chance.

    `kendall`: Kendall's τ-b with its two-sided `p_value`; `weighted`: hyperbolically weighted τ (Vigna 2015,
    arXiv:1404.3325), in which exchanges at the top count most. NaN where either side is constant.
    """

    n: int
    kendall: float
    weighted: float
    p_value: float


def transferability(
    features: ArrayLike, labels: ArrayLike, folds: ArrayLike | None = None, seed: int = 0
) -> Transferability:
    """All scores that need features and labels only; see the functions of their names.

    `features` (n, d) float, `labels` (n,) int, `folds` (n,) int: where given, the probes are validated over them.

    Raises:
        ValueError: shapes that do not fit, features that are not finite, or fewer than two classes.
    """
    return Transferability(
        logme=logme(features, labels),
        h_score=h_score(features, labels),
        linear=linear_probe(features, labels, folds, seed).accuracy,
        knn=knn_probe(features, labels, folds, seed).accuracy,
    )


def logme(features: ArrayLike, labels: ArrayLike) -> float:
    """Logarithm of the maximum evidence an item, mean over classes (You et al. 2021, arXiv:2102.11005).

    Each class's indicator (n,) is modelled as F w + noise with w ~ N(0, 1/α) and noise of variance 1/β; α and β are
    the most probable ones, found by the fixed point of You et al. 2022 (arXiv:2110.10545). `features` F (n, d),
    neither centred nor scaled, as in the paper; `labels` (n,).

    Raises:
        ValueError: see `transferability`.
    """
    points, truth, classes = _checked(features, labels)
    n = len(points)
    targets = np.eye(classes)[truth]
    eigenvalues, squares = _projected(points, targets)  # σ (k, 1) and x² (k, C): targets along the left directions
    rest = np.maximum(targets.sum(axis=0) - squares.sum(axis=0), 0)
    alpha, beta = np.ones(classes), np.ones(classes)
    for _ in range(_ITERATIONS):
        ratio = alpha / beta
        gamma = (eigenvalues / (eigenvalues + ratio)).sum(axis=0)
        weight, residual = _norms(eigenvalues, squares, rest, ratio)
        alpha, beta = gamma / (weight + 1e-12), (n - gamma) / (residual + 1e-12)
        if np.all(np.abs(alpha / beta - ratio) <= _TOLERANCE * ratio):
            break
    weight, residual = _norms(eigenvalues, squares, rest, alpha / beta)
    evidence = (
        len(eigenvalues) / 2 * np.log(np.maximum(alpha, 1e-300))
        + n / 2 * np.log(beta)
        - 0.5 * np.log(alpha + beta * eigenvalues).sum(axis=0)
        - beta / 2 * residual
        - alpha / 2 * weight
        - n / 2 * np.log(2 * np.pi)
    )
    return float((evidence / n).mean())


def _projected(points: NDArray[np.float64], targets: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Squared singular values (k, 1) of `points`, and squared coordinates (k, C) of `targets` along their directions.

    From the eigenvectors of the smaller Gram matrix, several times faster than singular values.
    """
    from scipy.linalg import eigh

    wide = points.shape[1] > points.shape[0]
    values, vectors = eigh(points @ points.T if wide else points.T @ points, overwrite_a=True, check_finite=False)
    kept = values > _NEGLIGIBLE * max(float(values[-1]), 1e-300)
    values, vectors = values[kept], vectors[:, kept]
    along = vectors.T @ (targets if wide else points.T @ targets)
    return values[:, None], along**2 if wide else along**2 / values[:, None]


def _norms(
    eigenvalues: NDArray[np.float64],
    squares: NDArray[np.float64],
    rest: NDArray[np.float64],
    ratio: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Squared length of the posterior mean of w, and of the residual, for every class (C,), at ratio α/β."""
    shrunk = squares / (eigenvalues + ratio) ** 2
    return (eigenvalues * shrunk).sum(axis=0), (ratio**2 * shrunk).sum(axis=0) + rest


def h_score(features: ArrayLike, labels: ArrayLike) -> float:
    """Between-class over total variance, tr(cov(f)⁻¹ cov(E[f|y])) (Bao et al. 2019), with shrunk covariance.

    Plain H-scores of as many features as items are nothing but the number of classes; cov(f) is therefore Ledoit and
    Wolf's (2004), and the score is multiplied by 1 - shrinkage, as Ibrahim et al. 2021 (arXiv:2110.06893) do.
    `features` (n, d), `labels` (n,).

    Raises:
        ValueError: see `transferability`.
    """
    from scipy.linalg import cho_factor, cho_solve
    from sklearn.covariance import ledoit_wolf

    points, truth, classes = _checked(features, labels)
    points = points - points.mean(axis=0)
    points /= max(float(points.std()), 1e-30)  # the score does not see scale; the solver does
    covariance, shrinkage = ledoit_wolf(points, assume_centered=True)
    covariance.flat[:: len(covariance) + 1] += 1e-10
    counts = np.bincount(truth, minlength=classes)
    means = (np.eye(classes)[truth].T @ points) / np.maximum(counts, 1)[:, None]
    solved = cho_solve(cho_factor(covariance, lower=True, check_finite=False), means.T)
    return float((1 - shrinkage) * (counts / len(points) * np.einsum("cd,dc->c", means, solved)).sum())


def leep(source_probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Mean log-likelihood of `labels` (n,) under the pretrained classifier's probabilities (Nguyen et al. 2020).

    `source_probabilities` (n, Z): what the pretrained head says of each item, over its own Z classes. The label's
    chance given a source class is counted from the same items (arXiv:2002.12462).

    Raises:
        ValueError: see `transferability`.
    """
    chances, truth, classes = _checked(source_probabilities, labels)
    joint = np.eye(classes)[truth].T @ chances / len(truth)
    given = joint / np.maximum(joint.sum(axis=0), 1e-300)
    return float(np.log(np.maximum((chances * given[truth]).sum(axis=1), 1e-300)).mean())


def nce(source_classes: ArrayLike, labels: ArrayLike) -> float:
    """Negative conditional entropy -H(Y | Z) in nats, of `labels` (n,) given `source_classes` (n,) (Tran et al. 2019).

    `source_classes`: the pretrained head's most probable class of each item, or labels of another task
    (arXiv:1908.08142). 0 where they settle the label.

    Raises:
        ValueError: different lengths, or no item.
    """
    known, truth = np.asarray(source_classes), np.asarray(labels)
    if known.ndim != 1 or known.shape != truth.shape or not len(truth):
        raise ValueError(f"source classes {known.shape} and labels {truth.shape} must be one of each per item")
    rows, columns = (np.unique(values, return_inverse=True)[1] for values in (known, truth))
    shape = rows.max() + 1, columns.max() + 1
    joint = np.bincount(rows * shape[1] + columns, minlength=shape[0] * shape[1]).reshape(shape) / len(truth)
    given = np.divide(joint, joint.sum(axis=1, keepdims=True), out=np.ones_like(joint), where=joint > 0)
    return float((joint * np.log(given)).sum())


def linear_probe(features: ArrayLike, labels: ArrayLike, folds: ArrayLike | None = None, seed: int = 0) -> Probe:
    """Cross-validated accuracy of ridge regression on class indicators.

    `features` (n, d), `labels` (n,), `folds` (n,) or five stratified ones drawn by `seed`. Features stay as they are,
    as for `lab.evaluation.logistic`: each by its own deviation would let channels that hardly ever answer outweigh the
    others. The penalty, of five, is the one with the least squared error on the same folds. Closed form: nine blocks
    of 2,000 items take seconds.

    Raises:
        ValueError: see `transferability`.
    """
    points, truth, classes = _checked(features, labels)
    targets = np.eye(classes)[truth]
    predicted = held_out_ridge(points, targets, _folds(folds, truth, seed), PENALTIES)
    best = int(((predicted - targets) ** 2).sum(axis=(1, 2)).argmin())
    correct = predicted[best].argmax(axis=1) == truth
    return Probe(float(correct.mean()), correct, PENALTIES[best])


def knn_probe(
    features: ArrayLike, labels: ArrayLike, folds: ArrayLike | None = None, seed: int = 0, k: int = NEIGHBORS
) -> Probe:
    """Cross-validated accuracy of `k` nearest neighbours by cosine; see `held_out.held_out_neighbors`.

    Raises:
        ValueError: see `transferability`.
    """
    points, truth, classes = _checked(features, labels)
    votes = held_out_neighbors(points, truth, _folds(folds, truth, seed), classes, k, TEMPERATURE)
    correct = votes.argmax(axis=1) == truth
    return Probe(float(correct.mean()), correct)


def ranking_agreement(predicted: Sequence[float], measured: Sequence[float]) -> Agreement:
    """Agreement of `predicted` scores with `measured` results of the same candidates, higher better in both.

    Raises:
        ValueError: different lengths, or fewer than two candidates.
    """
    from scipy.stats import kendalltau, weightedtau

    if len(predicted) != len(measured) or len(measured) < 2:
        raise ValueError(
            f"{len(predicted)} scores and {len(measured)} results: at least two of each, one per candidate"
        )
    outcome = kendalltau(predicted, measured)
    constant = len(set(predicted)) == 1 or len(set(measured)) == 1
    weighted = np.nan if constant else float(weightedtau(predicted, measured).statistic)
    return Agreement(len(measured), float(outcome.statistic), weighted, float(outcome.pvalue))


def ranking_agreements(scores: Mapping[str, Sequence[float]], measured: Sequence[float]) -> dict[str, Agreement]:
    """`ranking_agreement` of every named score with the measured results."""
    return {name: ranking_agreement(values, measured) for name, values in scores.items()}


def similarity_to_pretraining(frozen_knn: float, untrained_knn: float, best: float) -> float | None:
    """Where the frozen features' kNN accuracy lies between the untrained backbone's (0) and the best strategy's (1).

    Kept within [0, 1]; None where the best strategy is no better than the untrained features.
    """
    if not best > untrained_knn:
        return None
    return min(max((frozen_knn - untrained_knn) / (best - untrained_knn), 0.0), 1.0)


def _folds(folds: ArrayLike | None, labels: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    if folds is None:
        return stratified_folds(labels, min(FOLDS, len(labels)), seed)
    own = np.asarray(folds, dtype=np.int64)
    if own.shape != labels.shape or len(np.unique(own)) < 2:
        raise ValueError(f"folds {own.shape} must name at least two folds, one per item of {labels.shape}")
    return own


def _checked(features: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64], int]:
    """Features (n, d) float64, labels (n,) int64 numbered from 0 without gaps, and the number of classes."""
    points, names = np.asarray(features, dtype=np.float64), np.asarray(labels)
    if points.ndim != 2 or names.shape != points.shape[:1]:
        raise ValueError(f"features {points.shape} and labels {names.shape} do not fit")
    if not np.isfinite(points).all():
        raise ValueError("features must be finite")
    known, truth = np.unique(names, return_inverse=True)
    if len(known) < 2:
        raise ValueError("labels must have at least two classes")
    return points, truth.astype(np.int64), len(known)

"""How well classes are predicted: the usual numbers, each by class and, where it is a mean of items, by item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab.evaluation.calibration import ReliabilityBin, expected_calibration_error, reliability_table
from lab.evaluation.intervals import mean_estimate

_SMALLEST = float(np.finfo(np.float32).eps)  # a probability of 0 costs this one's logarithm
METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "log_loss", "auroc", "ece")
_BY_CLASS = ("class", "support", "predicted", "precision", "recall", "f1", "auroc")
LOWER_IS_BETTER = ("log_loss", "ece")


@dataclass(frozen=True)
class ClassificationReport:
    """Predictions of m items against their labels.

    `macro_precision`, `macro_recall`, `macro_f1`: plain means over the classes that occur among labels or predictions;
    `balanced_accuracy`: over those among labels. `log_loss` in nats. `auroc`: area under the ROC curve, of the second
    of two classes, or the plain mean of one class against the rest; NaN where a class has no items or all of them.
    `ece`: expected calibration error in 15 equal-mass bins.
    `per_class`: a dict a class with class, support, predicted, precision, recall, f1, auroc. `confusion` (C, C) int64:
    row the label, column the prediction. `calibration`: the reliability table. `intervals`: the 95 % interval over
    items of each metric that has scores by item. `item_scores`: see `item_scores`. `predicted` (m,) int64.
    """

    n: int
    accuracy: float
    balanced_accuracy: float
    macro_precision: float
    macro_recall: float
    macro_f1: float
    log_loss: float
    auroc: float
    ece: float
    per_class: list[dict[str, Any]]
    confusion: NDArray[np.int64]
    calibration: list[ReliabilityBin]
    intervals: dict[str, tuple[float, float]]
    item_scores: dict[str, NDArray[np.float64]]
    predicted: NDArray[np.int64]

    def metrics(self) -> dict[str, float]:
        """The metrics of `METRICS` by name; NaN where one is not defined."""
        return {name: float(getattr(self, name)) for name in METRICS}

    def to_dict(self) -> dict[str, Any]:
        """Everything but what each item scored, for a JSON file; None for what is not defined."""
        numbers = {"macro_precision": self.macro_precision, "macro_recall": self.macro_recall, **self.metrics()}
        return {
            "n": self.n,
            **{name: _or_none(value) for name, value in numbers.items()},
            "per_class": [{key: _or_none(value) for key, value in row.items()} for row in self.per_class],
            "confusion": self.confusion.tolist(),
            "calibration": [part.to_dict() for part in self.calibration],
            "intervals": {name: list(bounds) for name, bounds in self.intervals.items()},
        }


def classification_report(labels: ArrayLike, probabilities: ArrayLike, classes: Sequence[str]) -> ClassificationReport:
    """Judge predicted `probabilities` (m, C) float against `labels` (m,) int64, numbers of `classes` (C names).

    The prediction is the most probable class, of equals the first. A class without items or without predictions has
    precision, recall and F1 of 0, as in scikit-learn.

    Raises:
        ValueError: no item, shapes that do not fit, a label outside the classes, or probabilities that are not finite,
            not in [0, 1], or do not add up to 1.
    """
    truth, chances = checked(labels, probabilities, len(classes))
    predicted = chances.argmax(axis=1)
    confusion = confusion_matrix(truth, predicted, len(classes))
    precision, recall, f1 = precision_recall_f1(confusion)
    support, guessed = confusion.sum(axis=1), confusion.sum(axis=0)
    areas = one_against_rest_auroc(truth, chances)
    occurs = (support + guessed) > 0
    scores = item_scores(truth, chances)
    columns = (column.tolist() for column in (support, guessed, precision, recall, f1, areas))
    by_class = zip(classes, *columns, strict=True)
    return ClassificationReport(
        n=len(truth),
        accuracy=float(scores["accuracy"].mean()),
        balanced_accuracy=float(recall[support > 0].mean()),
        macro_precision=float(precision[occurs].mean()),
        macro_recall=float(recall[occurs].mean()),
        macro_f1=float(f1[occurs].mean()),
        log_loss=float(scores["log_loss"].mean()),
        auroc=float(areas[1] if len(areas) == 2 else areas.mean()),
        ece=expected_calibration_error(truth, chances),
        per_class=[dict(zip(_BY_CLASS, row, strict=True)) for row in by_class],
        confusion=confusion,
        calibration=reliability_table(truth, chances),
        intervals={name: mean_estimate(values).interval() for name, values in scores.items() if len(values) > 1},
        item_scores=scores,
        predicted=predicted,
    )


def checked(labels: ArrayLike, probabilities: ArrayLike, classes: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """`labels` (m,) int64 and `probabilities` (m, classes) float64, or a `ValueError` that says what is wrong."""
    truth, chances = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    if truth.ndim != 1 or not len(truth) or chances.shape != (len(truth), classes):
        raise ValueError(f"labels {truth.shape} and probabilities {chances.shape} do not fit {classes} classes")
    if truth.min() < 0 or truth.max() >= classes:
        raise ValueError(f"labels must be numbers from 0 to {classes - 1}, not {truth.min()} to {truth.max()}")
    if not np.isfinite(chances).all() or chances.min() < 0 or not np.allclose(chances.sum(axis=1), 1, atol=1e-3):
        raise ValueError("probabilities must be finite, at least 0, and add up to 1 for every item")
    return truth.astype(np.int64), chances


def confusion_matrix(labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """How many items of each class (row) were taken for each class (column): (classes, classes) int64."""
    return np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)


def precision_recall_f1(confusion: NDArray[Any]) -> tuple[NDArray[np.float64], ...]:
    """Precision, recall and F1 of every class, each (..., C) float64, of confusion matrices (..., C, C); 0/0 is 0."""
    right = np.diagonal(confusion, axis1=-2, axis2=-1).astype(np.float64)
    own, said = confusion.sum(axis=-1), confusion.sum(axis=-2)
    pairs = ((right, said), (right, own), (2 * right, own + said))
    return tuple(np.divide(a, b, out=np.zeros_like(right), where=b > 0) for a, b in pairs)


def one_against_rest_auroc(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Chance that an item of a class scores higher in it than one of the rest, ties counting half: (C,) float64.

    `labels` (m,) int64, `scores` (m, C). It is the Mann-Whitney statistic over the number of pairs (Hanley and McNeil
    1982, doi:10.1148/radiology.143.1.7063747); NaN for a class without items or with all of them.
    """
    from scipy.stats import rankdata

    members = labels[:, None] == np.arange(scores.shape[1])
    inside = members.sum(axis=0)
    pairs = inside * (len(labels) - inside)
    wins = (rankdata(scores, axis=0) * members).sum(axis=0) - inside * (inside + 1) / 2
    return np.divide(wins, pairs, out=np.full(len(inside), np.nan), where=pairs > 0)


def item_scores(labels: ArrayLike, probabilities: ArrayLike) -> dict[str, NDArray[np.float64]]:
    """What each item adds to a metric, (m,) float64 whose mean is the metric: accuracy, balanced accuracy, log loss.

    For balanced accuracy, a right answer in class c counts m / (classes with items · items of c). `macro_f1` is no
    mean of items; it has centred jackknife pseudo-values (Miller 1974, Biometrika 61:1) from three items on.
    """
    truth, chances = np.asarray(labels, dtype=np.int64), np.asarray(probabilities, dtype=np.float64)
    m, classes = chances.shape
    predicted = chances.argmax(axis=1)
    correct = (predicted == truth).astype(np.float64)
    support = np.bincount(truth, minlength=classes)
    scores = {
        "accuracy": correct,
        "balanced_accuracy": correct * m / (np.count_nonzero(support) * support[truth]),
        "log_loss": -np.log(np.maximum(chances[np.arange(m), truth], _SMALLEST)),
    }
    if m > 2:
        scores["macro_f1"] = _macro_f1_pseudo_values(truth, predicted, classes)
    return scores


def _macro_f1_pseudo_values(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int
) -> NDArray[np.float64]:
    """Centred pseudo-values (m,): items of one cell of the confusion matrix share theirs, so it is done by cell."""
    confusion = confusion_matrix(labels, predicted, classes)
    right, own, said = np.diagonal(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    cells, cell_of = np.unique(labels * classes + predicted, return_inverse=True)
    rows, columns = cells // classes, cells % classes
    each = np.arange(len(cells))
    hits = np.tile(right, (len(cells), 1))
    total = np.tile(own + said, (len(cells), 1))
    hits[each, rows] -= rows == columns
    np.subtract.at(total, (each, rows), 1)
    np.subtract.at(total, (each, columns), 1)

    def macro(hits: NDArray[np.int64], total: NDArray[np.int64]) -> NDArray[np.float64]:
        f1 = np.divide(2.0 * hits, total, out=np.zeros(total.shape), where=total > 0)
        return f1.sum(axis=-1) / np.count_nonzero(total, axis=-1)

    whole = macro(right, own + said)
    m = len(labels)
    pseudo = (m * whole - (m - 1) * macro(hits, total))[cell_of]
    return pseudo - pseudo.mean() + whole


def _or_none(value: Any) -> Any:
    return None if isinstance(value, float) and np.isnan(value) else value

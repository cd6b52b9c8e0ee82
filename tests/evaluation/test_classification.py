from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn import metrics

from lab.evaluation.calibration import expected_calibration_error, reliability_table
from lab.evaluation.classification import METRICS, classification_report, item_scores, precision_recall_f1


def predictions(m=200, classes=4, seed=0, sharp=1.5):
    rng = np.random.default_rng(seed)
    labels = rng.choice(classes, m, p=rng.dirichlet(np.full(classes, 3.0)))
    logits = rng.normal(size=(m, classes)) + sharp * np.eye(classes)[labels]
    return labels, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


@pytest.mark.parametrize("classes", [2, 4, 7])
def test_every_number_is_scikit_learns(classes):
    labels, chances = predictions(classes=classes)
    report = classification_report(labels, chances, [f"c{i}" for i in range(classes)])
    predicted = chances.argmax(axis=1)
    assert report.accuracy == pytest.approx(metrics.accuracy_score(labels, predicted))
    assert report.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(labels, predicted))
    assert report.log_loss == pytest.approx(metrics.log_loss(labels, chances, labels=range(classes)))
    area = (
        metrics.roc_auc_score(labels, chances[:, 1])
        if classes == 2
        else metrics.roc_auc_score(labels, chances, multi_class="ovr")
    )
    assert report.auroc == pytest.approx(area)
    own = metrics.precision_recall_fscore_support(labels, predicted, labels=range(classes), zero_division=0)
    for key, values in zip(("precision", "recall", "f1", "support"), own, strict=True):
        assert [row[key] for row in report.per_class] == pytest.approx(values.tolist())
    macro = metrics.precision_recall_fscore_support(labels, predicted, average="macro", zero_division=0)[:3]
    assert (report.macro_precision, report.macro_recall, report.macro_f1) == pytest.approx(macro)
    assert (report.confusion == metrics.confusion_matrix(labels, predicted, labels=range(classes))).all()
    assert np.array_equal(report.predicted, predicted)


def test_ties_count_half_in_the_area_under_the_curve():
    labels = np.array([0, 0, 1, 1, 1])
    chances = np.array([[0.5, 0.5], [0.5, 0.5], [0.5, 0.5], [0.2, 0.8], [0.9, 0.1]])
    report = classification_report(labels, chances, ["a", "b"])
    assert report.auroc == pytest.approx(metrics.roc_auc_score(labels, chances[:, 1]))


def test_a_class_without_items_or_predictions_is_told_and_breaks_nothing():
    labels, chances = predictions(classes=3)
    wider = np.hstack([chances, np.zeros((len(labels), 1))])
    report = classification_report(labels, wider, ["a", "b", "c", "never"])
    narrow = classification_report(labels, chances, ["a", "b", "c"])
    assert report.macro_f1 == pytest.approx(narrow.macro_f1)
    assert report.balanced_accuracy == pytest.approx(narrow.balanced_accuracy)
    assert report.per_class[3]["support"] == 0
    told = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert told["auroc"] is None
    assert told["per_class"][3]["auroc"] is None
    assert told["accuracy"] == pytest.approx(report.accuracy)
    assert set(METRICS) <= set(told)


def test_the_mean_of_what_items_score_is_the_metric_and_its_interval_lies_around_it():
    labels, chances = predictions(classes=5)
    report = classification_report(labels, chances, list("abcde"))
    for name, values in report.item_scores.items():
        assert values.shape == labels.shape
        assert values.mean() == pytest.approx(getattr(report, name))
        low, high = report.intervals[name]
        assert low < getattr(report, name) < high


def test_pseudo_values_of_macro_f1_are_the_jackknifes():
    labels, chances = predictions(m=40, classes=3, sharp=0.5)
    predicted = chances.argmax(axis=1)

    def macro(keep):
        return metrics.f1_score(labels[keep], predicted[keep], average="macro", zero_division=0)

    m = len(labels)
    everyone = np.arange(m)
    pseudo = np.array([m * macro(everyone) - (m - 1) * macro(np.delete(everyone, i)) for i in range(m)])
    expected = pseudo - pseudo.mean() + macro(everyone)
    assert item_scores(labels, chances)["macro_f1"] == pytest.approx(expected)


def test_all_right_is_not_beyond_doubt():
    report = classification_report([0, 1, 0, 1] * 10, np.eye(2)[[0, 1, 0, 1] * 10], ["a", "b"])
    assert report.accuracy == report.auroc == report.macro_f1 == 1
    assert report.ece == report.log_loss == 0
    assert report.intervals["accuracy"][0] < 0.95


@pytest.mark.parametrize(
    ("labels", "chances"),
    [
        ([], np.empty((0, 2))),
        ([0], [[0.5, 0.25, 0.25]]),
        ([-1], [[0.5, 0.5]]),
        ([2], [[0.5, 0.5]]),
        ([0], [[np.nan, 0.5]]),
        ([0], [[2.0, -1.0]]),
        ([0], [[0.9, 0.9]]),
    ],
)
def test_what_is_no_prediction_is_refused(labels, chances):
    with pytest.raises(ValueError, match=r"labels|probabilities"):
        classification_report(labels, chances, ["a", "b"])


def test_precision_recall_f1_of_a_known_matrix():
    precision, recall, f1 = precision_recall_f1(np.array([[8, 2], [4, 6]]))
    assert precision == pytest.approx([8 / 12, 6 / 8])
    assert recall == pytest.approx([0.8, 0.6])
    assert f1 == pytest.approx([16 / 22, 12 / 18])


@pytest.mark.parametrize("binning", ["equal-mass", "equal-width"])
def test_calibration_error_of_a_known_case(binning):
    # half the items say .6 and are right 3 in 10 times, half say .9 and are right 9 in 10
    labels = np.array([0] * 3 + [1] * 7 + [0] * 9 + [1])
    chances = np.array([[0.6, 0.4]] * 10 + [[0.9, 0.1]] * 10)
    table = reliability_table(labels, chances, bins=10, binning=binning)
    assert [(part.count, part.confidence, part.accuracy) for part in table] == [
        (10, pytest.approx(0.6), 0.3),
        (10, pytest.approx(0.9), 0.9),
    ]
    assert expected_calibration_error(labels, chances, bins=10, binning=binning) == pytest.approx(0.15)


def test_equal_widths_are_guos_bins():
    labels, chances = predictions(m=500)
    confidence, correct = chances.max(axis=1), chances.argmax(axis=1) == labels
    expected = 0.0
    for low in np.arange(15) / 15:
        inside = (confidence > low) & (confidence <= low + 1 / 15)
        if inside.any():
            expected += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    assert expected_calibration_error(labels, chances, binning="equal-width") == pytest.approx(expected)


def test_equal_mass_bins_hold_about_as_many_and_forget_the_order():
    labels, chances = predictions(m=500)
    table = reliability_table(labels, chances, bins=10)
    assert [part.count for part in table] == [50] * 10
    order = np.random.default_rng(1).permutation(500)
    assert reliability_table(labels[order], chances[order], bins=10)[3].count == 50
    rounded = np.round(chances, 1)
    whole = expected_calibration_error(labels, rounded, bins=10)
    assert expected_calibration_error(labels[order], rounded[order], bins=10) == pytest.approx(whole)


def test_a_calibrated_classifier_is_near_zero_and_a_boastful_one_is_not():
    rng = np.random.default_rng(0)
    chances = rng.dirichlet(np.ones(3), 20_000)
    labels = (chances.cumsum(axis=1) > rng.random((20_000, 1))).argmax(axis=1)
    assert expected_calibration_error(labels, chances) < 0.02
    boastful = chances**4 / (chances**4).sum(axis=1, keepdims=True)
    assert expected_calibration_error(labels, boastful) > 0.1

from __future__ import annotations

import numpy as np
import pytest

from lab.evaluation.mistakes import label_next, worst_mistakes


def test_the_most_confident_mistakes_come_first():
    labels = np.array([0, 1, 0, 1, 0])
    chances = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.05, 0.95], [0.2, 0.8]])
    found = worst_mistakes(list("abcde"), labels, chances, ["cat", "dog"])
    assert [(m.id, m.label, m.predicted, m.probability) for m in found] == [
        ("b", "dog", "cat", 0.8),
        ("e", "cat", "dog", 0.8),
        ("c", "cat", "dog", 0.7),
    ]
    assert found[0].probability_of_label == 0.2
    assert found[0].to_dict()["index"] == 1
    assert len(worst_mistakes(list("abcde"), labels, chances, ["cat", "dog"], k=1)) == 1


def test_items_where_it_fails_are_to_be_labelled_next():
    rng = np.random.default_rng(0)
    directions = np.eye(4) * 5
    judged = directions[np.repeat(np.arange(4), 25)] + rng.normal(size=(100, 4))
    correct = np.repeat([1, 1, 0, 1], 25)  # it fails in the third direction
    groups = rng.integers(0, 4, 200)
    unlabelled = directions[groups] + rng.normal(size=(200, 4))
    found = label_next(unlabelled, judged, correct, count=20)
    assert (groups[found.rows] == 2).mean() >= 0.9
    assert set(found.near.tolist()) <= set(range(50, 75))
    assert len(set(found.rows.tolist())) == 20
    first = label_next(unlabelled, judged, correct, count=5)
    assert len(set(first.near.tolist())) == 5  # every mistake has its turn
    assert (first.error_rate > 0.5).all()


def test_nothing_wrong_or_nothing_to_label_is_no_list():
    assert len(label_next(np.ones((3, 2)), np.ones((4, 2)), np.ones(4)).rows) == 0
    assert len(label_next(np.empty((0, 2)), np.ones((4, 2)), np.zeros(4)).rows) == 0
    with pytest.raises(ValueError, match="do not fit"):
        label_next(np.ones((3, 2)), np.ones((4, 2)), np.ones(3))

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import fisher_exact

from lab.evaluation.slices import chance_of_error, slices


def test_a_bad_slice_is_found_and_the_others_are_not():
    rng = np.random.default_rng(0)
    place = rng.choice(["north", "south", "east"], 400)
    correct = rng.random(400) < np.where(place == "south", 0.6, 0.9)
    found = slices(correct, {"place": place, "coin": rng.integers(0, 2, 400)})
    assert [(s.column, s.value) for s in found if s.above_average] == [("place", "south")]
    worst = found[0]
    assert (worst.column, worst.value, worst.n) == ("place", "south", int((place == "south").sum()))
    assert worst.error == pytest.approx(1 - correct[place == "south"].mean())
    assert worst.average == pytest.approx(1 - correct.mean())
    json.dumps([s.to_dict() for s in found])


def test_the_chance_is_fishers():
    rng = np.random.default_rng(1)
    wrong = (rng.random(80) < 0.3).astype(float)
    items = np.arange(20)
    inside, outside = int(wrong[:20].sum()), int(wrong[20:].sum())
    table = [[inside, 20 - inside], [outside, 60 - outside]]
    assert chance_of_error(wrong, items) == pytest.approx(fisher_exact(table, alternative="greater").pvalue)


def test_shares_of_seeds_are_judged_like_drawing_at_random():
    rng = np.random.default_rng(2)
    wrong = rng.random(200)
    items = np.argsort(wrong)[100:140]
    drawn = [wrong[rng.choice(200, 40, replace=False)].mean() for _ in range(4000)]
    threshold = np.quantile(drawn, 0.9)
    shifted = items[np.argsort(-wrong[items])]
    assert (chance_of_error(wrong, shifted) < 0.1) == (wrong[shifted].mean() > threshold)
    assert chance_of_error(np.full(50, 0.5), np.arange(20)) == 1


def test_slices_without_a_cause_are_seldom_found():
    found = 0
    for trial in range(60):
        rng = np.random.default_rng(trial)
        columns = {f"c{i}": rng.integers(0, 4, 300) for i in range(5)}
        found += any(s.above_average for s in slices(rng.random(300) < 0.8, columns))
    assert found <= 8


def test_a_bad_cluster_is_found_with_its_most_central_items_first():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 6, 600)
    centers = rng.normal(size=(6, 16))
    features = centers[groups] + 0.2 * rng.normal(size=(600, 16))
    correct = rng.random(600) < np.where(groups == 4, 0.5, 0.95)
    found = slices(correct, features=features, clusters=6)
    bad = [s for s in found if s.above_average]
    assert len(bad) == 1
    assert (groups[bad[0].items] == 4).all()
    direction = features - features.mean(axis=0)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    own = direction[bad[0].items]
    away = np.linalg.norm(own - own.mean(axis=0), axis=1)
    assert (np.diff(away) >= -1e-9).all()
    again = slices(correct, features=features, clusters=6)
    assert [s.to_dict() for s in found] == [s.to_dict() for s in again]


def test_numbers_are_cut_into_quarters_and_texts_of_many_values_left_out():
    rng = np.random.default_rng(0)
    columns = {
        "length": np.arange(200.0),
        "name": [f"item {i}" for i in range(200)],
        "maker": ["a"] * 100 + [None] * 100,
        "rare": ["x"] * 3 + ["y"] * 197,
    }
    found = slices(rng.random(200) < 0.9, columns)
    assert sorted({(s.column, s.n) for s in found}) == [("length", 50), ("maker", 100), ("rare", 197)]


def test_few_items_have_no_slices():
    assert slices([1, 0, 1], {"a": ["x", "y", "x"]}, np.ones((3, 2))) == []
    with pytest.raises(ValueError, match="column a"):
        slices([1, 0], {"a": ["x"]})
    with pytest.raises(ValueError, match="features"):
        slices([1, 0], features=np.ones((3, 2)))


def test_fewer_different_items_than_clusters_are_no_news(recwarn):
    features = np.repeat(np.random.default_rng(0).normal(size=(2, 4)), 60, axis=0)
    found = slices(np.arange(120) % 3 > 0, features=features)
    assert sorted(part.n for part in found) == [60, 60]
    assert not recwarn.list

"""The recipes of pairs end to end, on a small table and on packaged pages."""

from __future__ import annotations

import numpy as np
import pytest

import lab
from lab.errors import UserError

SMALL = {"epochs": 6, "batch_size": 64, "learning_rate": 0.02}


def result(run, metric="ndcg@10", split="test"):
    return run.results.set_index(["metric", "split"]).loc[(metric, split)]


def towers(pairs, **sections):
    return {"experiment": "two_tower", "data": pairs, "dimension": 8, "train": SMALL, **sections}


def test_towers_learn_and_leave_all_that_a_report_needs(pairs):
    done = lab.run(towers(pairs), quiet=True)
    primary = result(done)
    assert primary["primary"]
    assert primary["low"] < primary["value"] < primary["high"]
    assert primary["value"] > 0.35
    assert primary["n"] == 60
    assert set(done.scores("ranking", "ndcg@10", "test")["id"]) == {str(user) for user in range(60)}
    told = done.json("two_tower")
    assert told["features"] == {"user": ["id"], "item": ["id", "genre"]}
    assert {row["slice"] for row in told["slices"]} == {"warm", "head", "tail"}
    assert 0 < told["beyond"]["coverage"] <= 1
    assert "below_popularity" not in told
    space = done.space()
    assert len(space) == 105
    assert np.allclose(np.linalg.norm(space.vectors, axis=1), 1, atol=1e-5)


def test_new_films_are_found_by_what_is_known_of_them(pairs):
    data = {**pairs, "split": {"kind": "cold_items", "train": 0.6, "validation": 0.2, "test": 0.2}}
    values = {}
    for name, features in (("ids", []), ("genres", [{"kind": "category", "column": "genre"}])):
        item = {"features": [{"kind": "id"}, *features]}
        done = lab.run(towers(data, item=item, ranking={"candidates": "new", "at": [3]}), quiet=True)
        values[name] = result(done, "ndcg@3")["value"]
    assert values["genres"] > values["ids"] + 0.2


def test_interrupted_equals_uninterrupted(home, pairs, interrupted, monkeypatch):
    whole = lab.run(towers(pairs), quiet=True).space().vectors
    monkeypatch.setenv("LAB_HOME", str(home / "other"))
    interrupted(20, lambda: lab.run(towers(pairs), quiet=True))
    again = lab.run(towers(pairs), quiet=True)
    assert again.info["resumed"]
    assert np.array_equal(whole, again.space().vectors)


@pytest.mark.parametrize("method", ["random", "popularity", "item_neighbors", "ease", "als", "tfidf"])
def test_recommenders(pairs, method):
    done = lab.run({"experiment": "recommender", "data": pairs, "method": {"name": method}}, quiet=True)
    value, told = result(done)["value"], done.json("recommender")
    if method in ("item_neighbors", "ease", "als"):
        tried = told["chosen"]["tried"]
        assert told["chosen"]["setting"] == max(tried, key=tried.get)
    assert value < 0.3 if method in ("random", "popularity") else value > 0.3


def test_what_does_not_fit_is_one_line(pairs):
    with pytest.raises(UserError, match="no column 'gnre' of the items; did you mean 'genre'"):
        lab.run(towers(pairs, item={"features": [{"kind": "category", "column": "gnre"}]}), quiet=True)
    config = {"experiment": "recommender", "data": {"source": pairs["source"]}, "method": {"name": "tfidf"}}
    with pytest.raises(UserError, match="nothing is known of the items in words"):
        lab.run(config, quiet=True)


@pytest.mark.slow
def test_sections_are_found_by_their_headings(home):
    """The packaged search task: towers on words alone find a section's page far better than chance."""
    data = {"source": "wikipedia-search", "split": {"kind": "cold_users", "train": 0.6, "validation": 0.2, "test": 0.2}}
    words = {"features": [{"kind": "words"}]}
    done = lab.run(towers(data, user=words, item=words, dimension=64, train={**SMALL, "batch_size": 256}), quiet=True)
    assert result(done, "recall@10")["value"] > 0.3


def test_new_films_among_themselves_choose_the_epoch(pairs):
    data = {**pairs, "split": {"kind": "cold_items", "train": 0.6, "validation": 0.2, "test": 0.2}}
    item = {"features": [{"kind": "category", "column": "genre"}]}
    done = lab.run(towers(data, item=item, ranking={"candidates": "new", "at": [10]}), quiet=True)
    curve = done.metrics["validation_ndcg@10"].dropna()
    assert curve.max() == pytest.approx(result(done, "ndcg@10", "validation")["value"], abs=0.1)  # ties by other seeds


def test_what_no_seed_changes_runs_once_beside_all_seeds():
    from lab.config import load

    data = {"source": "wikipedia-search", "split": {"kind": "random"}}
    cells = load({"experiment": "two_tower", "data": data, "sweep": {"seed": [0, 1, 2]}}).cells
    runs = {name: sum(cell.control == name for cell in cells) for name in dict.fromkeys(cell.control for cell in cells)}
    assert runs[""] == runs["the same pair into an MLP"] == 3
    assert runs["EASE"] == runs["most popular items"] == runs["random items"] == 1

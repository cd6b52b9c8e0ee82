"""Slices of users and items, and the lists that a report shows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lab.data.interactions.config import InteractionsConfig
from lab.errors import UserError
from lab.evaluation.ranking import by_vectors
from lab.ranking_details import examples, slices, values_of
from lab.recommend import RankingConfig, describe_ranking_task, judge, load_ranking_task


@pytest.fixture
def config(tmp_path):
    """Thirty users of twenty films; what is known of both."""
    rng = np.random.default_rng(1)
    rows = [(f"u{u}", f"f{i}", t) for u in range(30) for t, i in enumerate(rng.permutation(20)[:10])]
    pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"]).to_csv(tmp_path / "pairs.csv", index=False)
    users = pd.DataFrame({"user_id": [f"u{u}" for u in range(30)], "age": range(20, 50), "town": ["a", "b", ""] * 10})
    users.to_csv(tmp_path / "users.csv", index=False)
    films = pd.DataFrame({"item_id": [f"f{i}" for i in range(20)], "title": [f"Film {i}" for i in range(20)]})
    films.assign(kind=["x", "y"] * 10).to_csv(tmp_path / "films.csv", index=False)
    sides = {side: str(tmp_path / f"{name}.csv") for side, name in (("users", "users"), ("items", "films"))}
    return InteractionsConfig(source=str(tmp_path / "pairs.csv"), **sides)


@pytest.fixture
def judged(config):
    task = load_ranking_task(config)
    rng = np.random.default_rng(2)
    scorer = by_vectors(*(rng.normal(size=(n, 4)).astype(np.float32) for n in (task.users, task.items)))
    return task, judge(task, scorer, RankingConfig(at=[3]), "test")


def test_slices_by_columns_of_both_sides(judged):
    task, lists = judged
    rows = slices(task, RankingConfig(at=[3], slices=["town", "kind", "age"]), lists)
    found = {(row["by"], row["slice"]): row for row in rows}
    town = task.interactions.user_table["town"].to_numpy()[lists.users]
    assert found["town", "a"]["users"] == (town == "a").sum() == 10
    assert found["town", "a"]["ndcg@3"] == pytest.approx(lists.values["ndcg@3"][town == "a"].mean())
    assert ("town", "") not in found
    kinds = task.interactions.item_table["kind"].to_numpy()
    to_be_found = [np.flatnonzero(row) for row in lists.relevant.toarray()]
    hits = [
        [item in to_be_found[at] for item in row if kinds[item] == "x"] for at, row in enumerate(lists.ranking.items)
    ]
    to_find = np.array([(kinds[own] == "x").sum() for own in to_be_found])
    recall = np.array([sum(own) for own in hits])[to_find > 0] / to_find[to_find > 0]
    assert found["kind", "x"]["recall@3"] == pytest.approx(recall.mean())
    assert found["kind", "x"]["users"] == (to_find > 0).sum()
    quarters = [row for (by, _), row in found.items() if by == "age"]
    assert [row["slice"] for row in quarters] == ["20 to 27", "28 to 34", "35 to 41", "42 to 49"]
    assert sum(row["users"] for row in quarters) == len(lists.users)


def test_values_of_lists_texts_and_numbers():
    lists = pd.Series([["Drama", "War"], ["War"], [], None], dtype=object)
    assert {name: mask.tolist() for name, mask in values_of(lists)} == {
        "Drama": [True, False, False, False],
        "War": [True, True, False, False],
    }
    few = pd.Series([1990.0, np.nan, 2000.0])
    assert {name: mask.tolist() for name, mask in values_of(few)} == {
        "1990": [True, False, False], "2000": [False, False, True]
    }  # fmt: skip
    many = pd.Series([f"t{n % 50}" for n in range(60)])
    assert len(list(values_of(many))) == 20
    numbers = pd.Series([*np.arange(100.0), np.nan])
    parts = list(values_of(numbers))
    assert len(parts) == 4
    assert sum(mask.sum() for _, mask in parts) == 100


def test_a_column_that_nobody_has_is_said_when_planned(config):
    with pytest.raises(UserError, match=r"ranking\.slices: no column 'twon' of users or items; did you mean town\?"):
        describe_ranking_task(config, RankingConfig(slices=["twon"]))
    assert describe_ranking_task(config, RankingConfig(slices=["town"])).counts["users"] == 30


def test_examples_are_the_lists_with_names(judged):
    task, lists = judged
    rows = examples(task, lists)
    assert len(rows) == 5
    for row in rows:
        called = [row["user"].startswith(f"user {task.interactions.users[user]},") for user in lists.users]
        place = called.index(True)
        names = [f"Film {task.interactions.items[item][1:]}" for item in lists.ranking.items[place]]
        assert [name for name, _ in row["list"]] == names
        to_find = {
            f"Film {task.interactions.items[item][1:]}" for item in np.flatnonzero(lists.relevant.toarray()[place])
        }
        assert [hit for _, hit in row["list"]] == [name in to_find for name in names]
        assert set(row["missed"]) == to_find - set(names)
    assert rows == examples(task, lists)

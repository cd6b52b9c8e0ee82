from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lab.both_sides import both_sides, shown_names
from lab.data.interactions.config import InteractionsConfig, InteractionSplitConfig
from lab.evaluation.ranking import by_vectors
from lab.recommend import RankingConfig, describe_ranking_task, judge, load_ranking_task


@pytest.fixture
def config(tmp_path):
    """Forty users in two groups, each with ten of her group's twenty films."""
    rng = np.random.default_rng(0)
    rows = [
        (f"u{u}", f"f{i + 20 * (u % 2)}", 100 + t) for u in range(40) for t, i in enumerate(rng.permutation(20)[:10])
    ]
    pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"]).to_csv(tmp_path / "pairs.csv", index=False)
    films = pd.DataFrame({"item_id": [f"f{i}" for i in range(40)], "title": [f"Film {i // 2}" for i in range(40)]})
    films.to_csv(tmp_path / "films.csv", index=False)
    return InteractionsConfig(source=str(tmp_path / "pairs.csv"), items=str(tmp_path / "films.csv"))


def groups(task):
    user = np.array([int(name[1:]) % 2 for name in task.interactions.users])
    item = np.array([int(name[1:]) // 20 for name in task.interactions.items])
    return np.eye(2, dtype=np.float32)[user], np.eye(2, dtype=np.float32)[item]


def test_who_is_judged_and_what_is_left_out(config):
    task = load_ranking_task(config)
    (before_validation, validation), (before_test, test) = task.judged["validation"], task.judged["test"]
    assert (before_validation != task.train).nnz == 0
    assert (before_test != task.matrix("train", "validation")).nnz == 0
    assert (validation + test + task.train).max() == 1
    assert (np.diff(test.indptr) == 1).all()
    counts = describe_ranking_task(config).counts
    assert counts == {"users": 40, "items": 40, "interactions": 400, "train": 320, "validation": 40, "test": 40}


def test_judging_a_recommender_that_knows_the_groups(config):
    task = load_ranking_task(config)
    judged = judge(task, by_vectors(*groups(task)), RankingConfig(at=[5, 11]), "test")
    assert judged.values["recall@11"].mean() == 1  # twenty films less nine had before
    had = np.asarray(task.matrix("train", "validation").todense(), bool)
    assert not had[judged.users[:, None], judged.ranking.items].any()
    again = judge(task, by_vectors(*groups(task)), RankingConfig(at=[5], filter_seen=False), "test")
    assert again.values["recall@5"].mean() < judged.values["recall@5"].mean()


def test_new_items_among_themselves(config):
    split = InteractionSplitConfig(kind="cold_items", train=0.6, validation=0.2, test=0.2)
    task = load_ranking_task(config.model_copy(update={"split": split}))
    judged = judge(task, by_vectors(*groups(task)), RankingConfig(at=[3], candidates="new"), "test")
    shown = judged.ranking.items[judged.ranking.items >= 0]
    assert (task.popularity[shown] == 0).all()
    assert set(shown) <= set(task.judged["test"][1].indices)  # not those held out for validation


def test_names(config):
    task = load_ranking_task(config)
    users, items = groups(task)
    space = both_sides(task, users, items)
    assert space.ids[0] == "user u0"
    assert space.ids[40] == "Film 0 (item f0)"
    assert set(space.metadata["side"]) == {"user", "item"}
    assert space.metadata["interactions"].sum() == 2 * 320
    table = pd.DataFrame({"title": ["A", "B", "B", None]})
    assert shown_names("item", ["1", "2", "3", "4"], table) == ["A", "B (item 2)", "B (item 3)", "item 4"]
    assert shown_names("item", ["1"], pd.DataFrame({"text": ["long " * 20]})) == ["item 1"]
    mostly = pd.DataFrame({"text": ["A", "B", "long " * 20]})
    assert shown_names("item", ["1", "2", "3"], mostly) == ["A", "B", "item 3"]  # one long title of many is no reason

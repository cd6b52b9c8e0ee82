"""Pairs that count by their age, and histories that have grown by the time that the test part comes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import lab
from lab.data.interactions.config import InteractionsConfig, InteractionSplitConfig
from lab.errors import UserError
from lab.models.recommenders import alternating_least_squares, ease, item_neighbors
from lab.models.towers.features import Bags, encoder_of
from lab.recommend import load_ranking_task, recency

DAY = 86_400


@pytest.fixture
def pairs(home):
    """Forty users in two groups with ten of their group's twenty films; the last ten users come late."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(40):
        films = rng.permutation(20)[:10] + 20 * (user % 2)
        start, step = (user / 4, 10) if user < 30 else (65 + user / 4, 3)
        rows += [(f"u{user}", f"f{film}", (start + step * place) * DAY / 8) for place, film in enumerate(films)]
    pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"]).to_csv(home / "pairs.csv", index=False)
    return home / "pairs.csv"


def task_of(pairs, kind="time"):
    return load_ranking_task(InteractionsConfig(source=str(pairs), split=InteractionSplitConfig(kind=kind)))


def test_a_pair_counts_half_for_every_half_life(pairs):
    task = task_of(pairs)
    weights = recency(task, 5.0)
    times = task.interactions.timestamp[task.split.train] / DAY
    assert weights.mean() == pytest.approx(1, rel=1e-6)
    newest, older = times.argmax(), np.abs(times - (times.max() - 5)).argmin()
    gap = times[newest] - times[older]
    assert gap > 4
    assert weights[newest] / weights[older] == pytest.approx(2 ** (gap / 5), rel=1e-5)


def test_without_times_it_is_one_line(home):
    frame = pd.DataFrame({"user_id": ["a", "a", "b", "b"] * 5, "item_id": [f"i{n}" for n in range(20)]})
    frame.to_csv(home / "plain.csv", index=False)
    with pytest.raises(UserError, match=r"half_life: 3: the pairs have no timestamps"):
        recency(task_of(home / "plain.csv", "random"), 3.0)


def test_what_is_popular_lately_is_counted_by_age(pairs):
    config = {"experiment": "recommender", "data": {"source": str(pairs), "split": {"kind": "time"}}}
    run = lab.run({**config, "method": {"name": "popularity", "half_lives": [1, 1000]}})
    told = run.json("recommender")["chosen"]
    assert set(told["tried"]) == {"half-life 1 days", "half-life 1000 days"}
    assert told["setting"] == max(told["tried"], key=told["tried"].get)
    from experiments.recommender import popular_lately

    task = task_of(pairs)
    slow = np.zeros(task.items)
    times = task.interactions.timestamp
    for place in task.split.train:
        slow[task.interactions.item[place]] += 0.5 ** ((times[task.split.train].max() - times[place]) / DAY)
    scores = popular_lately(task, 1.0)(np.array([0, 1]))
    np.testing.assert_allclose(scores[0] / scores[0].sum(), slow / slow.sum(), atol=1e-6)
    np.testing.assert_array_equal(scores[0], scores[1])


@pytest.mark.parametrize("method", [item_neighbors, ease, alternating_least_squares])
def test_histories_that_are_scored_need_not_be_those_of_the_fit(pairs, method):
    task = task_of(pairs, "random")
    everybody = np.arange(task.users)
    np.testing.assert_allclose(
        method(task.train)(everybody), method(task.train, of=task.train)(everybody), atol=2e-3
    )  # (iALS solves its users once more)
    shuffled = np.roll(everybody, 7)
    moved = method(task.train, of=task.train[shuffled])(everybody)
    np.testing.assert_allclose(moved, method(task.train, of=task.train)(shuffled), atol=2e-3)


def test_a_history_leaves_out_items_in_training_alone():
    torch.manual_seed(0)
    table = Bags("history", np.array([0, 4]), np.arange(4), np.ones(4, np.float32), 4, dropout=0.5)
    encoder = encoder_of(table, 8)
    whole = encoder.eval()(torch.tensor([0]))
    expected = encoder.vectors.weight.mean(0)
    torch.testing.assert_close(whole[0], expected)
    encoder.train()
    with torch.no_grad():
        draws = torch.stack([encoder(torch.tensor([0]))[0] for _ in range(4000)])
    assert len(torch.unique((draws / expected).round(decimals=3)[:, 0])) == 16  # every subset of four items
    torch.testing.assert_close(draws.mean(0), expected, atol=0.05, rtol=0)


def test_histories_grow_for_the_test_part_alone(pairs):
    """New users of a split at one moment have nothing to be known by, until their validation pairs are folded in."""
    config = {
        "experiment": "two_tower",
        "data": {"source": str(pairs), "split": {"kind": "time", "train": 0.6, "validation": 0.3, "test": 0.1}},
        "user": {"features": [{"kind": "history", "dropout": 0.3}]},
        "item": {"features": [{"kind": "id"}]},
        "dimension": 16,
        "train": {"epochs": 15, "batch_size": 64, "learning_rate": 0.02, "early_stopping": None},
    }
    plain, folded = lab.run(config), lab.run({**config, "ranking": {"fold_in": True}})
    assert plain.id != folded.id
    metric = {run.id: run.results.set_index(["split", "metric"])["value"] for run in (plain, folded)}
    assert metric[plain.id]["validation", "ndcg@10"] == metric[folded.id]["validation", "ndcg@10"]
    assert metric[folded.id]["test", "ndcg@10"] > metric[plain.id]["test", "ndcg@10"]
    vectors = [run.space().vectors for run in (plain, folded)]
    task = task_of_run(pairs)
    grew = np.flatnonzero(np.diff(task.grown.indptr) > np.diff(task.train.indptr))
    assert len(grew)
    same = np.setdiff1d(np.arange(task.users), grew)
    np.testing.assert_array_equal(vectors[0][same], vectors[1][same])
    np.testing.assert_array_equal(vectors[0][task.users :], vectors[1][task.users :])
    assert (vectors[0][grew] != vectors[1][grew]).any(axis=1).all()


def task_of_run(pairs):
    split = InteractionSplitConfig(kind="time", train=0.6, validation=0.3, test=0.1)
    return load_ranking_task(InteractionsConfig(source=str(pairs), split=split))

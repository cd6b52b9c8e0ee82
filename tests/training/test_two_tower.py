from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from lab.models.towers.features import Ids
from lab.models.towers.towers import Tower, TwoTower
from lab.training.loop import train
from lab.training.recorder import QuietRecorder
from lab.training.two_tower import PairLearning, Pairs, are_pairs, encode, pair_keys, positives_mask
from lab.training.two_tower_config import PairObjectiveConfig, TwoTowerTrainConfig

USERS, ITEMS, GROUPS = 40, 30, 3


def tastes(seed=0, share=0.5):
    """Users and items of three groups; a user has half of the items of her group."""
    rng = np.random.default_rng(seed)
    same = (np.arange(USERS)[:, None] % GROUPS) == (np.arange(ITEMS) % GROUPS)
    had = same & (rng.random((USERS, ITEMS)) < share)
    return np.nonzero(had), csr_array((same & ~had).astype(np.float32))


def learner(objective, seed=0, sparse_from=50_000, weight=None, **config):
    (user, item), rest = tastes()
    torch.manual_seed(seed)
    sides = [Tower([Ids("id", np.ones(n, bool))], 8, sparse_from=sparse_from) for n in (USERS, ITEMS)]
    options = {"epochs": 20, "batch_size": 64, "learning_rate": 0.02, "early_stopping": None} | config
    pairs = Pairs(user.astype(np.int64), item.astype(np.int64), USERS, ITEMS, weight)
    return PairLearning(
        TwoTower(*sides),
        pairs,
        rest,
        PairObjectiveConfig(**objective),
        TwoTowerTrainConfig(**options),
        QuietRecorder(seed),
    )


OBJECTIVES = [
    {"kind": "in_batch"},
    {"kind": "in_batch", "symmetric": True, "correction": "none"},
    {"kind": "in_batch", "debias": "ips"},
    {"kind": "mixed", "negatives": 16},
    {"kind": "hard", "negatives": 3, "mine_every": 2},
    {"kind": "logistic", "negatives": 4},
    {"kind": "bpr", "negatives": 4, "drawn_by": "popularity"},
]


@pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
def test_it_learns_who_belongs_to_whom(objective):
    learning = learner(objective)
    untrained = learning.validate(0)["validation_ndcg@10"]
    fitted = train(learning, learning.config, learning.run)
    assert fitted.history[-1]["validation_ndcg@10"] > untrained + 0.3
    again = learner(objective)
    train(again, again.config, again.run)
    assert all(torch.equal(a, again.tensors()[name]) for name, a in learning.tensors().items())


def test_early_stopping_keeps_the_epoch_of_the_best_ranking():
    learning = learner({"kind": "in_batch"}, epochs=30, early_stopping=3)
    fitted = train(learning, learning.config, learning.run)
    values = [row["validation_ndcg@10"] for row in fitted.history]
    assert fitted.best_epoch == 1 + int(np.argmax(values))
    assert learning.validate(0)["validation_ndcg@10"] == pytest.approx(max(values))


def test_sparse_tables_learn_the_same():
    dense, sparse = learner({"kind": "in_batch"}), learner({"kind": "in_batch"}, sparse_from=1)
    assert [group["sparse"] for group in sparse.groups(sparse.config)] == [True]
    for learning in (dense, sparse):
        train(learning, learning.config.model_copy(update={"clip_norm": None}), learning.run)
    values = [learning.validate(0)["validation_ndcg@10"] for learning in (dense, sparse)]
    assert values[0] == pytest.approx(values[1], abs=0.02)


def test_what_is_mined_is_no_positive_and_ranks_first():
    learning = learner({"kind": "hard", "negatives": 4})
    mined = learning.mine().numpy()
    had = np.asarray(learning.history.todense(), bool)
    assert not had[np.arange(USERS)[:, None], mined].any()
    scores = encode(learning.model, "user", USERS) @ encode(learning.model, "item", ITEMS).T
    scores[had] = -np.inf
    assert (np.sort(mined, 1) == np.sort(np.argsort(-scores, 1)[:, :4], 1)).all()


def test_weights_count():
    (user, _), _ = tastes()
    weight = (user % GROUPS == 0).astype(np.float32)  # the pairs of one group alone
    learning = learner({"kind": "in_batch"}, weight=weight)
    before = encode(learning.model, "user", USERS)
    train(learning, learning.config, learning.run)
    moved = np.abs(encode(learning.model, "user", USERS) - before).sum(1) > 1e-4
    assert moved[np.arange(USERS) % GROUPS == 0].all()
    assert not moved[np.arange(USERS) % GROUPS != 0].any()


def test_rare_items_count_more_with_inverse_propensities():
    learning = learner({"kind": "in_batch", "debias": "ips", "debias_power": 1.0})
    counts = np.bincount(learning.pairs.item, minlength=ITEMS)[learning.pairs.item]
    weights = learning.weights.numpy()
    assert np.allclose(weights * counts, (weights * counts)[0])
    assert weights.mean() == pytest.approx(1, rel=1e-5)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 15))
def test_known_pairs_are_found(seed, batch, columns):
    rng = np.random.default_rng(seed)
    dense = rng.random((9, 13)) < 0.3
    dense[0, 0] = True
    history = csr_array(dense.astype(np.float32))
    history.sort_indices()
    user, item = rng.integers(0, 9, batch), rng.integers(0, 13, columns)
    assert (positives_mask(history, user, item) == dense[user][:, item]).all()
    drawn = rng.integers(0, 13, (batch, 4))
    found = are_pairs(pair_keys(history), 13, user, drawn)
    assert (found == dense[user[:, None], drawn]).all()

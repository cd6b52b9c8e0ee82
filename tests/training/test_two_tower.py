from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from lab.models.towers.features import Codes
from lab.models.towers.towers import Tower, TwoTower
from lab.training.loop import train
from lab.training.recorder import QuietRecorder
from lab.training.two_tower import (
    PairLearning,
    Pairs,
    are_pairs,
    dense_positives,
    encode,
    pair_keys,
    positive_places,
)
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
    sides = [Tower([Codes("id", np.arange(n), n)], 8, sparse_from=sparse_from) for n in (USERS, ITEMS)]
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
    found = np.zeros((batch, columns), bool)
    found.flat[positive_places(history, user, item)] = True
    assert (found == dense[user][:, item]).all()
    assert (np.isneginf(dense_positives(history)) == dense).all()
    drawn = rng.integers(0, 13, (batch, 4))
    found = are_pairs(pair_keys(history), 13, user, drawn)
    assert (found == dense[user[:, None], drawn]).all()


@pytest.mark.parametrize("correction", ["logq", "none"])
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("kind", ["in_batch", "mixed"])
def test_the_loss_is_the_corrected_softmax_without_other_positives(kind, symmetric, correction):
    options = {"kind": kind, "symmetric": symmetric, "correction": correction}
    learning = learner({**options, "negatives": 7} if kind == "mixed" else options)
    batch = np.arange(25)
    for table in (True, False):  # a table of who had what, and the search that stands in for it where that is too large
        learning._positives = learning._positives if table else None
        learning._draw = np.random.default_rng(3)
        loss = learning.loss(batch)[0].item()
        assert loss == pytest.approx(plain_loss(learning, batch, symmetric), rel=1e-5)


def plain_loss(learning, batch, symmetric):
    """The same, pair by pair, in double precision."""
    user, columns = learning.pairs.user[batch], learning.pairs.item[batch]
    mixed, log = learning.objective.kind == "mixed", learning.objective.correction == "logq"
    if mixed:
        columns = np.concatenate([columns, np.random.default_rng(3).integers(0, ITEMS, 7)])
    users, items = (encode(learning.model, side, n).astype(float) for side, n in (("user", USERS), ("item", ITEMS)))
    had = np.asarray(learning.history.todense(), bool)

    def one(vectors, others, share, rows, cols, had, extra):
        losses = []
        for at, row in enumerate(rows):
            scores = others[cols] @ vectors[row] / 0.2
            if log:
                scores -= np.log(np.maximum(1e-12, len(batch) * share[cols] + extra))
            kept = ~had[row, cols] | (np.arange(len(cols)) == at)
            losses.append(np.log(np.exp(scores[kept]).sum()) - scores[at])
        return np.mean(losses)

    shares = [np.bincount(side, minlength=n) / len(side) for side, n in learning._sides()]
    loss = one(users, items, shares[1], user, columns, had, 7 / ITEMS if mixed else 0)
    if symmetric:
        loss = (loss + one(items, users, shares[0], columns[: len(batch)], user, had.T, 0)) / 2
    return loss

"""Re-rankers learn what the first stage cannot see, and never from the users they judge."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from lab.errors import UserError
from lab.models.reranker import Members, Reranker
from lab.training.loop import train
from lab.training.recorder import QuietRecorder
from lab.training.reranker import CandidateLists, RerankLearning, Sides, folds, predicted, reordered
from lab.training.reranker_config import RerankTrainConfig

USERS, ITEMS, K = 60, 40, 20
CONFIG = RerankTrainConfig(epochs=15, batch_size=16, learning_rate=0.03, early_stopping=None)


def planted(seed=0):
    """Lists in which the second number says what is relevant, and the first (the score) nothing."""
    rng = np.random.default_rng(seed)
    items = np.stack([rng.permutation(ITEMS)[:K] for _ in range(USERS)])
    numbers = rng.standard_normal((USERS, K, 2)).astype(np.float32)
    relevant = np.zeros((USERS, ITEMS), dtype=np.float32)
    best = np.argsort(-numbers[:, :, 1], axis=1)[:, :3]
    np.put_along_axis(relevant, np.take_along_axis(items, best, axis=1), 1, axis=1)
    return CandidateLists(np.arange(USERS), items, numbers, csr_array(relevant))


def learner(lists, count=3, config=CONFIG):
    torch.manual_seed(0)
    rng = np.random.default_rng(1)
    sides = Sides(*(torch.from_numpy(rng.standard_normal((n, 4)).astype(np.float32)) for n in (USERS, ITEMS)))
    model = Members([Reranker(4, torch.zeros(2), torch.ones(2), hidden=(8,)) for _ in range(count)])
    fold = folds(USERS, count, np.random.default_rng(2))
    return RerankLearning(model, sides, lists, fold, config, QuietRecorder())


def test_what_only_the_second_stage_sees_is_learned():
    own = learner(planted())
    fitted = train(own, CONFIG, QuietRecorder())
    assert own.validate(0)["validation_ndcg@10"] > 0.8 > 0.5 > fitted.history[0]["validation_ndcg@10"] - 0.2
    other = planted(seed=5)
    found, scores = reordered(other, predicted(own.model, own.sides, other))
    assert np.mean(other.part(np.arange(USERS)).hits()[:, :3]) < 0.3
    hits = CandidateLists(other.users, found, other.numbers, other.relevant).hits()
    assert hits[:, :3].mean() > 0.7
    assert (np.diff(scores, axis=1) <= 0).all()


def test_a_member_does_not_depend_on_the_users_of_its_fold():
    lists = planted()
    one = learner(lists)
    changed = lists.numbers.copy()
    changed[one.fold == 0] = np.random.default_rng(9).standard_normal(changed[one.fold == 0].shape)
    two = learner(CandidateLists(lists.users, lists.items, changed, lists.relevant))
    config = RerankTrainConfig(epochs=2, batch_size=USERS, early_stopping=None)
    for own in (one, two):
        own.config = config
        train(own, config, QuietRecorder())
    first, second = ([p.detach().clone() for p in own.model.members[0].parameters()] for own in (one, two))
    others = [[p.detach() for p in own.model.members[1].parameters()] for own in (one, two)]
    assert max(float((a - b).abs().max()) for a, b in zip(*others, strict=True)) > 1e-3
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_short_lists_end_with_nothing():
    lists = planted()
    lists.items[:, 15:] = -1
    own = learner(lists)
    scores = predicted(own.model, own.sides, lists)
    assert np.isneginf(scores[:, 15:]).all()
    assert (reordered(lists, scores)[0][:, 15:] == -1).all()


def test_nothing_to_learn_from_is_one_line():
    lists = planted()
    empty = csr_array((USERS, ITEMS), dtype=np.float32)
    with pytest.raises(UserError, match="no validation pair is among the candidates"):
        learner(CandidateLists(lists.users, lists.items, lists.numbers, empty))
    with pytest.raises(UserError, match="needs two or more"):
        folds(1, 4, np.random.default_rng(0))
    assert np.bincount(folds(10, 4, np.random.default_rng(0))).tolist() == [3, 3, 2, 2]

from __future__ import annotations

import numpy as np
import pytest
import torch

from lab.models.towers import perceptron as module
from lab.models.towers.features import Codes
from lab.models.towers.perceptron import PairPerceptron, by_perceptron
from lab.models.towers.towers import Tower, TwoTower

RNG = np.random.default_rng(0)
USERS, ITEMS = RNG.normal(size=(9, 5)).astype(np.float32), RNG.normal(size=(23, 5)).astype(np.float32)


def drawn(hidden=(7, 4)):
    torch.manual_seed(1)
    return PairPerceptron(5, hidden)


def by_hand(perceptron, user, item):
    """One pair, layer by layer, in NumPy: both vectors one behind the other."""
    weight = np.concatenate([perceptron.user.weight.detach(), perceptron.item.weight.detach()], axis=1)
    x = weight @ np.concatenate([user, item]) + perceptron.user.bias.detach().numpy()
    for layer in list(perceptron.rest)[1::2]:
        x = layer.weight.detach().numpy() @ np.maximum(x, 0) + layer.bias.detach().numpy()
    return x[0]


@pytest.mark.parametrize("hidden", [(7, 4), (3,)])
@pytest.mark.parametrize("at_once", [4, 30, 2**15])
def test_every_pair_is_scored_as_by_hand_in_chunks_of_any_size(hidden, at_once, monkeypatch):
    monkeypatch.setattr(module, "PAIRS_AT_ONCE", at_once)
    perceptron, index = drawn(hidden), np.array([8, 0, 3])
    found = by_perceptron(perceptron, USERS, ITEMS)(index)
    assert found.dtype == np.float32
    assert np.allclose(found, [[by_hand(perceptron, USERS[u], item) for item in ITEMS] for u in index], atol=1e-5)


def test_its_gradient_is_that_of_the_plain_formula():
    perceptron = drawn().double()
    users = torch.from_numpy(USERS[:3]).double().requires_grad_()
    items = torch.from_numpy(ITEMS[:3]).double().requires_grad_()
    assert torch.autograd.gradcheck(perceptron, (users, items))
    small = 1e-6
    perceptron(users, items).sum().backward()
    weight = perceptron.item.weight
    before = sum(by_hand(perceptron, u.detach().numpy(), i.detach().numpy()) for u, i in zip(users, items, strict=True))
    with torch.no_grad():
        weight[2, 1] += small
    after = sum(by_hand(perceptron, u.detach().numpy(), i.detach().numpy()) for u, i in zip(users, items, strict=True))
    assert (after - before) / small == pytest.approx(float(weight.grad[2, 1]), rel=1e-4, abs=1e-6)


def test_towers_before_a_perceptron_are_not_normalised():
    sides = [Tower([Codes("id", np.arange(n), n)], 5) for n in (4, 6)]
    model = TwoTower(*sides, similarity="mlp", hidden=[7, 4])
    index = torch.arange(4)
    users, items = model.vectors("user", index), model.vectors("item", index)
    assert torch.equal(users, sides[0](index))
    assert torch.equal(model.pair_scores(users, items), model.perceptron(users, items))
    drawn_items = torch.stack([items, items.flip(0)], dim=1)
    assert model.pair_scores(users[:, None], drawn_items).shape == (4, 2)

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from lab.models.towers.features import Bags, Codes, Numbers, encoder_of
from lab.models.towers.losses import bpr, log_probability_in_batch, logistic, sampled_softmax
from lab.models.towers.towers import Tower, TwoTower

BAGS = Bags("genres", np.array([0, 2, 2, 3, 6]), np.array([1, 0, 2, 0, 1, 2]), np.ones(6, np.float32), 3)
NUMBERS = Numbers("year", np.array([[1.0], [np.nan], [0.5], [-1]], np.float32))
TABLES = [Codes("id", np.array([0, -1, 1, 2]), 3), Codes("kind", np.array([0, 1, -1, 1]), 2), BAGS, NUMBERS]


def test_an_unknown_id_and_a_missing_category_are_zero():
    ids, codes = encoder_of(TABLES[0], 5), encoder_of(TABLES[1], 5)
    assert ids.vectors.num_embeddings == 4
    assert not ids(torch.tensor([1])).any()
    assert not codes(torch.tensor([2])).any()
    assert torch.equal(codes(torch.tensor([1])), codes(torch.tensor([3])))
    assert len({tuple(row.tolist()) for row in ids(torch.tensor([0, 2, 3]))}) == 3


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.booleans())
def test_a_bag_is_its_weighted_sum_or_mean(seed, mean):
    rng = np.random.default_rng(seed)
    dense = np.where(rng.random((7, 4)) < 0.5, rng.random((7, 4)) + 0.1, 0).astype(np.float32)
    rows, columns = np.nonzero(dense)
    offsets = np.concatenate([[0], np.cumsum((dense > 0).sum(1))])
    encoder = encoder_of(Bags("b", offsets, columns, dense[rows, columns], 4, mean), 3)
    index = rng.integers(0, 7, 9)
    weights = dense[index] / np.maximum(dense[index].sum(1, keepdims=True), 1e-9) if mean else dense[index]
    expected = weights @ encoder.vectors.weight.detach().numpy()
    assert np.allclose(encoder(torch.from_numpy(index)).detach(), expected, atol=1e-6)


def test_the_same_words_begin_alike_on_both_sides_and_differ_between_seeds():
    words = Bags("text", np.array([0, 2, 3]), np.array([0, 2, 1]), np.ones(3, np.float32), 3, mean=False, alike=True)
    vectors = {}
    for seed in (0, 1):
        torch.manual_seed(seed)
        left = Tower([words], 8)
        torch.randn(7)  # whatever was drawn between them
        right = Tower([words], 8)
        index = torch.arange(2)
        assert torch.equal(left(index), right(index))
        vectors[seed] = left(index)
    assert not torch.equal(vectors[0], vectors[1])
    torch.manual_seed(0)
    apart = replace(words, alike=False)
    assert not torch.equal(Tower([apart], 8)(index), Tower([apart], 8)(index))


def test_a_missing_number_is_told():
    encoder = encoder_of(NUMBERS, 3)
    assert encoder.values.tolist() == [[1, 0], [0, 1], [0.5, 0], [-1, 0]]
    whole = Numbers("v", np.array([[1, 2, 3], [np.nan] * 3], np.float32))
    assert encoder_of(whole, 3).values.shape == (2, 4)


@pytest.mark.parametrize("combine", ["sum", "concat"])
@pytest.mark.parametrize("hidden", [(), (8,), (8, 6)])
def test_towers_have_the_width_asked_for(combine, hidden):
    tower = Tower(TABLES, 5, combine=combine, hidden=hidden)
    assert tower(torch.arange(4)).shape == (4, 5)
    assert tower.names == ["id", "kind", "genres", "year"]


def test_the_sum_without_a_perceptron_is_the_sum():
    tower = Tower(TABLES, 5)
    index = torch.arange(4)
    assert torch.allclose(tower(index), sum(encoder(index) for encoder in tower.encoders))


def test_large_tables_have_sparse_gradients():
    tower = Tower(TABLES, 5, sparse_from=3)
    tower(torch.tensor([0, 2])).sum().backward()
    assert tower.encoders[0].vectors.weight.grad.is_sparse
    assert not tower.encoders[1].vectors.weight.grad.is_sparse


def test_scores():
    model = TwoTower(Tower(TABLES[:1], 5), Tower(TABLES[1:], 5), temperature=0.5, learned=True)
    users, items = model.vectors("user", torch.tensor([0, 2])), model.vectors("item", torch.tensor([0, 1, 3]))
    assert torch.allclose(users.norm(dim=1), torch.ones(2))
    scores = model.pair_scores(users[:, None], items)
    assert torch.allclose(scores, users @ items.T / 0.5)
    assert torch.allclose(model.pair_scores(users, items[:2]), scores.diagonal())
    scores.sum().backward()
    assert model.log_temperature.grad is not None
    dot = TwoTower(Tower(TABLES[:1], 5), Tower(TABLES[1:], 5), similarity="dot")
    assert torch.equal(dot.vectors("user", torch.tensor([0])), dot.user(torch.tensor([0])))


def test_losses_by_hand():
    positive, negative = torch.tensor([2.0, -1.0]), torch.tensor([[1.0, -torch.inf], [0.5, 3.0]])
    expected = (
        functional.binary_cross_entropy_with_logits(positive, torch.ones(2), reduction="none").sum()
        + functional.binary_cross_entropy_with_logits(torch.tensor([1.0, 0.5, 3.0]), torch.zeros(3), reduction="sum")
    ) / 2
    assert logistic(positive, negative) == pytest.approx(float(expected))
    pairs = [-functional.logsigmoid(torch.tensor(x)) for x in (1.0, -1.5, -4.0)]
    assert bpr(positive, negative) == pytest.approx(float((pairs[0] + (pairs[1] + pairs[2]) / 2) / 2))
    weights = torch.tensor([1.0, 3.0])
    assert bpr(positive, negative, weights) == pytest.approx(float((pairs[0] + 3 * (pairs[1] + pairs[2]) / 2) / 4))
    scores = torch.tensor([[1.0, 0.0], [-torch.inf, 2.0]])
    assert sampled_softmax(scores, torch.arange(2)) == pytest.approx(float(np.log(1 + np.exp(-1)) / 2))


@pytest.mark.parametrize("loss", [logistic, bpr])
def test_a_masked_negative_has_no_gradient(loss):
    positive = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    raw = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True, False, False], [True, True, True]])
    loss(positive, raw.masked_fill(mask, -torch.inf)).backward()
    assert torch.isfinite(raw.grad).all()
    assert not raw.grad[mask].any()
    assert raw.grad[~mask].all()
    inner = lambda p, n: loss(p, n.masked_fill(mask, -torch.inf))  # noqa: E731
    assert torch.autograd.gradcheck(inner, (positive, raw))


def test_the_corrected_softmax_over_draws_is_the_softmax_over_all():
    """With logQ the mean of exp(corrected scores) over draws estimates the whole sum, whatever draws them."""
    rng = np.random.default_rng(0)
    scores, share = rng.normal(size=50), rng.dirichlet(np.ones(50))
    drawn = rng.choice(50, 200_000, p=share)
    size = len(drawn)
    correction = log_probability_in_batch(torch.from_numpy(share[drawn]), size).numpy()
    assert np.exp(scores[drawn] - correction).sum() == pytest.approx(np.exp(scores).sum(), rel=0.02)
    mixed = np.concatenate([drawn, rng.integers(0, 50, 50_000)])
    correction = log_probability_in_batch(torch.from_numpy(share[mixed]), size, 50_000, 50).numpy()
    assert np.exp(scores[mixed] - correction).sum() == pytest.approx(np.exp(scores).sum(), rel=0.02)

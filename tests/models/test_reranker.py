"""The second stage's network and loss."""

from __future__ import annotations

import pytest
import torch

from lab.models.reranker import Members, Reranker, listwise_softmax


def reranker(**settings):
    torch.manual_seed(0)
    return Reranker(4, torch.tensor([0.5, 2.0]), torch.tensor([0.1, 3.0]), **settings)


def inputs(b=3, k=5):
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(*shape, generator=generator) for shape in ((b, 4), (b, k, 4), (b, k, 2))]


@pytest.mark.parametrize("hidden", [(), (8,), (8, 6)])
def test_untrained_it_keeps_the_order_of_the_first_stage(hidden):
    users, items, numbers = inputs()
    scores = reranker(hidden=hidden)(users, items, numbers)
    assert scores.shape == (3, 5)
    assert torch.equal(scores.argsort(1), numbers[..., 0].argsort(1))


def test_members_answer_with_their_mean():
    members = [reranker(hidden=(8,)) for _ in range(3)]
    for place, member in enumerate(members):
        torch.nn.init.constant_(member.perceptron[-1].bias, float(place))
    scores = Members(members)(*inputs())
    assert torch.allclose(scores, members[1](*inputs()))


def test_softmax_over_a_list_by_its_formula():
    scores = torch.tensor([[1.0, 2.0, 0.0], [0.5, -1.0, -torch.inf]], requires_grad=True)
    relevant = torch.tensor([[True, False, True], [False, True, False]])
    first = -(torch.tensor(1.0) + 0.0) / 2 + torch.tensor([1.0, 2.0, 0.0]).exp().sum().log()
    second = 1.0 + torch.tensor([0.5, -1.0]).exp().sum().log()
    loss = listwise_softmax(scores, relevant)
    assert loss.item() == pytest.approx((first + second).item() / 2, abs=1e-6)
    loss.backward()
    assert torch.isfinite(scores.grad).all()
    assert scores.grad.sum(1) == pytest.approx([0, 0], abs=1e-6)

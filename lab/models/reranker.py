"""The second stage of a funnel: a small network that looks at a user and one of her candidates together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class Reranker(nn.Module):
    """A candidate's first-stage score, and a correction to it by a multilayer perceptron on crossed features.

    Read are both vectors (dimension each), their product number by number, and `numbers` numbers about the pair (the
    ranking stage of Covington, Adams and Sargin 2016, "Deep neural networks for YouTube recommendations", RecSys).
    The first of the numbers is the score. The last layer starts at zero, so that an untrained network keeps the order
    of the first stage. `mean` and `deviation` (numbers,): of the numbers in the training lists.
    """

    def __init__(
        self,
        dimension: int,
        mean: Tensor,
        deviation: Tensor,
        *,
        hidden: Sequence[int] = (64,),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.register_buffer("mean", mean.float().clone())  # one that members share would be kept once
        self.register_buffer("deviation", deviation.float().clamp(min=1e-6))
        self.scale = nn.Parameter(torch.ones(()))
        layers: list[nn.Module] = []
        for before, after in pairwise([3 * dimension + len(mean), *hidden]):
            layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(dropout)]
        last = nn.Linear([3 * dimension + len(mean), *hidden][-1], 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.perceptron = nn.Sequential(*layers, last)

    def forward(self, users: Tensor, items: Tensor, numbers: Tensor) -> Tensor:
        """Users (b, d), their candidates (b, k, d) and the numbers of each pair (b, k, s) → scores (b, k)."""
        scaled = (numbers - self.mean) / self.deviation
        users = users[:, None].expand_as(items)
        read = torch.cat([users, items, users * items, scaled], dim=2)
        return self.scale * scaled[..., 0] + self.perceptron(read).squeeze(2)


class Members(nn.Module):
    """Several re-rankers as one, whose score is their mean (bagging; Breiman 1996)."""

    def __init__(self, members: Sequence[Reranker]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, users: Tensor, items: Tensor, numbers: Tensor) -> Tensor:
        """As `Reranker`."""
        return torch.stack([member(users, items, numbers) for member in self.members]).mean(0)


def listwise_softmax(scores: Tensor, relevant: Tensor) -> Tensor:
    """Softmax over each user's candidates, the mean over her relevant ones (Cao et al. 2007, "ListNet"; Bruch 2019).

    `scores` (b, k), -inf where there is no candidate; `relevant` (b, k) bool, at least one a user.
    """
    logarithms = torch.log_softmax(scores, dim=1).masked_fill(~relevant, 0.0)
    return -(logarithms.sum(1) / relevant.sum(1)).mean()

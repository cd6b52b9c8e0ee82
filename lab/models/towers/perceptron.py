"""The same pair into a perceptron: both sides' vectors concatenated, one score out; no inner product, no space.

The MLP of He et al. 2017, "Neural Collaborative Filtering" (WWW; arXiv:1708.05031). Every pair is scored by itself: a
baseline of what a score could be, not a way to search (Rendle et al. 2020, "Neural Collaborative Filtering vs. Matrix
Factorization Revisited", RecSys).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

PAIRS_AT_ONCE = 2**15
"""So many pairs go through the layers together, whatever is ranked: a few megabytes, as a processor's cache holds."""


class PairPerceptron(nn.Module):
    """Vectors (…, d) of users and (…, d) of items → scores (…): a perceptron of both, one behind the other.

    `hidden`: widths of its hidden layers, at least one. The first layer is kept as two, one a side, so that each
    vector passes it once, however many pairs it stands in.
    """

    def __init__(self, dimension: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.user = nn.Linear(dimension, hidden[0])
        self.item = nn.Linear(dimension, hidden[0], bias=False)
        layers: list[nn.Module] = []
        for before, after in pairwise([*hidden, 1]):
            layers += [nn.ReLU(), nn.Linear(before, after)]
        self.rest = nn.Sequential(*layers)

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """(…, d) and (…, d), of shapes that go together → (…)."""
        return self.rest(self.user(users) + self.item(items)).squeeze(-1)


def by_perceptron(
    perceptron: PairPerceptron, users: NDArray[np.float32], items: NDArray[np.float32]
) -> Callable[[NDArray[np.int64]], NDArray[np.float32]]:
    """Score every item for some users: `users` (u, d), `items` (n, d) float32; users (b,) int64 → scores (b, n).

    Beside the scores it holds no more than `PAIRS_AT_ONCE` pairs at a time.
    """
    with torch.inference_mode():
        left, right = perceptron.user(torch.from_numpy(users)), perceptron.item(torch.from_numpy(items))
    count, at_once = len(items), max(1, PAIRS_AT_ONCE // len(items))

    def scores(index: NDArray[np.int64]) -> NDArray[np.float32]:
        found = np.empty((len(index), count), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(index), at_once):
                own = left[torch.from_numpy(index[start : start + at_once])][:, None]
                for first in range(0, count, PAIRS_AT_ONCE):
                    part = slice(first, first + PAIRS_AT_ONCE)
                    found[start : start + at_once, part] = perceptron.rest(own + right[part]).squeeze(-1).numpy()
        return found

    return scores

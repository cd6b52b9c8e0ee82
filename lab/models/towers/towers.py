"""Two towers: two encoders that end in one space, where pairs that belong together score higher than pairs that do not.

Huang et al. 2013 (DSSM), Yi et al. 2019 ("Sampling-bias-corrected neural modeling", RecSys).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from lab.models.towers.features import Table, encoder_of
from lab.models.towers.perceptron import PairPerceptron

Similarity = Literal["cosine", "dot", "mlp"]


class Tower(nn.Module):
    """One side: its features, each encoded, joined, and perhaps put through a multilayer perceptron.

    `tables`: features of all n entities. `combine`: `sum` (all encoders of the same width) or `concat`. `hidden`:
    widths of the perceptron's hidden layers; empty with `sum`: none at all. Tables of at least `sparse_from` rows have
    sparse gradients.
    """

    def __init__(
        self,
        tables: Sequence[Table],
        dimension: int,
        *,
        combine: Literal["sum", "concat"] = "sum",
        hidden: Sequence[int] = (),
        dropout: float = 0.0,
        sparse_from: int = 50_000,
    ) -> None:
        super().__init__()
        width = hidden[0] if hidden and combine == "sum" else dimension
        self.names = [table.name for table in tables]
        self.encoders = nn.ModuleList(encoder_of(table, width, sparse_from) for table in tables)
        self.combine, self.dimension = combine, dimension
        widths = [width * (len(tables) if combine == "concat" else 1), *hidden, dimension]
        layers: list[nn.Module] = []
        if hidden or combine == "concat":
            for number, (before, after) in enumerate(pairwise(widths)):
                layers += [nn.ReLU(), nn.Dropout(dropout)] if number else []
                layers.append(nn.Linear(before, after))
        self.perceptron = nn.Sequential(*layers)

    def forward(self, index: Tensor) -> Tensor:
        """Entities (b,) int64 → vectors (b, dimension), of any length."""
        parts = [encoder(index) for encoder in self.encoders]
        joined = torch.cat(parts, dim=1) if self.combine == "concat" else torch.stack(parts).sum(0)
        return self.perceptron(joined)


class TwoTower(nn.Module):
    """Two towers and how their vectors are compared: by cosine over a temperature, inner product, or a perceptron.

    `temperature`: fixed, or where `learned` where it starts; of the cosine alone. `hidden`: of the perceptron (`mlp`)
    that a pair's two vectors go into.
    """

    def __init__(
        self,
        user: Tower,
        item: Tower,
        *,
        similarity: Similarity = "cosine",
        temperature: float = 0.2,
        learned: bool = False,
        hidden: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.user, self.item, self.similarity = user, item, similarity
        start = torch.tensor(temperature if similarity == "cosine" else 1.0).log()
        if learned:
            self.log_temperature = nn.Parameter(start)
        else:
            self.register_buffer("log_temperature", start)
        self.perceptron = PairPerceptron(user.dimension, hidden) if similarity == "mlp" else None

    @property
    def temperature(self) -> Tensor:
        """What scores are divided by."""
        return self.log_temperature.exp()

    def vectors(self, side: Literal["user", "item"], index: Tensor) -> Tensor:
        """Vectors (b, d) of entities of one side, of length 1 where they are compared by cosine."""
        return comparable((self.user if side == "user" else self.item)(index), self.similarity)

    def pair_scores(self, users: Tensor, items: Tensor) -> Tensor:
        """Vectors (…, d) of users with vectors (…, d) of items, pair by pair: (…)."""
        if self.perceptron is not None:
            return self.perceptron(users, items)
        return (users * items).sum(-1) / self.temperature


def comparable(vectors: Tensor, similarity: Similarity) -> Tensor:
    """Vectors (b, d) as they are compared: of length 1 by cosine, else as they are."""
    return functional.normalize(vectors, dim=1) if similarity == "cosine" else vectors


def in_chunks(embed: Callable[[Tensor], Tensor], count: int, at_once: int = 8192) -> NDArray[np.float32]:
    """Vectors (count, d) float32 of the entities 0 to `count` - 1, without gradients; `embed`: (b,) int64 → (b, d)."""
    with torch.inference_mode():
        parts = [embed(torch.arange(start, min(start + at_once, count))) for start in range(0, count, at_once)]
    return torch.cat(parts).float().numpy()

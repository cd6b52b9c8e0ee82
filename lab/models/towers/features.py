"""What is known of the entities of one side, as arrays, and the small encoders that turn each of it into a vector.

A table holds one feature of all entities, row by row; an encoder embeds some of its rows. An entity that training does
not know has no id vector of its own and is embedded from the rest of what is known of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from lab.models.towers.backbone_feature import Activations, BackboneEncoder, begin_alike


@dataclass(frozen=True)
class Codes:
    """One level an entity: its category, or among the entities that training sees itself.

    `values` (n,) int64 in [0, levels), -1 where it is missing or was not seen in training.
    """

    name: str
    values: NDArray[np.int64]
    levels: int


@dataclass(frozen=True)
class Bags:
    """Any number of categories, words or items an entity, as the rows of a sparse matrix (n, levels).

    `offsets` (n + 1,), `indices` (nnz,) int64 and `weights` (nnz,) float32. The embedding is the weighted sum, or with
    `mean` that divided by the sum of weights; an empty row has zeros. `dropout`: the share of entries left out at
    random while training, the others weighing as much more (Liang et al. 2018, "Variational autoencoders for
    collaborative filtering", for histories). `alike`: what a level begins as is the same in every tower of a seed, so
    that two sides match the same words before they are trained.
    """

    name: str
    offsets: NDArray[np.int64]
    indices: NDArray[np.int64]
    weights: NDArray[np.float32]
    levels: int
    mean: bool = True
    dropout: float = 0.0
    alike: bool = False


@dataclass(frozen=True)
class Numbers:
    """Numbers or ready vectors: `values` (n, m) float32, scaled as they are to be read, NaN where one is missing.

    `told`: the columns of which a tower is told that they are missing, by default those of `told_missing`. `alike`: as
    of `Bags`.
    """

    name: str
    values: NDArray[np.float32]
    told: tuple[int, ...] | None = None
    alike: bool = False


Table = Codes | Bags | Numbers | Activations


def told_missing(values: NDArray[np.float32]) -> tuple[int, ...]:
    """The columns of (n, m) that are missing for some, as few as say it: of vectors missing as a whole only one."""
    missing = np.isnan(values)
    columns = np.flatnonzero(missing.any(axis=0))
    whole = len(columns) > 0 and bool((missing[:, columns] == missing[:, columns[:1]]).all())
    return tuple(int(column) for column in columns[: 1 if whole else None])


def something_known(table: Table, count: int) -> NDArray[np.bool_]:
    """Of which of the `count` entities of a table anything is known, (n,) bool."""
    match table:
        case Codes():
            return table.values >= 0
        case Bags():
            return np.diff(table.offsets) > 0
        case Numbers():
            return np.asarray(~np.isnan(table.values).all(axis=1))
        case Activations():
            return np.ones(count, dtype=bool)


class RowEncoder(nn.Module):
    """A row of a table for each entity: its own, or its category's; row 0 stands for none and stays zero.

    `rows` (n,) int64: which row, from 0 to `count`.
    """

    def __init__(self, rows: NDArray[np.int64], count: int, dimension: int, sparse: bool) -> None:
        super().__init__()
        self.register_buffer("rows", torch.from_numpy(rows), persistent=False)
        self.vectors = nn.Embedding(count + 1, dimension, padding_idx=0, sparse=sparse)
        _draw(self.vectors, dimension)

    def forward(self, index: Tensor) -> Tensor:
        """Entities (b,) int64 → (b, d)."""
        return self.vectors(self.rows[index])


class BagEncoder(nn.Module):
    """The weighted sum or mean of the rows of a bag."""

    def __init__(self, table: Bags, dimension: int, sparse: bool) -> None:
        super().__init__()
        weights = table.weights.astype(np.float64)
        if table.mean:
            owner = np.repeat(np.arange(len(table.offsets) - 1), np.diff(table.offsets))
            total = np.bincount(owner, weights, minlength=len(table.offsets) - 1)
            weights = weights / np.where(total == 0, 1, total)[owner]
        for name, array in (("offsets", table.offsets), ("indices", table.indices)):
            self.register_buffer(name, torch.from_numpy(array.astype(np.int64)), persistent=False)
        self.register_buffer("weights", torch.from_numpy(weights.astype(np.float32)), persistent=False)
        self.dropout = table.dropout
        self.vectors = nn.EmbeddingBag(max(1, table.levels), dimension, mode="sum", sparse=sparse)
        # Of a seed, not of what was drawn before: random projections that both sides share keep inner products
        # (Johnson and Lindenstrauss 1984), so that training starts from how well TF-IDF matches.
        seeded = torch.Generator().manual_seed(torch.initial_seed()) if table.alike else None
        _draw(self.vectors, dimension, seeded)

    def forward(self, index: Tensor) -> Tensor:
        """Entities (b,) int64 → (b, d)."""
        starts = self.offsets[index]
        lengths = self.offsets[index + 1] - starts
        begins = lengths.cumsum(0) - lengths
        places = torch.arange(int(lengths.sum())) + torch.repeat_interleave(starts - begins, lengths)
        weights = functional.dropout(self.weights[places], self.dropout, self.training)
        return self.vectors(self.indices[places], begins, per_sample_weights=weights)


class NumberEncoder(nn.Module):
    """A linear map of the numbers; a missing one counts as 0 and is said to be missing."""

    def __init__(self, table: Numbers, dimension: int) -> None:
        super().__init__()
        told = told_missing(table.values) if table.told is None else table.told
        missing = np.isnan(table.values)
        values = np.concatenate([np.where(missing, 0, table.values), missing[:, list(told)]], axis=1)
        self.register_buffer("values", torch.from_numpy(values.astype(np.float32)), persistent=False)
        self.linear = nn.Linear(values.shape[1], dimension, bias=False)
        if table.alike:
            begin_alike(self.linear.weight, table.values.shape[1])

    def forward(self, index: Tensor) -> Tensor:
        """Entities (b,) int64 → (b, d)."""
        return functional.linear(self.values[index], self.linear.weight)


def encoder_of(table: Table, dimension: int, sparse_from: int = 50_000) -> nn.Module:
    """The encoder of a table, into `dimension` numbers; gradients of at least `sparse_from` rows are sparse tensors."""
    match table:
        case Codes(values=values, levels=levels):
            return RowEncoder(values + 1, levels, dimension, levels >= sparse_from)
        case Bags():
            return BagEncoder(table, dimension, table.levels >= sparse_from)
        case Numbers():
            return NumberEncoder(table, dimension)
        case Activations():
            return BackboneEncoder(table, dimension)


def _draw(vectors: nn.Embedding | nn.EmbeddingBag, dimension: int, generator: torch.Generator | None = None) -> None:
    """Short random vectors, so that a mean of many is no shorter than it has to be and none dominates at the start."""
    nn.init.normal_(vectors.weight, std=dimension**-0.5, generator=generator)
    if isinstance(vectors, nn.Embedding):
        with torch.no_grad():
            vectors.weight[0] = 0

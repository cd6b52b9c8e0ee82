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


@dataclass(frozen=True)
class Ids:
    """An embedding of its own for each entity; `known` (n,) bool: those that training sees, all others have zeros."""

    name: str
    known: NDArray[np.bool_]


@dataclass(frozen=True)
class Codes:
    """A category an entity: `values` (n,) int64 in [0, levels), -1 where it is missing or was not seen in training."""

    name: str
    values: NDArray[np.int64]
    levels: int


@dataclass(frozen=True)
class Bags:
    """Any number of categories, words or items an entity, as the rows of a sparse matrix (n, levels).

    `offsets` (n + 1,), `indices` (nnz,) int64 and `weights` (nnz,) float32. The embedding is the weighted sum, or with
    `mean` that divided by the sum of weights; an empty row has zeros.
    """

    name: str
    offsets: NDArray[np.int64]
    indices: NDArray[np.int64]
    weights: NDArray[np.float32]
    levels: int
    mean: bool = True


@dataclass(frozen=True)
class Numbers:
    """Numbers or ready vectors: `values` (n, m) float32, scaled as they are to be read, NaN where one is missing."""

    name: str
    values: NDArray[np.float32]


Table = Ids | Codes | Bags | Numbers


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
        self.vectors = nn.EmbeddingBag(max(1, table.levels), dimension, mode="sum", sparse=sparse)
        _draw(self.vectors, dimension)

    def forward(self, index: Tensor) -> Tensor:
        """Entities (b,) int64 → (b, d)."""
        starts = self.offsets[index]
        lengths = self.offsets[index + 1] - starts
        begins = lengths.cumsum(0) - lengths
        places = torch.arange(int(lengths.sum())) + torch.repeat_interleave(starts - begins, lengths)
        return self.vectors(self.indices[places], begins, per_sample_weights=self.weights[places])


class NumberEncoder(nn.Module):
    """A linear map of the numbers; a missing one counts as 0 and is said to be missing."""

    def __init__(self, table: Numbers, dimension: int) -> None:
        super().__init__()
        missing = np.isnan(table.values)
        values = np.where(missing, 0, table.values)
        patterns = missing[:, missing.any(axis=0)]
        if patterns.size:
            whole = bool((patterns == patterns[:, :1]).all())  # a vector is missing as a whole: one column says it
            values = np.concatenate([values, patterns[:, :1] if whole else patterns], axis=1)
        self.register_buffer("values", torch.from_numpy(values.astype(np.float32)), persistent=False)
        self.linear = nn.Linear(values.shape[1], dimension, bias=False)

    def forward(self, index: Tensor) -> Tensor:
        """Entities (b,) int64 → (b, d)."""
        return functional.linear(self.values[index], self.linear.weight)


def encoder_of(table: Table, dimension: int, sparse_from: int = 50_000) -> nn.Module:
    """The encoder of a table, into `dimension` numbers; gradients of at least `sparse_from` rows are sparse tensors."""
    match table:
        case Ids(known=known):
            count = int(known.sum())
            rows = np.where(known, np.cumsum(known), 0).astype(np.int64)
            return RowEncoder(rows, count, dimension, count >= sparse_from)
        case Codes(values=values, levels=levels):
            return RowEncoder(values + 1, levels, dimension, levels >= sparse_from)
        case Bags():
            return BagEncoder(table, dimension, table.levels >= sparse_from)
        case Numbers():
            return NumberEncoder(table, dimension)


def _draw(vectors: nn.Embedding | nn.EmbeddingBag, dimension: int) -> None:
    """Short random vectors, so that a mean of many is no shorter than it has to be and none dominates at the start."""
    nn.init.normal_(vectors.weight, std=dimension**-0.5)
    if isinstance(vectors, nn.Embedding):
        with torch.no_grad():
            vectors.weight[0] = 0

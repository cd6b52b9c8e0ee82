"""A pretrained network as a feature of a tower: what its frozen blocks make is given, the blocks behind are trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lab.models.backbone import Backbone

ENTITIES_AT_ONCE = 64
"""So many go through the network together: alike in length, so that little is padded."""


@dataclass(frozen=True)
class Activations:
    """What the first `cut` blocks of a network make of each entity; the blocks from there on are trained.

    `batch`: entities (b,) int64 → what block `cut` takes, (b, T, …) with the mask (b, T) bool of texts, or (b, …) and
    None. `lengths` (n,) int32: tokens of each, ones of pictures.
    """

    name: str
    backbone: Backbone
    cut: int
    batch: Callable[[NDArray[np.int64]], tuple[Tensor, Tensor | None]]
    lengths: NDArray[np.int32]


class BackboneEncoder(nn.Module):
    """Pooled features of the network behind its frozen blocks, and a linear map of them.

    Each entity of a batch is embedded once, however often it comes. Frozen blocks stay in evaluation mode, and so do
    all batch norms: a batch of pairs holds what is popular, whose statistics say nothing of all entities.
    """

    def __init__(self, table: Activations, dimension: int) -> None:
        super().__init__()
        self.backbone, self.cut, self.lengths, self.batch = table.backbone, table.cut, table.lengths, table.batch
        self.backbone.requires_grad_(False)
        for block in self.backbone.blocks[self.cut :]:
            block.requires_grad_(True)
        self.linear = nn.Linear(self.backbone.feature_dim, dimension, bias=False)
        begin_alike(self.linear.weight)

    def forward(self, index: Tensor) -> Tensor:
        """Entities (b,) int64 → (b, d)."""
        unique, places = index.unique(return_inverse=True)
        entities = unique.numpy()
        order = np.argsort(self.lengths[entities], kind="stable")
        parts = [
            self._features(entities[order[start : start + ENTITIES_AT_ONCE]])
            for start in range(0, len(order), ENTITIES_AT_ONCE)
        ]
        back = torch.from_numpy(np.argsort(order, kind="stable"))
        return self.linear(torch.cat(parts)[back])[places]

    def _features(self, entities: NDArray[np.int64]) -> Tensor:
        x, mask = self.batch(entities)
        return self.backbone.pool(self.backbone.run_blocks(x, mask, start=self.cut), mask)

    def train(self, mode: bool = True) -> BackboneEncoder:
        """As `nn.Module.train`, frozen blocks and batch norms apart."""
        super().train(mode)
        self.backbone.blocks[: self.cut].eval()
        for module in self.backbone.modules():
            if isinstance(module, _BatchNorm):
                module.eval()
        return self


def begin_alike(weight: Tensor, columns: int | None = None) -> None:
    """Draw the first `columns` of a linear map (d, m) from torch's seed alone, not from what was drawn before.

    Two towers of a seed so begin with the same random projection of what a network says of either side, which keeps
    inner products (Johnson and Lindenstrauss 1984): training starts from how well the network itself matches them.
    """
    width = weight.shape[1] if columns is None else columns
    drawn = torch.empty(weight.shape[0], width)
    bound = width**-0.5
    drawn.uniform_(-bound, bound, generator=torch.Generator().manual_seed(torch.initial_seed()))
    with torch.no_grad():
        weight[:, :width] = drawn

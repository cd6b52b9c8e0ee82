"""A backbone with a head for classes, runnable from any cut; what of it is saved, and the mix of all blocks' features.

Scalar mix: Peters et al. 2018, "Deep contextualized word representations" (arXiv:1802.05365), section 3.2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class ScalarMix(nn.Module):
    """Class scores of a learned mix of blocks: `gamma * Σ softmax(weights)_k W_k f_k + bias`.

    `f_k` are the pooled features of block k, centred and of mean variance 1 (`standardise`). Where blocks are equally
    wide they share one `W`, as in ELMo; a convolutional network's are not, and each has its own.
    Input: (m, Σ d_k) float32, the blocks' features side by side. Output: (m, C).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, widths: Sequence[int], classes: int, generator: torch.Generator) -> None:
        super().__init__()
        self.widths = list(widths)
        shared = len(set(widths)) == 1
        self.weights = nn.Parameter(torch.zeros(len(widths)))
        self.gamma = nn.Parameter(torch.ones(()))
        self.maps = nn.ParameterList(
            _uniform((classes, width), width, generator) for width in (widths[:1] if shared else widths)
        )
        self.bias = nn.Parameter(torch.zeros(classes))
        self.register_buffer("mean", torch.zeros(sum(widths)))
        self.register_buffer("std", torch.ones(sum(widths)))

    def standardise(self, features: Tensor) -> None:
        """Take the features' means and each block's root mean variance from the training items, (n, Σ d_k)."""
        self.mean.copy_(features.mean(0))
        parts = features.var(0, correction=0).split(self.widths)
        self.std.copy_(torch.cat([part.mean().sqrt().clamp(min=1e-6).expand_as(part) for part in parts]))

    def mixed(self, features: Tensor) -> Tensor:
        """What the maps read: the mix (m, d) of equally wide blocks, or (m, Σ d_k), each block times its share."""
        parts = ((features - self.mean) / self.std).split(self.widths, dim=1)
        shares = self.weights.softmax(0)
        if len(self.maps) == 1:
            return torch.stack(parts, dim=-1) @ shares
        return torch.cat([share * part for share, part in zip(shares, parts, strict=True)], dim=1)

    def forward(self, features: Tensor) -> Tensor:
        """Class scores, (m, C)."""
        return self.gamma * (self.mixed(features) @ torch.cat(list(self.maps), dim=1).T) + self.bias


class Classifier(nn.Module):
    """A backbone and a linear head on its pooled features.

    `backbone`: has `block_names`, `blocks`, `feature_dim`, `run_blocks(x, mask, start, stop)` and
    `pool(x, mask, block)`. `mix_widths`: widths of all blocks' pooled features, for a `ScalarMix` head.
    `seed` draws the head's weights (uniform, as `nn.Linear` does); its biases begin at 0.
    """

    def __init__(
        self,
        backbone: Any,
        classes: int,
        *,
        dropout: float = 0.0,
        seed: int = 0,
        mix_widths: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.dropout = nn.Dropout(dropout)
        generator = torch.Generator().manual_seed(seed)
        self.head: nn.Module
        if mix_widths is not None:
            self.head = ScalarMix(mix_widths, classes, generator)
        else:
            self.head = nn.Linear(backbone.feature_dim, classes)
            self.head.weight = _uniform((classes, backbone.feature_dim), backbone.feature_dim, generator)
            self.head.bias = nn.Parameter(torch.zeros(classes))

    @property
    def blocks(self) -> int:
        """How many blocks the backbone has."""
        return len(self.backbone.block_names)

    def features(self, x: Tensor, mask: Tensor | None = None, start: int = 0) -> Tensor:
        """What the head gets (m, d) float32, from activations at the cut `start`.

        `x`: what is stored (uint8 images, token ids) at 0, hidden states between, and at `len(blocks)` the features
        themselves: pooled (m, d), or all blocks' side by side for a `ScalarMix`.
        """
        if start == self.blocks:
            return x.float()
        if isinstance(self.head, ScalarMix):
            return self.all_features(x, mask)
        x = x.float() if start and x.is_floating_point() else x
        return self.backbone.pool(self.backbone.run_blocks(x, mask, start=start), mask).float()

    def scores(self, features: Tensor) -> Tensor:
        """Class scores (m, C) float32 of what `features` returned, always computed in float32."""
        with torch.autocast("cpu", enabled=False):
            return self.head(self.dropout(features))

    def logits(self, x: Tensor, mask: Tensor | None = None, start: int = 0) -> Tensor:
        """Class scores (m, C) float32, from activations at the cut `start`."""
        return self.scores(self.features(x, mask, start))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Class scores (m, C) float32 of raw inputs."""
        return self.logits(x, mask)

    def all_features(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Pooled features of every block of raw inputs, side by side: (m, Σ d_k) float32."""
        found = []
        for index in range(self.blocks):
            x = self.backbone.run_blocks(x, mask, start=index, stop=index + 1)
            found.append(self.backbone.pool(x, mask, block=index).float())
        return torch.cat(found, dim=1)


def _uniform(shape: tuple[int, int], fan_in: int, generator: torch.Generator) -> nn.Parameter:
    bound = 1 / math.sqrt(fan_in)
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound, generator=generator))

"""An autoencoder's encoder as a backbone, and a backbone as the encoder of an autoencoder."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lab.errors import UserError
from lab.models.autoencoder.architecture import Architecture
from lab.models.autoencoder.autoencoder import Autoencoder, build_autoencoder
from lab.models.autoencoder.bottlenecks import LinearBottleneck, QuantisingBottleneck
from lab.models.autoencoder.objectives import make_objective
from lab.models.backbone import Backbone, Block, ImagePreprocessing, Location
from lab.models.weight_files import read_tensors

LATENT = "latent"
"""The last block: features to the embedding."""


def encoder_backbone(
    location: Location, pretrained: bool, image_size: int | None, blocks: Sequence[str] | None, seed: int = 0
) -> Backbone:
    """The encoder of a trained autoencoder: its named blocks, and the bottleneck as block `latent`.

    It reads pictures as the autoencoder did: of its size and channels, pixels from 0 to 1. Its features are the
    embedding; of a variational one the mean, of a vector-quantised one the vectors of the codebook, through which
    gradients pass straight. `seed`: of random weights. Raises as `load_backbone` does.
    """
    model = _built(location, image_size, blocks, seed)
    if pretrained:
        _load(model, location)
    channels, size, _ = model.architecture.shape
    preprocessing = ImagePreprocessing(size, (0.0,) * channels, (1.0,) * channels, "bicubic")
    parts = _blocks(model)
    found = [*map(Block, list(parts.values())[:-1]), Block(parts[LATENT], nn.Identity())]
    return Backbone(
        location.name, "image", list(parts), found, preprocessing, model.architecture.latent_size, pretrained
    )


class PictureBackbone(nn.Module):
    """A backbone that reads pictures (b, C, H, W) from 0 to 1, its first `frozen` blocks as they are for good.

    Those get no gradient and stay in evaluation mode. Grey pictures become RGB where the backbone reads that.
    Output: features (b, d).
    """

    def __init__(self, backbone: Backbone, frozen: int) -> None:
        super().__init__()
        self.backbone, self.frozen = backbone, frozen
        self.channels = backbone.mean.shape[1]
        self._frozen_blocks().requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """(b, C, H, W) → (b, d)."""
        return self.backbone(255 * x.expand(-1, self.channels, -1, -1))

    def train(self, mode: bool = True) -> PictureBackbone:
        """As `nn.Module.train`, the frozen blocks apart."""
        super().train(mode)
        self._frozen_blocks().eval()
        return self

    def frozen_names(self) -> set[str]:
        """Names of the parameters and buffers that training leaves as they are."""
        return {f"backbone.blocks.{name}" for name in self._frozen_blocks().state_dict()}

    def _frozen_blocks(self) -> nn.ModuleList:
        return self.backbone.blocks[: self.frozen]


def encoder_block_names(location: Location, image_size: int | None, blocks: Sequence[str] | None) -> tuple[str, ...]:
    """The names of the blocks, found without weights."""
    with torch.device("meta"):
        return tuple(_blocks(_built(location, image_size, blocks, seed=0)))


def _built(location: Location, image_size: int | None, blocks: Sequence[str] | None, seed: int) -> Autoencoder:
    architecture = _architecture(location.network["architecture"])
    side = architecture.shape[1]
    if image_size not in (None, side):
        raise UserError(
            f"backbone {location.name!r} reads pictures of {side} pixels a side, as it was trained; leave "
            "backbone.image_size out"
        )
    if blocks:
        raise UserError(f"backbone {location.name!r} has blocks of its own; leave backbone.blocks out")
    objective: Mapping[str, Any] = location.network["objective"]
    return build_autoencoder(architecture, make_objective(str(objective["kind"]), objective), seed)


def _architecture(given: Mapping[str, Any]) -> Architecture:
    lists = {key: tuple(given[key]) for key in ("shape", "widths")}
    return Architecture(**{**given, **lists})


def _load(model: Autoencoder, location: Location) -> None:
    if location.weights is None:
        raise UserError(f"backbone {location.name!r}: this run is not made yet")
    tensors = read_tensors(location.weights, location.name)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise UserError(f"backbone {location.name!r}: {location.weights} does not fit its run's config") from error


def _blocks(model: Autoencoder) -> OrderedDict[str, nn.Module]:
    """The encoder's parts by name, each with what stands before it and has no parameters; then the bottleneck."""
    found: OrderedDict[str, nn.Module] = OrderedDict()
    before: list[nn.Module] = []
    for name, part in model.encoder.named_children():
        before.append(part)
        if any(True for _ in part.parameters()):
            found[name] = before[0] if len(before) == 1 else nn.Sequential(*before)
            before = []
    found[LATENT] = nn.Sequential(*before, _embedding(model.bottleneck))
    return found


def _embedding(bottleneck: LinearBottleneck) -> nn.Module:
    """Features to embedding, with no parameter that the embedding does not depend on."""
    if isinstance(bottleneck, QuantisingBottleneck):
        return StraightThrough(bottleneck)
    return bottleneck.linear if type(bottleneck).forward is LinearBottleneck.forward else bottleneck


class StraightThrough(nn.Module):
    """A vector-quantised embedding whose gradient is that of the vector before the choice (Bengio et al. 2013)."""

    def __init__(self, bottleneck: QuantisingBottleneck) -> None:
        super().__init__()
        self.bottleneck = bottleneck

    def forward(self, features: Tensor) -> Tensor:
        """(b, f) → (b, d)."""
        z = self.bottleneck.linear(features)
        return z + (self.bottleneck.settle(z) - z).detach()

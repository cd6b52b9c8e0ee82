"""The layers that an autoencoder's encoder and decoder are made of, stage by stage, each a named block."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from math import prod

from torch import Tensor, nn

from lab.models.autoencoder.architecture import Architecture

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
}


def dense_encoder(plan: Architecture) -> nn.Sequential:
    """(b, C, H, W) → (b, features): blocks `layer1`, `layer2`, …, one a width."""
    blocks: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    inside = prod(plan.shape)
    for number, width in enumerate(plan.widths, start=1):
        blocks[f"layer{number}"] = nn.Sequential(*_dense(plan, inside, width), *_repeat_dense(plan, width))
        inside = width
    return nn.Sequential(blocks)


def dense_decoder(plan: Architecture) -> nn.Sequential:
    """(b, latent) → (b, C, H, W), unbounded: the encoder's layers in reverse."""
    blocks: OrderedDict[str, nn.Module] = OrderedDict()
    inside = plan.latent_size
    for number, width in reversed(list(enumerate(plan.widths, start=1))):
        blocks[f"layer{number}"] = nn.Sequential(*_dense(plan, inside, width), *_repeat_dense(plan, width))
        inside = width
    blocks["picture"] = nn.Sequential(nn.Linear(inside, prod(plan.shape)), nn.Unflatten(1, plan.shape))
    return nn.Sequential(blocks)


def convolutional_encoder(plan: Architecture) -> nn.Sequential:
    """(b, C, H, W) → (b, features): blocks `stage1`, `stage2`, …, each halving the picture, rounding up."""
    blocks: OrderedDict[str, nn.Module] = OrderedDict()
    inside = plan.shape[0]
    for number, width in enumerate(plan.widths, start=1):
        down = nn.Conv2d(inside, width, 3, stride=2, padding=1)
        blocks[f"stage{number}"] = nn.Sequential(down, *_after(plan, width, 2), *_repeat_convolution(plan, width))
        inside = width
    blocks["flatten"] = nn.Flatten()
    return nn.Sequential(blocks)


def convolutional_decoder(plan: Architecture) -> nn.Sequential:
    """(b, latent) → (b, C, H, W), unbounded: the encoder's stages in reverse, each doubling the map."""
    blocks: OrderedDict[str, nn.Module] = OrderedDict()
    sizes, widths = plan.sizes(), [plan.shape[0], *plan.widths]
    blocks["map"] = nn.Sequential(
        nn.Linear(plan.latent_size, plan.features),
        nn.Unflatten(1, (widths[-1], *sizes[-1])),
        *_after(plan, widths[-1], 2),
    )
    for number in range(len(plan.widths), 0, -1):
        up = Doubling(widths[number], widths[number - 1], sizes[number - 1])
        last = [] if number == 1 else _after(plan, widths[number - 1], 2)
        blocks[f"stage{number}"] = nn.Sequential(*_repeat_convolution(plan, widths[number]), up, *last)
    return nn.Sequential(blocks)


class Doubling(nn.Module):
    """A transposed convolution to twice the size, less the last row or column where `size` (height, width) is odd."""

    def __init__(self, inside: int, outside: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size
        self.convolution = nn.ConvTranspose2d(inside, outside, 4, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(b, inside, h, w) → (b, outside, *size)."""
        height, width = self.size
        return self.convolution(x)[:, :, :height, :width]


def _dense(plan: Architecture, inside: int, outside: int) -> Iterator[nn.Module]:
    yield nn.Linear(inside, outside)
    yield from _after(plan, outside, 1)


def _repeat_dense(plan: Architecture, width: int) -> Iterator[nn.Module]:
    for _ in range(plan.depth - 1):
        yield from _dense(plan, width, width)


def _repeat_convolution(plan: Architecture, width: int) -> Iterator[nn.Module]:
    for _ in range(plan.depth - 1):
        yield nn.Conv2d(width, width, 3, padding=1)
        yield from _after(plan, width, 2)


def _after(plan: Architecture, width: int, dimensions: int) -> list[nn.Module]:
    """Normalisation and activation that follow a layer."""
    normalisation: list[nn.Module] = []
    if plan.normalisation == "batch":
        normalisation = [nn.BatchNorm1d(width) if dimensions == 1 else nn.BatchNorm2d(width)]
    elif plan.normalisation == "layer":
        normalisation = [nn.LayerNorm(width) if dimensions == 1 else nn.GroupNorm(1, width)]
    return [*normalisation, ACTIVATIONS[plan.activation]()]

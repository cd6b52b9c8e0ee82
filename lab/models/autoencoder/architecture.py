"""The plan of an autoencoder as plain data, checked before anything heavy is imported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, log2, prod
from typing import Literal

from lab.errors import UserError


@dataclass(frozen=True)
class Architecture:
    """An encoder, its mirror image as decoder, and `latent_size` numbers between them.

    `shape`: of a picture, (channels, height, width). `widths`: of the dense layers, or the channels of the stages
    (convolutional), each of which halves the picture, rounding up. `depth`: dense layers a width, or convolutions a
    stage. With kind `backbone` a network that is given encodes, and widths and depth are the convolutional decoder's.
    `normalisation` `layer` is over all channels and pixels of a picture (Ba, Kiros and Hinton 2016, arXiv:1607.06450).
    """

    kind: Literal["dense", "convolutional", "backbone"]
    shape: tuple[int, int, int]
    widths: tuple[int, ...]
    depth: int = 1
    activation: Literal["relu", "gelu", "silu", "tanh", "elu"] = "relu"
    normalisation: Literal["none", "batch", "layer"] = "batch"
    latent_size: int = 32

    def sizes(self) -> list[tuple[int, int]]:
        """Height and width of the picture and of the map after each convolutional stage."""
        sizes = [self.shape[1:]]
        for _ in self.widths if self.kind != "dense" else ():
            height, width = sizes[-1]
            sizes.append((ceil(height / 2), ceil(width / 2)))
        return sizes

    @property
    def features(self) -> int:
        """Numbers that stand before the bottleneck, and after it in the decoder."""
        if self.kind == "dense":
            return self.widths[-1] if self.widths else prod(self.shape)
        return self.widths[-1] * prod(self.sizes()[-1])

    def check(self, codes: int = 1) -> None:
        """Raise `UserError`, naming the nearest that works, for what cannot be built.

        `codes`: of a vector-quantised bottleneck, which cuts the latent vector into so many parts of equal size.
        """
        if min(self.shape) < 1:
            raise UserError(f"model.image_size: a picture of {self.shape} (channels, height, width) holds nothing")
        if self.kind != "dense":
            self._check_stages()
        if self.kind != "backbone" and self.latent_size > self.features:
            last = "last layer has" if self.kind == "dense" else "last stage leaves"
            raise UserError(
                f"model.latent_size: {self.latent_size}: the {last} {self.features} numbers, and more than these "
                f"cannot be made of them; the largest that works is {self.features}, or give larger model.widths"
            )
        if self.latent_size % codes:
            nearest = self._nearest_sizes(lambda size: size % codes == 0)
            raise UserError(
                f"model.latent_size: {self.latent_size} does not part into {codes} codes of equal size "
                f"(objective.codes); the nearest that works: {nearest}"
            )

    def _check_stages(self) -> None:
        if not self.widths:
            raise UserError("model.widths: empty: a convolutional network needs at least one stage, e.g. [32, 64]")
        side, stages = min(self.shape[1:]), len(self.widths)
        if side <= 2 ** (stages - 1):
            fewer = ceil(log2(side))
            cure = f"model.image_size: {2 ** (stages - 1) + 1}"
            cure += f", or {fewer} stage{'s' * (fewer != 1)} (model.widths)" if fewer else ""
            raise UserError(
                f"model.image_size: {side} pixels a side cannot be halved by {stages} stages (model.widths); "
                f"the nearest that works: {cure}"
            )

    def _nearest_sizes(self, works: Callable[[int], bool]) -> str:
        """The next smaller and the next larger latent size that works, in words."""
        below = next((size for size in range(self.latent_size - 1, 0, -1) if works(size)), None)
        above = next(size for size in range(self.latent_size + 1, 1 << 30) if works(size))
        fits = self.kind == "backbone" or above <= self.features
        return " or ".join(str(size) for size in (below, above if fits else None) if size) or "fewer codes"

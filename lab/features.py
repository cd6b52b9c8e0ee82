"""Embeddings of pictures by linear maps of their pixels: as they are, or along their principal components."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lab.data.labelled.pixels import Shape
from lab.encoders import PixelEncoder
from lab.evaluation.principal_components import PrincipalComponents, principal_components


class RawPixels(PixelEncoder):
    """Pixels from 0 to 1 in a row."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    def embed(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels (m, C, H, W) uint8 as (m, C · H · W) float32."""
        return pixels.reshape(len(pixels), -1).astype(np.float32) / 255


class PrincipalPictures(RawPixels):
    """Coordinates along the principal components of pictures; `reconstruct` gives pictures back."""

    def __init__(self, shape: Shape, found: PrincipalComponents) -> None:
        super().__init__(shape)
        self.found = found

    @classmethod
    def fitted(cls, pixels: np.ndarray, size: int) -> PrincipalPictures:
        """The `size` first components of pixels (n, C, H, W) uint8."""
        channels, height, width = pixels.shape[1:]
        shape = (channels, height, width)
        return cls(shape, principal_components(RawPixels(shape).embed(pixels), size))

    def embed(self, pixels: np.ndarray) -> np.ndarray:
        """Coordinates (m, size) float32 of pixels (m, C, H, W) uint8."""
        return self.found.project(super().embed(pixels))

    def reconstruct(self, pixels: np.ndarray) -> np.ndarray:
        """What the components keep of pixels (m, C, H, W) uint8: (m, C, H, W) float32, not cut off at 0 and 1."""
        return self.found.restore(self.embed(pixels)).reshape(-1, *self.shape)

    def tensors(self) -> dict[str, np.ndarray]:
        """All there is to keep, for `of_tensors`."""
        return {"mean": self.found.mean, "components": self.found.components}

    @classmethod
    def of_tensors(cls, shape: Shape, tensors: Mapping[str, np.ndarray]) -> PrincipalPictures:
        """Read back what `tensors` gave."""
        return cls(shape, PrincipalComponents(tensors["mean"], tensors["components"]))

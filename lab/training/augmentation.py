"""Light augmentation of images: shifted, mirrored and recoloured, each as its own seed says."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

SHIFT = 1 / 8
"""Largest shift, as a share of a side; the edge is repeated."""
RECOLOUR = 0.2
"""Brightness, contrast and saturation are multiplied by up to 1 ± this."""


class LightAugmentation:
    """(m, 3, H, W) uint8 images and (m,) uint64 seeds → (m, 3, H, W) uint8: the same seed, the same change.

    `flip`: half of the images are mirrored left to right. `seed`: of the run, where each run is to see views of its
    own; None where views are kept and shared between runs.
    """

    def __init__(self, flip: bool = True, seed: int | None = None) -> None:
        self.flip, self.seed = flip, seed
        self.key = f"light-1{'-flip' if flip else ''}{'' if seed is None else f'-{seed}'}"

    def __call__(self, images: Tensor, seeds: np.ndarray) -> Tensor:
        """The changed images; the channels' memory order stays."""
        draws = torch.from_numpy(np.stack([self._draw(int(seed)) for seed in seeds])) if len(seeds) else None
        if draws is None:
            return images
        moved = self._moved(images, draws)
        return _recoloured(moved, 1 + RECOLOUR * draws[:, 3:].float()).contiguous(memory_format=_order(images))

    def _draw(self, seed: int) -> np.ndarray:
        words = [seed] if self.seed is None else [seed, self.seed]
        return np.random.default_rng(words).uniform(-1, 1, 6)

    def _moved(self, images: Tensor, draws: Tensor) -> Tensor:
        count, _, height, width = images.shape
        rows = torch.arange(height) + (draws[:, :1] * SHIFT * height).round().long()
        columns = torch.arange(width) + (draws[:, 1:2] * SHIFT * width).round().long()
        if self.flip:
            columns = torch.where(draws[:, 2:3] > 0, columns.flip(1), columns)
        rows, columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
        which = torch.arange(count)[:, None, None]
        return images.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _recoloured(images: Tensor, factors: Tensor) -> Tensor:
    """Brightness, contrast (around the mean grey) and saturation (around each pixel's grey) times `factors` (m, 3)."""
    brightness, contrast, saturation = factors.T[:, :, None, None, None]
    x = images.float() * brightness
    grey = (x * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    x = grey + saturation * (x - grey)
    mean = grey.mean((2, 3), keepdim=True)
    return (mean + contrast * (x - mean)).round_().clamp_(0, 255).to(torch.uint8)


def _order(images: Tensor) -> torch.memory_format:
    channels_last = images.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if channels_last and not images.is_contiguous() else torch.contiguous_format

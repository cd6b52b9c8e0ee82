"""An autoencoder in the one training loop."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from lab.models.autoencoder.apply import BATCH, pictures
from lab.models.autoencoder.autoencoder import Autoencoder
from lab.models.autoencoder.objectives import Objective
from lab.training.batches import epoch_batches, steps_per_epoch
from lab.training.config import LoopConfig
from lab.training.loop import Learner
from lab.training.recorder import Recorder

IN_MEMORY = 2 << 30
"""Bytes of float32 up to which pictures are converted once; beyond, batch by batch."""


class Reconstruction(Learner):
    """An autoencoder that learns to give pictures back.

    `pixels` (n, C, H, W) uint8, or float32 in 0 to 1, of all items; `train` and `validation` int64 places in it.
    Raises nothing of its own.
    """

    def __init__(
        self,
        model: Autoencoder,
        objective: Objective,
        pixels: np.ndarray,
        train: np.ndarray,
        validation: np.ndarray,
        config: LoopConfig,
        run: Recorder,
    ) -> None:
        self.module = self.model = model
        self.objective, self.config, self.run = objective, config, run
        self.train, self.validation = (_Pictures(pixels, index) for index in (train, validation))
        self._generator = torch.Generator()

    def steps(self) -> int:
        """As `Learner.steps`."""
        return steps_per_epoch(len(self.train), self.config.batch_size)

    def batches(self, epoch: int) -> Iterator[Tensor]:
        """Pictures (b, C, H, W) float32 of random training items."""
        self.model.train()
        self._generator.manual_seed(self.run.stream_seed(f"noise/{epoch}"))
        order = self.run.generator(f"order/{epoch}")
        for places in epoch_batches(np.arange(len(self.train)), self.config.batch_size, order):
            yield self.train.batch(places)

    def loss(self, batch: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The objective's."""
        return self.objective(self.model, batch, self._generator)

    @torch.no_grad()
    def validate(self, epoch: int) -> dict[str, float]:
        """The objective's mean loss on the validation items and its parts, with the same noise after every epoch."""
        if not len(self.validation):
            return {}
        self.model.eval()
        generator = torch.Generator().manual_seed(self.run.stream_seed("noise/validation"))
        sums: dict[str, float] = {}
        for start in range(0, len(self.validation), BATCH):
            x = self.validation.batch(np.arange(start, min(start + BATCH, len(self.validation))))
            loss, parts = self.objective(self.model, x, generator)
            for name, value in {"loss": loss, **parts}.items():
                sums[name] = sums.get(name, 0.0) + float(value) * len(x)
        return {f"validation_{name}": value / len(self.validation) for name, value in sums.items()}


class _Pictures:
    """Some of the items' pictures, in memory as floats where they fit."""

    def __init__(self, pixels: np.ndarray, index: np.ndarray) -> None:
        self.pixels, self.index = pixels, index
        fits = len(index) * pixels[0].size * 4 <= IN_MEMORY
        self.ready = pictures(pixels[index]) if fits else None

    def __len__(self) -> int:
        return len(self.index)

    def batch(self, places: np.ndarray) -> Tensor:
        """Pictures (b, C, H, W) float32 at places among the items."""
        if self.ready is not None:
            return self.ready.index_select(0, torch.from_numpy(places))
        return pictures(self.pixels[self.index[places]])

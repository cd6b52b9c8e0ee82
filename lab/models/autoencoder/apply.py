"""A trained autoencoder over many pictures: numpy in, numpy out, batch by batch, without chance."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
import torch
from torch import Tensor

from lab.models.autoencoder.autoencoder import Autoencoder
from lab.models.autoencoder.bottlenecks import QuantisingBottleneck

BATCH = 256


def pictures(pixels: np.ndarray) -> Tensor:
    """Pixels (b, C, H, W), uint8 or float32 in 0 to 1, as the float32 tensor in 0 to 1 that networks take."""
    x = torch.from_numpy(np.ascontiguousarray(pixels))
    return x.float().div_(255) if x.dtype == torch.uint8 else x.float()


def embedded(model: Autoencoder, pixels: np.ndarray) -> np.ndarray:
    """Embeddings (n, latent_size) float32 of pixels (n, C, H, W)."""
    return _each(model, model.embed, pixels)


def reconstructed(model: Autoencoder, pixels: np.ndarray) -> np.ndarray:
    """Reconstructions (n, C, H, W) float32 in 0 to 1 of pixels (n, C, H, W)."""
    return _each(model, model.reconstruct, pixels)


def decoded(model: Autoencoder, vectors: np.ndarray) -> np.ndarray:
    """Pictures (n, C, H, W) float32 in 0 to 1 of latent vectors (n, latent_size)."""
    return _each(model, model.decode, vectors.astype(np.float32))


def chosen_codes(model: Autoencoder, pixels: np.ndarray) -> np.ndarray:
    """Places in the codebook (n, codes) int64 of a vector-quantised model."""
    bottleneck = cast(QuantisingBottleneck, model.bottleneck)
    return _each(model, lambda x: bottleneck.nearest(bottleneck.linear(model.encoder(x))), pixels)


@torch.no_grad()
def _each(model: Autoencoder, function: Callable[[Tensor], Tensor], inputs: np.ndarray) -> np.ndarray:
    training = model.training
    model.eval()
    parts = [function(pictures(inputs[start : start + BATCH])) for start in range(0, len(inputs), BATCH)]
    model.train(training)
    return torch.cat(parts).numpy()

"""An autoencoder: a picture in, its embedding in the middle, the picture again at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lab.models.autoencoder.architecture import Architecture
from lab.models.autoencoder.bottlenecks import GaussianBottleneck, LinearBottleneck
from lab.models.autoencoder.layers import convolutional_decoder, convolutional_encoder, dense_decoder, dense_encoder

if TYPE_CHECKING:
    from lab.models.autoencoder.objectives import Objective


class Autoencoder(nn.Module):
    """Encoder (named blocks, pictures → features), bottleneck (features → embedding) and decoder (back again).

    Pictures are (b, C, H, W) float32 in 0 to 1, embeddings (b, latent_size) float32.
    """

    def __init__(
        self, architecture: Architecture, encoder: nn.Module, bottleneck: LinearBottleneck, decoder: nn.Module
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.encoder, self.bottleneck, self.decoder = encoder, bottleneck, decoder

    def embed(self, x: Tensor) -> Tensor:
        """The embedding of pictures: without chance, for a variational model the mean of the posterior."""
        return self.bottleneck(self.encoder(x))

    def decode(self, z: Tensor) -> Tensor:
        """Pictures of latent vectors; a vector-quantised model takes the nearest vectors of its codebook."""
        return torch.sigmoid(self.logits(self.bottleneck.settle(z)))

    def logits(self, z: Tensor) -> Tensor:
        """The decoder's answer to latent vectors before the sigmoid."""
        return self.decoder(z)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Pictures of the embeddings of pictures."""
        return self.decode(self.embed(x))

    def sample(self, n: int, generator: torch.Generator) -> Tensor | None:
        """Decode `n` draws from the prior of a variational model; None of others, which learn no distribution."""
        if not isinstance(self.bottleneck, GaussianBottleneck):
            return None
        return self.decode(torch.randn(n, self.architecture.latent_size, generator=generator))


def build_autoencoder(
    architecture: Architecture, objective: Objective, seed: int, encoder: nn.Module | None = None
) -> Autoencoder:
    """A fresh autoencoder with the bottleneck that its objective asks for; the same seed gives the same weights.

    `encoder`: any module that maps pictures (b, C, H, W) to features (b, f), for kind `backbone`. Raises `UserError`
    for sizes that cannot be made (`Architecture.check`).
    """
    architecture.check(codes=getattr(objective, "codes", 1))
    if (architecture.kind == "backbone") != (encoder is not None):
        raise ValueError("an encoder is given for kind `backbone` and for no other")
    features = architecture.features
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if encoder is not None:
            features = _features(encoder, architecture.shape)
        elif architecture.kind == "dense":
            encoder = dense_encoder(architecture)
        else:
            encoder = convolutional_encoder(architecture)
        bottleneck = objective.bottleneck(features, architecture.latent_size)
        decoder = (dense_decoder if architecture.kind == "dense" else convolutional_decoder)(architecture)
    return Autoencoder(architecture, encoder, bottleneck, decoder)


@torch.no_grad()
def _features(encoder: nn.Module, shape: tuple[int, int, int]) -> int:
    """How many features an encoder gives."""
    training = encoder.training
    found = encoder.eval()(torch.zeros(1, *shape))
    encoder.train(training)
    return int(found.shape[1])

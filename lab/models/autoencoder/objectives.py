"""What an autoencoder is trained for: one small class a kind, each with the bottleneck that it needs.

Every loss is reconstruction + regulariser. The reconstruction is a mean over items and pixels, so that the mean squared
error can be read off the curve; the regulariser is on the same scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, cast

import torch
from torch import Tensor
from torch.nn import functional

from lab.models.autoencoder.autoencoder import Autoencoder
from lab.models.autoencoder.bottlenecks import (
    GaussianBottleneck,
    LinearBottleneck,
    QuantisingBottleneck,
    SparseBottleneck,
)

Loss = tuple[Tensor, dict[str, Tensor]]


@dataclass(frozen=True)
class Objective:
    """Give the picture back (Hinton and Salakhutdinov 2006).

    `loss`: mean squared error, or binary cross-entropy that takes the pixels for probabilities.
    """

    loss: Literal["mse", "bce"] = "mse"

    def bottleneck(self, features: int, latent_size: int) -> LinearBottleneck:
        """A fresh bottleneck of the kind that this objective trains."""
        return LinearBottleneck(features, latent_size)

    def __call__(self, model: Autoencoder, x: Tensor, generator: torch.Generator) -> Loss:
        """Mean loss of pictures x (b, C, H, W) in 0 to 1, a scalar, and the parts that it is the sum of, detached.

        `generator` feeds whatever is random in it.
        """
        return self.compare(model.logits(model.embed(x)), x)

    def compare(self, logits: Tensor, x: Tensor, regulariser: Tensor | None = None) -> Loss:
        """The mean error a pixel of what the decoder answered, and what is added to it."""
        if self.loss == "bce":
            error = functional.binary_cross_entropy_with_logits(logits.float(), x)
        else:
            error = functional.mse_loss(torch.sigmoid(logits.float()), x)
        if regulariser is None:
            return error, {"reconstruction": error.detach()}
        parts = {"reconstruction": error.detach(), "regulariser": regulariser.detach()}
        return error + regulariser, parts


@dataclass(frozen=True)
class Denoising(Objective):
    """Give the clean picture back from a spoilt one (Vincent et al. 2010, JMLR 11:3371).

    `noise_level`: the standard deviation of what is added (gaussian), or the share of values set to 0 (masking) or,
    by a coin, to 0 or 1 (salt_and_pepper).
    """

    noise: Literal["gaussian", "masking", "salt_and_pepper"] = "gaussian"
    noise_level: float = 0.3

    def __call__(self, model: Autoencoder, x: Tensor, generator: torch.Generator) -> Loss:
        """As `Objective`; in evaluation mode too the pictures are spoilt."""
        return self.compare(model.logits(model.embed(self.spoil(x, generator))), x)

    def spoil(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Pictures with fresh noise, of x's shape; gaussian noise may leave 0 to 1."""
        if self.noise == "gaussian":
            return x + self.noise_level * torch.randn(x.shape, generator=generator)
        drawn = torch.rand(x.shape, generator=generator)
        kept = torch.where(drawn < self.noise_level, 0.0, x)
        if self.noise == "masking":
            return kept
        return torch.where(drawn < self.noise_level / 2, 1.0, kept)


@dataclass(frozen=True)
class Sparse(Objective):
    """Give the picture back from a code that is mostly 0: + `sparsity` · mean |z|, over items and units (L1)."""

    sparsity: float = 1e-3

    def bottleneck(self, features: int, latent_size: int) -> SparseBottleneck:
        """Standardised, shifted, rectified units."""
        return SparseBottleneck(features, latent_size)

    def __call__(self, model: Autoencoder, x: Tensor, generator: torch.Generator) -> Loss:
        """As `Objective`."""
        z = model.embed(x)
        return self.compare(model.logits(z), x, self.sparsity * z.float().abs().mean())


@dataclass(frozen=True)
class Variational(Objective):
    """The evidence lower bound of Kingma and Welling 2014 (arXiv:1312.6114), times −1 and a constant.

    The pixels are Bernoulli (`bce`) or normal of variance 1 (`mse`); the bound is multiplied by what makes its
    reconstruction term the mean error a pixel: 1 / pixels, 2 / pixels. `beta`: weight of the divergence (Higgins et al.
    2017). `free_bits`: nats a latent unit below which its mean divergence costs nothing more (Kingma et al. 2016,
    arXiv:1606.04934). The part `divergence` is in nats an item, not weighted.
    """

    beta: float = 1.0
    free_bits: float = 0.0

    def bottleneck(self, features: int, latent_size: int) -> GaussianBottleneck:
        """Mean and variance of a normal distribution."""
        return GaussianBottleneck(features, latent_size)

    def __call__(self, model: Autoencoder, x: Tensor, generator: torch.Generator) -> Loss:
        """As `Objective`; one draw an item, in evaluation mode too."""
        mean, log_variance = cast(GaussianBottleneck, model.bottleneck).posterior(model.encoder(x))
        mean, log_variance = mean.float(), log_variance.float()
        noise = torch.randn(mean.shape, generator=generator)
        z = mean + torch.exp(log_variance / 2) * noise
        divergence = kl_to_standard_normal(mean, log_variance).mean(0)
        scale = (1 if self.loss == "bce" else 2) / x[0].numel()
        regulariser = self.beta * scale * divergence.clamp_min(self.free_bits).sum()
        loss, parts = self.compare(model.logits(z), x, regulariser)
        return loss, parts | {"divergence": divergence.sum().detach()}


@dataclass(frozen=True)
class VectorQuantised(Objective):
    """Give the picture back from vectors of a codebook (van den Oord et al. 2017, arXiv:1711.00937).

    The gradient passes the choice straight through; `commitment` · mean squared distance keeps the encoder near the
    vectors chosen. The codebook itself follows the encoder (`QuantisingBottleneck`).
    """

    codebook_size: int = 128
    codes: int = 8
    commitment: float = 0.25

    def bottleneck(self, features: int, latent_size: int) -> QuantisingBottleneck:
        """A codebook."""
        return QuantisingBottleneck(features, latent_size, self.codebook_size, self.codes)

    def __call__(self, model: Autoencoder, x: Tensor, generator: torch.Generator) -> Loss:
        """As `Objective`; in training mode the codebook moves."""
        bottleneck = cast(QuantisingBottleneck, model.bottleneck)
        z = bottleneck.linear(model.encoder(x)).float()
        if model.training:
            bottleneck.follow(z, generator)
        chosen = bottleneck.settle(z)
        regulariser = self.commitment * functional.mse_loss(z, chosen)
        return self.compare(model.logits(z + (chosen - z).detach()), x, regulariser)


OBJECTIVES: dict[str, type[Objective]] = {
    "plain": Objective,
    "denoising": Denoising,
    "sparse": Sparse,
    "variational": Variational,
    "vq": VectorQuantised,
}


def make_objective(kind: str, options: Mapping[str, Any]) -> Objective:
    """The objective of a kind; of `options` it takes those that it has."""
    made = OBJECTIVES[kind]
    return made(**{field.name: options[field.name] for field in fields(made) if field.name in options})


def kl_to_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL divergence, nats, of each normal distribution to the standard one; all of one shape."""
    return (mean.square() + log_variance.exp() - 1 - log_variance) / 2

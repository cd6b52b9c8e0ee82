"""What stands between encoder and decoder: how features become the latent vector that is the embedding.

Each maps features (b, f) to the embedding (b, d) by its `forward`, without chance.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LinearBottleneck(nn.Module):
    """The latent vector is a linear map of the features."""

    def __init__(self, features: int, latent_size: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, latent_size)

    def forward(self, features: Tensor) -> Tensor:
        """(b, f) → (b, d)."""
        return self.linear(features)

    def settle(self, z: Tensor) -> Tensor:
        """The latent vectors nearest to z (b, d) that the decoder knows: here all."""
        return z


class SparseBottleneck(LinearBottleneck):
    """Latent units that are never negative and mostly 0: standardised over the batch, shifted, rectified.

    As the scale is fixed, an L1 penalty cannot be evaded by small codes and large weights in the decoder: units can
    only fall silent more often.
    """

    def __init__(self, features: int, latent_size: int) -> None:
        super().__init__(features, latent_size)
        self.standardise = nn.BatchNorm1d(latent_size, eps=1e-10, affine=False)  # no scale is too small to be seen
        self.shift = nn.Parameter(torch.zeros(latent_size))

    def forward(self, features: Tensor) -> Tensor:
        """(b, f) → (b, d), non-negative."""
        return torch.relu(self.standardise(self.linear(features)) + self.shift)


class GaussianBottleneck(LinearBottleneck):
    """The features give a normal distribution with a diagonal covariance; its mean is the embedding."""

    def __init__(self, features: int, latent_size: int) -> None:
        super().__init__(features, latent_size)
        self.log_variance = nn.Linear(features, latent_size)

    def posterior(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance, (b, d) each; the log variance is kept within ±10 by a soft bound."""
        return self.linear(features), 10 * torch.tanh(self.log_variance(features) / 10)


class QuantisingBottleneck(LinearBottleneck):
    """The latent vector is cut into `codes` parts, each replaced by the nearest of `codebook_size` vectors.

    VQ-VAE (van den Oord, Vinyals and Kavukcuoglu 2017, arXiv:1711.00937); the codebook follows the encoder by moving
    averages (its appendix A.1) from a first batch on, and a vector that hardly anything is near to is set anew to
    an encoder's output (Dhariwal et al. 2020, arXiv:2005.00341).
    """

    decay, least = 0.99, 0.03
    """Of the moving averages; and the share of the mean use below which a vector of the codebook counts as dead."""

    def __init__(self, features: int, latent_size: int, codebook_size: int, codes: int) -> None:
        super().__init__(features, latent_size)
        self.codes, self.size = codes, latent_size // codes
        self.register_buffer("codebook", torch.randn(codebook_size, self.size))
        self.register_buffer("count", torch.zeros(codebook_size))
        self.register_buffer("total", torch.zeros(codebook_size, self.size))
        self.codebook: Tensor
        self.count: Tensor
        self.total: Tensor

    def forward(self, features: Tensor) -> Tensor:
        """(b, f) → (b, d), of vectors of the codebook."""
        return self.settle(self.linear(features))

    def settle(self, z: Tensor) -> Tensor:
        """Each part of z (b, d) replaced by the nearest vector of the codebook."""
        return self.codebook[self.nearest(z)].flatten(1)

    def nearest(self, z: Tensor) -> Tensor:
        """Place in the codebook, (b, codes) int64, of the vector nearest to each part of z (b, d); ties: the first."""
        parts = z.detach().float().reshape(-1, self.size)
        halves = parts @ self.codebook.T - self.codebook.square().sum(1) / 2
        return halves.argmax(1).reshape(-1, self.codes)

    @torch.no_grad()
    def follow(self, z: Tensor, generator: torch.Generator) -> None:
        """Move the codebook towards the encoder's outputs z (b, d) of a batch."""
        parts = z.detach().float().reshape(-1, self.size)
        if not self.count.any():
            self._set_anew(torch.ones_like(self.count, dtype=torch.bool), parts, generator)
        chosen = self.nearest(z).reshape(-1)
        count = torch.bincount(chosen, minlength=len(self.count)).float()
        self.count.lerp_(count, 1 - self.decay)
        self.total.lerp_(torch.zeros_like(self.total).index_add_(0, chosen, parts), 1 - self.decay)
        mean = len(parts) / len(self.count)
        self.codebook.copy_(self.total / self.count[:, None].clamp_min(1e-6))
        self._set_anew(self.count < self.least * mean, parts, generator)

    def _set_anew(self, which: Tensor, parts: Tensor, generator: torch.Generator) -> None:
        """Put random ones of `parts` (n, size) into the codebook, as if each had had its mean share of use."""
        number = int(which.sum())
        if number:
            mean = len(parts) / len(self.count)
            picked = parts[torch.randint(len(parts), (number,), generator=generator)]
            self.codebook[which], self.count[which], self.total[which] = picked, mean, picked * mean

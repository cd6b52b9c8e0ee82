"""The codebook: nearest vectors by brute force, straight-through gradients, moving averages, the dead revived."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.models.autoencoder.architecture import Architecture
from lab.models.autoencoder.autoencoder import build_autoencoder
from lab.models.autoencoder.bottlenecks import QuantisingBottleneck
from lab.models.autoencoder.objectives import make_objective


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@settings(deadline=None)
@given(size=st.integers(1, 5), codes=st.integers(1, 4), book=st.integers(1, 20), seed=st.integers(0, 99))
def test_the_nearest_vector_is_that_of_a_search_through_all(size, codes, book, seed):
    torch.manual_seed(seed)
    bottleneck = QuantisingBottleneck(7, size * codes, book, codes)
    z = torch.randn(9, size * codes)
    parts = z.reshape(9, codes, 1, size).double()
    distances = (parts - bottleneck.codebook.double()).square().sum(-1)
    chosen = bottleneck.nearest(z)
    found = distances.gather(2, chosen[..., None])[..., 0]
    torch.testing.assert_close(found, distances.min(-1).values, rtol=1e-5, atol=1e-5)
    settled = bottleneck.settle(z)
    assert torch.equal(bottleneck.settle(settled), settled)


def test_the_gradient_passes_the_choice_straight_through_and_commits_the_encoder():
    objective = make_objective("vq", {"codes": 2, "codebook_size": 8, "commitment": 0.7})
    plan = Architecture("dense", (1, 5, 6), (10,), activation="tanh", normalisation="none", latent_size=4)
    model = build_autoencoder(plan, objective, seed=0).eval()
    x = torch.rand(6, 1, 5, 6, generator=seeded())
    loss, parts = objective(model, x, seeded())
    loss.backward()
    found = model.bottleneck.linear.weight.grad.clone()

    model.zero_grad()
    features = model.encoder(x)
    z = model.bottleneck.linear(features)
    chosen = model.bottleneck.settle(z).detach().requires_grad_()
    ((torch.sigmoid(model.decoder(chosen)) - x) ** 2).mean().backward()
    to_z = chosen.grad + 0.7 * 2 * (z - chosen).detach() / z.numel()
    torch.testing.assert_close(found, to_z.T @ features.detach(), rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(parts["regulariser"], 0.7 * ((z - chosen) ** 2).mean().detach())


def test_the_codebook_begins_with_outputs_of_the_encoder():
    bottleneck = QuantisingBottleneck(3, 4, 16, 2)
    z = torch.randn(50, 4, generator=seeded())
    bottleneck.decay = 1.0
    bottleneck.follow(z, seeded())
    rows = {tuple(row) for row in z.reshape(-1, 2).numpy().round(5)}
    assert {tuple(row) for row in bottleneck.codebook.numpy().round(5)} <= rows


def test_the_codebook_moves_to_the_means_of_what_chose_it():
    """Two clusters and two vectors: after many steps each stands in a cluster's mean, as the formula of a step says."""
    bottleneck = QuantisingBottleneck(3, 1, 2, 1)
    z = torch.tensor([[-1.2], [-0.8], [0.9], [1.1], [1.3]])
    bottleneck.codebook.copy_(torch.tensor([[-0.5], [0.5]]))
    bottleneck.count.fill_(2.5)
    bottleneck.total.copy_(bottleneck.codebook * 2.5)
    bottleneck.follow(z, seeded())
    count = 0.99 * 2.5 + 0.01 * np.array([2, 3])
    total = 0.99 * 2.5 * np.array([-0.5, 0.5]) + 0.01 * np.array([-2.0, 3.3])
    np.testing.assert_allclose(bottleneck.count.numpy(), count, rtol=1e-6)
    np.testing.assert_allclose(bottleneck.codebook[:, 0].numpy(), total / count, rtol=1e-6)
    for _ in range(2000):
        bottleneck.follow(z, seeded())
    np.testing.assert_allclose(bottleneck.codebook[:, 0].numpy(), [-1.0, 1.1], rtol=1e-4)


def test_a_vector_that_nothing_is_near_to_is_set_anew():
    bottleneck = QuantisingBottleneck(3, 2, 4, 1)
    z = torch.randn(100, 2, generator=seeded())
    bottleneck.follow(z, seeded())
    bottleneck.codebook[0], bottleneck.total[0] = 1e6, 1e6 * bottleneck.count[0]
    for _ in range(1000):
        bottleneck.follow(z, seeded())
    assert bottleneck.codebook.abs().max() < 10
    assert len(bottleneck.nearest(z).unique()) == 4

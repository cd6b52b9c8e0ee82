"""Objectives against known answers: torch's own losses and divergences, finite differences, rates of noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import distributions
from torch.nn import functional

from lab.models.autoencoder.architecture import Architecture
from lab.models.autoencoder.autoencoder import build_autoencoder
from lab.models.autoencoder.objectives import OBJECTIVES, Denoising, kl_to_standard_normal, make_objective

SHAPE = (1, 5, 6)


def made(kind: str, **options):
    objective = make_objective(kind, {"codes": 2, "codebook_size": 8} | options)
    plan = Architecture("dense", SHAPE, (10,), activation="tanh", normalisation="none", latent_size=4)
    return objective, build_autoencoder(plan, objective, seed=0)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(n: int = 7, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.rand(n, *SHAPE, generator=seeded(), dtype=dtype)


def test_every_kind_takes_its_own_options_only():
    options = {"loss": "bce", "noise": "masking", "noise_level": 0.5, "sparsity": 2.0, "beta": 3.0, "codes": 1}
    assert make_objective("plain", options) == OBJECTIVES["plain"]("bce")
    assert make_objective("denoising", options) == Denoising("bce", "masking", 0.5)
    assert make_objective("variational", options).beta == 3.0


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_the_reconstruction_is_the_mean_error_a_pixel(kind):
    x = pictures()
    for loss, theirs in (("mse", functional.mse_loss), ("bce", functional.binary_cross_entropy)):
        objective, model = made(kind, loss=loss, noise_level=0.0)
        model.eval()
        if kind == "variational":  # no spread: the draw is the mean
            torch.nn.init.zeros_(model.bottleneck.log_variance.weight)
            torch.nn.init.constant_(model.bottleneck.log_variance.bias, -100.0)
        parts = objective(model, x, seeded())[1]
        tolerance = {"variational": 2e-3}.get(kind, 1e-6)  # the log variance does not go below −10
        assert torch.isclose(parts["reconstruction"], theirs(model.reconstruct(x), x), rtol=tolerance)


def test_the_divergence_is_that_of_torch_and_the_bound_is_the_textbooks():
    mean, log_variance = torch.randn(2, 6, 4, generator=seeded()).unbind()
    posterior = distributions.Normal(mean, (log_variance / 2).exp())
    theirs = distributions.kl_divergence(posterior, distributions.Normal(0.0, 1.0))
    torch.testing.assert_close(kl_to_standard_normal(mean, log_variance), theirs)

    x = pictures()
    for loss in ("mse", "bce"):
        objective, model = made("variational", loss=loss, beta=1.7)
        value, parts = objective(model, x, seeded(3))
        mean, log_variance = model.bottleneck.posterior(model.encoder(x))
        z = mean + (log_variance / 2).exp() * torch.randn(mean.shape, generator=seeded(3))
        pixels = model.decode(z)
        likelihood = distributions.Normal(pixels, 1.0) if loss == "mse" else None
        if likelihood is None:
            fitted = functional.binary_cross_entropy(pixels, x, reduction="none")
        else:  # up to the constant of the normal density
            fitted = -likelihood.log_prob(x) - 0.5 * np.log(2 * np.pi)
        divergence = kl_to_standard_normal(mean, log_variance).sum(1)
        bound = (fitted.flatten(1).sum(1) + 1.7 * divergence).mean()
        torch.testing.assert_close(value, bound * (2 if loss == "mse" else 1) / 30)
        torch.testing.assert_close(parts["divergence"], divergence.mean().detach())


def test_divergence_below_the_free_bits_costs_nothing_more():
    x = pictures()
    objective, model = made("variational", free_bits=50.0)
    loss, parts = objective(model, x, seeded())
    torch.testing.assert_close(parts["regulariser"], torch.tensor(50.0 * 4 * 2 / 30))
    loss.backward()
    free = {name: p.grad for name, p in model.named_parameters()}
    model.zero_grad()
    objective, _ = made("variational", beta=0.0)
    objective(model, x, seeded())[0].backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(free[name], parameter.grad)
        assert parameter.grad.abs().sum() > 0, name


def test_the_sparse_penalty_is_the_mean_size_of_a_code_whose_scale_is_fixed():
    x = pictures(40)
    objective, model = made("sparse", sparsity=0.5)
    z = model.embed(x)
    torch.testing.assert_close(objective(model, x, seeded())[1]["regulariser"], 0.5 * z.abs().mean().detach())
    assert (z >= 0).all()
    assert (z == 0).any()
    with torch.no_grad():  # a smaller map from the features gives the same code: it cannot shrink out of the penalty
        model.bottleneck.linear.weight /= 10
        model.bottleneck.linear.bias /= 10
    torch.testing.assert_close(model.embed(x), z, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", ["plain", "denoising", "sparse", "variational"])
@pytest.mark.parametrize("loss", ["mse", "bce"])
def test_gradients_agree_with_finite_differences(kind, loss, monkeypatch):
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)  # the losses' own precision
    objective, model = made(kind, loss=loss, sparsity=0.1)
    model.double()
    x, noise = pictures(dtype=torch.float64), torch.float64
    drawn = torch.randn(7, 4, generator=seeded(), dtype=noise), torch.randn(x.shape, generator=seeded(), dtype=noise)
    monkeypatch.setattr(torch, "randn", lambda shape, **_: drawn[len(shape) == 4])

    def value() -> torch.Tensor:
        return objective(model, x, seeded())[0]

    value().backward()
    generator = np.random.default_rng(0)
    for name, parameter in model.named_parameters():
        flat, gradient = parameter.data.view(-1), parameter.grad.view(-1)
        assert gradient.abs().sum() > 0, name
        for place in generator.choice(len(flat), 2):
            kept, found = flat[place].item(), []
            for step in (1e-6, -1e-6):
                flat[place] = kept + step
                found.append(value().item())
            flat[place] = kept
            assert gradient[place].item() == pytest.approx((found[0] - found[1]) / 2e-6, rel=1e-4, abs=1e-8), name


@pytest.mark.parametrize("noise", ["gaussian", "masking", "salt_and_pepper"])
def test_noise_comes_at_its_rate_and_from_the_generator_alone(noise):
    x, objective = torch.full((50, 3, 30, 30), 0.4), Denoising("mse", noise, 0.3)
    spoilt = objective.spoil(x, seeded())
    assert torch.equal(spoilt, objective.spoil(x, seeded()))
    assert not torch.equal(spoilt, objective.spoil(x, seeded(1)))
    if noise == "gaussian":
        added = spoilt - x
        assert added.std().item() == pytest.approx(0.3, rel=0.01)
        assert added.mean().item() == pytest.approx(0, abs=0.005)
        return
    shares = {value: (spoilt == value).float().mean().item() for value in (0.0, 1.0)}
    wanted = {0.0: 0.3, 1.0: 0.0} if noise == "masking" else {0.0: 0.15, 1.0: 0.15}
    assert shares == {value: pytest.approx(share, abs=0.005) for value, share in wanted.items()}
    untouched = (spoilt != 0) & (spoilt != 1)
    assert (spoilt[untouched] == x[untouched]).all()


def test_what_is_compared_with_is_the_clean_picture():
    x = pictures()
    objective, model = made("denoising", noise="masking", noise_level=1.0)
    loss = objective(model, x, seeded())[0]
    torch.testing.assert_close(loss, functional.mse_loss(model.reconstruct(torch.zeros_like(x)), x))

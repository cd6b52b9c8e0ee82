from __future__ import annotations

import numpy as np
import pytest
import torch
import toy_training as toys

from lab.training.classifier import ScalarMix


@pytest.mark.parametrize("widths", [[5, 5, 5], [3, 4, 5]], ids=["shared", "own"])
def test_gradient_of_the_scalar_mix(widths):
    torch.manual_seed(0)
    mix = ScalarMix(widths, 3, torch.Generator().manual_seed(0)).double()
    features = torch.randn(6, sum(widths), dtype=torch.float64)
    mix.standardise(features)
    with torch.no_grad():
        mix.weights.copy_(torch.tensor([0.3, -0.7, 0.1]))
        mix.gamma.fill_(1.7)
    labels = torch.tensor([0, 1, 2, 0, 1, 2])

    def loss():
        return torch.nn.functional.cross_entropy(mix(features), labels)

    loss().backward()
    for parameter in mix.parameters():
        assert parameter.grad.abs().max() > 0
        flat, gradient = parameter.data.view(-1), parameter.grad.view(-1)
        for place in range(flat.numel()):
            values = []
            for step in (1e-6, -1e-6):
                flat[place] += step
                values.append(loss().item())
                flat[place] -= step
            assert gradient[place].item() == pytest.approx((values[0] - values[1]) / 2e-6, abs=1e-8)


@pytest.mark.parametrize("widths", [[5, 5, 5], [3, 4, 5]], ids=["shared", "own"])
def test_the_scalar_mix_is_its_formula(widths):
    mix = ScalarMix(widths, 2, torch.Generator().manual_seed(0))
    features = torch.randn(4, sum(widths), generator=torch.Generator().manual_seed(1))
    mix.standardise(features)
    with torch.no_grad():
        mix.weights.copy_(torch.tensor([1.0, 0.0, -1.0]))
        mix.gamma.fill_(0.5)
        mix.bias.copy_(torch.tensor([0.1, -0.1]))
    parts = np.split(features.numpy() - features.numpy().mean(0), np.cumsum(widths)[:-1], axis=1)
    parts = [part / np.sqrt((part**2).mean()) for part in parts]
    shares = np.exp([1, 0, -1]) / np.exp([1, 0, -1]).sum()
    maps = [m.detach().numpy() for m in mix.maps] * (3 if len(mix.maps) == 1 else 1)
    expected = 0.5 * sum(s * p @ m.T for s, p, m in zip(shares, parts, maps, strict=True)) + [0.1, -0.1]
    assert np.allclose(mix(features).detach().numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["image", "text"])
def test_from_any_cut_the_scores_are_the_same(kind):
    classifier = toys.made(kind, {})[0].eval()
    cache = toys.ToyCache(kind)
    index = np.array([3, 1, 8])
    whole = classifier(*cache.raw(index, 0))
    for cut in range(5):
        assert torch.allclose(classifier.logits(*cache.activations(cut).batch(index), start=cut), whole, atol=1e-5)


def test_the_head_is_drawn_from_its_seed():
    first, second = (toys.made("image", {})[0].head for _ in range(2))
    assert torch.equal(first.weight, second.weight)
    assert first.weight.abs().max() <= 12**-0.5
    assert first.bias.abs().max() == 0

"""Autoencoders as networks: embeddings without chance, named blocks, seeds, an encoder that is given."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from lab.models.autoencoder.apply import chosen_codes, decoded, embedded, reconstructed
from lab.models.autoencoder.architecture import Architecture
from lab.models.autoencoder.autoencoder import Autoencoder, build_autoencoder
from lab.models.autoencoder.objectives import OBJECTIVES, make_objective

SHAPE = (3, 9, 11)


def built(kind: str = "plain", architecture: str = "convolutional", seed: int = 0, **options) -> Autoencoder:
    plan = Architecture(architecture, SHAPE, (8, 12), depth=2, latent_size=6)
    return build_autoencoder(plan, make_objective(kind, {"codes": 2, "codebook_size": 16} | options), seed)


def pixels(n: int = 12) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, *SHAPE), dtype=np.uint8)


@pytest.mark.parametrize("kind", OBJECTIVES)
@pytest.mark.parametrize("architecture", ["dense", "convolutional"])
def test_the_seed_makes_the_weights_and_leaves_the_generator_alone(kind, architecture):
    before = torch.random.get_rng_state()
    first, second, other = (built(kind, architecture, seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_pixels_go_through_in_batches_as_they_go_through_one_by_one(kind, monkeypatch):
    monkeypatch.setattr("lab.models.autoencoder.apply.BATCH", 5)
    model = built(kind).train()
    given = pixels()
    vectors, pictures = embedded(model, given), reconstructed(model, given)
    assert model.training, "the mode stays"
    assert vectors.dtype == pictures.dtype == np.float32
    assert 0 <= pictures.min() < pictures.max() <= 1
    for place in range(len(given)):
        np.testing.assert_allclose(embedded(model, given[place : place + 1])[0], vectors[place], atol=1e-5)
    np.testing.assert_allclose(decoded(model, vectors), pictures, atol=1e-6)
    np.testing.assert_allclose(embedded(model, (given / 255).astype(np.float32)), vectors, atol=1e-5)


def test_blocks_are_named_after_what_they_are():
    assert [name for name, _ in built().encoder.named_children()] == ["stage1", "stage2", "flatten"]
    assert [name for name, _ in built(architecture="dense").encoder.named_children()] == ["flatten", "layer1", "layer2"]
    assert [name for name, _ in built().decoder.named_children()] == ["map", "stage2", "stage1"]


def test_only_a_variational_model_samples_and_the_generator_decides_what():
    assert built("plain").sample(3, torch.Generator()) is None
    model = built("variational").eval()
    first, second = (model.sample(3, torch.Generator().manual_seed(seed)) for seed in (1, 2))
    assert first.shape == (3, *SHAPE)
    assert not torch.equal(first, second)
    assert torch.equal(first, model.sample(3, torch.Generator().manual_seed(1)))


def test_a_vector_quantised_embedding_is_made_of_vectors_of_the_codebook():
    model = built("vq")
    vectors, chosen = embedded(model, pixels()), chosen_codes(model, pixels())
    assert chosen.shape == (12, 2)
    codebook = model.bottleneck.codebook.numpy()
    np.testing.assert_array_equal(vectors.reshape(12, 2, 3), codebook[chosen])
    between = (vectors[:1] + vectors[1:2]) / 2  # of no vectors of the codebook: it is brought to some
    settled = model.bottleneck.settle(torch.from_numpy(between))
    np.testing.assert_array_equal(decoded(model, between), decoded(model, settled.numpy()))


def test_any_module_may_encode():
    class Means(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean((2, 3))

    plan = Architecture("backbone", SHAPE, (8, 12), latent_size=6)
    model = build_autoencoder(plan, make_objective("variational", {}), 0, encoder=Means())
    assert model.bottleneck.linear.in_features == 3
    assert reconstructed(model, pixels()).shape == (12, *SHAPE)
    with pytest.raises(ValueError, match="backbone"):
        build_autoencoder(plan, make_objective("plain", {}), 0)

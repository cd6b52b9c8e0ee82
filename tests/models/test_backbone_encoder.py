"""An autoencoder's encoder as a backbone: the same features, block by block, whatever the autoencoder."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lab.data.backbones import BackboneLocation
from lab.errors import UserError
from lab.models.autoencoder.apply import embedded
from lab.models.autoencoder.architecture import Architecture
from lab.models.autoencoder.autoencoder import Autoencoder, build_autoencoder
from lab.models.autoencoder.bottlenecks import QuantisingBottleneck
from lab.models.autoencoder.objectives import make_objective
from lab.models.backbone import Backbone, load_backbone
from lab.models.block_facts import block_names_of, describe_blocks
from lab.models.prefix import prefix_function
from lab.training.inputs import ItemInputs

CONVOLUTIONAL = Architecture("convolutional", (1, 12, 12), (4, 6), depth=2, latent_size=8)
DENSE = Architecture("dense", (3, 8, 8), (20, 10), activation="tanh", latent_size=8)
KINDS = ["plain", "denoising", "sparse", "variational", "vq"]


def trained(architecture: Architecture, kind: str) -> Autoencoder:
    """An autoencoder whose statistics and codebook are no longer those it was drawn with."""
    objective = make_objective(kind, {"codes": 2, "codebook_size": 5})
    model = build_autoencoder(architecture, objective, seed=3)
    generator = torch.Generator().manual_seed(0)
    for batch in range(20):
        objective(model, torch.from_numpy(pixels(architecture.shape, 16, seed=batch)) / 255, generator)
    model.eval()
    if isinstance(model.bottleneck, QuantisingBottleneck):  # the few steps leave all pictures near to one vector
        with torch.no_grad():
            z = model.bottleneck.linear(model.encoder(torch.from_numpy(pixels(architecture.shape)) / 255))
            model.bottleneck.codebook.copy_(z.reshape(-1, model.bottleneck.size)[:5])
    return model


def location_of(model: Autoencoder, kind: str, folder) -> BackboneLocation:
    save_file(model.state_dict(), folder / "weights.safetensors")
    network = {"architecture": asdict(model.architecture), "objective": {"kind": kind, "codes": 2, "codebook_size": 5}}
    weights = str(folder / "weights.safetensors")
    return BackboneLocation("run:1", "autoencoder", "f", local=True, library="run", weights=weights, network=network)


def pixels(shape: tuple[int, int, int], count: int = 20, seed: int = 99) -> np.ndarray:
    """Pictures of a few large patches each, as unlike one another as can be."""
    channels, height, width = shape
    patches = np.random.default_rng(seed).choice([0, 90, 255], (count, channels, 2, 2)).astype(np.uint8)
    return patches.repeat(height // 2, axis=2).repeat(width // 2, axis=3)


PAIRS = [(architecture, kind) for architecture in (CONVOLUTIONAL, DENSE) for kind in KINDS]


@pytest.fixture(params=PAIRS, ids=lambda pair: f"{pair[0].kind} {pair[1]}")
def pair(request, tmp_path) -> tuple[Autoencoder, Backbone]:
    architecture, kind = request.param
    model = trained(architecture, kind)
    return model, load_backbone(location_of(model, kind, tmp_path))


def test_its_features_are_the_embedding(pair):
    model, backbone = pair
    x = pixels(model.architecture.shape)
    with torch.inference_mode():
        found = backbone(torch.from_numpy(x)).numpy()
    assert found.std(axis=0).max() > 0.01
    np.testing.assert_allclose(found, embedded(model, x), atol=1e-6)
    prefix = prefix_function(backbone, len(backbone.blocks))(torch.from_numpy(x))
    np.testing.assert_allclose(backbone.pool(prefix).numpy(), found, atol=1e-5)


def test_blocks_compose_and_are_those_of_the_encoder(pair):
    model, backbone = pair
    names = [name for name, part in model.encoder.named_children() if any(True for _ in part.parameters())]
    assert list(backbone.block_names) == [*names, "latent"]
    x = torch.from_numpy(pixels(model.architecture.shape))
    with torch.inference_mode():
        for cut in range(1, len(backbone.blocks)):
            rest = backbone.run_blocks(backbone.run_blocks(x, stop=cut), start=cut)
            np.testing.assert_allclose(backbone.pool(rest), backbone(x), atol=1e-6)
    assert [facts.output_shape[0] for facts in describe_blocks(backbone, timed=False)][-1] == 8


def test_every_parameter_gets_a_gradient(pair):
    _, backbone = pair
    backbone.train()
    (backbone(torch.from_numpy(pixels(pair[0].architecture.shape))) ** 2).sum().backward()
    assert not [name for name, p in backbone.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]


def test_it_reads_grey_pictures_as_grey_and_coloured_ones_as_coloured(tmp_path):
    from lab.data.labelled.images import ArrayImages
    from lab.data.labelled.items import RawItems, make_items
    from lab.data.labelled.pixels import load_pixels
    from lab.training.inputs import item_inputs

    coloured = np.random.default_rng(0).integers(0, 256, (6, 15, 11, 3), dtype=np.uint8)
    ids = [str(number) for number in range(len(coloured))]
    raw = RawItems("image", ids, ["a", "b"] * 3, "here", "picture", images=ArrayImages(coloured), fingerprints=ids)
    items = make_items(raw, single=True)
    keys = set()
    for architecture in (CONVOLUTIONAL, DENSE):
        backbone = load_backbone(location_of(trained(architecture, "plain"), "plain", tmp_path))
        inputs = item_inputs(items, backbone.preprocessing)
        assert isinstance(inputs, ItemInputs)
        np.testing.assert_array_equal(inputs.load(np.arange(6)), load_pixels(items, architecture.shape))
        keys.add(inputs.preprocessing_key)
    assert keys == {"12px-bicubic-grey", "8px-bicubic"}


def test_names_need_no_weights_and_random_weights_come_from_the_seed(tmp_path):
    from dataclasses import replace

    location = location_of(trained(CONVOLUTIONAL, "variational"), "variational", tmp_path)
    planned = replace(location, weights=None)
    assert block_names_of(planned) == ("stage1", "stage2", "latent")
    drawn = [load_backbone(planned, pretrained=False, seed=seed).fingerprint() for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    with pytest.raises(UserError, match=r"^backbone 'run:1': this run is not made yet$"):
        load_backbone(planned)


def test_what_does_not_fit_is_told_in_one_line(tmp_path):
    location = location_of(trained(CONVOLUTIONAL, "plain"), "plain", tmp_path)
    with pytest.raises(UserError, match=r"reads pictures of 12 pixels a side, as it was trained; leave backbone.image"):
        load_backbone(location, image_size=32)
    with pytest.raises(UserError, match=r"^backbone 'run:1' has blocks of its own; leave backbone.blocks out$"):
        block_names_of(location, blocks=["stage1"])
    save_file({"x": torch.zeros(1)}, tmp_path / "weights.safetensors")
    with pytest.raises(UserError, match=r"weights.safetensors does not fit its run's config$"):
        load_backbone(location)

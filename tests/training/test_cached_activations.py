"""What the cache gives is what the network gives, for networks of every library; pretrained ones train alike."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lab.data.backbones import locate_backbone
from lab.models.backbone import Backbone, load_backbone
from lab.training.cache.prefix_cache import PrefixCache
from lab.training.classifier import Classifier
from lab.training.config import StrategyConfig, TrainConfig
from lab.training.fit import fit
from lab.training.freezing import prepare
from lab.training.inputs import ItemInputs, item_inputs
from lab.training.recorder import QuietRecorder
from lab.training.selection import Selection
from lab.training.strategies import make_plan

SENTENCES = [
    "a gripping film", "dull", "it never quite comes together, and the ending is worse than the beginning", "see it",
    "the actors are better than the script", "two hours of my life", "funny, sad and true", "why ?",
]  # fmt: skip
NETWORKS = {
    "efficientnet-lite0": 64,
    "timm:resnet10t": 64,
    "timm:convnext_atto": 64,
    "timm:vit_tiny_patch16_224": 32,
    "torchvision:mobilenet_v3_small": 64,
    "minilm-l6": None,
}


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))


def network_and_inputs(name: str) -> tuple[Backbone, ItemInputs]:
    size = NETWORKS[name]
    network = load_backbone(locate_backbone(name), pretrained=":" not in name, image_size=size)
    if size is None:
        items = SimpleNamespace(kind="text", texts=SENTENCES, fingerprints=SENTENCES)
        return network, item_inputs(items, network.preprocessing)
    pixels = np.random.default_rng(0).integers(0, 256, (8, 3, size, size), dtype=np.uint8)
    names = [str(i) for i in range(8)]
    return network, ItemInputs("image", names, network.preprocessing.key, lambda index: pixels[index])


@pytest.mark.parametrize("name", NETWORKS)
def test_cached_and_uncached_activations_agree_at_several_cuts(name):
    network, inputs = network_and_inputs(name)
    blocks = len(network.block_names)
    cuts = sorted({1, blocks // 2, blocks - 1, blocks})
    everything = np.arange(8)
    cached, uncached = PrefixCache(network, inputs), PrefixCache(network, inputs, enabled=False)
    cached.fill(cuts, everything)
    uncached.fill(cuts, everything)
    for cut in cuts:
        x, mask = cached.activations(cut).batch(everything[::-1])
        y, _ = uncached.activations(cut).batch(everything[::-1])
        if mask is not None:
            x, y = x[mask], y[mask]
        assert cached.activations(cut).cached
        assert y.abs().max() > 0
        assert torch.linalg.vector_norm(x - y) <= 1e-5 * torch.linalg.vector_norm(y), cut


@pytest.mark.slow
@pytest.mark.parametrize(("name", "depth"), [("efficientnet-lite0", 5), ("minilm-l6", 4)])
def test_real_networks_train_the_same(name, depth):
    curves = []
    for enabled in (True, False):
        network, inputs = network_and_inputs(name)
        settings = TrainConfig(epochs=20, batch_size=8, learning_rate=1e-3, optimizer="sgd", schedule="constant")
        plan = make_plan(StrategyConfig(frozen_depth=depth), settings, network.block_names)
        cache = PrefixCache(network, inputs, enabled=enabled)
        cache.fill(plan.cuts(), np.arange(8))
        classifier = Classifier(network, 2, seed=0)
        prepare(classifier, plan)
        selection = Selection(np.arange(8), np.arange(0), np.arange(8) % 2)
        history = fit(classifier, plan, settings, cache, selection, QuietRecorder(seed=0)).history
        curves.append([row["train_loss"] for row in history])
    assert abs(curves[0][0] - curves[0][-1]) > 1e-3
    assert curves[0] == pytest.approx(curves[1], rel=1e-5)

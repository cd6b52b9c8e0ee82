"""With and without the cache, networks of several families train alike from several cuts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lab.data.backbones import locate_backbone
from lab.models.backbone import load_backbone
from lab.training.cache.prefix_cache import PrefixCache
from lab.training.classifier import Classifier
from lab.training.config import StrategyConfig, TrainConfig
from lab.training.fit import fit, predict
from lab.training.freezing import check_frozen, frozen_digests, prepare
from lab.training.inputs import ItemInputs
from lab.training.recorder import QuietRecorder
from lab.training.selection import Selection
from lab.training.strategies import make_plan

ITEMS, TRAIN, SIZE = 48, 40, 64
IMAGES = ["timm:resnet10t", "efficientnet-lite0", "timm:vit_tiny_patch16_224", "torchvision:mobilenet_v3_small"]
TEXTS = {
    "bert": {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32},
    "distilbert": {"dim": 16, "n_layers": 3, "n_heads": 2, "hidden_dim": 32},
    "electra": {
        "embedding_size": 8,
        "hidden_size": 16,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "intermediate_size": 32,
    },
}


def image_inputs() -> ItemInputs:
    """Smooth pictures; a batch norm in training makes more of noise, and of rounding with it."""
    coarse = torch.rand((ITEMS, 3, 6, 6), generator=torch.Generator().manual_seed(0)) * 255
    smooth = torch.nn.functional.interpolate(coarse, SIZE, mode="bicubic").clamp(0, 255)
    pixels = smooth.to(torch.uint8).numpy()
    return ItemInputs("image", [f"i{i}" for i in range(ITEMS)], "64px", lambda index: pixels[index])


def text_inputs() -> ItemInputs:
    rng = np.random.default_rng(0)
    texts = [rng.integers(5, 60, rng.integers(2, 14)).astype(np.int32) for _ in range(ITEMS)]
    return ItemInputs("text", [f"t{i}" for i in range(ITEMS)], "tokens", lambda index: [texts[i] for i in index])


def text_folder(tmp_path, family):
    """A folder of a tiny network with random weights and a tokenizer of one token a letter."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast

    vocabulary = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, **{chr(97 + i): 4 + i for i in range(26)}}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]")
    torch.manual_seed(0)
    config = AutoConfig.for_model(family, vocab_size=64, max_position_embeddings=32, **TEXTS[family])
    AutoModel.from_config(config).save_pretrained(tmp_path / family)
    fast.save_pretrained(tmp_path / family)
    return tmp_path / family


def backbone_and_inputs(name, tmp_path):
    if name in TEXTS:
        backbone = load_backbone(locate_backbone(str(text_folder(tmp_path, name))), max_length=16)
        return backbone, text_inputs()
    backbone = load_backbone(locate_backbone(name), pretrained=name == "efficientnet-lite0", image_size=SIZE)
    if backbone.pretrained:
        return backbone, image_inputs()
    for module in backbone.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    return backbone, image_inputs()


def train(name, tmp_path, depth, enabled):
    torch.manual_seed(0)
    backbone, inputs = backbone_and_inputs(name, tmp_path)
    config = TrainConfig(
        optimizer="sgd", learning_rate=1e-3, batch_size=10, epochs=5, schedule="constant", warmup=0, weight_decay=0
    )
    plan = make_plan(StrategyConfig(frozen_depth=depth), config, backbone.block_names)
    cache = PrefixCache(backbone, inputs, folder=tmp_path / "cache", enabled=enabled)
    cache.fill(plan.cuts(), np.arange(ITEMS))
    assert cache.activations(plan.min_cut).cached == enabled
    classifier = Classifier(backbone, 3, seed=1)
    prepare(classifier, plan)
    digests = frozen_digests(classifier, plan)
    chosen = Selection(np.arange(TRAIN), np.arange(TRAIN, ITEMS), np.arange(ITEMS) % 3)
    fitted = fit(classifier, plan, config, cache, chosen, QuietRecorder(0))
    assert fitted.steps == 20
    assert check_frozen(classifier, plan, digests) == []
    return fitted, predict(classifier, plan, cache, np.arange(ITEMS)).logits


QUICK = [("timm:resnet10t", 1), ("bert", "50%")]
CASES = [(name, depth) for name in [*IMAGES, *TEXTS] for depth in ("all", "all-1", "50%", 1)]


@pytest.mark.parametrize(
    ("name", "depth"), [case if case in QUICK else pytest.param(*case, marks=pytest.mark.slow) for case in CASES]
)
def test_the_loss_curve_is_the_same_with_and_without_the_cache(name, depth, tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "lab"))
    torch.set_num_threads(1)
    (cached, logits), (uncached, others) = (train(name, tmp_path, depth, enabled) for enabled in (True, False))
    for key in ("train_loss", "validation_loss"):
        curves = [[row[key] for row in fitted.history] for fitted in (cached, uncached)]
        assert curves[0] == pytest.approx(curves[1], rel=1e-5)
        assert len(set(curves[0])) > 1
    assert np.abs(logits - others).max() <= 1e-4 * np.abs(others).max()

"""Blocks of transformers encoders with random weights: put together, the encoder's own forward."""

from __future__ import annotations

import pytest
import torch
from transformers import (
    AlbertConfig,
    AutoModel,
    BertConfig,
    Dinov2Config,
    DistilBertConfig,
    ElectraConfig,
    MPNetConfig,
    RobertaConfig,
    ViTConfig,
)

from lab.data.backbones import locate_backbone
from lab.errors import UserError
from lab.models.backbone import ImagePreprocessing, TextPreprocessing, attention_bias, load_backbone
from lab.models.backbone_transformers import split_encoder
from lab.models.block_facts import block_names_of, describe_blocks
from lab.models.prefix import prefix_function

WIDE = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}
TEXTS = {
    "bert": BertConfig(vocab_size=50, **WIDE),
    "distilbert": DistilBertConfig(vocab_size=50, dim=16, n_layers=3, n_heads=2, hidden_dim=32),
    "roberta": RobertaConfig(vocab_size=50, **WIDE),
    "electra": ElectraConfig(vocab_size=50, embedding_size=8, **WIDE),
}
IMAGES = {
    "vit": ViTConfig(image_size=32, patch_size=8, **WIDE),
    "dinov2": Dinov2Config(image_size=28, patch_size=14, mlp_ratio=2, **WIDE),
}


def text_backbone(family: str, blocks=None):
    torch.manual_seed(0)
    model = AutoModel.from_config(TEXTS[family]).eval()
    return model, split_encoder(model, family, TextPreprocessing(None, 20, TEXTS[family].pad_token_id), blocks)


def padded_batch(pad: int):
    x = torch.randint(5, 50, (3, 9), generator=torch.Generator().manual_seed(1))
    mask = torch.arange(9) < torch.tensor([[9], [4], [6]])
    return x.masked_fill(~mask, pad), mask


@pytest.mark.parametrize("family", TEXTS)
def test_blocks_put_together_are_the_encoders_own_forward(family):
    model, backbone = text_backbone(family)
    x, mask = padded_batch(backbone.preprocessing.pad_id)
    assert len(backbone.blocks) == 4
    with torch.no_grad():
        expected = model(input_ids=x, attention_mask=mask.long()).last_hidden_state
        assert torch.allclose(backbone.run_blocks(x, mask)[mask], expected[mask], atol=1e-5)
        means = torch.stack([row[real].mean(0) for row, real in zip(expected, mask, strict=True)])
        assert torch.allclose(backbone(x, mask), means, atol=1e-5)
        assert means.std() > 0.1
        for cut in range(5):
            state = prefix_function(backbone, cut)(x, mask)
            assert torch.allclose(backbone.run_blocks(state, mask, start=cut)[mask], expected[mask], atol=1e-5)
    owned = [id(parameter) for block in backbone.blocks for parameter in block.parameters()]
    assert len(owned) == len(set(owned))
    unused = {id(p) for name, p in model.named_parameters() if name.startswith("pooler.")}
    assert set(owned) == {id(p) for p in model.parameters()} - unused


@pytest.mark.parametrize("family", IMAGES)
def test_blocks_of_vision_transformers_are_their_own_forward_at_any_size(family):
    torch.manual_seed(0)
    model = AutoModel.from_config(IMAGES[family]).eval()
    for size in (IMAGES[family].image_size, 56):
        backbone = split_encoder(model, family, ImagePreprocessing(size, (0.5,) * 3, (0.2,) * 3, "bicubic"))
        x = torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8)
        options = {"interpolate_pos_encoding": True} if family == "vit" else {}
        with torch.no_grad():
            expected = model((x / 255 - 0.5) / 0.2, **options).last_hidden_state
            assert torch.allclose(backbone(x), expected[:, 0], atol=1e-4)
            assert backbone.pool(backbone.run_blocks(x, stop=2), block=1).shape == (2, 16)
            state = prefix_function(backbone, 2)(x)
            assert torch.allclose(backbone.run_blocks(state, start=2), expected, atol=1e-4)
        unused = sum(p.numel() for name, p in model.named_parameters() if name.startswith("pooler."))
        assert sum(p.numel() for p in backbone.parameters()) == sum(p.numel() for p in model.parameters()) - unused


def test_what_is_padded_has_no_say_and_no_padding_no_mask():
    _, backbone = text_backbone("bert")
    x, mask = padded_batch(0)
    with torch.no_grad():
        alone = backbone(x[1:2, :4])
        assert torch.allclose(backbone(x, mask)[1:2], alone, atol=1e-6)
        full = torch.ones(1, 4, dtype=torch.bool)
        assert torch.equal(backbone(x[1:2, :4], full), alone)
    assert attention_bias(full, torch.float32) is None
    assert attention_bias(None, torch.float32) is None
    assert attention_bias(mask, torch.float32).shape == (3, 1, 1, 9)


def test_listed_modules_become_the_blocks():
    _, found = text_backbone("bert")
    _, listed = text_backbone("bert", ["embeddings", "encoder.layer.1"])
    x, mask = padded_batch(0)
    assert listed.block_names == ("embeddings", "encoder.layer.1")
    with torch.no_grad():
        assert torch.allclose(listed(x, mask), found(x, mask), atol=1e-6)
    assert sum(p.numel() for p in listed.parameters()) == sum(p.numel() for p in found.parameters())


@pytest.mark.parametrize(
    ("blocks", "said"),
    [
        (["embeddings", "encoder.layer.7"], "no module 'encoder.layer.7'"),
        (["encoder.layer.1", "embeddings"], "blocks run in another order: embeddings, encoder.layer.1"),
        (["embeddings", "encoder.layer.0", "encoder.layer.1.attention"], "blocks do not compose"),
    ],
)
def test_modules_that_are_no_blocks_are_said_so(blocks, said):
    with pytest.raises(UserError) as error:
        text_backbone("bert", blocks)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (AlbertConfig(vocab_size=50, embedding_size=8, **WIDE), "blocks of a AlbertModel cannot be found; list them"),
        (MPNetConfig(vocab_size=50, **WIDE), "blocks do not compose"),
    ],
)
def test_encoders_that_are_no_chain_of_blocks_are_refused(config, said):
    with pytest.raises(UserError) as error:
        split_encoder(AutoModel.from_config(config), "mine", TextPreprocessing(None, 20, 1))
    assert said in str(error.value)
    assert "backbone.blocks" in str(error.value)


def test_the_packaged_encoder():
    location = locate_backbone("minilm-l6")
    backbone = load_backbone(location)
    assert block_names_of(location) == backbone.block_names == ("embeddings", *(f"encoder.layer.{i}" for i in range(6)))
    assert backbone.feature_dim == 384
    assert backbone.preprocessing.max_length == 128
    batch = backbone.preprocessing.tokenizer(["A cat sat.", "It is the cat."], padding=True, return_tensors="pt")
    from lab.models.text_backbone import encode_texts, load_text_backbone

    with torch.no_grad():
        pooled = torch.nn.functional.normalize(backbone(batch["input_ids"], batch["attention_mask"].bool()), dim=1)
    expected = encode_texts(load_text_backbone(location.source), ["A cat sat.", "It is the cat."])
    assert torch.allclose(pooled, torch.from_numpy(expected), atol=1e-5)
    assert describe_blocks(backbone)[0].output_shape == (32, 384)
    untrained = load_backbone(location, pretrained=False)
    assert untrained.block_names == backbone.block_names
    assert untrained.fingerprint() != backbone.fingerprint()
    assert untrained.preprocessing.key == backbone.preprocessing.key

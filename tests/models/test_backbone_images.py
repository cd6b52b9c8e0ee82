"""Blocks of image networks with random weights: put together, the network's own forward."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lab.data.backbones import locate_backbone
from lab.errors import UserError
from lab.models.backbone import ImagePreprocessing, load_backbone
from lab.models.backbone_images import split_image_model
from lab.models.block_facts import block_names_of, describe_blocks
from lab.models.image_libraries import without_classifier
from lab.models.prefix import prefix_function

SIZE = 64
LARGE = ["torchvision:densenet121", "torchvision:regnet_x_400mf"]  # of which no small one can be built
VIT = {"img_size": SIZE, "depth": 3, "embed_dim": 24, "num_heads": 2}
SWIN = {"img_size": SIZE, "window_size": 4, "depths": (1, 1, 2), "embed_dim": 12, "num_heads": (1, 2, 4)}
FAMILIES = {  # name: how many blocks, and what makes it small
    "timm:resnet10t": (5, {}),
    "timm:mobilenetv3_small_050": (7, {}),
    "timm:tf_efficientnet_lite0": (9, {}),
    "timm:convnext_atto": (5, {"depths": (1, 1, 2, 1), "dims": (8, 16, 24, 32)}),
    "timm:regnetx_002": (5, {}),
    "timm:densenet121": (6, {"block_config": (2, 2, 2), "growth_rate": 8}),
    "timm:vit_tiny_patch16_224": (4, VIT),
    "timm:swin_tiny_patch4_window7_224": (4, SWIN),
    "torchvision:resnet18": (5, {}),
    "torchvision:mobilenet_v2": (19, {"width_mult": 0.35}),
    "torchvision:mobilenet_v3_small": (13, {}),
    "torchvision:efficientnet_b0": (9, {}),
    "torchvision:convnext_tiny": (8, {}),
    "torchvision:densenet121": (6, {}),
    "torchvision:regnet_x_400mf": (5, {}),
    "torchvision:vit_b_16": (4, {}),
    "torchvision:swin_t": (4, {}),
}


def torchvision_network(name: str, options: dict):
    """A torchvision network that is small even where its constructors offer large ones only."""
    from torchvision.models import ConvNeXt, DenseNet, SwinTransformer, VisionTransformer, get_model
    from torchvision.models.convnext import CNBlockConfig

    if name == "vit_b_16":
        return VisionTransformer(SIZE, 16, num_layers=3, num_heads=2, hidden_dim=24, mlp_dim=48)
    if name == "densenet121":
        return DenseNet(8, (2, 2, 2), 16)
    if name == "swin_t":
        return SwinTransformer([4, 4], 12, [1, 2], [1, 2], [4, 4])
    if name == "convnext_tiny":
        return ConvNeXt([CNBlockConfig(*widths, 1) for widths in ((8, 12), (12, 16), (16, 24), (24, None))])
    return get_model(name, weights=None, **options)


def network(name: str):
    """A small network without its classifier, its batch norm statistics other than those at the start; its blocks."""
    import timm

    library, architecture = name.split(":")
    torch.manual_seed(0)
    if library == "timm":
        model = timm.create_model(architecture, num_classes=0, **FAMILIES[name][1])
    else:
        model = without_classifier(torchvision_network(architecture, FAMILIES[name][1]), name)
    preprocessing = ImagePreprocessing(SIZE, (0.5, 0.4, 0.3), (0.2, 0.25, 0.3), "bicubic")
    for module in model.eval().modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.uniform_(-0.5, 0.5)
    return model, split_image_model(model, name, library, preprocessing)


def images(count: int = 2):
    return torch.randint(0, 256, (count, 3, SIZE, SIZE), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def close(found, expected, tolerance=1e-5):
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= tolerance * expected.abs().max()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in LARGE else []) for name in FAMILIES]
)
def test_blocks_put_together_are_the_networks_own_forward(name):
    model, backbone = network(name)
    x = images()
    with torch.no_grad():
        mean, std = (
            torch.tensor(v).view(1, 3, 1, 1) for v in (backbone.preprocessing.mean, backbone.preprocessing.std)
        )
        scaled = (x / 255 - mean) / std
        if name.startswith("timm:"):
            expected = model.forward_head(model.forward_features(scaled), pre_logits=True)
        else:
            expected = model(scaled)
        close(backbone(x), expected.flatten(1), 1e-4)
        assert expected.std() > 0
        assert backbone.feature_dim == expected.flatten(1).shape[1]
        cuts = sorted({1, len(backbone.blocks) // 2, len(backbone.blocks) - 1, len(backbone.blocks)})
        for cut in cuts:
            state = backbone.run_blocks(x, stop=cut)
            close(prefix_function(backbone, cut)(x), state, 1e-4)
            rest = backbone.pool(backbone.run_blocks(state, start=cut))
            close(rest, backbone(x))
            assert backbone.pool(state, block=cut - 1).shape[0] == 2
    assert len(backbone.blocks) == len(set(backbone.block_names)) == FAMILIES[name][0]
    owned = [id(parameter) for block in backbone.blocks for parameter in block.parameters()]
    assert len(owned) == len(set(owned))
    assert set(owned) == {id(parameter) for parameter in model.parameters()}


@pytest.mark.parametrize("name", ["timm:resnet10t", "torchvision:mobilenet_v3_small"])
def test_names_are_known_without_weights(name):
    _, backbone = network(name)
    assert block_names_of(locate_backbone(name), image_size=SIZE) == backbone.block_names
    assert load_backbone(locate_backbone(name), pretrained=False, image_size=SIZE).block_names == backbone.block_names


def test_each_block_learns_and_only_from_its_own_place_on():
    _, backbone = network("timm:resnet10t")
    state = prefix_function(backbone, 3)(images())
    backbone.pool(backbone.run_blocks(state, start=3)).square().sum().backward()
    touched = [any(p.grad is not None and p.grad.any() for p in block.parameters()) for block in backbone.blocks]
    assert touched == [False, False, False, True, True]


def test_the_prefix_keeps_what_it_was_made_of_and_its_statistics():
    _, backbone = network("timm:resnet10t")
    prefix, x = prefix_function(backbone, 2), images()
    before, digest = prefix(x), backbone.fingerprint()
    backbone.train()
    assert backbone.fingerprint() == digest
    assert torch.equal(prefix(x), before)
    with torch.no_grad():
        next(backbone.blocks[0].parameters()).add_(1)
    assert torch.equal(prefix(x), before)
    assert backbone.fingerprint() != digest
    assert not before.is_inference()
    assert not before.requires_grad


def test_batch_norm_is_folded_away_in_the_prefix():
    from lab.models.prefix import fold_batch_norm

    _, backbone = network("timm:mobilenetv3_small_050")
    folded = fold_batch_norm(backbone)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert any(isinstance(module, nn.BatchNorm2d) for module in backbone.modules())


def test_bfloat16_activations_are_those_of_float32_to_its_precision():
    _, backbone = network("timm:resnet10t")
    x = images()
    half = prefix_function(backbone, 3, "bf16")(x)
    assert half.dtype == torch.bfloat16
    full = prefix_function(backbone, 3)(x)
    assert 0 < (half.float() - full).abs().mean() < 0.03 * full.abs().mean()


def test_a_fingerprint_is_of_weights_and_changes_from_the_changed_block_on():
    first, second = network("timm:resnet10t")[1], network("timm:resnet10t")[1]
    assert [first.fingerprint(k) for k in range(6)] == [second.fingerprint(k) for k in range(6)]
    with torch.no_grad():
        second.blocks[2].body.layer2[0].bn1.running_mean.add_(1)
    same = [first.fingerprint(k) == second.fingerprint(k) for k in range(6)]
    assert same == [True, True, True, False, False, False]


def test_random_weights_come_from_the_seed_and_leave_the_generator_alone():
    location = locate_backbone("timm:resnet10t")
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    one, same, other = (load_backbone(location, pretrained=False, image_size=SIZE, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    assert one.fingerprint() == same.fingerprint() != other.fingerprint()
    assert not one.pretrained
    assert not one.training


def test_listed_modules_become_the_blocks():
    location = locate_backbone("timm:resnet10t")
    listed = load_backbone(location, pretrained=False, image_size=SIZE, blocks=["conv1", "layer2", "layer4"])
    found = load_backbone(location, pretrained=False, image_size=SIZE)
    assert listed.block_names == ("conv1", "layer2", "layer4")
    assert torch.equal(listed(images()), found(images()))
    assert sum(p.numel() for p in listed.parameters()) == sum(p.numel() for p in found.parameters())
    assert block_names_of(location, blocks=["conv1", "layer2", "layer4"]) == listed.block_names


@pytest.mark.parametrize(
    ("blocks", "said"),
    [
        (["layer1", "layer_3"], "no module 'layer_3' (backbone.blocks); there is layer"),
        (["layer3", "layer1"], "blocks run in another order: layer1, layer3"),
        (["layer1", "layer2.0.conv1", "layer2.0.conv2"], "blocks do not compose: 2 values pass into"),
        (["layer1", "fc"], "is never called in the forward pass"),
    ],
)
def test_modules_that_are_no_blocks_are_said_so(blocks, said):
    with pytest.raises(UserError) as error:
        load_backbone(locate_backbone("timm:resnet10t"), pretrained=False, image_size=SIZE, blocks=blocks)
    assert said in str(error.value)


def test_a_network_without_known_structure_asks_for_module_names():
    with pytest.raises(UserError, match=r"list them in order in `backbone\.blocks` by module names; there is 0, 1"):
        split_image_model(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(4, 2)), "mine", "torchvision", None)


@pytest.mark.parametrize("name", ["timm:resnet18x", "torchvision:resnet", "torchvision:squeezenet1_0"])
def test_unknown_networks_are_refused_in_one_line(name):
    with pytest.raises(UserError) as error:
        load_backbone(locate_backbone(name), pretrained=False)
    assert name in str(error.value)
    assert "\n" not in str(error.value)


def test_an_image_size_that_a_network_cannot_take_is_said_so():
    with pytest.raises(UserError, match="does not run on images of 32 pixels"):
        load_backbone(locate_backbone("timm:inception_v3"), pretrained=False, image_size=32)


def test_facts_of_blocks():
    _, backbone = network("timm:resnet10t")
    facts = describe_blocks(backbone)
    assert [fact.name for fact in facts] == list(backbone.block_names)
    assert sum(fact.parameters for fact in facts) == sum(p.numel() for p in backbone.parameters())
    assert facts[1].output_shape == (64, 16, 16)
    assert sum(fact.time_share for fact in facts) == pytest.approx(1)
    assert describe_blocks(backbone, timed=False)[0].time_share is None


def test_the_key_of_stored_pixels_is_not_that_of_their_normalisation():
    _, backbone = network("timm:resnet10t")
    assert backbone.preprocessing.key == "64px-bicubic"


def test_the_packaged_network_has_nine_blocks_and_its_weights():
    backbone = load_backbone(locate_backbone("efficientnet-lite0"), image_size=64)
    assert backbone.block_names == ("stem", *(f"blocks.{i}" for i in range(7)), "conv_head")
    assert backbone.feature_dim == 1280
    assert sum(p.numel() for p in backbone.parameters()) == 3_371_008
    untrained = load_backbone(locate_backbone("efficientnet-lite0"), image_size=64, pretrained=False)
    assert backbone.fingerprint() != untrained.fingerprint()


def test_a_network_whose_forward_cannot_be_followed_is_refused_in_one_line():
    with pytest.raises(UserError, match="the forward of a CrossVit cannot be followed") as error:
        block_names_of(locate_backbone("timm:crossvit_tiny_240"))
    assert "\n" not in str(error.value)


def test_side_branches_that_only_training_has_are_no_part_of_it():
    names = block_names_of(locate_backbone("torchvision:googlenet"))
    assert (len(names), names[0], names[-1]) == (12, "conv1", "inception5b")

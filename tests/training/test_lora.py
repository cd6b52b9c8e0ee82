from __future__ import annotations

import torch
import toy_training as toys
from torch import nn
from torchvision.models.swin_transformer import ShiftedWindowAttention

from lab.training.lora import adaptable


class Odd(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2)
        self.windows = ShiftedWindowAttention(8, [2, 2], [0, 0], 2)
        self.up, self.depthwise, self.point = nn.Linear(8, 8), nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 8, 1)


def test_only_layers_that_are_called_are_adapted():
    assert adaptable(Odd()) == ["up", "point"]


def test_every_adapter_reaches_the_output():
    for kind in toys.KINDS:
        classifier, _, _ = toys.made(kind, {"kind": "lora", "lora_rank": 2})
        x, mask = toys.ToyCache(kind).raw(torch.arange(4).numpy(), 0)
        classifier(x, mask).square().sum().backward()
        adapters = [p for name, p in classifier.named_parameters() if "lora_" in name]
        assert adapters
        assert all(p.grad is not None for p in adapters)
        assert any(p.grad.abs().max() > 0 for p in adapters)


def test_an_adapter_adds_its_low_rank_product():
    classifier, plan, _ = toys.made("text", {"kind": "lora", "lora_rank": 2, "lora_alpha": 6, "frozen_depth": 3})
    layer = classifier.backbone.blocks[3].body.linear
    down, up = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    with torch.no_grad():
        up.normal_()
    x = torch.randn(5, 8)
    expected = x @ (layer.base_layer.weight + 6 / 2 * up @ down).T + layer.base_layer.bias
    assert torch.allclose(layer(x), expected, atol=1e-5)
    assert plan.lora_rank == down.shape[0]

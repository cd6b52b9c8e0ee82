from __future__ import annotations

import pytest
import torch
from torch import nn

from lab.data.backbones import locate_backbone
from lab.models.backbone import load_backbone
from lab.models.dropout import QuickDropout, keep_mask, use_quick_dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_share_and_the_mean_are_right(p):
    torch.manual_seed(0)
    mask = keep_mask(torch.Size((401, 501)), p)
    assert (mask == 0).float().mean().item() == pytest.approx(p, abs=0.004)
    assert mask.mean().item() == pytest.approx(1, abs=0.01 + p / 50)
    assert len(mask.unique()) == 2
    assert mask.max().item() == pytest.approx(1 / (1 - p), rel=1e-3)


def test_neighbours_are_independent():
    torch.manual_seed(0)
    dropped = (keep_mask(torch.Size((200_000,)), 0.5) == 0).float()
    for step in (1, 2, 3, 4):
        assert (dropped[step:] * dropped[:-step]).mean().item() == pytest.approx(0.25, abs=0.005)


def test_the_gradient_goes_where_the_output_came_from():
    torch.manual_seed(0)
    x = torch.rand(50, 30, requires_grad=True)
    y = QuickDropout(0.3)(x)
    y.sum().backward()
    assert torch.equal(x.grad == 0, y == 0)
    assert torch.allclose(x.grad * x, y)
    assert 0 < (y == 0).float().mean() < 0.5


def test_a_seed_decides_it():
    x, layer = torch.ones(40, 40), QuickDropout(0.2)
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(layer(x))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


@pytest.mark.parametrize("layer", [QuickDropout(0.2).eval(), QuickDropout(0.0)])
def test_it_is_off_in_evaluation_and_at_zero(layer):
    x = torch.rand(10, 10)
    assert torch.equal(layer(x), x)


def test_everything_is_dropped_at_one():
    assert not QuickDropout(1.0)(torch.ones(9)).any()


def test_plain_dropout_is_replaced_and_nothing_else():
    network = nn.Sequential(nn.Linear(3, 3), nn.Sequential(nn.Dropout(0.3)), nn.Dropout2d(0.2)).eval()
    before = network.state_dict().keys()
    use_quick_dropout(network)
    assert type(network[1][0]) is QuickDropout
    assert network[1][0].p == 0.3
    assert not network[1][0].training
    assert type(network[2]) is nn.Dropout2d
    assert network.state_dict().keys() == before


def test_loaded_networks_have_it():
    found = [type(module) for module in load_backbone(locate_backbone("minilm-l6")).modules()]
    assert QuickDropout in found
    assert nn.Dropout not in found

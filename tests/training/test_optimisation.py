from __future__ import annotations

import pytest
import torch
import toy_training as toys

from lab.training.freezing import block_table, parameter_groups
from lab.training.optimisation import Optimisation, schedule_factor


def test_schedules():
    factors = [schedule_factor(step, 10, "linear", 0.2) for step in range(10)]
    assert factors == pytest.approx([1 / 3, 2 / 3, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8])
    assert [schedule_factor(step, 10, "constant", 0) for step in range(10)] == [1] * 10
    cosine = [schedule_factor(step, 100, "cosine", 0) for step in range(100)]
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(torch.optim.SGD([torch.zeros(1)], 1.0), 100)
    expected = []
    for _ in range(100):
        expected.append(reference.get_last_lr()[0])
        reference.optimizer.step()
        reference.step()
    assert cosine == pytest.approx(expected, abs=1e-6)


def test_rates_by_block_and_no_decay_on_biases_and_norms():
    classifier, plan, _ = toys.made("text", {"frozen_depth": 1, "layer_decay": 0.5}, {"learning_rate": 0.8})
    rates = {}
    for group in parameter_groups(classifier, plan, 0.1):
        for name, parameter in zip(group["names"], group["params"], strict=True):
            rates[name] = group["base_lr"]
            assert group["weight_decay"] == (0.1 if parameter.ndim > 1 else 0)
    assert {rates[f"backbone.blocks.{i}.body.linear.weight"] for i in (1,)} == {0.2}
    assert rates["backbone.blocks.2.body.norm.bias"] == 0.4
    assert rates["backbone.blocks.3.body.linear.weight"] == rates["head.weight"] == 0.8
    assert len(rates) == 3 * 4 + 2


def test_an_update_moves_each_block_at_its_rate():
    classifier, plan, config = toys.made(
        "text",
        {"frozen_depth": 2, "layer_decay": 0.5},
        {"optimizer": "sgd", "learning_rate": 1.0, "weight_decay": 0, "clip_norm": None, "warmup": 0},
    )
    optimisation = Optimisation(parameter_groups(classifier, plan, config.weight_decay), config, 10)
    before = {name: p.detach().clone() for name, p in classifier.named_parameters()}
    for parameter in classifier.parameters():
        parameter.grad = torch.ones_like(parameter) if parameter.requires_grad else None
    optimisation.step(0)
    moved = {name: (before[name] - p.detach()).mean().item() for name, p in classifier.named_parameters()}
    assert moved["backbone.blocks.2.body.linear.weight"] == pytest.approx(0.5, rel=1e-5)
    assert moved["backbone.blocks.3.body.norm.bias"] == pytest.approx(1.0, rel=1e-5)
    assert moved["backbone.blocks.1.body.linear.weight"] == 0
    assert all(parameter.grad is None for parameter in classifier.parameters())


def test_a_block_that_is_still_frozen_is_not_even_decayed():
    classifier, plan, config = toys.made("text", {"kind": "gradual"}, {"weight_decay": 0.5})
    optimisation = Optimisation(parameter_groups(classifier, plan, config.weight_decay), config, 10)
    before = classifier.backbone.blocks[3].body.linear.weight.detach().clone()
    classifier.logits(torch.ones(2, 8), start=4).sum().backward()
    optimisation.step(0)
    assert torch.equal(before, classifier.backbone.blocks[3].body.linear.weight)


def test_clipping():
    classifier, plan, config = toys.made(
        "text", {}, {"optimizer": "sgd", "clip_norm": 1.0, "learning_rate": 1.0, "warmup": 0}
    )
    before = classifier.head.bias.detach().clone()
    classifier.head.weight.grad = torch.full_like(classifier.head.weight, 30.0)
    classifier.head.bias.grad = torch.full_like(classifier.head.bias, 40.0)
    Optimisation(parameter_groups(classifier, plan, config.weight_decay), config, 10).step(0)
    norm = (24 * 30.0**2 + 3 * 40.0**2) ** 0.5
    assert torch.allclose(before - classifier.head.bias, torch.full((3,), 40 / norm), rtol=1e-4)


def test_the_table_of_blocks():
    classifier, plan, _ = toys.made("image", {"frozen_depth": 2, "layer_decay": 0.5}, {"learning_rate": 1.0})
    rows = block_table(classifier, plan)
    assert [row["name"] for row in rows] == ["stem", "stages.0", "stages.1", "stages.2"]
    assert [row["trained"] for row in rows] == [False, False, True, True]
    assert [row["learning_rate"] for row in rows] == [None, None, 0.5, 1.0]
    assert [row["batch_norm"] for row in rows] == ["eval", "eval", "train", "train"]
    assert [row["parameters"] for row in rows] == [180, 72, 456, 900]
    assert rows[2]["trained_parameters"] == 456
    assert sum(row["parameters"] for row in rows) == sum(p.numel() for p in classifier.backbone.parameters())
    classifier, plan, _ = toys.made("text", {"kind": "bitfit", "frozen_depth": 3})
    assert block_table(classifier, plan)[3]["trained_parameters"] == 16
    assert block_table(classifier, plan)[3]["batch_norm"] is None

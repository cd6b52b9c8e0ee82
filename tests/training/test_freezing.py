from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
import toy_training as toys
from toy_training import EVERY_KIND, KINDS, same, spoken

from lab.errors import UserError
from lab.training.fit import fit, predict
from lab.training.freezing import (
    check_frozen,
    frozen_digests,
    load_trained,
    prepare,
    set_modes,
    trainable_names,
    trained_names,
    trained_tensors,
)
from lab.training.recorder import QuietRecorder


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("strategy", EVERY_KIND, ids=spoken)
def test_what_is_frozen_stays_bit_identical_and_the_rest_moves(kind, strategy):
    classifier, plan, _ = toys.made(kind, strategy)
    before = {name: tensor.clone() for name, tensor in classifier.state_dict().items()}
    digests = frozen_digests(classifier, plan)
    fit(classifier, plan, toys.made(kind, strategy)[2], toys.ToyCache(kind), toys.selection(), QuietRecorder(3))
    assert check_frozen(classifier, plan, digests) == []
    after = classifier.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved <= trained_names(classifier, plan)
    expected = {n for n in trainable_names(classifier, plan) if not n.endswith("0.body.0.bias") or kind == "text"}
    norm_fed = {n for n in expected if kind == "image" and n.endswith("body.0.bias")}  # a batch norm takes it out again
    assert expected - norm_fed <= moved
    if strategy.get("batch_norm", "eval") == "eval" and plan.min_cut == len(plan.blocks):
        assert all(name.startswith("head.") for name in moved)


def test_a_changed_frozen_parameter_is_found():
    classifier, plan, _ = toys.made("image", {"frozen_depth": 2})
    digests = frozen_digests(classifier, plan)
    with torch.no_grad():
        classifier.backbone.blocks[1].body[0].weight[0, 0, 0, 0] += 1e-7
        classifier.backbone.blocks[0].body[1].running_mean[0] += 1e-3
        classifier.backbone.blocks[2].body[0].weight.add_(1)
    assert check_frozen(classifier, plan, digests) == [
        "backbone.blocks.0.body.1.running_mean",
        "backbone.blocks.1.body.0.weight",
    ]


@pytest.mark.parametrize("mode", ["track", "train"])
def test_batch_norms_of_the_frozen_part_follow_the_data(mode):
    classifier, plan, _ = toys.made("image", {"frozen_depth": 2, "batch_norm": mode})
    norm = classifier.backbone.blocks[0].body[1]
    before = norm.running_mean.clone()
    x = toys.ToyCache("image").raw(np.arange(8), 0)[0]
    config = toys.made("image", {})[2]
    set_modes(classifier, plan, 0)
    output = classifier.backbone.run_blocks(x, stop=2)
    convolved = classifier.backbone.blocks[0].body[0](classifier.backbone.normalise(x))
    assert torch.allclose(norm.running_mean, 0.9 * before + 0.1 * convolved.mean((0, 2, 3)), atol=1e-6)
    classifier.eval()
    differs = not torch.allclose(output, classifier.backbone.run_blocks(x, stop=2), atol=1e-2)
    assert differs == (mode == "train") or mode == "track"
    assert config.epochs


def test_gradual_thaws_by_the_epoch_alone():
    classifier, plan, _ = toys.made("text", {"kind": "gradual", "frozen_depth": 1})
    blocks = [{n.split(".")[2] for n in trainable_names(classifier, plan, e) if "blocks" in n} for e in range(5)]
    assert blocks == [set(), {"3"}, {"2", "3"}, {"1", "2", "3"}, {"1", "2", "3"}]


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ({"kind": "norm_only", "frozen_depth": 2}, {"2.body.norm.weight", "2.body.norm.bias"}),
        ({"kind": "bitfit", "frozen_depth": 2}, {"2.body.norm.bias", "2.body.linear.bias"}),
        (
            {"kind": "surgical", "blocks": ["layer.1"]},
            {f"2.body.{m}.{p}" for m in ("norm", "linear") for p in ("weight", "bias")},
        ),
    ],
    ids=spoken,
)
def test_which_parameters_are_trained(strategy, expected):
    classifier, plan, _ = toys.made("text", strategy)
    names = {name.removeprefix("backbone.blocks.") for name in trainable_names(classifier, plan)}
    assert {name for name in names if name.startswith("2.")} == expected
    assert {"head.weight", "head.bias"} <= names
    assert not [name for name in names if name.startswith(("0.", "1."))]


def test_lora_begins_as_the_network_and_trains_only_adapters():
    plain, _, _ = toys.made("text", {"frozen_depth": 1})
    classifier, plan, _ = toys.made("text", {"kind": "lora", "frozen_depth": 1, "lora_rank": 2})
    x, mask = toys.ToyCache("text").raw(np.arange(6), 0)
    plain.eval(), classifier.eval()
    assert torch.equal(plain(x, mask), classifier(x, mask))
    names = trainable_names(classifier, plan)
    assert {name for name in names if "lora_" not in name} == {"head.weight", "head.bias"}
    assert len([name for name in names if "lora_" in name]) == 6
    run = QuietRecorder(3)
    trained, _, _ = toys.trained("text", {"kind": "lora", "frozen_depth": 1, "lora_rank": 2}, run=run)
    assert not run.warnings
    assert not torch.equal(plain(x, mask), trained.eval()(x, mask))


def test_frozen_blocks_behind_a_surgical_one_pass_gradients_but_keep_none():
    classifier, plan, config = toys.made("text", {"kind": "surgical", "blocks": [2]})
    fit(classifier, plan, config, toys.ToyCache("text"), toys.selection(), QuietRecorder(0))
    for index in (2, 3):
        block = classifier.backbone.blocks[index]
        assert all(not p.requires_grad and p.grad is None for p in block.parameters())
        assert not block.body.dropout.training
    assert classifier.backbone.blocks[1].body.dropout.training


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("strategy", EVERY_KIND, ids=spoken)
def test_what_is_saved_makes_the_classifier_whole_again(kind, strategy):
    classifier, plan, _ = toys.trained(kind, strategy)
    fresh, _, _ = toys.made(kind, strategy)
    load_trained(fresh, plan, trained_tensors(classifier, plan))
    index = np.arange(toys.ITEMS)[::-1].copy()
    first, second = (predict(c, plan, toys.ToyCache(kind), index) for c in (classifier, fresh))
    assert np.array_equal(first.logits, second.logits)
    assert first.logits.shape == (toys.ITEMS, toys.CLASSES)
    x, mask = toys.ToyCache(kind).raw(index, 0)
    whole = classifier.eval()(x, mask).detach().numpy()
    assert np.allclose(first.logits, whole, atol=1e-4)


def test_saved_tensors_of_something_else_are_refused():
    classifier, plan, _ = toys.made("image", {"frozen_depth": 3})
    tensors = trained_tensors(classifier, plan)
    with pytest.raises(UserError, match="do not fit"):
        load_trained(classifier, plan, {**tensors, "more": np.zeros(1)})
    with pytest.raises(UserError, match="has shape"):
        load_trained(classifier, plan, {**tensors, "head.bias": np.zeros(7)})


def test_preparing_twice_from_the_same_seed_is_the_same():
    first = toys.made("text", {"kind": "lora"})[0]
    assert same(dict(first.state_dict()), dict(toys.made("text", {"kind": "lora"})[0].state_dict()))


def test_a_kind_that_finds_nothing_is_told():
    classifier, plan, _ = toys.made("text", {})
    del classifier.backbone.blocks[3].body.norm
    with pytest.raises(UserError, match="nothing of that kind"):
        prepare(classifier, dataclasses.replace(plan, kind="norm_only", depth=3), 0)

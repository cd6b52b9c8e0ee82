from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from lab.models.towers import backbone_feature
from lab.models.towers.backbone_feature import Activations, BackboneEncoder
from lab.models.towers.features import Codes, Numbers, encoder_of
from lab.models.towers.towers import Tower, TwoTower
from lab.training.cache.prefix_cache import PrefixCache
from lab.training.loop import train
from lab.training.recorder import QuietRecorder
from lab.training.two_tower import PairLearning, Pairs
from lab.training.two_tower_config import PairObjectiveConfig, TwoTowerTrainConfig
from tests.tiny_backbones import CALLS, image_backbone, image_inputs, text_backbone, text_inputs

ENTITIES = 40
NETWORKS = {"text": (text_backbone, text_inputs), "image": (image_backbone, image_inputs)}


def activations(kind, cut, folder, network=None):
    make, inputs = NETWORKS[kind]
    backbone = make() if network is None else network
    cache = PrefixCache(backbone, inputs(ENTITIES), folder=folder)
    cache.fill([cut], np.arange(ENTITIES))
    found = cache.activations(cut)
    return Activations("text", backbone, cut, found.batch, found.lengths)


def encoder(kind, cut, folder):
    torch.manual_seed(0)
    return BackboneEncoder(activations(kind, cut, folder), 3).eval()


def one_by_one(kind, found, index):
    """The whole network, entity after entity, nothing padded, nothing cached."""
    inputs = NETWORKS[kind][1](ENTITIES)
    rows = []
    for entity in index:
        x = torch.as_tensor(np.asarray(inputs.load(np.array([entity]))[0]))[None]
        rows.append(found.linear(found.backbone(x.long() if kind == "text" else x)))
    return torch.cat(rows)


@pytest.mark.parametrize("kind", ["text", "image"])
@pytest.mark.parametrize("cut", [0, 1, 2])
def test_it_is_the_whole_network_at_any_depth(kind, cut, tmp_path, monkeypatch):
    monkeypatch.setattr(backbone_feature, "ENTITIES_AT_ONCE", 4)
    found, index = encoder(kind, cut, tmp_path), torch.tensor([3, 17, 3, 39, 0, 17, 8, 21, 30])
    with torch.no_grad():
        assert torch.allclose(found(index), one_by_one(kind, found, index), atol=1e-5)


@pytest.mark.parametrize("kind", ["text", "image"])
def test_gradients_reach_the_blocks_behind_the_cut_and_no_others(kind, tmp_path):
    found, index = encoder(kind, 1, tmp_path), torch.tensor([3, 17, 3, 39])
    slow = copy.deepcopy(found)
    (found(index) ** 2).sum().backward()
    (one_by_one(kind, slow, index) ** 2).sum().backward()
    for (name, own), other in zip(found.named_parameters(), slow.parameters(), strict=True):
        trained = not name.startswith("backbone.blocks.0.")
        assert own.requires_grad == trained
        if trained:
            assert torch.allclose(own.grad, other.grad, atol=1e-4), name


def test_frozen_blocks_are_not_run_and_an_entity_only_once(tmp_path):
    found = encoder("text", 3, tmp_path)
    before = CALLS.copy()
    found(torch.tensor([5, 5, 9, 5]))
    ran = CALLS - before
    assert ran == {3: 2, 4: 2}


def test_frozen_blocks_and_batch_norms_stay_as_they_are_in_training(tmp_path):
    found = encoder("image", 1, tmp_path).train()
    assert not found.backbone.blocks[0].training
    assert found.backbone.blocks[1].training
    statistics = {name: tensor.clone() for name, tensor in found.backbone.named_buffers()}
    found(torch.arange(6))
    assert all(torch.equal(tensor, statistics[name]) for name, tensor in found.backbone.named_buffers())


def test_all_blocks_frozen_is_the_table_of_features(tmp_path):
    backbone = text_backbone()
    cache = PrefixCache(backbone, text_inputs(ENTITIES), folder=tmp_path)
    table, found = Numbers("text", cache.pooled()), encoder("text", 3, tmp_path)
    frozen = encoder_of(table, 3)
    with torch.no_grad():
        frozen.linear.weight.copy_(found.linear.weight)
        assert torch.allclose(frozen(torch.arange(9)), found(torch.arange(9)), atol=1e-5)


def test_both_sides_begin_with_the_same_map_whatever_is_missing_and_drawn_between(tmp_path):
    values = np.random.default_rng(0).normal(size=(9, 6)).astype(np.float32)
    with_gaps = values.copy()
    with_gaps[8] = np.nan
    table = activations("text", 3, tmp_path)
    torch.manual_seed(5)
    left = encoder_of(Numbers("text", values, alike=True), 3)
    right = encoder_of(Numbers("text", with_gaps, alike=True), 3)
    trained = BackboneEncoder(table, 3)
    other = encoder_of(Numbers("text", values), 3)
    begun = left.linear.weight
    assert torch.equal(begun, right.linear.weight[:, :6])
    assert torch.equal(begun, trained.linear.weight)
    assert not torch.equal(begun, other.linear.weight)
    torch.manual_seed(6)
    assert not torch.equal(begun, encoder_of(Numbers("text", values, alike=True), 3).linear.weight)


def learner(folder, run, rate=0.003):
    """Items read by a network whose last two blocks are trained; users by their ids."""
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    user = Tower([Codes("id", np.arange(12), 12)], 4)
    model = TwoTower(user, Tower([activations("text", 3, folder)], 4))
    pairs = Pairs(rng.integers(0, 12, 90), rng.integers(0, ENTITIES, 90), 12, ENTITIES)
    config = TwoTowerTrainConfig(epochs=4, batch_size=16, learning_rate=0.02, early_stopping=None)
    return PairLearning(
        model, pairs, None, PairObjectiveConfig(), config, run, rates={"item.encoders.0.backbone.": rate}
    )


def test_trained_blocks_have_their_own_rate_and_frozen_ones_are_no_part_of_what_is_kept(tmp_path):
    learning = learner(tmp_path, QuietRecorder(0))
    rates = {name: group["lr"] for group in learning.groups(learning.config) for name in group["names"]}
    blocks = [name for name in rates if ".backbone." in name]
    assert {name.split(".")[5] for name in blocks} == {"3", "4"}
    assert all(rate == (0.003 if name in blocks else 0.02) for name, rate in rates.items())
    assert set(learning.tensors()) == set(rates)


class Interrupted(QuietRecorder):
    """Stops after a number of epochs, with a checkpoint in memory."""

    kept = None
    after = None

    def checkpoint(self, step, tensors, state):
        self.kept = type("Saved", (), {"tensors": dict(tensors), "state": dict(state), "step": step})()

    def latest_checkpoint(self):
        return self.kept

    def progress(self, epoch, epochs, **metrics):
        self.over = epoch == self.after

    def check_interrupt(self):
        if getattr(self, "over", False):
            raise KeyboardInterrupt


def test_a_resumed_training_equals_an_uninterrupted_one_bit_for_bit(tmp_path):
    whole = learner(tmp_path, QuietRecorder(0))
    before = {name: tensor.clone() for name, tensor in whole.tensors().items()}
    train(whole, whole.config, whole.run)
    assert all(not torch.equal(before[name], tensor) for name, tensor in whole.tensors().items() if "weight" in name)
    stopped = learner(tmp_path, Interrupted(0))
    stopped.run.after = 2
    with pytest.raises(KeyboardInterrupt):
        train(stopped, stopped.config, stopped.run)
    run = Interrupted(0)
    run.kept = stopped.run.kept
    again = learner(tmp_path, run)
    train(again, again.config, again.run)
    assert all(torch.equal(tensor, again.tensors()[name]) for name, tensor in whole.tensors().items())

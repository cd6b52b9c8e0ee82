from __future__ import annotations

import dataclasses
import inspect

import numpy as np
import pytest
import torch
import toy_training as toys
from torch import nn
from toy_training import EVERY_KIND, KINDS, same, spoken

from lab.errors import UserError
from lab.evaluation.logistic import logistic_regression
from lab.training.batches import epoch_batches
from lab.training.fit import Fitted, fit, predict
from lab.training.recorder import QuietRecorder
from lab.training.selection import Selection


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("strategy", [s for s in EVERY_KIND if "solver" not in s], ids=spoken)
def test_resumed_equals_uninterrupted_bit_for_bit(kind, strategy):
    train = {"early_stopping": 3, "dropout": 0.1, "epochs": 4}
    whole, _, told = toys.trained(kind, strategy, train)
    for stop in (1, 2):
        run = toys.Checkpoints(3, stop)
        with pytest.raises(KeyboardInterrupt):
            toys.trained(kind, strategy, train, run=run)
        assert run.steps[-1] == stop
        run.stop = None
        resumed, _, again = toys.trained(kind, strategy, train, run=run)
        assert same(dict(whole.state_dict()), dict(resumed.state_dict()))
        curves = [[(row["train_loss"], row["validation_loss"]) for row in f.history] for f in (told, again)]
        assert curves[0] == curves[1]
        assert (told.best_epoch, told.epochs, told.steps) == (again.best_epoch, again.epochs, again.steps)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_bits_and_another_does_not(kind):
    first, second = (toys.trained(kind, {"frozen_depth": 1})[0] for _ in range(2))
    other = toys.trained(kind, {"frozen_depth": 1}, run=QuietRecorder(4))[0]
    assert same(dict(first.state_dict()), dict(second.state_dict()))
    assert not torch.equal(first.head.weight, other.head.weight)


def test_only_blocks_behind_the_cut_run(monkeypatch):
    ran = []
    classifier, plan, config = toys.made("text", {"kind": "gradual", "frozen_depth": 1})
    for index, block in enumerate(classifier.backbone.blocks):
        block.register_forward_hook(lambda *_, index=index: ran.append(index))
    cache = toys.ToyCache("text")
    fit(classifier, dataclasses.replace(plan, epochs=2), config, cache, toys.selection(), QuietRecorder(0))
    assert set(ran) == {3}
    assert {cut for cut, _, _ in cache.asked} == {3, 4}


def test_lp_ft_starts_from_the_probe():
    cache, chosen = toys.ToyCache("image"), toys.selection()
    classifier, _, _ = toys.trained(
        "image", {"kind": "lp_ft"}, {"learning_rate": 1e-12, "weight_decay": 0, "penalty": 1}
    )
    features = cache.activations(4).batch(chosen.train)[0].numpy()
    wanted = chosen.labels[chosen.train]
    probe = logistic_regression(features, wanted, toys.CLASSES, penalty=features.shape[1])
    assert np.allclose(classifier.head.weight.detach().numpy(), probe.weight, atol=1e-5)


@pytest.mark.parametrize("solver", ["lbfgs", "closed_form"])
def test_the_penalty_is_the_one_with_the_lowest_validation_loss(solver):
    losses = {}
    for penalty in (None, 10.0, 1.0, 0.1, 0.01, 0.001):
        row = toys.trained("image", {"solver": solver}, {"penalty": penalty})[2].history[0]
        losses[penalty] = row["validation_loss"]
        assert penalty in (None, row["penalty"])
    chosen = losses.pop(None)
    assert chosen == min(losses.values()) < max(losses.values())
    classifier, plan, config = toys.made("image", {"solver": solver})
    some = Selection(toys.selection().train, np.empty(0, dtype=np.int64), toys.selection().labels)
    assert fit(classifier, plan, config, toys.ToyCache("image"), some, QuietRecorder(0)).history[0]["penalty"] > 0


@pytest.mark.parametrize("solver", ["lbfgs", "closed_form"])
def test_solved_heads(solver):
    classifier, plan, fitted = toys.trained("image", {"solver": solver})
    assert (fitted.epochs, fitted.steps) == (1, 0)
    predicted = predict(classifier, plan, toys.ToyCache("image"), toys.selection().train).logits
    wanted = torch.from_numpy(toys.selection().labels[toys.selection().train])
    loss = float(nn.functional.cross_entropy(torch.from_numpy(predicted), wanted))
    assert loss == pytest.approx(fitted.history[0]["train_loss"], rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "strategy", [{}, {"frozen_depth": 2}, {"frozen_depth": "none"}, {"kind": "gradual"}], ids=spoken
)
def test_the_loop_is_plain_gradient_descent(kind, strategy):
    """Against an obvious loop that runs the whole network each step, with the same batches."""
    train = {"optimizer": "sgd", "schedule": "constant", "warmup": 0, "clip_norm": None, "epochs": 3, "weight_decay": 0}
    _classifier, plan, fitted = toys.trained(kind, strategy, train)
    reference, _, config = toys.made(kind, strategy, train)
    cache, chosen, run = toys.ToyCache(kind), toys.selection(), QuietRecorder(3)
    momentum: dict[str, torch.Tensor] = {}
    losses = []
    for epoch in range(3):
        opened = range(max(plan.depth, 4 - epoch) if plan.kind == "gradual" else plan.depth, 4)
        reference.eval()
        for index in opened:
            reference.backbone.blocks[index].train()
        lengths = None if not list(opened) else cache.lengths[chosen.train]
        total = 0.0
        torch.manual_seed(run.stream_seed(f"dropout/{epoch}"))
        for places in epoch_batches(np.arange(toys.TRAIN), 5, run.generator(f"order/{epoch}"), lengths):
            index = chosen.train[places]
            x, mask = cache.raw(index, 0)
            loss = nn.functional.cross_entropy(reference(x, mask), torch.from_numpy(chosen.labels[index]))
            names = ["head.weight", "head.bias"]
            names += [
                n
                for n, _ in reference.named_parameters()
                if n.startswith(tuple(f"backbone.blocks.{i}." for i in opened))
            ]
            parameters = dict(reference.named_parameters())
            for parameter in parameters.values():
                parameter.requires_grad_(True)
            gradients = torch.autograd.grad(loss, [parameters[n] for n in names])
            with torch.no_grad():
                for name, gradient in zip(names, gradients, strict=True):
                    momentum[name] = gradient if name not in momentum else 0.9 * momentum[name] + gradient
                    parameters[name] -= config.learning_rate * momentum[name]
            total += loss.item() * len(places)
        losses.append(total / toys.TRAIN)
    assert [row["train_loss"] for row in fitted.history] == pytest.approx(losses, rel=1e-4)


def test_early_stopping_keeps_the_best_epoch():
    train = {"epochs": 30, "early_stopping": 2, "learning_rate": 0.3, "schedule": "constant"}
    classifier, plan, fitted = toys.trained("image", {}, train)
    losses = [row["validation_loss"] for row in fitted.history]
    assert fitted.epochs == len(losses) == fitted.best_epoch + 2
    assert losses.index(min(losses)) == fitted.best_epoch - 1
    chosen = toys.selection()
    logits = torch.from_numpy(predict(classifier, plan, toys.ToyCache("image"), chosen.validation).logits)
    wanted = torch.from_numpy(chosen.labels[chosen.validation])
    assert float(nn.functional.cross_entropy(logits, wanted)) == pytest.approx(min(losses), rel=1e-5)


def test_without_validation_items_the_last_epoch_stands():
    classifier, plan, config = toys.made("image", {"frozen_depth": 3}, {"early_stopping": 1})
    chosen = toys.selection()
    chosen = Selection(chosen.train, np.empty(0, dtype=np.int64), chosen.labels)
    fitted = fit(classifier, plan, config, toys.ToyCache("image"), chosen, QuietRecorder(0))
    assert fitted.epochs == fitted.best_epoch == 5
    assert "validation_loss" not in fitted.history[0]


def test_a_loss_that_is_no_number_is_told():
    with pytest.raises(UserError, match=r"train.learning_rate: 1e\+30: .*epoch \d+, step \d+\); lower it"):
        toys.trained("text", {"frozen_depth": 2}, {"learning_rate": 1e30, "optimizer": "sgd", "clip_norm": None})


def test_augmented_views_by_epoch():
    cache = toys.ToyCache("image")
    toys.trained("image", {"frozen_depth": 2}, {"augment": "light", "views": 2, "epochs": 3}, cache)
    assert [v for c, v, _ in cache.asked if c == 2] == [1, 1, 1, 1, 0, 2, 2, 2, 2, 0, 1, 1, 1, 1, 0]
    cache = toys.ToyCache("image", keeps=False)
    toys.trained("image", {}, {"augment": "light", "epochs": 3}, cache)
    assert {v for _, v, _ in cache.asked} == {0, 1, 2, 3}


@pytest.mark.parametrize("kind", KINDS)
def test_features_of_a_cache_and_on_the_fly_train_alike(kind):
    curves = []
    for keeps in (True, False):
        _, _, fitted = toys.trained(kind, {}, {"cache": keeps}, cache=toys.ToyCache(kind, keeps=keeps))
        curves.append([row["train_loss"] for row in fitted.history])
    assert curves[0] == pytest.approx(curves[1], rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_mix_is_the_same_without_a_cache(kind):
    found = [toys.trained(kind, {"kind": "scalar_mix"}, {"cache": cache})[2].history for cache in (True, False)]
    assert [row["train_loss"] for row in found[0]] == [row["train_loss"] for row in found[1]]


def test_bf16_trains():
    _, _, fitted = toys.trained("image", {"frozen_depth": 1}, {"precision": "bf16"})
    _, _, exact = toys.trained("image", {"frozen_depth": 1})
    assert fitted.history[0]["train_loss"] == pytest.approx(exact.history[0]["train_loss"], rel=0.05)


def test_selection_has_no_place_for_test_items():
    assert [f.name for f in dataclasses.fields(Selection)] == ["train", "validation", "labels"]
    chosen = Selection(np.array([0, 1]), np.array([2]), np.array([1, 0, 1, 2]))
    assert chosen.labels.tolist() == [1, 0, 1, -1]
    with pytest.raises(ValueError, match="need labels"):
        Selection(np.array([0]), np.array([1]), np.array([0, -1]))
    names = [*inspect.signature(fit).parameters, *(f.name for f in dataclasses.fields(Fitted))]
    assert not [name for name in names if "test" in name]


def test_scores_that_are_no_numbers_are_an_error():
    classifier, plan, _ = toys.made("image", {"frozen_depth": 1})
    with torch.no_grad():
        classifier.head.bias[0] = float("nan")
    with pytest.raises(UserError, match="no numbers"):
        predict(classifier, plan, toys.ToyCache("image"), np.arange(5))

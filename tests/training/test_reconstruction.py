"""Autoencoders in the training loop: they learn, resume exactly, and read pictures the same way wherever these are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import toy_training as toys

from lab.models.autoencoder.apply import embedded, pictures, reconstructed
from lab.models.autoencoder.architecture import Architecture
from lab.models.autoencoder.autoencoder import build_autoencoder
from lab.models.autoencoder.objectives import OBJECTIVES, make_objective
from lab.training import reconstruction
from lab.training.config import LoopConfig
from lab.training.loop import train
from lab.training.reconstruction import Reconstruction
from lab.training.recorder import QuietRecorder

SHAPE = (1, 7, 6)
TRAIN, VALIDATION = np.arange(0, 120, 2), np.arange(1, 60, 2)


def squares() -> np.ndarray:
    """A bright square of 3 pixels at each place: pictures of two facts."""
    pixels = np.zeros((120, *SHAPE), dtype=np.uint8)
    places = np.random.default_rng(0).integers(0, (5, 4), (120, 2))
    for picture, (row, column) in zip(pixels[:, 0], places, strict=True):
        picture[row : row + 3, column : column + 3] = 250
    return pixels


def trained(kind="plain", architecture="convolutional", run=None, pixels=None, validation=VALIDATION, **options):
    objective = make_objective(kind, {"codes": 2, "codebook_size": 16, "noise_level": 0.1, "beta": 0.02})
    plan = Architecture(architecture, SHAPE, (8, 16), latent_size=4)
    model = build_autoencoder(plan, objective, seed=1)
    config = LoopConfig(**{"epochs": 3, "batch_size": 13, "learning_rate": 1e-2} | options)
    run = run or QuietRecorder(3)
    given = squares() if pixels is None else pixels
    learner = Reconstruction(model, objective, given, TRAIN, validation, config, run)
    return model, train(learner, config, run, checkpoint_seconds=0)


@pytest.mark.parametrize("kind", OBJECTIVES)
@pytest.mark.parametrize("architecture", ["dense", "convolutional"])
def test_every_kind_learns_to_give_unseen_pictures_back(kind, architecture):
    model, fitted = trained(kind, architecture, epochs=25)
    assert fitted.history[0].keys() >= {"train_loss", "reconstruction", "validation_loss", "validation_reconstruction"}
    held = squares()[VALIDATION]
    error = np.square(reconstructed(model, held) - held / 255.0).mean()
    mean = np.square(squares()[TRAIN].mean(0) / 255.0 - held / 255.0).mean()
    assert error < 0.8 * mean
    assert ("regulariser" in fitted.history[0]) == (kind in ("sparse", "variational", "vq"))
    if kind == "plain":
        assert fitted.history[-1]["validation_reconstruction"] == pytest.approx(error, rel=1e-4)


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_resumed_equals_uninterrupted_bit_for_bit(kind):
    options = {"early_stopping": 3, "epochs": 4}
    whole, told = trained(kind, **options)
    run = toys.Checkpoints(3, stop=2)
    with pytest.raises(KeyboardInterrupt):
        trained(kind, run=run, **options)
    run.stop = None
    resumed, again = trained(kind, run=run, **options)
    assert toys.same(whole.state_dict(), resumed.state_dict())
    curves = [[{k: v for k, v in row.items() if k != "seconds"} for row in f.history] for f in (told, again)]
    assert curves[0] == curves[1]


def test_the_runs_seed_feeds_order_and_noise():
    first, second = (trained("denoising")[0].state_dict() for _ in range(2))
    assert toys.same(first, second)
    assert not toys.same(first, trained("denoising", run=QuietRecorder(4))[0].state_dict())


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_validation_draws_the_same_noise_after_every_epoch_and_changes_nothing(kind):
    model, _ = trained(kind, epochs=1)
    config, objective = LoopConfig(), make_objective(kind, {"codes": 2, "codebook_size": 16})
    learner = Reconstruction(model, objective, squares(), TRAIN, VALIDATION, config, QuietRecorder(0))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert learner.validate(0) == learner.validate(5)
    assert toys.same(before, dict(model.state_dict()))


def test_pictures_in_memory_or_read_by_the_batch_bytes_or_floats_train_alike(monkeypatch):
    whole, _ = trained()
    floats, _ = trained(pixels=pictures(squares()).numpy())
    monkeypatch.setattr(reconstruction, "IN_MEMORY", 0)
    read, _ = trained()
    assert toys.same(whole.state_dict(), floats.state_dict())
    assert toys.same(whole.state_dict(), read.state_dict())


def test_training_does_without_validation_items_and_in_half_precision():
    model, fitted = trained("vq", validation=VALIDATION[:0], precision="bf16", early_stopping=2)
    assert fitted.epochs == 3
    assert not any(name.startswith("validation") for name in fitted.history[0])
    assert np.isfinite(embedded(model, squares())).all()
    assert all(tensor.dtype in (torch.float32, torch.int64) for tensor in model.state_dict().values())

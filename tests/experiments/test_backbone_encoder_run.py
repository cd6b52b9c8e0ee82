"""A pretrained network as the encoder of an autoencoder: frozen at any depth, read back, and what does not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lab
from experiments.autoencoder import AutoencoderConfig, controls
from lab.autoencode import TrainedAutoencoder
from lab.errors import UserError
from lab.frozen import open_backbone
from lab.training.config import BackboneConfig

DATA = {"source": "digits", "split": {"train": 90, "validation": 40, "test": 50}}
PROBE = {"labels": [3], "draws": 2}

pytestmark = pytest.mark.usefixtures("shared_home")


def config(name: str = "efficientnet-lite0", **model: Any) -> dict[str, Any]:
    backbone = {"name": name, **model.pop("backbone", {})}
    given = {"architecture": "backbone", "backbone": backbone, "widths": [8, 8], "latent_size": 6, **model}
    return {"experiment": "autoencoder", "data": DATA, "model": given, "train": {"epochs": 1}, "probe": PROBE}


@pytest.fixture(scope="module")
def small(folder) -> lab.Run:
    """A small autoencoder, to be the encoder of others."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("LAB_HOME", str(folder / "home"))
        patched.setenv("LAB_CACHE", str(folder / "cache"))
        model = {"widths": [6, 8], "latent_size": 6}
        base = {"experiment": "autoencoder", "data": DATA, "model": model, "train": {"epochs": 2}, "probe": PROBE}
        return lab.run(base, quiet=True)


@pytest.mark.parametrize(("depth", "frozen"), [("all", 3), ("stage1", 1), ("none", 0)])
def test_frozen_blocks_stay_and_the_others_do_not(small, depth, frozen):
    run = lab.run(config(f"run:{small.id}", frozen_depth=depth), quiet=True)
    before = open_backbone(BackboneConfig(name=f"run:{small.id}"))
    after = TrainedAutoencoder.of_run(run).model.encoder.backbone
    same = [before.block_fingerprint(i) == after.block_fingerprint(i) for i in range(3)]
    assert same == [number < frozen for number in range(3)]
    kept = {name.split(".")[3] for name in run.tensors("autoencoder") if name.startswith("encoder.")}
    assert kept == {str(number) for number in range(frozen, 3)}, "what is frozen is not kept again"
    assert run.config["model"]["backbone"]["name"] == f"run:{small.id}"
    assert run.info["data"]["inputs"].keys() == {"weights"}


@pytest.mark.slow
def test_a_packaged_network_encodes_and_new_pictures_are_embedded_alike():
    run = lab.run(config(image_size=32, frozen_depth="all-1"), quiet=True)
    from lab.classify import load_task
    from lab.data.labelled.config import LabelledConfig

    task = load_task(LabelledConfig.model_validate(DATA), 0)
    found = run.encoder().features(task.items.subset(task.used))
    np.testing.assert_allclose(found, run.space().vectors, atol=1e-5)
    assert found.std() > 0
    history = run.json("autoencoder")["history"]
    assert np.isfinite(history[0]["train_loss"])
    with pytest.raises(UserError, match=r"its encoder is a backbone of its own; name that one$"):
        open_backbone(BackboneConfig(name=f"run:{run.id}"))


@pytest.mark.slow
def test_frozen_random_weights_are_drawn_again_as_they_were(small):
    run = lab.run(config(f"run:{small.id}", backbone={"pretrained": False}) | {"seed": 3}, quiet=True)
    from lab.classify import load_task
    from lab.data.labelled.config import LabelledConfig

    task = load_task(LabelledConfig.model_validate(DATA), 3)
    found = run.encoder().features(task.items.subset(task.used))
    np.testing.assert_allclose(found, run.space().vectors, atol=1e-5)


def test_the_control_is_the_network_without_its_pretraining(small):
    label, untrained = controls(AutoencoderConfig.model_validate(config(f"run:{small.id}")))[-1]
    assert label.startswith("untrained")
    assert untrained["model"]["backbone"]["pretrained"] is False


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"backbone": {"name": "minilm-l6"}}, r"^model.backbone: minilm-l6 reads texts, but pictures are needed here$"),
        ({"frozen_depth": "blocks.77"}, r"^model.frozen_depth: blocks.77: the backbone has 9 blocks"),
        (
            {"backbone": {"name": "run:{small}"}, "image_size": 16},
            r"^model.image_size: 16: run:\w+ was trained at 8;",
        ),
        (
            {"backbone": {"name": "run:{small}"}, "channels": 3},
            r"^model.channels: 3: run:\w+ was trained at 1; leave it",
        ),
        ({"backbone": {"image_size": 64}}, r"backbone.image_size: pictures are read at one size; give image_size"),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(small, model, message):
    if "{small}" in model.get("backbone", {}).get("name", ""):
        model = model | {"backbone": {"name": f"run:{small.id}"}}
    with pytest.raises(UserError, match=message):
        lab.run(config(**model), quiet=True)

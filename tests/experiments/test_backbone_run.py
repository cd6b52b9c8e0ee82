"""An autoencoder's run as the backbone of another: pretrained without labels, fine-tuned with few."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lab
from lab.backbones import find_backbone
from lab.config import load
from lab.errors import UserError
from lab.frozen import open_backbone
from lab.runs.launcher import run as launch
from lab.runs.refs import load_run
from lab.runs.run import Run
from lab.training.config import BackboneConfig

SPLIT = {"train": 400, "validation": 100, "test": 200, "by": "label"}
DATA = {"source": "digits", "split": SPLIT}

pytestmark = pytest.mark.usefixtures("shared_home")


def pretraining(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "experiment": "autoencoder",
        "data": DATA,
        "model": {"widths": [8, 16], "latent_size": 12},
        "train": {"epochs": 3},
        "probe": {"labels": [10], "draws": 2},
    }
    own = {key: {**value, **changes.get(key, {})} if isinstance(value, dict) else value for key, value in base.items()}
    return changes | own


def finetuning(name: str, **changes: Any) -> dict[str, Any]:
    backbone = {"name": f"run:{name}", **changes.pop("backbone", {})}
    strategy = {"frozen_depth": "all", **changes.pop("strategy", {})}
    train = {"epochs": 3, "learning_rate": 1e-2, **changes.pop("train", {})}
    data = {**DATA, "per_class": 10}
    sections = {"data": data, "backbone": backbone, "strategy": strategy, "train": train}
    return {"experiment": "finetune", **sections, **changes}


@pytest.fixture
def pretrained() -> Run:
    run = lab.run(pretraining(), quiet=True)
    assert isinstance(run, Run)
    return run


def accuracy(run: Run) -> float:
    return float(run.results.set_index(["metric", "split"]).loc[("accuracy", "test"), "value"])


def test_its_features_are_the_embedding_that_the_run_left(pretrained):
    from lab.classify import load_task
    from lab.data.labelled.config import LabelledConfig
    from lab.frozen import open_cache
    from lab.training.config import TrainConfig

    task = load_task(LabelledConfig.model_validate(DATA), 0)
    cache = open_cache(open_backbone(BackboneConfig(name=f"run:{pretrained.id}")), task.items, TrainConfig())
    space = pretrained.space()
    np.testing.assert_allclose(cache.pooled(None, task.used), space.vectors, atol=1e-5)
    assert list(space.ids) == [task.items.ids[i] for i in task.used]


def test_every_depth_trains_from_it_and_reads_back(pretrained):
    from lab.classify import load_task
    from lab.data.labelled.config import LabelledConfig

    for depth, solver in (("all", "lbfgs"), ("stage1", "gradient"), ("none", "gradient")):
        strategy = {"frozen_depth": depth, "solver": solver}
        run = lab.run(finetuning(pretrained.id[:8], strategy=strategy), quiet=True)
        assert run.config["backbone"]["name"] == f"run:{pretrained.id}", "for good"
        assert set(run.splits["test"]) == set(pretrained.splits["test"])
        assert not set(pretrained.splits["train"]) & set(run.splits["test"]), "pretraining saw no test item"
        told = run.json("finetune")
        assert [block["name"] for block in told["blocks"]] == ["stage1", "stage2", "latent"]
        assert all(block["frozen_identical"] for block in told["blocks"])
        assert told["cache"]["used"] == (depth != "none")
        assert accuracy(run) > 0.3, "chance is 0.1"
        task = load_task(LabelledConfig.model_validate(run.config["data"]), 0)
        said = run.classifier().predict(task.items.subset(task.split.test)).argmax(axis=1)
        assert (said == task.items.labels[task.split.test]).mean() == pytest.approx(accuracy(run))


@pytest.mark.slow
def test_lora_gradual_and_augmented_views_work_as_with_any_backbone(pretrained):
    for strategy in ({"kind": "lora"}, {"kind": "gradual"}, {"kind": "lp_ft"}):
        plan = finetuning(pretrained.id, strategy=strategy, train={"augment": "light", "views": 2, "flip": False})
        plan["strategy"].pop("frozen_depth")  # each kind has one of its own
        assert accuracy(lab.run(plan, quiet=True)) > 0.2


def test_one_study_pretrains_and_fine_tunes():
    entries = [
        {"config": pretraining(), "sweep": {"seed": [0, 1]}},
        {
            "config": finetuning("this:experiment=autoencoder,seed=${seed}"),
            "sweep": {"backbone.pretrained": [True, False], "seed": [0, 1]},
        },
    ]
    plan = load({"name": "few", "controls": False, "study": entries})
    record = launch(plan, quiet=True)
    encoders, after, scratch = record.rows()
    assert [run.config["backbone"]["name"] for run in after.runs] == [f"run:{run.id}" for run in encoders.runs]
    assert [run.info["data"]["inputs"] for run in after.runs] == [run.info["data"]["inputs"] for run in scratch.runs]
    assert "from random weights" in scratch.label
    assert np.mean([accuracy(run) for run in after.runs]) > np.mean([accuracy(run) for run in scratch.runs])
    again = load_run("few:experiment=finetune,pretrained=true,seed=1")
    assert again.id == after.runs[1].id


def test_a_planned_run_is_known_by_its_blocks_before_it_is_made():
    entries = [
        {"config": pretraining(seed=9)},
        {"config": finetuning("this:experiment=autoencoder", strategy={"frozen_depth": "stage3"})},
    ]
    with pytest.raises(UserError, match=r"stage3: the backbone has 3 blocks \(stage1, stage2, latent\).*did you mean"):
        launch({"name": "wrong", "controls": False, "study": entries}, quiet=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"backbone": {"image_size": 32}}, r"reads pictures of 8 pixels a side, as it was trained"),
        ({"strategy": {"frozen_depth": "layer1"}}, r"the backbone has 3 blocks \(stage1, stage2, latent\)"),
        ({"data": {"source": "texts.csv", "duplicates": "accept"}}, r"texts.csv holds texts, but images are needed"),
    ],
)
def test_what_does_not_fit_the_run(pretrained, folder, change, message):
    (folder / "texts.csv").write_text("text,label\n" + "".join(f"number {n},{n % 2}\n" for n in range(20)))
    with pytest.raises(UserError, match=message):
        lab.run(finetuning(pretrained.id, **change), quiet=True)


def test_what_is_no_backbone_is_told_in_one_line(pretrained):
    def told(name: str) -> str:
        with pytest.raises(UserError) as error:
            find_backbone(name)
        return str(error.value)

    assert "backbone 'run:zzz': no run 'zzz'" in told("run:zzz")
    other = lab.run({"experiment": "baseline", "data": DATA, "method": {"name": "majority"}}, quiet=True)
    cure = "a run of baseline leaves no network that can be a backbone; one of autoencoder does"
    assert told(f"run:{other.id}").endswith(cure)
    file = pretrained.tensor_file("autoencoder")
    elsewhere = file.rename(file.with_suffix(".elsewhere"))
    assert told(f"run:{pretrained.id}").endswith("do it again with train.save_weights=true and --rerun")
    elsewhere.rename(file)
    weightless = {"config": pretraining(train={"save_weights": False}, seed=5)}
    with pytest.raises(UserError, match=r"that run is to keep no weights \(train.save_weights: false\)$"):
        launch({"controls": False, "study": [weightless, {"config": finetuning("this:")}]}, quiet=True)


def test_other_weights_than_those_it_was_trained_on_are_noticed(pretrained):
    from lab.runs.tensors import write_tensors

    run = lab.run(finetuning(pretrained.id, seed=3), quiet=True)
    file = pretrained.tensor_file("autoencoder")
    kept, tensors = file.read_bytes(), pretrained.tensors("autoencoder")
    write_tensors(file, {name: array + 1 for name, array in tensors.items()})
    try:
        with pytest.raises(UserError, match=r"has other weights now than those that run \w{12} was trained on"):
            run.classifier()
    finally:
        file.write_bytes(kept)


def test_lab_show_and_lab_advise_know_it(pretrained):
    from lab.advise.untrained import block_scores
    from lab.classify import load_task
    from lab.data.labelled.config import LabelledConfig
    from lab.frozen import open_cache
    from lab.terminal_backbone import blocks_table, is_backbone
    from lab.training.config import TrainConfig

    name = f"run:{pretrained.id[:6]}"
    assert is_backbone(name)
    table = blocks_table(name)
    assert "latent" in table
    assert "3 blocks" in table
    assert "12 features; output and time of one image of 8 pixels a side" in table
    task = load_task(LabelledConfig.model_validate(DATA), 0)
    cache = open_cache(open_backbone(BackboneConfig(name=name)), task.items, TrainConfig())
    index = task.split.train
    scores = block_scores(cache, index, task.items.labels[index])
    assert [block.name for block in scores] == ["stage1", "stage2", "latent"]

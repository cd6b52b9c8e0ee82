"""Embeddings that nothing was trained for, end to end."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from sklearn.decomposition import PCA

import lab
from experiments.features import FeaturesConfig, recipe
from lab.classify import load_task
from lab.config import load
from lab.data.labelled.config import LabelledConfig
from lab.errors import LabError

SPLIT = {"train": 300, "validation": 100, "test": 200}


def config(method, source="digits", **data):
    return {
        "experiment": "features",
        "data": {"source": str(source), "split": SPLIT, **data},
        "method": method,
        "probe": {"labels": [5], "draws": 2},
    }


def result(run, evaluation, metric, split="test"):
    return float(run.results.set_index(["evaluation", "metric", "split"]).loc[(evaluation, metric, split), "value"])


def test_raw_pixels(home):
    run = lab.run(config({"name": "pixels"}), quiet=True)
    space = run.space()
    assert space.vectors.shape == (600, 64)
    assert space.vectors.min() == 0
    assert space.vectors.max() == 1
    assert result(run, "linear probe", "accuracy") > 0.9
    assert result(run, "nearest neighbours, 5 labels a class", "accuracy") > 0.6
    assert set(run.scores("linear probe", "accuracy", "test")["id"]) == set(run.splits["test"])
    assert run.json("embedding")["pca"] is None
    assert run.json("features")["spoken"] == "raw pixels"


def test_pca_is_fitted_to_training_pictures_and_gives_pictures_back(home):
    run = lab.run(config({"name": "pca", "dimensions": 10}), quiet=True)
    task = load_task(LabelledConfig(source="digits", split=SPLIT), 0)
    points = task.items.images.pixels.reshape(len(task.items), -1) / 255
    pca = PCA(10, svd_solver="full").fit(points[task.split.train])
    judged = points[task.split.test]
    wanted = ((pca.inverse_transform(pca.transform(judged)) - judged) ** 2).mean()
    assert result(run, "reconstruction", "mse") == pytest.approx(wanted, rel=1e-4)
    assert run.json("features")["reconstruction"]["test"]["mse"] == pytest.approx(wanted, rel=1e-4)
    assert run.space().vectors.shape == (600, 10)
    assert [figure.name for figure in run.figures] == ["reconstructions"]
    primary = run.results[run.results["primary"]]
    assert set(primary["evaluation"]) == {"linear probe"}


@pytest.mark.parametrize("method", [{"name": "pixels"}, {"name": "pca", "dimensions": 4}], ids=["pixels", "pca"])
def test_new_pictures_are_embedded_as_those_of_the_run(method, home):
    run = lab.run(config(method), quiet=True)
    task = load_task(LabelledConfig(source="digits", split=SPLIT), 0)
    row = int(task.split.test[0])
    Image.fromarray(task.items.images.pixels[row]).save(home / "one.png")
    encoder = recipe.load_encoder(run)
    assert np.allclose(encoder.encode([str(home / "one.png")])[0], run.space()[task.items.ids[row]], atol=1e-5)


def test_pictures_without_labels(home):
    rng = np.random.default_rng(0)
    for number in range(30):
        Image.fromarray(rng.integers(0, 255, (9, 9, 3), dtype=np.uint8)).save(home / f"{number}.png")
    split = {"train": 0.6, "validation": 0.2, "test": 0.2}
    run = lab.run(
        {**config({"name": "pca", "dimensions": 3}, home), "data": {"source": str(home), "split": split}}, quiet=True
    )
    primary = run.results[run.results["primary"]]
    assert set(primary["evaluation"]) == {"reconstruction"}
    assert run.json("embedding")["probes"] == []
    assert run.space().vectors.shape == (30, 3)


@pytest.mark.slow
def test_a_network_on_texts(home):
    rows = [f"the {animal} number {n} eats,{animal}" for n in range(12) for animal in ("cat", "horse")]
    (home / "texts.csv").write_text("\n".join(["text,label", *rows]), encoding="utf-8")
    data = {
        "source": str(home / "texts.csv"),
        "split": {"train": 12, "validation": 6, "test": 6},
        "duplicates": "accept",
    }
    given = {**config({"name": "backbone", "backbone": {"name": "minilm-l6"}}), "data": data}
    run = lab.run(given, quiet=True)
    assert result(run, "linear probe", "accuracy") == 1
    encoded = recipe.load_encoder(run).encode([str(run.space().metadata["text"][0])])
    assert np.allclose(encoded[0], run.space().vectors[0], atol=1e-4)


@pytest.mark.slow
def test_a_network_on_pictures(home):
    method = {"name": "backbone", "backbone": {"name": "efficientnet-lite0", "image_size": 32}}
    run = lab.run(config(method), quiet=True)
    assert run.space().vectors.shape == (600, 1280)
    assert result(run, "linear probe", "accuracy") > 0.8
    assert run.json("features")["spoken"] == "pretrained efficientnet-lite0"


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ({"name": "pixels", "dimensions": 3}, "dimensions: means nothing with name: pixels"),
        ({"name": "pca", "backbone": {}}, "backbone: means nothing with name: pca"),
        ({"name": "backbone"}, "name: backbone needs backbone"),
        ({"name": "pca", "dimensions": 65}, "300 training pictures of 64 numbers have at most 64"),
        ({"name": "backbone", "backbone": {"name": "minilm-l6"}}, "holds images, but texts are needed"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_runs(method, message, home):
    with pytest.raises(LabError, match=message):
        lab.run(config(method), quiet=True)


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ({"name": "pixels"}, "raw pixels"),
        ({"name": "pca", "dimensions": 1}, "PCA, 1 dimension"),
        ({"name": "backbone", "backbone": {"pretrained": False}}, "untrained efficientnet-lite0"),
    ],
)
def test_it_is_spoken_of_as_people_do(method, said):
    given = FeaturesConfig(method=method)
    assert recipe.spoken("method.name", given.method.name, given) == said


def test_what_it_will_cost(home):
    assert [cell.config.method.dimensions for cell in load("features/pca").cells] == [2, 8, 32]
    estimate = recipe.estimate(FeaturesConfig.model_validate(config({"name": "pca"})))
    assert 0 < estimate.seconds < 60


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "linear", "neighbors", "error"),
    [
        ({"name": "pixels"}, 0.969, 0.986, None),
        ({"name": "pca", "dimensions": 2}, 0.605, None, 0.0513),
        ({"name": "pca", "dimensions": 10}, 0.928, None, 0.0196),
        ({"name": "pca", "dimensions": 16}, 0.950, 0.984, 0.0116),
        ({"name": "pca", "dimensions": 32}, 0.958, None, 0.0027),
    ],
    ids=["pixels", "pca-2", "pca-10", "pca-16", "pca-32"],
)
def test_the_figures_of_five_folds_of_digits(method, linear, neighbors, error, home):
    """Those wanted are scikit-learn's with C = 1, on folds of its own."""
    split = {"train": 0.8, "validation": 0.2, "test": 0, "folds": 5}
    measured = []
    for fold in range(5):
        given = {
            **config(method),
            "data": {"source": "digits", "split": {**split, "fold": fold}},
            "probe": {"labels": []},
        }
        run = lab.run(given, quiet=True)
        probe, left = run.json("embedding")["probes"][0], run.json("features").get("reconstruction")
        squared = left["validation"]["mse"] if left else np.nan
        measured.append((probe["linear"]["mean"], probe["neighbors"]["mean"], squared))
    found = np.mean(measured, axis=0)
    assert found[0] == pytest.approx(linear, abs=0.006)
    assert neighbors is None or found[1] == pytest.approx(neighbors, abs=0.003)
    assert error is None or found[2] == pytest.approx(error, rel=0.04)

"""What an embedding is good for: probes, draws of labels, geometry, and PCA to hold it against."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.neighbors import KNeighborsClassifier

from lab.classify import load_task
from lab.data.labelled.config import LabelledConfig
from lab.evaluation.principal_components import principal_components
from lab.probing import PENALTIES, ProbeConfig, nested_draws, record_embedding, scaled_to_one
from lab.runs.artifacts import Artifacts

FEW = {"labels": [5, 20], "draws": 3}


class Writer(Artifacts):
    """Keeps results, scores and warnings in a folder, as a run does."""

    def __init__(self, path, seed=0):
        super().__init__(path)
        self.seed, self.warnings = seed, []

    def warn(self, text):
        self.warnings.append(text)

    def check_interrupt(self):
        pass

    def stream_seed(self, name):
        return self.seed

    def generator(self, name):
        return np.random.default_rng(self.seed)

    def value(self, evaluation, split="test"):
        return next(r["value"] for r in self.results if (r["evaluation"], r["split"]) == (evaluation, split))


@pytest.fixture(scope="module")
def task():
    split = {"train": 500, "validation": 150, "test": 300}
    return load_task(LabelledConfig(source="digits", split=split), seed=0)


@pytest.fixture(scope="module")
def pixels(task):
    return task.items.images.pixels[task.used]


@pytest.fixture
def writer(tmp_path):
    return Writer(tmp_path)


def flat(pixels):
    return pixels.reshape(len(pixels), -1).astype(np.float32) / 255


def test_probes_are_those_of_scikit_learn(task, pixels, writer):
    found = record_embedding(writer, task, flat(pixels), ProbeConfig(labels=[]))
    scaled = scaled_to_one(flat(pixels), task.rows(task.split.train))
    x, held, judged = (scaled[task.rows(index)] for index in task.split.parts().values())
    y, held_y, judged_y = (task.items.labels[index] for index in task.split.parts().values())
    models = [LogisticRegression(C=1 / penalty, tol=1e-6, max_iter=5000).fit(x, y) for penalty in PENALTIES]
    losses = [log_loss(held_y, model.predict_proba(held)) for model in models]
    best = max(zip(models, losses, strict=True), key=lambda pair: (pair[0].score(held, held_y), -pair[1]))[0]
    assert found["probes"][0]["linear"]["mean"] == pytest.approx(best.score(judged, judged_y), abs=0.005)
    neighbors = KNeighborsClassifier(5).fit(x, y)
    assert found["probes"][0]["neighbors"]["mean"] == pytest.approx(neighbors.score(judged, judged_y))
    assert writer.value("nearest neighbours", "validation") == pytest.approx(neighbors.score(held, held_y))


def test_what_is_left_in_the_run(task, pixels, writer):
    found = record_embedding(writer, task, flat(pixels), ProbeConfig(**FEW))
    assert [probe["labels"] for probe in found["probes"]] == [None, 5, 20]
    assert [len(probe["linear"]["draws"]) for probe in found["probes"]] == [1, 3, 3]
    for probe in found["probes"]:
        for kind in ("linear", "neighbors"):
            assert probe[kind]["low"] <= probe[kind]["mean"] <= probe[kind]["high"]
            assert probe[kind]["mean"] == pytest.approx(np.mean(probe[kind]["draws"]))
    assert found["probes"][1]["linear"]["mean"] < found["probes"][2]["linear"]["mean"] < 0.99
    assert found["probes"][1]["linear"]["mean"] == pytest.approx(writer.value("linear probe, 5 labels a class"))
    primary = [(r["evaluation"], r["metric"], r["split"]) for r in writer.results if r["primary"]]
    assert primary == [("linear probe", "accuracy", "validation"), ("linear probe", "accuracy", "test")]
    assert {r["metric"] for r in writer.results if r["evaluation"] == "geometry"} == set(found["geometry"])
    assert found["pca"] is None


def test_the_same_seed_draws_the_same_labels_and_another_others(task, pixels, tmp_path):
    def drawn(seed):
        return record_embedding(Writer(tmp_path, seed), task, flat(pixels), ProbeConfig(**FEW))["probes"]

    first = drawn(0)
    assert first == drawn(0)
    other = drawn(1)
    assert other[0] == first[0]
    assert other[1] != first[1]


def test_draws_are_nested_and_even(task):
    draws = nested_draws(task, [20, 5, 5, 10_000], 3, seed=0)
    assert sorted(draws) == [5, 20]
    labels = task.items.labels
    for few, many in zip(draws[5], draws[20], strict=True):
        assert set(few) < set(many) <= set(task.split.train)
        assert (np.bincount(labels[few]) == 5).all()
        assert (np.bincount(labels[many]) == 20).all()
    assert set(draws[5][0]) != set(draws[5][1])


def pca(task, pixels, size):
    points = flat(pixels)
    return principal_components(points[task.rows(task.split.train)], size).project(points)


def test_a_random_encoder_is_below_pca_and_a_good_one_is_not(task, pixels, tmp_path):
    random = np.random.default_rng(0).normal(size=(len(pixels), 16)).astype(np.float32)
    found = record_embedding(Writer(tmp_path), task, random, ProbeConfig(labels=[]), pca=pca(task, pixels, 16))
    assert found["pca"]["below"]
    assert found["pca"]["size"] == 16
    assert found["pca"]["difference"]["high"] < -0.5
    good, warned = flat(pixels), Writer(tmp_path)
    good_found = record_embedding(warned, task, good, ProbeConfig(labels=[]), pca=pca(task, pixels, 16))
    assert not good_found["pca"]["below"]
    assert good_found["pca"]["linear"] == found["pca"]["linear"]
    assert not warned.warnings
    writer = Writer(tmp_path)
    record_embedding(writer, task, random, ProbeConfig(labels=[]), pca=pca(task, pixels, 16))
    assert "below PCA of the same size (16 dimensions)" in writer.warnings[0]


def test_pca_itself_is_neither_below_nor_above(task, pixels, writer):
    vectors = pca(task, pixels, 8)
    found = record_embedding(writer, task, vectors, ProbeConfig(labels=[]), pca=vectors)
    assert found["pca"]["difference"]["value"] == pytest.approx(0, abs=0.01)
    assert not found["pca"]["below"]


def test_scale_and_place_of_the_vectors_do_not_matter(task, pixels, tmp_path):
    first = record_embedding(Writer(tmp_path), task, flat(pixels), ProbeConfig(labels=[]))["probes"]
    moved = record_embedding(Writer(tmp_path), task, 300 * flat(pixels) + 7, ProbeConfig(labels=[]))["probes"]
    for kind in ("linear", "neighbors"):
        assert moved[0][kind]["mean"] == pytest.approx(first[0][kind]["mean"], abs=0.004)


def test_without_labels_there_is_geometry_only(task, pixels, writer):
    items = replace(task.items, labels=np.full(len(task.items.ids), -1), classes=[])
    found = record_embedding(writer, replace(task, items=items), flat(pixels), ProbeConfig(), pca=pca(task, pixels, 16))
    assert found["probes"] == []
    assert found["pca"] is None
    assert sorted(found["geometry"]) == ["effective_rank", "hubness", "uniformity"]
    assert not any(r["primary"] for r in writer.results)


def test_items_of_a_class_that_training_lacks_are_not_probed(task, pixels, writer):
    labels, split = task.items.labels, task.split
    kept = replace(
        split, train=split.train[labels[split.train] != 3], validation=split.validation[labels[split.validation] != 3]
    )
    without = replace(task, split=kept)
    vectors = flat(pixels)[task.rows(without.used)]
    record_embedding(writer, without, vectors, ProbeConfig(labels=[]))
    judged = next(r for r in writer.results if (r["evaluation"], r["split"]) == ("linear probe", "test"))
    assert judged["n"] == (labels[split.test] != 3).sum()
    assert judged["value"] > 0.9


def test_without_a_test_part_validation_is_judged_by_what_training_items_chose(task, pixels, writer):
    split = replace(task.split, test=task.split.test[:0])
    without = replace(task, split=split)
    record_embedding(writer, without, flat(pixels)[task.rows(without.used)], ProbeConfig(**FEW))
    assert {r["split"] for r in writer.results} == {"validation"}
    assert "a fifth of the training items" in next(r["protocol"] for r in writer.results if r["primary"])


def test_vectors_that_are_all_alike_are_as_good_as_none(task, pixels, writer):
    found = record_embedding(writer, task, np.ones((len(pixels), 3), np.float32), ProbeConfig(**FEW))
    assert found["probes"][0]["linear"]["mean"] < 0.2
    assert found["geometry"]["effective_rank"] == 0

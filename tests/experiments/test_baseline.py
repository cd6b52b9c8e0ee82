"""The simple methods end to end, on packaged digits and a handful of sentences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lab
from experiments.baseline import recipe
from lab.data.labelled.config import LabelledConfig
from lab.data.labelled.items import load_items
from lab.errors import UserError

ANIMALS, FOODS = ["cat", "dog", "horse", "cow", "sheep", "goat"], ["bread", "rice", "soup", "pasta", "salad", "cake"]
SPLIT = {"train": 45, "validation": 15, "test": 30}


@pytest.fixture
def sentences(home) -> Path:
    rng, lines = np.random.default_rng(0), ["sentence,label"]
    for number in range(90):
        label, words = [("animal", ANIMALS), ("food", FOODS)][number % 3 > 0]
        lines.append(f"number {number} is {' '.join(rng.choice(words, 3))},{label}")
    (home / "sentences.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return home / "sentences.csv"


def config(source: Path | str, name: str, **data: Any) -> dict[str, Any]:
    return {
        "experiment": "baseline",
        "data": {"source": str(source), "split": SPLIT, **data},
        "method": {"name": name, "image_size": 8},
    }


def accuracy(run: lab.Run, split: str = "test") -> float:
    return float(run.results.set_index(["metric", "split"]).loc[("accuracy", split), "value"])


@pytest.mark.parametrize(
    ("name", "least"), [("majority", 0.66), ("tfidf", 0.9), ("word_vectors", 0.9), ("embedding", 0.8)]
)
def test_texts(name, least, sentences):
    run = lab.run(config(sentences, name), quiet=True)
    assert accuracy(run) >= least
    primary = run.results[run.results["primary"]]
    assert sorted(primary["split"]) == ["test", "validation"]
    assert set(run.scores("classification", "accuracy", "test")["id"]) == set(run.splits["test"])
    told = run.json("baseline")
    assert told["method"] == name
    assert told["seconds"]["total"] == pytest.approx(told["seconds"]["train"] + told["seconds"]["evaluate"])
    assert run.embedding_names == []


def test_the_majority_is_the_largest_class(sentences):
    run = lab.run(config(sentences, "majority"), quiet=True)
    scores = run.scores("classification", "accuracy", "test")
    assert set(scores["predicted"]) == {"food"}
    assert accuracy(run) == pytest.approx((scores["label"] == "food").mean())
    assert scores["probability"].mean() == pytest.approx(30 / 45, abs=0.03)


def test_pixels_know_digits(home):
    run = lab.run(config("digits", "pixels", split={"train": 300, "validation": 100, "test": 200}), quiet=True)
    assert accuracy(run) > 0.85
    assert run.json("classifier")["grey"]


@pytest.mark.parametrize("name", ["majority", "tfidf", "word_vectors", "embedding"])
def test_what_was_trained_is_read_back(name, sentences):
    run = lab.run(config(sentences, name), quiet=True)
    items = load_items(LabelledConfig(source=str(sentences)))
    predictor = recipe.load_classifier(run)
    chances = predictor.predict(items)
    assert chances.shape == (90, 2)
    assert np.allclose(chances.sum(axis=1), 1, atol=1e-5)
    said = dict(zip(items.ids, np.array(predictor.classes)[chances.argmax(axis=1)], strict=True))
    scores = run.scores("classification", "accuracy", "test")
    assert [said[item] for item in scores["id"]] == scores["predicted"].tolist()
    assert predictor.features(items).shape[0] == 90


def test_the_seed_matters_where_something_is_random(sentences):
    same = [lab.run(config(sentences, "tfidf") | {"seed": seed}, quiet=True) for seed in (0, 1)]
    assert np.array_equal(same[0].tensors("classifier")["weight"], same[1].tensors("classifier")["weight"])
    other = [lab.run(config(sentences, "embedding") | {"seed": seed}, quiet=True) for seed in (0, 1)]
    assert not np.allclose(other[0].tensors("classifier")["bias"], other[1].tensors("classifier")["bias"])
    few = [lab.run(config(sentences, "tfidf", train_size=10) | {"seed": seed}, quiet=True) for seed in (0, 1)]
    assert few[0].splits["train"] != few[1].splits["train"]
    assert few[0].splits["test"] == few[1].splits["test"]


def test_the_penalty_is_chosen_on_validation_items(sentences):
    run = lab.run(config(sentences, "tfidf"), quiet=True)
    assert run.json("classifier")["penalty"] in (100.0, 10.0, 1.0, 0.1, 0.01, 0.001)
    assert "on 15 validation items" in run.log
    without = lab.run(config(sentences, "tfidf", split={"train": 60, "validation": 0, "test": 30}), quiet=True)
    assert "on a fifth of the training items" in without.log
    assert set(without.results["split"]) == {"test"}


@pytest.mark.parametrize(
    ("source", "name", "message"),
    [
        ("digits", "tfidf", "holds images, but texts are needed"),
        ("sentences.csv", "pixels", "holds texts, but images are needed"),
        ("nowhere.csv", "majority", "nowhere.csv"),
    ],
)
def test_mistakes_are_found_before_anything_runs(source, name, message, sentences, home):
    with pytest.raises(UserError, match=message):
        lab.run(config(source, name), quiet=True)
    assert not list(home.glob("runs/*/*"))


def test_vectors_that_are_nowhere_are_refused(sentences):
    wrong = config(sentences, "word_vectors")
    wrong["method"]["vectors"] = "nothing.txt"
    with pytest.raises(UserError, match=r"method\.vectors: nothing\.txt"):
        lab.run(wrong, quiet=True)

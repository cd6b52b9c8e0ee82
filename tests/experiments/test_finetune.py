"""The recipe end to end: packaged images and a handful of sentences, small enough for seconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lab
from experiments.finetune import FinetuneConfig, recipe
from lab.errors import UserError
from lab.runs import interrupt

ANIMALS, FOODS = ["cat", "dog", "horse", "cow", "sheep", "goat"], ["bread", "rice", "soup", "pasta", "salad", "cake"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    """What is frozen is computed once for all tests of this file."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def place(cache, home, monkeypatch):
    monkeypatch.setenv("LAB_CACHE", str(cache))


def digits(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "experiment": "finetune",
        "data": {"source": "digits", "split": {"train": 80, "validation": 40, "test": 60}},
        "backbone": {"name": "efficientnet-lite0", "image_size": 32},
        "strategy": {"frozen_depth": "all"},
        "train": {"epochs": 3, "batch_size": 16, "learning_rate": 0.01},
    }
    own = {key: {**value, **changes.get(key, {})} if isinstance(value, dict) else value for key, value in base.items()}
    return changes | own


@pytest.fixture
def sentences(home) -> Path:
    """Sixty sentences on animals or food, and six without a label."""
    rng, lines = np.random.default_rng(0), ["sentence,label,length"]
    for number in range(66):
        label, words = [("animal", ANIMALS), ("food", FOODS)][number % 2]
        said = " ".join(rng.choice(words, 3))
        more = " and more of it" * (number % 3 == 0)
        lines.append(f"number {number} is {said}{more},{label if number < 60 else ''},{'long' if more else 'short'}")
    (home / "sentences.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return home / "sentences.csv"


def texts(file: Path, **changes: Any) -> dict[str, Any]:
    data = {"source": str(file), "split": {"train": 30, "validation": 14, "test": 16}, **changes.pop("data", {})}
    train = {"epochs": 2, "batch_size": 8, "learning_rate": 1e-3, **changes.pop("train", {})}
    backbone = {"name": "minilm-l6", "max_length": 16}
    return {"experiment": "finetune", "data": data, "backbone": backbone, "train": train, **changes}


def accuracy(run: lab.Run, split: str) -> float:
    results = run.results.set_index(["metric", "split"])
    return float(results.loc[("accuracy", split), "value"])


def test_a_run_leaves_all_that_it_should():
    run = lab.run(digits(), quiet=True)
    primary = run.results[run.results["primary"]].set_index("split")
    assert primary["metric"].to_dict() == {"validation": "accuracy", "test": "accuracy"}
    assert primary["n"].to_dict() == {"validation": 40, "test": 60}
    metrics = set(run.results["metric"])
    assert metrics == {"accuracy", "balanced_accuracy", "macro_f1", "log_loss", "auroc", "ece"}
    assert not run.results.set_index("metric").loc["log_loss", "higher_is_better"].any()
    parts = {name: set(ids) for name, ids in run.splits.items()}
    assert {name: len(ids) for name, ids in parts.items()} == {"train": 80, "validation": 40, "test": 60}
    assert not parts["train"] & parts["test"]
    assert not parts["train"] & parts["validation"]
    scores = run.scores("classification", "accuracy", "test")
    assert set(scores["id"]) == parts["test"]
    assert ((scores["label"] == scores["predicted"]) == scores["value"].astype(bool)).all()
    assert scores["probability"].between(0.1, 1).all()
    assert accuracy(run, "test") > 0.5  # ten classes

    told = run.json("finetune")
    assert told["depth"]["spoken"] == "trains the head only, all 9 blocks frozen"
    assert len(told["blocks"]) == len(told["probes"]) == 9
    assert all(row["frozen_identical"] and not row["trained"] for row in told["blocks"])
    assert set(told["seconds"]) == {"prefix", "train", "evaluate", "total"}
    assert np.array(told["confusion"]).sum() == 60
    assert {row["pair"] for row in told["shift"]} == {
        "train and validation", "train and test", "validation and test"
    }  # fmt: skip
    assert told["mistakes"][0]["image"].startswith("data:image/png;base64,")
    assert told["cache"]["used"]
    assert not run.warnings
    assert run.metrics["step"].tolist() == [1, 2, 3]
    assert run.metrics["train_loss"].is_monotonic_decreasing


@pytest.mark.slow
def test_spaces_before_and_after():
    frozen = lab.run(digits(), quiet=True)
    assert frozen.default_embedding == "items"
    assert [name for name in frozen.embedding_names if name != "items"] == [f"items.block-{n}" for n in range(1, 10)]
    trained = lab.run(digits(strategy={"frozen_depth": "all-2"}), quiet=True)
    assert set(trained.embedding_names) == {"items", "items.before"}
    before, after = trained.space("items.before"), trained.space("items")
    assert np.array_equal(before.vectors, frozen.space("items").vectors)
    assert not np.allclose(before.vectors, after.vectors)
    assert before.ids.tolist() == after.ids.tolist()
    assert set(after.metadata["split"]) == {"train", "validation", "test"}
    judged = after.metadata[after.metadata["split"] == "test"]
    assert (judged["predicted"] == judged["label"]).mean() == pytest.approx(accuracy(trained, "test"))
    rows = trained.json("finetune")["blocks"]
    assert [row["trained"] for row in rows] == [False] * 7 + [True] * 2
    assert all(row["frozen_identical"] for row in rows)


@pytest.mark.parametrize(
    "strategy",
    [{"frozen_depth": "all-1"}, pytest.param({"kind": "lp_ft", "frozen_depth": "all-2"}, marks=pytest.mark.slow)],
)
def test_interrupted_equals_uninterrupted(strategy, home, monkeypatch):
    config = digits(strategy=strategy, train={"epochs": 4})
    whole = lab.run(config, quiet=True)
    monkeypatch.setenv("LAB_HOME", str(home / "other"))

    def stop(event: dict[str, Any]) -> None:
        if event["event"] == "progress" and event["epoch"] == 2:
            interrupt.ask()

    with pytest.raises(KeyboardInterrupt):
        lab.run(config, quiet=True, on_event=stop)
    run = lab.run(config, quiet=True)
    assert [step["step"] for step in run.info["resumed"]] == [2]
    for name, tensor in whole.tensors("classifier").items():
        assert np.array_equal(tensor, run.tensors("classifier")[name]), name
    assert run.results.equals(whole.results)
    assert np.array_equal(run.space().vectors, whole.space().vectors)
    assert run.metrics["train_loss"].tolist() == whole.metrics["train_loss"].tolist()


@pytest.mark.parametrize(
    ("strategy", "why"),
    [
        ({"frozen_depth": "all-1", "batch_norm": "track"}, "batch_norm: track needs the frozen part in every step"),
        ({"kind": "bitfit", "frozen_depth": "none"}, "block 1 (stem) is trained"),
    ],
)
def test_what_has_no_cache_says_why_and_bears_no_frozen_part(strategy, why):
    run = lab.run(digits(strategy=strategy, train={"epochs": 1}), quiet=True)
    told = run.json("finetune")
    assert why in told["cache"]["why_not"]
    assert not told["cache"]["used"]
    assert told["seconds"]["prefix"] == 0


def test_a_mix_of_all_blocks_uses_the_cache_and_bears_its_filling():
    told = lab.run(
        digits(strategy={"kind": "scalar_mix", "frozen_depth": "all"}, train={"epochs": 3}), quiet=True
    ).json("finetune")
    assert told["cache"]["used"]
    assert told["cache"]["cuts"] == [9]
    assert told["seconds"]["prefix"] > 0


def test_without_validation_items_nothing_can_stop_early():
    split = {"train": 80, "validation": 0, "test": 60}
    data = {"source": "digits", "split": split}
    run = lab.run(digits(data=data, train={"early_stopping": 1, "epochs": 2}), quiet=True)
    assert any("early_stopping" in warning for warning in run.warnings)


def test_without_the_cache_the_numbers_are_the_same(home, monkeypatch):
    config = digits(strategy={"frozen_depth": "all-1"}, train={"epochs": 2, "optimizer": "sgd"})
    cached = lab.run(config, quiet=True)
    monkeypatch.setenv("LAB_HOME", str(home / "other"))
    config["train"]["cache"] = False
    plain = lab.run(config, quiet=True)
    assert plain.id == cached.id
    assert plain.json("finetune")["cache"]["why_not"]
    assert np.allclose(plain.metrics["train_loss"], cached.metrics["train_loss"], rtol=1e-4)
    assert np.allclose(plain.space().vectors, cached.space().vectors, atol=1e-3)


def test_the_seed_draws_the_head_but_never_the_split():
    runs = [lab.run(digits(seed=seed), quiet=True) for seed in (0, 1)]
    assert runs[0].splits == runs[1].splits
    heads = [run.tensors("classifier")["head.weight"] for run in runs]
    assert not np.allclose(*heads)
    assert not any("block" in name for name in runs[1].embedding_names)  # of one run of a study only


def test_texts_their_slices_and_what_to_label_next(sentences):
    run = lab.run(texts(sentences, data={"slices": ["length"]}, strategy={"frozen_depth": "all-1"}), quiet=True)
    told = run.json("finetune")
    assert told["kind"] == "text"
    assert told["classes"] == ["animal", "food"]
    assert told["split"]["unlabelled"] == 6
    assert run.space().metadata["text"].str.startswith("number").all()
    assert accuracy(run, "test") > 0.6
    mistakes = [row for row in run.scores("classification", "accuracy", "validation")["value"] if not row]
    listed = (run.path / "label_next.csv").read_text(encoding="utf-8").splitlines()
    assert listed[0] == "id,predicted,probability,nearest_mistake,distance,error_rate"
    assert len(listed) == (7 if mistakes else 1)


def test_what_features_say_is_asked_anew_of_other_labels(sentences):
    first = lab.run(texts(sentences), quiet=True).json("finetune")["probes"]
    lines = sentences.read_text(encoding="utf-8").splitlines()
    random = np.random.default_rng(1).choice(["animal", "food"], 60)
    for number, label in enumerate(random, start=1):
        text, _, length = lines[number].rsplit(",", 2)
        lines[number] = f"{text},{label},{length}"
    sentences.write_text("\n".join(lines) + "\n", encoding="utf-8")
    second = lab.run(texts(sentences), quiet=True).json("finetune")["probes"]
    assert np.mean([row["accuracy"] for row in first]) > np.mean([row["accuracy"] for row in second]) + 0.2


def test_what_was_trained_is_read_back(sentences):
    run = lab.run(texts(sentences, strategy={"frozen_depth": "all-1"}), quiet=True)
    network = recipe.load_classifier(run)
    kept = run.space()
    assert np.allclose(network.encode(kept.metadata["text"].tolist()), kept.vectors, atol=1e-4)
    assert np.allclose(run.encoder().encode(kept.metadata["text"].tolist()[:2]), kept.vectors[:2], atol=1e-4)


def test_runs_without_weights_say_how_to_get_them():
    run = lab.run(digits(train={"save_weights": False}), quiet=True)
    with pytest.raises(UserError, match=r"train\.save_weights=true"):
        recipe.load_classifier(run)


def test_a_final_model_is_trained_on_all_labels(sentences):
    run = lab.run(texts(sentences, data={"split": {"train": 1.0, "validation": 0, "test": 0}}), quiet=True)
    assert run.splits["test"] == run.splits["validation"] == []
    assert len(run.splits["train"]) == 60
    assert run.results.empty
    assert len(run.space()) == 60


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategy": {"frozen_depth": "all-12"}}, "9 blocks"),
        ({"strategy": {"frozen_depth": "blocks.33"}}, "did you mean blocks"),
        ({"backbone": {"name": "minilm-l6"}}, "holds images, but texts are needed"),
        ({"backbone": {"name": "efficientnet-lite1"}}, "did you mean 'efficientnet-lite0'"),
        (
            {
                "backbone": {"name": "minilm-l6"},
                "data": {"source": "wikipedia-topics", "split": {"train": 0.2, "validation": 0.1, "test": 0.1}},
                "train": {"augment": "light"},
            },
            "wikipedia-topics holds texts",
        ),
        ({"data": {"source": "digitz"}}, "digits"),
        ({"data": {"source": "digits", "split": {"train": 8000, "validation": 40, "test": 60}}}, "1,797"),
        ({"data": {"source": "digits", "per_class": 500}}, "per_class"),
    ],
)
def test_mistakes_are_found_before_anything_runs(changes, message, home):
    with pytest.raises(UserError, match=message):
        lab.run(digits(**changes), quiet=True)
    assert not list(home.glob("runs/*/*"))


def test_rows_are_said_as_people_say_them():
    config = FinetuneConfig.model_validate(digits())
    say = recipe.spoken
    assert say("strategy.frozen_depth", "all-3", config) == "trains the last 3 of 9 blocks"
    assert say("strategy.frozen_depth", "none", config) == "trains all 9 blocks"
    assert say("data.per_class", 25, config) == "25 labels a class"
    assert say("train.learning_rate", 0.1, config) is None


def test_controls_see_the_same_data():
    config = FinetuneConfig.model_validate(digits(seed=3))
    rows = dict(recipe.controls(config))
    assert list(rows) == ["majority class", "raw pixels", "untrained backbone's features"]
    for row in rows.values():
        assert row["seed"] == 3
        assert row["data"] == config.data.model_dump(mode="json")
    assert not rows["untrained backbone's features"]["backbone"]["pretrained"]
    of_texts = FinetuneConfig.model_validate({"backbone": {"name": "minilm-l6"}})
    assert [label for label, _ in recipe.controls(of_texts)][1:-1] == [
        "TF-IDF", "mean word vectors", "embedding learned here"
    ]  # fmt: skip


def test_a_study_fills_the_cache_once_and_chooses_by_validation(monkeypatch):
    from lab.training.cache.prefix_cache import PrefixCache

    filled = []
    fill = PrefixCache.fill
    monkeypatch.setattr(
        PrefixCache, "fill", lambda self, *args, **kwargs: filled.append(fill(self, *args, **kwargs)) or filled[-1]
    )
    config = digits(backbone={"image_size": 24}, train={"epochs": 1})
    study = config | {
        "name": "depths",
        "sweep": {"strategy.frozen_depth": ["all", "all-1"], "seed": [0, 1]},
        "choose": {"train.learning_rate": [1e-4, 1e-2]},
    }
    record = lab.run(study, quiet=True)
    rows = record.rows()
    assert len(rows) == 2 + 3
    assert rows[0].label == "trains the head only, all 9 blocks frozen"
    pretrained = [report.items for report in filled if report.items]
    assert pretrained[0] == 180
    untrained = 2 + 3  # seeds drawn anew, and tries of the penalty share theirs
    assert len(pretrained) <= 1 + untrained
    assert {cell.chosen["train.learning_rate"] for cell in record.cells if cell.chosen and not cell.control} == {0.01}


def test_the_estimate_grows_with_the_work():
    little, more, deeper = (
        recipe.estimate(FinetuneConfig.model_validate(digits(**changes)))
        for changes in (
            {},
            {"train": {"epochs": 3000}},
            {"strategy": {"frozen_depth": "none"}, "train": {"epochs": 300}},
        )
    )
    assert more.seconds > little.seconds
    assert deeper.seconds > little.seconds
    assert deeper.bytes > little.bytes > 10_000


def test_the_shipped_starting_points_load():
    for name in ("finetune/images", "finetune/texts", "finetune/mnist-5k", "finetune/wikipedia-topics"):
        assert lab.config.load(name).cells, name
    json.dumps(lab.config.json_schema(["finetune", "baseline"]))

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from walk_recipe import FACTS, RECIPE, cell_of, do

from lab.errors import ConfigError, UserError
from lab.experiment import DataFacts
from lab.runs.run import Run
from lab.runs.writer import open_run


@pytest.fixture
def finished(home) -> Run:
    return do(seed=3)


def test_a_run_reads_everything_that_was_written(finished):
    run = finished
    assert (run.experiment, run.seed, run.status, run.error) == ("walk", 3, "finished", None)
    assert run.warnings == ["halfway"]
    assert run.config == cell_of(RECIPE.config(seed=3)).values
    columns = ["evaluation", "metric", "split", "value", "n", "higher_is_better", "primary"]
    assert list(run.results.columns) == columns
    assert run.results["metric"].tolist() == ["distance", "place"]
    assert list(run.metrics.columns) == ["step", "distance", "time"]
    assert run.metrics["time"].is_monotonic_increasing
    scores = run.scores("walk")
    assert list(scores.columns) == ["id", "evaluation", "metric", "split", "value", "note"]
    assert scores["value"].mean() == pytest.approx(run.results["value"].iloc[-1])
    assert run.scores("walk", "place", "test").equals(run.scores())
    assert run.embedding_names == ["item", "item.untrained"]
    assert run.default_embedding == "item"
    assert run.space().ids.tolist() == run.splits["test"]
    assert run.space("item.untrained").vectors.tolist() == np.ones((4, 3)).tolist()
    assert set(run.tensors("model")) == {"place", "ballast"}
    assert run.tensor_metadata("model") == {"steps": 6}
    assert run.json("settings") == {"rate": 0.1}
    (figure,) = run.figures
    assert (figure.name, figure.title, figure.alt) == ("ülk/..\0", "halfway", None)
    assert figure._repr_png_().startswith(b"PNG of ")
    assert len(figure.data["at"]) == 3
    assert "step 6 taken" in run.log


def test_it_says_what_it_holds(finished):
    assert repr(finished).splitlines() == [
        f"Run {finished.id}: walk, seed 3, finished",
        "  embeddings: item (default), item.untrained",
        "  scores: walk.place.test",
        "  figures: lk-4929d21a",
        "  splits: test",
        "  model: settings.json, model.safetensors",
    ]


def test_it_works_from_another_folder(finished, tmp_path, monkeypatch):
    monkeypatch.chdir(finished.path.parent)
    run = Run(finished.id)
    monkeypatch.chdir("/")
    assert run.config["seed"] == 3


def test_html_escapes_whatever_a_recipe_wrote(home):
    hostile = "<script>alert('x')</script>‮"

    def fail(config, run) -> None:
        run.result(hostile, "accuracy", 0.5, n=1)
        run.split(hostile, ["a"])
        raise ValueError(hostile)

    with pytest.raises(ValueError, match="script"):
        do(replace(RECIPE, run=fail), seed=9)
    (path,) = (path for path in home.glob("runs/walk/*") if path.is_dir())
    shown = Run(path)
    assert shown.error == f"ValueError: {hostile}"
    assert "<script>" not in shown._repr_html_()
    assert "&lt;script&gt;" in shown._repr_html_()
    assert shown.splits == {hostile: ["a"]}


@pytest.mark.parametrize("name", ["../../x", "", "held-out text", "a" * 300, "…", "a\0b", "CON", ".hidden", "a/b", "A"])
def test_any_name_is_kept_inside_the_run(home, name):
    with open_run(RECIPE, cell_of(RECIPE.config(seed=9)), FACTS) as run:
        run.scores(name, "accuracy", ["a"], [1.0], split=name)
        run.save_json(name, name)
        run.save_tensors(name, {"a": np.zeros(1)})
        run.split(name, [name])
    files = [path for path in home.rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert all(path.is_relative_to(run.path) for path in files)
    found = Run(run.path)
    assert found.scores(name)["split"].tolist() == [name]
    assert found.json(name) == name
    assert set(found.tensors(name)) == {"a"}
    assert found.splits == {name: [name]}


def test_what_is_not_there_is_told_with_the_nearest(finished):
    with pytest.raises(UserError, match=r"has no embedding space 'items'; it has: item"):
        finished.space("items")
    with pytest.raises(UserError, match=r"has no scores of 'walk plaice'; it has: walk place test"):
        finished.scores("walk", "plaice")
    with pytest.raises(UserError, match=r"has no model file 'setting'; it has: settings"):
        finished.json("setting")


def test_a_run_without_anything_reads_as_empty(home):
    with pytest.raises(KeyboardInterrupt), open_run(RECIPE, cell_of(RECIPE.config(seed=9)), FACTS) as run:
        raise KeyboardInterrupt
    empty = Run(run.path)
    assert empty.results.empty
    assert empty.metrics.empty
    assert empty.scores().empty
    assert (empty.figures, empty.splits, empty.embedding_names, empty.default_embedding) == ([], {}, [], None)
    assert repr(empty) == f"Run {empty.id}: walk, seed 9, interrupted"
    with pytest.raises(UserError, match=r"has no embedding space \(it is interrupted\)"):
        empty.space()


def test_a_folder_that_is_no_run_and_a_newer_run_are_refused(finished, tmp_path):
    with pytest.raises(UserError, match="is not a run directory"):
        Run(tmp_path)
    for file in ("config.yaml", "results.json", "run.json"):
        text = (finished.path / file).read_text()
        newer = text.replace('"format_version": 1', '"format_version": 2').replace("version: 1\n", "version: 2\n")
        (finished.path / file).write_text(newer)
        with pytest.raises(UserError, match=rf"{file} was written by a newer lab"):
            (lambda run: (run.config, run.results))(Run(finished.path))
        (finished.path / file).write_text(text)


@pytest.fixture
def installed(monkeypatch):
    """Give the recipe that is installed under the name `walk`."""

    def install(recipe) -> None:
        monkeypatch.setattr("lab.config.experiments.load_recipe", lambda name: recipe)

    return install


def test_why_stale(finished, installed, monkeypatch):
    installed(RECIPE)
    assert finished.why_stale() is None
    newer = DataFacts("newer", {"documents": 662})
    installed(replace(RECIPE, plan=lambda config: newer))
    assert finished.why_stale() == "the data have changed: 612 → 662 documents"
    assert finished.why_stale(check_data=False) is None
    installed(replace(RECIPE, plan=lambda config: DataFacts("newer", {"documents": 612})))
    assert finished.why_stale() == "the data have changed: other content, the same counts"

    def gone(config) -> DataFacts:
        raise UserError("corpus.txt does not exist")

    installed(replace(RECIPE, plan=gone))
    assert finished.why_stale() == "its config or data cannot be read any more: corpus.txt does not exist"
    installed(replace(RECIPE, version=2))
    assert finished.why_stale() == "made by version 1 of walk, which is now 2"
    installed(RECIPE)
    monkeypatch.setattr("lab.runs.identity.source_hash", lambda recipe: "other")
    assert finished.why_stale() == "made by other source of lab or the recipe"


def test_a_run_of_an_experiment_that_is_not_installed(finished, monkeypatch):
    assert finished.why_stale() == "its experiment walk is not installed"
    with pytest.raises(ConfigError, match="experiment is 'walk'"):
        finished.encoder()


def test_the_encoder_is_the_recipes(finished, installed):
    installed(RECIPE)
    with pytest.raises(UserError, match="walk cannot embed new items"):
        finished.encoder()
    installed(replace(RECIPE, load_encoder=lambda run: ("encoder of", run.id)))
    assert finished.encoder() == ("encoder of", finished.id)
    info = json.loads((finished.path / "run.json").read_text())
    (finished.path / "run.json").write_text(json.dumps(info | {"status": "failed"}))
    with pytest.raises(UserError, match="is failed; it can embed new items once it is finished"):
        Run(finished.path).encoder()

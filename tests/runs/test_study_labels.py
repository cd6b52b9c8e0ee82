from __future__ import annotations

from dataclasses import replace

from lab.config import load, load_recipe
from lab.runs.labels import describe_values, row_labels, short_names


def labels(config: dict) -> list[str]:
    return list(dict.fromkeys(row_labels(load(config).cells)))


def test_swept_keys_in_their_shortest_clear_form(toy):
    swept = {"model.rate": [0.1, 0.25], "steps": [2], "seed": [0, 1]}
    assert labels({"experiment": "toy", "sweep": swept}) == ["rate=0.1, steps=2", "rate=0.25, steps=2"]


def test_all_seeds_of_a_row_have_one_label(toy):
    plan = load({"experiment": "toy", "sweep": {"seed": [0, 1], "steps": [2, 3]}})
    assert row_labels(plan.cells) == ["steps=2", "steps=2", "steps=3", "steps=3"]


def test_a_plain_config_is_called_by_its_experiment(toy):
    assert labels({"experiment": "toy"}) == ["toy"]


def test_entries_without_a_sweep_differ_by_what_differs(toy):
    entries = [{"config": {"experiment": "toy", "model": {"kind": kind}}} for kind in ("plain", "fancy")]
    assert labels({"name": "x", "study": entries}) == ["kind=plain", "kind=fancy"]


def test_a_swept_key_is_not_told_twice(toy):
    entries = [
        {"config": {"experiment": "toy"}, "sweep": {"model.rate": [0.1, 0.2]}},
        {"config": {"experiment": "toy", "model": {"kind": "fancy"}}, "sweep": {"model.rate": [0.1]}},
    ]
    found = labels({"name": "x", "study": entries})
    assert found == ["rate=0.1 kind=plain", "rate=0.2", "rate=0.1 kind=fancy"]


def test_equal_rows_of_two_entries_are_numbered(toy):
    entries = [{"config": {"experiment": "toy"}}, {"config": {"experiment": "toy"}}]
    assert labels({"name": "x", "study": entries}) == ["toy #1", "toy #2"]


def test_the_experiment_stands_in_front_where_there_are_several(toy):
    entries = [
        {"config": {"experiment": "toy"}, "sweep": {"steps": [2, 3]}},
        {"config": {"experiment": "word2vec"}},
    ]
    assert labels({"name": "x", "study": entries}) == ["toy steps=2", "toy steps=3", "word2vec"]


def test_paths_are_shortened_to_their_names_unless_these_are_equal(toy):
    assert labels({"experiment": "toy", "sweep": {"data": ["a/x.txt", "a/y.txt"]}}) == ["data=x.txt", "data=y.txt"]
    assert labels({"experiment": "toy", "sweep": {"data": ["a/x.txt", "b/x.txt"]}}) == ["data=a/x.txt", "data=b/x.txt"]


def test_short_names_keep_as_many_parts_as_tell_them_apart():
    assert short_names(["model.window", "data.split.seed", "data.held_out.seed", "seed"]) == {
        "model.window": "window",
        "data.split.seed": "split.seed",
        "data.held_out.seed": "held_out.seed",
        "seed": "seed",
    }


def test_values_as_a_person_writes_them():
    values = {"a.b": 0.001, "c": True, "d": None, "e": [1, "x"], "f": "w" * 100}
    assert describe_values(values) == f'b=0.001, c=true, d=none, e=[1, "x"], f={"w" * 39}…'


def test_a_config_of_several_that_names_itself_is_called_by_its_name(toy):
    entries = [
        {"config": {"experiment": "toy", "name": "ours"}, "sweep": {"model.rate": [0.1, 0.2]}},
        {"config": {"experiment": "toy", "name": "theirs"}},
    ]
    assert labels({"name": "x", "study": entries}) == ["ours rate=0.1", "ours rate=0.2", "theirs"]
    assert labels({"experiment": "toy", "name": "mine", "sweep": {"steps": [2, 3]}}) == ["steps=2", "steps=3"]


def test_what_a_row_is_stands_before_what_it_sweeps(toy, monkeypatch):
    recipe = load_recipe("toy")
    titled = replace(recipe, title=lambda config: f"a toy, {config.model.kind}", spoken=lambda k, v, c: str(v))
    monkeypatch.setattr("lab.config.load_recipe", lambda name: titled)
    swept = {"experiment": "toy", "sweep": {"steps": [2, 3]}}
    assert labels(swept) == ["a toy, plain, 2", "a toy, plain, 3"]
    kinds = {"model.kind": ["plain", "fancy"]}
    assert labels({"experiment": "toy", "sweep": kinds}) == ["a toy, plain", "a toy, fancy"]
    assert labels({"name": "mine", **swept}) == ["a toy, plain, 2", "a toy, plain, 3"]
    entries = [{"config": {**swept, "name": "ours"}}, {"config": {"experiment": "toy"}}]
    assert labels({"name": "x", "study": entries}) == ["ours 2", "ours 3", "a toy, plain, 3"]

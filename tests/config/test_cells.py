"""Sweeps, choices and studies: which cells there are, and what each holds."""

from __future__ import annotations

import json
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.config import load
from lab.errors import ConfigError

HEAD = {"experiment": "word2vec"}


def cells(overrides=(), **keys):
    return load(HEAD | keys, overrides).cells


def rows(found):
    return [(cell.row, cell.config.seed) for cell in found]


def test_a_plain_config_is_one_cell():
    plan = load(HEAD)
    assert rows(plan.cells) == [({}, 0)]
    assert not plan.is_study
    assert plan.cells[0].choices == {}
    assert plan.cells[0].candidates() == [{}]


def test_a_grid_keeps_the_seeds_of_a_row_together():
    found = cells(sweep={"seed": [0, 1], "model.architecture": ["cbow", "skipgram"]})
    assert rows(found) == [
        ({"model.architecture": architecture}, seed) for architecture in ("cbow", "skipgram") for seed in (0, 1)
    ]
    assert found[3].config.model.architecture == "skipgram"
    assert found[3].values["model"]["architecture"] == "skipgram"


def test_explicit_cells_share_their_columns():
    found = cells(sweep=[{"model.window": 2, "seed": [0, 1]}, {"model.negative": 7}])
    assert rows(found) == [
        ({"model.window": 2, "model.negative": 5}, 0),
        ({"model.window": 2, "model.negative": 5}, 1),
        ({"model.window": 5, "model.negative": 7}, 0),
    ]


def test_sections_and_lists_can_be_swept():
    found = cells(sweep={"tokenizer.phrases": [None, {"passes": 2}], "evaluate.similarity": [["wordsim353"], []]})
    assert [cell.config.tokenizer.phrases and cell.config.tokenizer.phrases.passes for cell in found] == [
        None,
        None,
        2,
        2,
    ]
    assert [cell.config.evaluate.similarity for cell in found] == [["wordsim353"], []] * 2


def test_the_row_shows_what_was_understood():
    assert cells(sweep={"train.learning_rate": [1]})[0].row == {"train.learning_rate": 1.0}


def test_the_command_line_fixes_a_swept_key_and_its_column_stays():
    sweep = {"model.window": [2, 3], "seed": [0, 1]}
    assert rows(cells(["model.window=9"], sweep=sweep)) == [({"model.window": 9}, 0), ({"model.window": 9}, 1)]
    assert rows(cells(["seed=7"], sweep=sweep)) == [({"model.window": 2}, 7), ({"model.window": 3}, 7)]
    explicit = [{"model.window": 2, "seed": [0, 1]}, {"model.window": 3, "seed": [0]}]
    assert rows(cells(["model.window=4"], sweep=explicit)) == [({"model.window": 4}, 0), ({"model.window": 4}, 1)]


def test_the_command_line_adds_and_replaces_axes():
    plan = load(HEAD, ["sweep.seed=[0, 1, 2]"])
    assert [cell.config.seed for cell in plan.cells] == [0, 1, 2]
    assert plan.is_study
    assert [c.config.seed for c in cells(["sweep.seed=[5]"], sweep={"seed": [0, 1]})] == [5]
    assert cells(["choose.train.epochs=[1, 2]"])[0].choices == {"train.epochs": [1, 2]}


def test_choices_are_no_rows():
    found = cells(sweep={"seed": [0, 1]}, choose={"train.learning_rate": [0.01, 0.1], "train.epochs": [1, 2]})
    assert rows(found) == [({}, 0), ({}, 1)]
    candidates = found[0].candidates()
    assert len(candidates) == 4
    chosen = found[1].with_values(candidates[3])
    assert (chosen.config.train.learning_rate, chosen.config.train.epochs) == (0.1, 2)
    assert chosen.values["train"]["epochs"] == 2
    assert chosen.row == found[1].row
    assert chosen.config.seed == 1
    assert str(chosen.origins["train.epochs"]) == "choose, the given config"
    assert found[1].config.train.epochs == 5, "the cell itself is as it was"
    assert cells(["train.epochs=3"], choose={"train.epochs": [1, 2]})[0].choices == {}


def test_changed_values_are_checked():
    with pytest.raises(ConfigError, match=r"choose: train.epochs is 0; expected a whole number of at least 1"):
        cells()[0].with_values({"train.epochs": 0})


def test_a_cell_crosses_to_another_process():
    cell = cells(sweep={"seed": [3]}, choose={"train.epochs": [1]})[0]
    assert pickle.loads(pickle.dumps(cell)) == cell


def test_a_rule_between_keys_names_the_cell(toy):
    with pytest.raises(ConfigError) as caught:
        load({"experiment": "toy", "size": 1, "train": {"low": 0.5}, "sweep": {"train.high": [1, 0.1], "seed": [4]}})
    assert str(caught.value) == (
        "the given config: train: low (0.5) is above high (0.1) (in the cell train.high=0.1, seed=4)"
    )


def test_a_union_is_told_in_one_sentence(toy):
    with pytest.raises(ConfigError) as caught:
        load({"experiment": "toy", "size": 1, "depth": "al"})
    assert str(caught.value) == (
        "the given config: depth is 'al'; expected a whole number or 'all' or 'none'; did you mean 'all'?"
    )


def test_a_missing_key_is_told_with_what_it_is(toy):
    with pytest.raises(ConfigError, match=r"^the given config: size is missing; expected a whole number \(how many\)$"):
        load({"experiment": "toy"})


def test_keys_that_are_the_users_own_can_be_given_swept_and_overridden(toy):
    base = {"experiment": "toy", "size": 1, "weights": {"a": 1.0}}
    plan = load(base | {"sweep": {"weights.b": [1, 2]}}, ["weights.c=3"])
    assert [cell.config.weights for cell in plan.cells] == [{"a": 1, "b": b, "c": 3} for b in (1, 2)]
    with pytest.raises(ConfigError, match=r"weights.a is 'x'; expected a number$"):
        load(base | {"weights": {"a": "x"}})


STUDY = """\
name: both
report: {words: [king]}
study:
  - config: word2vec/cbow
    sweep: {model.window: [2, 3], seed: [0, 1]}
  - config: {extends: mine.yaml, size: 2}
  - config: mine.yaml
    choose: {train.steps: [1, 2]}
"""
MINE = "experiment: toy\nsize: 1\nsweep: {seed: [5, 6]}\n"


def test_a_study_lists_the_cells_of_its_entries(write, toy):
    write("mine.yaml", MINE)
    plan = load(write("study.yaml", STUDY))
    assert [(c.entry, c.experiment, c.config.seed) for c in plan.cells] == [
        *[(0, "word2vec", seed) for seed in (0, 1, 0, 1)],
        *[(1, "toy", seed) for seed in (5, 6)],
        *[(2, "toy", seed) for seed in (5, 6)],
    ]
    assert [cell.config.size for cell in plan.cells[4:]] == [2, 2, 1, 1]
    assert plan.cells[7].choices == {"train.steps": [1, 2]}
    assert (plan.name, plan.report.words, plan.is_study) == ("both", ["king"], True)


def test_overrides_go_to_every_entry_that_has_the_key(write, toy):
    write("mine.yaml", MINE)
    write("study.yaml", STUDY)
    plan = load("study.yaml", ["train.epochs=9", "size=8", "seed=3", "name=other", "report.words=[queen]"])
    assert {cell.config.seed for cell in plan.cells} == {3}
    assert {cell.config.train.epochs for cell in plan.cells if cell.entry == 0} == {9}
    assert {cell.config.size for cell in plan.cells if cell.entry} == {8}
    assert (plan.name, plan.report.words) == ("other", ["queen"])
    with pytest.raises(ConfigError, match=r"^command line: unknown key zzz in every entry$"):
        load("study.yaml", ["zzz=1"])
    with pytest.raises(ConfigError, match=r"^command line: unknown key train.stps; did you mean train.steps\?"):
        load("study.yaml", ["train.stps=1"])


def test_a_study_may_extend_another(write):
    write("a.yaml", "name: a\nreport: {title: A}\nstudy: [{config: word2vec/cbow}]\n")
    plan = load(write("b.yaml", "extends: a.yaml\nreport: {words: [king]}\n"))
    assert (plan.name, plan.report.title, plan.report.words) == ("b", "A", ["king"])


axes = st.fixed_dictionaries(
    {},
    optional={
        "model.window": st.lists(st.integers(1, 99), min_size=1, max_size=4, unique=True),
        "train.learning_rate": st.lists(st.floats(0.001, 1), min_size=1, max_size=3, unique=True),
        "model.architecture": st.permutations(["cbow", "skipgram"]),
        "seed": st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=4, unique=True),
    },
)


@settings(max_examples=40)
@given(axes)
def test_a_grid_is_every_combination_once(sweep):
    found = cells(sweep=sweep)
    count = 1
    for values in sweep.values():
        count *= len(values)
    assert len(found) == count
    seen = {json.dumps([cell.row, cell.config.seed]) for cell in found}
    assert len(seen) == count
    for key, values in sweep.items():
        got = [cell.config.seed if key == "seed" else cell.row[key] for cell in found]
        assert sorted(set(got)) == sorted(values)
        assert all(got.count(value) == count / len(values) for value in values)
    row_order = [json.dumps(cell.row) for cell in found]
    assert row_order == sorted(row_order, key=row_order.index), "the seeds of a row follow one another"


@settings(max_examples=40)
@given(st.lists(axes.filter(bool), min_size=1, max_size=3))
def test_explicit_cells_are_the_sum_of_their_grids(grids):
    each = [{json.dumps(cell.values) for cell in cells(sweep=grid)} for grid in grids]
    if sum(map(len, each)) == len(set.union(*each)):
        assert [json.dumps(cell.values) for cell in cells(sweep=grids)] == [
            json.dumps(cell.values) for grid in grids for cell in cells(sweep=grid)
        ]
    else:
        with pytest.raises(ConfigError, match="two cells are the same"):
            cells(sweep=grids)

from __future__ import annotations

from dataclasses import replace

import pytest

import lab
from lab.config import load, load_recipe
from lab.errors import ConfigError
from lab.experiment import DataFacts
from lab.runs.labels import row_labels
from lab.runs.refs import load_run, load_study
from lab.runs.replicates import counted, described, noun, replicate_of, resampling

FOLDS = {"data.split.fold": [0, 1, 2]}


def test_splits_and_folds_make_no_rows_of_their_own(toy):
    study = lab.run({"experiment": "toy", "name": "f", "sweep": {"model.rate": [0.1, 0.2], **FOLDS}}, quiet=True)
    rows = study.rows()
    assert [(row.label, row.row, row.summary, row.over) for row in rows] == [
        ("rate=0.1", {"model.rate": 0.1}, "3 folds", "fold"),
        ("rate=0.2", {"model.rate": 0.2}, "3 folds", "fold"),
    ]
    assert [run.replicate for run in rows[0].runs] == [
        {"seed": 0, "data.split.seed": 0, "data.split.fold": fold} for fold in range(3)
    ]
    assert len({run.id for run in study.runs()}) == 6
    assert load_study("f").cells == study.cells
    assert load_run("f:rate=0.2,fold=2").id == study.cells[5].run_id
    assert study.cells[5].described == "fold 2"


def test_seeds_of_one_split_follow_one_another(toy):
    plan = load({"experiment": "toy", "sweep": {"seed": [0, 1], "data.split.seed": [4, 5], "steps": [1, 2]}})
    told = [(cell.row["steps"], *cell.replicate.values()) for cell in plan.cells]
    assert told[:4] == [(1, 4, 0), (1, 4, 1), (1, 5, 0), (1, 5, 1)]
    assert row_labels(plan.cells) == ["steps=1"] * 4 + ["steps=2"] * 4


def test_progress_names_the_fold(toy, capsys):
    lab.run({"experiment": "toy", "name": "f", "sweep": {"seed": [0], **FOLDS}})
    assert "toy, seed 0, fold 2 (" in capsys.readouterr().out


@pytest.mark.parametrize("key", ["data.split.fold", "data.split.seed"])
def test_nobody_chooses_the_luckiest_fold_or_split(toy, key):
    with pytest.raises(ConfigError, match="is never chosen, that would be picking the luckiest"):
        load({"experiment": "toy", "choose": {key: [0, 1]}})


def test_a_row_chooses_on_the_first_fold_and_keeps_to_it(toy):
    choose = {"model.rate": [0.1, 0.25, 0.4]}
    (row,) = lab.run({"experiment": "toy", "name": "c", "choose": choose, "sweep": FOLDS}, quiet=True).rows()
    assert row.chosen == {"model.rate": 0.25}
    assert len(toy.notes_of("begin")) == 3 + 2
    assert [run.config["model"]["rate"] for run in row.runs] == [0.25] * 3
    tried = [load_run(candidate["run_id"]).replicate["data.split.fold"] for candidate in row.candidates]
    assert tried == [0, 0, 0]


def test_in_words():
    folds = [{"seed": 0, "data.split.fold": fold} for fold in range(3)]
    grid = [{"seed": s, "data.split.seed": p} for s in range(2) for p in range(5)]
    assert (noun(folds), counted(folds)) == ("fold", "3 folds")
    assert (noun(grid), counted(grid)) == ("run", "2 seeds × 5 splits")
    assert counted(grid[:-1]) == "9 runs", "no grid"
    assert (noun([{"seed": 3}]), counted([{"seed": 3}])) == ("seed", "1 seed")
    assert described({"data.split.seed": 2, "seed": 0}) == "seed 0, split 2"


def test_what_is_resampled_is_the_split_and_not_the_seed():
    config = {"seed": 1, "data": {"split": {"seed": 2, "folds": 5, "fold": 3}}}
    assert replicate_of(config) == {"seed": 1, "data.split.seed": 2, "data.split.fold": 3}
    assert resampling(replicate_of(config)) == (2, 3)
    assert replicate_of({"seed": 1, "data": "a.txt"}) == {"seed": 1}


def with_inputs(monkeypatch, toy_recipe, digest: str) -> None:
    import toy_experiment

    facts = DataFacts("no data", inputs={"weights": digest})
    monkeypatch.setattr(toy_experiment, "recipe", replace(toy_recipe, plan=lambda config: facts))


def test_other_weights_are_another_run_on_the_same_data(toy, monkeypatch):
    recipe = load_recipe("toy")
    plain = lab.run({"experiment": "toy"}, quiet=True)
    with_inputs(monkeypatch, recipe, "aa")
    one = lab.run({"experiment": "toy"}, quiet=True)
    with_inputs(monkeypatch, recipe, "bb")
    assert one.why_stale() == "the weights have changed"
    other = lab.run({"experiment": "toy"}, quiet=True)
    assert len({plain.id, one.id, other.id}) == 3
    assert one.info["data"]["fingerprint"] == other.info["data"]["fingerprint"]
    assert other.info["data"]["inputs"] == {"weights": "bb"}
    labels = [row.label for row in lab.compare(one, other).tables[0].rows]
    assert labels == ["toy (weights aa)", "toy (weights bb)"]


def test_a_dry_run_names_the_fold(toy, capsys):
    lab.run({"experiment": "toy", "name": "f", "sweep": FOLDS}, dry_run=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["run", "row", "repeat", "state", "time", "disk"]
    assert lines[2].split()[1:4] == ["toy", "fold", "1"]

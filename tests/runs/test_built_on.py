"""Runs made from other runs: `run:REF` in a config is one run for good, and a study makes it first."""

from __future__ import annotations

import pytest

import lab
from lab.errors import UserError
from lab.runs.launcher import run as launch
from lab.runs.refs import load_run
from lab.runs.study import StudyError


def study(second: dict, first: dict | None = None, seeds: tuple[int, ...] = (0, 1), **head) -> dict:
    first = {"config": {"experiment": "toy"}, "sweep": {"seed": list(seeds)}, **(first or {})}
    return {"name": "two", "study": [first, second], **head}


def from_this(ref: str = "this:seed=${seed}", **more) -> dict:
    return {"config": {"experiment": "toy", "steps": 2, "made_from": f"run:{ref}", **more}}


def test_each_seed_is_made_from_the_run_of_its_seed(toy):
    entry = from_this() | {"sweep": {"seed": [0, 1]}}
    record = launch(study(entry), quiet=True)
    bases, made = record.rows()
    assert [run.config["made_from"] for run in made.runs] == [f"run:{run.id}" for run in bases.runs]
    assert made.label == "made_from=this:seed=${seed}" or made.counted == "2 seeds"
    begun = [words[1] for words in toy.notes_of("begin")]
    assert begun.index(bases.runs[0].id) < begun.index(made.runs[0].id)
    assert len(begun) == 4
    again = launch(study(entry), quiet=True)
    assert {run.id for run in again.runs()} == {run.id for run in record.runs()}
    assert len(toy.notes_of("begin")) == 4, "nothing is done twice"


def test_a_control_that_is_made_from_the_run_of_its_seed_is_one_row(toy, monkeypatch):
    from dataclasses import replace

    from lab.config import load, load_recipe

    def controls(config):
        if not config.made_from:
            return []
        return [("again", {"experiment": "toy", "steps": 9, "seed": config.seed, "made_from": config.made_from})]

    load_recipe("toy")
    import toy_experiment

    monkeypatch.setattr(toy_experiment, "recipe", replace(toy_experiment.recipe, controls=controls))
    record = launch(load(study(from_this() | {"sweep": {"seed": [0, 1]}})), quiet=True)
    bases, _, control = record.rows()
    assert (control.label, control.counted) == ("again", "2 seeds")
    assert [run.config["made_from"] for run in control.runs] == [f"run:{run.id}" for run in bases.runs]


def test_in_processes_too_it_waits(toy):
    late = {"config": {"experiment": "toy", "nap": 0.05}, "sweep": {"seed": [0]}}
    record = launch(study(from_this("this:seed=0") | {"sweep": {"seed": [0, 1]}}, late), jobs=3, quiet=True)
    (base,), made = (row.runs for row in record.rows())
    assert len(made) == 2
    assert all(run.info["started"] >= base.info["finished"] for run in made)


def test_an_earlier_study_and_all_spellings_mean_the_same_run(toy):
    base = launch({"experiment": "toy", "seed": 3}, quiet=True)
    launch({"experiment": "toy", "name": "before", "sweep": {"seed": [3, 4]}}, quiet=True)
    spellings = [base.id, base.id[:6], str(base.path), "before:seed=3"]
    ids = {launch({"experiment": "toy", "made_from": f"run:{ref}"}, quiet=True).id for ref in spellings}
    assert len(ids) == 1
    last = load_run("last")
    assert launch({"experiment": "toy", "made_from": "run:last"}, quiet=True).config["made_from"] == f"run:{last.id}"


def test_who_is_made_from_a_run_that_fails_fails_with_it_and_is_done_with_it(toy):
    plan = study(from_this("this:seed=0"), {"config": {"experiment": "toy", "fails": [0]}, "sweep": {"seed": [0]}})
    with pytest.raises(StudyError, match=r"seed 0 is unlucky.*run \w{12}, from which it is made, failed"):
        launch(plan, quiet=True)
    assert len(toy.notes_of("begin")) == 1
    mended = study(from_this("this:seed=0"), {"config": {"experiment": "toy"}, "sweep": {"seed": [0]}})
    assert [len(row.runs) for row in launch(mended, quiet=True).rows()] == [1, 1]


def test_a_dry_run_lists_both(toy, capsys):
    launch(study(from_this("this:seed=0")), dry_run=True)
    assert "3 runs: 0 finished, 3 to do" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        ("nowhere", r"^made_from: no run 'nowhere'"),
        ("this:seed=7", r"^made_from: this study has no run with seed=7; nearest: 0, 1$"),
        ("this:sede=0", r"^made_from: this study has no key 'sede'; nearest: seed"),
        ("this:", r"^made_from: 'this:' means 2 runs of this study; add conditions, such as seed=\$\{seed\}$"),
        ("this:seed", r"^made_from: 'this:seed': expected this:key=value,…, not 'seed'$"),
    ],
)
def test_what_means_no_run_is_told_before_anything_is_done(toy, ref, message):
    with pytest.raises(UserError, match=message):
        launch(study(from_this(ref.replace("${", "\\${"))), quiet=True)
    assert not toy.notes_of("begin")


def test_a_row_that_has_yet_to_choose_and_an_entry_that_comes_later_are_refused(toy):
    chooses = {"sweep": {"seed": [0]}, "choose": {"model.rate": [0.1, 0.2]}}
    with pytest.raises(UserError, match=r"that row is yet to choose its model.rate"):
        launch(study(from_this("this:seed=0"), chooses), quiet=True)
    with pytest.raises(UserError, match=r"no entry of this study stands before this one"):
        launch({"name": "two", "study": [from_this(), {"config": {"experiment": "toy"}}]}, quiet=True)


def test_cleaning_leaves_what_a_study_is_made_from(toy):
    from lab.runs.catalogue import plan_clean

    first, other = (launch({"experiment": "toy", "seed": seed}, quiet=True) for seed in (3, 4))
    second = launch({"experiment": "toy", "made_from": f"run:{first.id}"}, quiet=True)
    launch({"experiment": "toy", "name": "kept", "steps": 2, "made_from": f"run:{second.id}", "sweep": {"seed": [0]}})
    assert [removal.path.name for removal in plan_clean()] == [other.id]


def test_an_unfinished_run_is_refused(toy):
    with pytest.raises(Exception, match="unlucky"):
        launch({"experiment": "toy", "fails": [0]}, quiet=True)
    failed = load_run("last")
    with pytest.raises(UserError, match=rf"^made_from: run {failed.id} is failed; another can build on it once"):
        lab.run({"experiment": "toy", "made_from": "run:last"}, quiet=True)

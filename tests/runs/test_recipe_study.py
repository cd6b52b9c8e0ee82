"""What a recipe brings to a study: words for its rows, controls, shared preparation, and what must be tuned."""

from __future__ import annotations

from dataclasses import replace

import pytest

import lab
from lab.config import load, load_recipe
from lab.errors import ConfigError, LabError
from lab.runs import interrupt
from lab.runs.labels import row_labels
from lab.runs.refs import load_study

SWEEP = {"model.rate": [0.1, 0.2], "seed": [0, 1]}


@pytest.fixture
def recipe(toy, monkeypatch):
    """Give the toy recipe more of what a recipe may have."""

    def give(**more):
        monkeypatch.setattr(load_module(), "recipe", replace(load_recipe("toy"), **more))

    def load_module():
        load_recipe("toy")
        import toy_experiment

        return toy_experiment

    return give


def controls(config):
    common = {"experiment": "toy", "seed": config.seed, "data": config.data and config.data.model_dump()}
    return [("no steps", {**common, "steps": 1}), ("wild", {**common, "steps": 2, "model": {"rate": 0.9}})]


def spoken(key, value, config):
    return f"walks {value} of {config.steps + 7}" if key == "model.rate" else None


def rows(config, *overrides):
    return [(row.label, row.control, row.summary) for row in lab.run(config, overrides, quiet=True).rows()]


def test_rows_are_called_as_the_recipe_speaks(recipe):
    recipe(spoken=spoken)
    plan = load({"experiment": "toy", "sweep": {"model.rate": [0.1, 0.2], "model.kind": ["plain"]}})
    assert row_labels(plan.cells) == ["walks 0.1 of 10, kind=plain", "walks 0.2 of 10, kind=plain"]


def test_an_entry_without_a_sweep_is_called_by_what_differs(recipe):
    recipe(spoken=spoken)
    entries = [
        {"config": {"experiment": "toy"}, "sweep": {"model.rate": [0.1, 0.2]}},
        {"config": {"experiment": "toy", "model": {"rate": 0.3, "kind": "fancy"}, "steps": 5}},
    ]
    labels = row_labels(load({"name": "x", "study": entries}).cells)
    assert labels == ["walks 0.1 of 10", "walks 0.2 of 10", "walks 0.3 of 12"]


def test_two_rows_of_the_same_words_are_told_apart(recipe):
    recipe(spoken=lambda key, value, config: "walks")
    plan = load({"experiment": "toy", "sweep": {"model.rate": [0.1, 0.2]}})
    assert row_labels(plan.cells) == ["rate=0.1", "rate=0.2"]


def test_words_that_fail_are_done_without(recipe):
    recipe(spoken=lambda key, value, config: 1 / 0)
    assert row_labels(load({"experiment": "toy", "sweep": {"steps": [2]}}).cells) == ["steps=2"]


def test_every_study_shows_the_controls_with_its_seeds(recipe):
    recipe(controls=controls)
    assert rows({"experiment": "toy", "name": "c", "sweep": SWEEP}) == [
        ("rate=0.1", False, "2 seeds"),
        ("rate=0.2", False, "2 seeds"),
        ("no steps", True, "2 seeds"),
        ("wild", True, "2 seeds"),
    ]
    assert load_study("c").cells[-1].control


@pytest.mark.parametrize("where", ["file", "command line", "study", "entry"])
def test_they_can_be_turned_off(recipe, where):
    recipe(controls=controls)
    plain, entry = {"experiment": "toy", "sweep": SWEEP}, {"experiment": "toy"}
    config = {
        "file": {**plain, "controls": False},
        "command line": plain,
        "study": {"name": "s", "controls": False, "study": [{"config": entry, "sweep": SWEEP}]},
        "entry": {"name": "s", "study": [{"config": {**entry, "controls": False}, "sweep": SWEEP}]},
    }[where]
    cells = load(config, ["controls=false"] if where == "command line" else []).cells
    assert [cell.control for cell in cells] == [""] * 4


def test_a_single_run_has_none(recipe):
    recipe(controls=controls)
    assert not load({"experiment": "toy"}).is_study
    assert len(load({"experiment": "toy"}).cells) == 1


def test_a_switch_that_is_none(recipe):
    with pytest.raises(ConfigError, match=r"controls is 'maybe'; expected true or false"):
        load({"experiment": "toy", "controls": "maybe"})


def test_a_control_that_the_study_has_anyway_is_not_there_twice(recipe):
    recipe(controls=controls)
    found = rows({"experiment": "toy", "name": "c", "sweep": {"steps": [1, 3], "seed": [0]}})
    assert found == [("steps=1", False, "1 seed"), ("steps=3", False, "1 seed"), ("wild", True, "1 seed")]


def test_controls_follow_what_is_swept_of_the_data(recipe):
    recipe(controls=lambda config: controls(config)[:1])
    sweep = {"model.rate": [0.1, 0.2], "data.split.seed": [0, 1], "data.split.fold": [0, 1]}
    found = rows({"experiment": "toy", "name": "c", "sweep": sweep})
    assert found[-1] == ("no steps", True, "2 splits × 2 folds")


def test_a_control_names_the_data_setting_in_the_words_of_the_recipe(recipe):
    def data_controls(config):
        data = config.data and config.data.model_dump()
        return [("flat", {"experiment": "toy", "seed": config.seed, "data": data, "steps": 1})]

    recipe(controls=data_controls, spoken=lambda key, value, config: f"{value} labels")
    labels = row_labels(load({"experiment": "toy", "sweep": {"data.size": [4, 5]}}).cells)
    assert labels == ["4 labels", "5 labels", "flat, 4 labels", "flat, 5 labels"]


def test_a_control_that_is_wrong_is_said_to_be_one(recipe):
    recipe(controls=lambda config: [("x", {"experiment": "toy", "stepz": 1})])
    with pytest.raises(ConfigError, match=r"a control of toy: unknown key stepz; did you mean steps"):
        load({"experiment": "toy", "sweep": SWEEP})


class TestPreparation:
    def test_it_comes_once_with_all_that_is_to_be_done(self, recipe, toy, capsys):
        seen = []

        def prepare(configs, say):
            seen.append(sorted(config.seed for config in configs))
            say("filling: 3 MB")

        recipe(prepare=prepare)
        for seeds in ([0], [0, 1, 2]):
            lab.run({"experiment": "toy", "name": "p", "sweep": {"seed": seeds}}, ["steps=1"])
        assert seen == [[0], [1, 2]], "what is finished needs no preparation"
        assert "filling: 3 MB" in capsys.readouterr().out

    def test_nothing_to_do_needs_none(self, recipe):
        lab.run({"experiment": "toy"}, quiet=True)
        recipe(prepare=lambda configs, say: pytest.fail("called"))
        lab.run({"experiment": "toy"}, quiet=True)

    @pytest.mark.parametrize("error", [ValueError("no room"), LabError("no room")])
    def test_its_failure_stops_nothing(self, recipe, capsys, error):
        def prepare(configs, say):
            raise error

        recipe(prepare=prepare)
        assert lab.run({"experiment": "toy"}).status == "finished"
        assert "no room); each does it for itself" in capsys.readouterr().out

    def test_ctrl_c_stops_it_at_its_next_word(self, recipe, toy):
        def prepare(configs, say):
            interrupt.ask()
            say("half done")
            pytest.fail("went on")

        recipe(prepare=prepare)
        with pytest.raises(KeyboardInterrupt, match="the same call goes on from here"):
            lab.run({"experiment": "toy"}, quiet=True)
        assert toy.notes_of("begin") == []

    def test_before_the_workers_too(self, recipe, toy, capsys):
        recipe(prepare=lambda configs, say: say(f"{len(configs)} runs share this"))
        config = {"experiment": "toy", "name": "p", "scored": False, "sweep": {"seed": [0, 1]}}
        lab.run(config, jobs=2)
        out = capsys.readouterr().out
        assert out.index("2 runs share this") < out.index("started")


TUNE = {"model.kind": "model.rate", "steps": "model.rate"}
KINDS = {"model.kind": ["plain", "fancy"]}


class TestTuning:
    def test_a_shared_rate_is_warned_of_and_the_warning_is_kept(self, recipe, capsys):
        recipe(tune=TUNE)
        lab.run({"experiment": "toy", "name": "t", "sweep": KINDS})
        expected = (
            "rows differ in model.kind but share one rate: which is best is then whatever that rate makes it; "
            "let each row choose its own, choose: {model.rate: [ … ]}"
        )
        assert load_study("t").warnings == [expected]
        assert expected in capsys.readouterr().out

    @pytest.mark.parametrize(
        "config",
        [
            {"choose": {"model.rate": [0.1, 0.2]}, "sweep": KINDS},
            {"sweep": {**KINDS, "model.rate": [0.1, 0.2]}},
            {"sweep": {"seed": [0, 1]}},
        ],
    )
    def test_not_where_each_chooses_or_all_are_shown_or_nothing_differs(self, recipe, config):
        recipe(tune=TUNE)
        assert lab.run({"experiment": "toy", "name": "t", **config}, quiet=True).warnings == []

    def test_controls_are_no_candidates(self, recipe):
        recipe(tune=TUNE, controls=controls)
        assert lab.run({"experiment": "toy", "name": "t", "sweep": {"seed": [0]}}, quiet=True).warnings == []

    def test_entries_that_differ_are_rows_too(self, recipe):
        recipe(tune=TUNE)
        entries = [{"config": {"experiment": "toy", "model": {"kind": kind}}} for kind in ("plain", "fancy")]
        (warning,) = lab.run({"name": "t", "study": entries}, quiet=True).warnings
        assert warning.startswith("rows differ in model.kind but share one rate")


def test_a_choice_at_the_end_of_what_was_tried_is_said(toy, capsys):
    lab.run({"experiment": "toy", "name": "e", "choose": {"model.rate": [0.4, 0.9]}})
    assert "toy: chose rate 0.4, the end of what was tried" in capsys.readouterr().out

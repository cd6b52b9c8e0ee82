from __future__ import annotations

import math

import pytest

import lab
from lab.errors import LabError
from lab.runs.choose import choose, validation_result
from lab.runs.files import write_json
from lab.runs.refs import load_study
from lab.runs.study import StudyError

RATES = [0.1, 0.25, 0.4]  # `plain` walks do best at 0.3, `fancy` ones at 0.1
STUDY = {
    "experiment": "toy",
    "name": "chosen",
    "choose": {"model.rate": RATES},
    "sweep": {"model.kind": ["plain", "fancy"], "seed": [0, 1, 2]},
}


def rate(run) -> float:
    return run.config["model"]["rate"]


def test_each_row_chooses_for_itself_and_its_seeds_share_the_choice(toy):
    done = lab.run(STUDY, quiet=True)
    rows = done.rows()
    assert [(row.label, row.chosen, row.summary) for row in rows] == [
        ("kind=plain", {"model.rate": 0.25}, "3 seeds"),
        ("kind=fancy", {"model.rate": 0.1}, "3 seeds"),
    ]
    assert [[(run.seed, rate(run)) for run in row.runs] for row in rows] == [
        [(0, 0.25), (1, 0.25), (2, 0.25)],
        [(0, 0.1), (1, 0.1), (2, 0.1)],
    ]
    assert len(toy.notes_of("begin")) == 2 * (3 + 2), "three tries a row, of which one is its first seed's run"


def test_what_was_tried_is_kept_with_its_validation_values_and_the_edge_is_flagged(toy):
    first = lab.run(STUDY, quiet=True)
    toy.notes.unlink()
    assert lab.run(STUDY, quiet=True) == first, "started again, nothing is done"
    assert toy.notes_of("begin") == []
    plain, fancy = load_study("chosen").rows()
    assert (plain.at_edge, fancy.at_edge) == ([], ["model.rate"])
    assert [candidate["changes"] for candidate in plain.candidates] == [{"model.rate": value} for value in RATES]
    assert [candidate["status"] for candidate in plain.candidates] == ["finished"] * 3
    shown = [candidate["validation"] for candidate in plain.candidates]
    assert [v["value"] for v in shown] == pytest.approx([0.2, 0.05, 0.1])
    assert {(v["evaluation"], v["metric"], v["higher_is_better"]) for v in shown} == {("walk", "distance", False)}
    assert plain.candidates[1]["run_id"] == plain.runs[0].id
    assert [len(cell.candidates) for cell in load_study("chosen").cells] == [3, 0, 0, 3, 0, 0]


def test_several_keys_are_chosen_together(toy):
    both = {"model.rate": [0.2, 0.1], "model.kind": ["plain", "fancy"]}
    (row,) = lab.run({"experiment": "toy", "choose": both}, quiet=True).rows()
    assert row.chosen == {"model.rate": 0.1, "model.kind": "fancy"}
    assert row.at_edge == ["model.rate"]
    assert len(row.candidates) == 4


def test_a_try_that_fails_is_out_of_the_running(toy):
    done = lab.run({**STUDY, "fails_at": [0.25]}, quiet=True)
    plain = done.rows()[0]
    assert plain.chosen == {"model.rate": 0.4}
    assert plain.at_edge == ["model.rate"]
    assert [(c["status"], c["error"]) for c in plain.candidates] == [
        ("finished", None),
        ("failed", "rate 0.25 explodes"),
        ("finished", None),
    ]


def test_where_all_tries_fail_the_row_fails_and_the_others_go_on(toy):
    entries = [
        {"config": {"experiment": "toy", "fails_at": [0.1, 0.2]}, "choose": {"model.rate": [0.1, 0.2]}},
        {"config": {"experiment": "toy"}, "sweep": {"steps": [2]}},
    ]
    with pytest.raises(StudyError, match=r"none of 2 tries has a validation result; rate 0\.1 explodes; rate 0\.2"):
        lab.run({"name": "x", "study": entries}, quiet=True)
    assert [cell.status for cell in load_study("x").cells] == ["failed", "finished"]
    assert load_study("x").cells[0].run_id is None


def test_without_a_validation_result_there_is_nothing_to_choose_by(toy):
    with pytest.raises(StudyError, match=r"0 primary results with split 'validation'; `choose` needs exactly one"):
        lab.run({**STUDY, "validated": False}, quiet=True)


def test_a_dry_run_tells_tries_from_what_follows_the_choice(toy, capsys):
    lab.run(STUDY, dry_run=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[1:] == ["kind=plain,", "tries", "rate=0.1", "0", "new", "1:00", "min", "3.0", "kB"]
    assert lines[4].split() == ["-", "kind=plain", "1", "after", "the", "choice", "1:00", "min", "3.0", "kB"]
    assert lines[-1] == "10 runs: 0 finished, 10 to do; about 10:00 min with -j 1, and 30 kB on disk"
    lab.run(STUDY, quiet=True)
    lab.run(STUDY, dry_run=True)
    lines = capsys.readouterr().out.splitlines()
    assert "kind=plain, chose rate=0.25" in lines[4]
    assert lines[-1] == "10 runs, all finished"


# --- the rule itself


def results(*values: float | None, higher: bool = True) -> list:
    same = {"evaluation": "e", "metric": "m", "test_fingerprint": "f", "higher_is_better": higher}
    return [None if v is None else {**same, "value": v} for v in values]


def test_the_best_wins_and_of_equal_ones_the_first():
    tries = [{"a": 1}, {"a": 2}, {"a": 3}, {"a": 4}]
    assert choose(tries, results(1.0, 3.0, 3.0, 2.0)).index == 1
    assert choose(tries, results(2.0, 1.0, 1.0, 3.0, higher=False)).index == 1


def test_what_is_no_number_never_wins():
    tries = [{"a": 1}, {"a": 2}, {"a": 3}]
    for higher in (True, False):
        assert choose(tries, results(math.nan, 1.0, None, higher=higher)).index == 1
        assert choose(tries, results(math.inf, -math.inf, 7.0, higher=higher)).index == 2
    with pytest.raises(LabError, match="none of 3 tries"):
        choose(tries, results(None, math.nan, math.inf))


def test_losses_over_different_predictions_are_not_ranked():
    """A wider window makes other pairs to predict: the smaller loss would be no better model."""
    first, second = results(1.0, 2.0)
    with pytest.raises(LabError, match=r"cannot rank the values of model\.window"):
        choose([{"model.window": 5}, {"model.window": 10}], [first, {**second, "test_fingerprint": "g"}])


@pytest.mark.parametrize(
    ("values", "chosen", "edge"),
    [([1, 2, 3], 1, False), ([1, 2, 3], 0, True), ([3, 1, 2], 0, True), ([5], 0, False), (["a", "b"], 0, False)],
)
def test_edges_are_those_of_the_numbers_tried_whatever_their_order(values, chosen, edge):
    won = [1.0 if i == chosen else 0.0 for i in range(len(values))]
    assert choose([{"k": v} for v in values], results(*won)).at_edge == (["k"] if edge else [])


@pytest.mark.parametrize("values", [[False, True], [None, 3]])
def test_switches_and_the_absence_of_a_number_have_no_edge(values):
    assert choose([{"k": v} for v in values], results(0.0, 1.0)).at_edge == []


def test_a_choice_never_sees_test_results(tmp_path):
    mine = {"evaluation": "e", "metric": "m", "split": "validation", "value": 0.5, "higher_is_better": True}
    test = {**mine, "split": "test", "value": 0.9, "primary": True}
    write_json(tmp_path / "results.json", {"results": [test, {**mine, "primary": True}, {**mine, "primary": False}]})
    kept = {key: mine[key] for key in ("evaluation", "metric", "value", "higher_is_better")}
    assert validation_result(tmp_path) == {**kept, "test_fingerprint": None}
    write_json(tmp_path / "results.json", {"results": [test]})
    with pytest.raises(LabError, match="0 primary results"):
        validation_result(tmp_path)

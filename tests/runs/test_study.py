from __future__ import annotations

import json
import shutil

import pytest

import lab
from lab.errors import UserError
from lab.runs.refs import load_run, load_study
from lab.runs.study import CellRecord, StudyRecord

SWEEP = {"model.rate": [0.1, 0.2], "seed": [0, 1]}


def test_rows_fold_the_seeds(toy):
    study = lab.run({"experiment": "toy", "name": "fold", "sweep": SWEEP}, quiet=True)
    rows = study.rows()
    assert [(row.label, row.row, row.planned, row.summary) for row in rows] == [
        ("rate=0.1", {"model.rate": 0.1}, 2, "2 seeds"),
        ("rate=0.2", {"model.rate": 0.2}, 2, "2 seeds"),
    ]
    assert [[run.seed for run in row.runs] for row in rows] == [[0, 1], [0, 1]]
    assert len({run.id for run in study.runs()}) == 4


def test_what_is_saved_is_loaded(toy, home):
    study = lab.run({"experiment": "toy", "name": "a b ü", "sweep": SWEEP, "report": {"words": ["x"]}}, quiet=True)
    assert study.path == home / "studies" / "a b ü"
    again = StudyRecord.load(study.path / "study.json")
    assert again == study
    assert again.report["words"] == ["x"]
    assert load_study("last").cells == study.cells
    assert load_run("a b ü:rate=0.2,seed=1").id == study.cells[3].run_id


def test_runs_are_found_beside_the_study_wherever_that_lies(toy, home, tmp_path_factory, monkeypatch):
    study = lab.run({"experiment": "toy", "name": "moved", "sweep": SWEEP}, quiet=True)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.move(home / "runs", elsewhere)
    shutil.move(home / "studies", elsewhere)
    assert [row.summary for row in study.rows()] == ["0 of 2 seeds, 2 not finished"] * 2
    assert [row.summary for row in StudyRecord.load(elsewhere / "studies" / "moved").rows()] == ["2 seeds"] * 2


def test_states_are_what_the_runs_say_now(toy):
    study = lab.run({"experiment": "toy", "name": "now", "sweep": {"seed": [0, 1, 2]}}, quiet=True)
    shutil.rmtree(study.run_path("toy", study.cells[0].run_id))
    info = study.run_path("toy", study.cells[1].run_id) / "run.json"
    info.write_text(json.dumps(json.loads(info.read_text()) | {"status": "running"}))  # as a killed process leaves it
    assert [cell.status for cell in StudyRecord.load(study.path).cells] == ["planned", "interrupted", "finished"]


def test_a_newer_format_is_refused_in_one_line(home):
    record = StudyRecord("x", home / "studies" / "x", cells=[CellRecord({}, 0, "toy")])
    file = record.save()
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format_version": 99}))
    with pytest.raises(UserError, match="newer lab"):
        StudyRecord.load(record.path)


def test_summaries_say_what_is_missing(toy):
    config = {"experiment": "toy", "name": "s", "fails": [1, 2], "sweep": {"seed": [0, 1, 2, 3]}}
    with pytest.raises(lab.errors.LabError):
        lab.run(config, quiet=True)
    (row,) = load_study("s").rows()
    assert row.summary == "2 of 4 seeds, 2 failed: ValueError: seed 1 is unlucky; ValueError: seed 2 is unlucky"
    planned = StudyRecord("x", row.runs[0].path, cells=[CellRecord({}, seed, "toy") for seed in (0, 1)])
    assert planned.rows()[0].summary == "0 of 2 seeds, 2 not finished"


def test_it_shows_itself_and_escapes_what_it_shows(toy, home):
    (home / "<b>&.txt").write_text("a line")
    study = lab.run({"experiment": "toy", "name": "r", "sweep": {"data": ["<b>&.txt"]}}, quiet=True)
    assert repr(study) == "Study r, 1 row\n  data=<b>&.txt: 1 seed"
    assert "<td>data=&lt;b&gt;&amp;.txt</td>" in study._repr_html_()

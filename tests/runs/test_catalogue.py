from __future__ import annotations

import os
import time

import pytest
from walk_recipe import FACTS, RECIPE, cell_of, do

from lab.errors import LabError
from lab.runs.catalogue import all_runs, all_studies, delete, orphans, plan_clean
from lab.runs.locks import lock_file
from lab.runs.study import CellRecord, StudyRecord
from lab.runs.writer import open_run

TEMPORARY = ".0123456789abcdef0123456789abcdef.tmp.x"


def study_of(home, name: str, *runs, **more) -> StudyRecord:
    cells = [CellRecord({}, run.seed, "walk", run.id, **more) for run in runs]
    record = StudyRecord(name, home / "studies" / name, {}, cells)
    record.save()
    return record


def test_runs_come_latest_first_and_what_is_none_is_passed_over(home):
    assert all_runs() == all_studies() == plan_clean() == []
    first, second = do(seed=1), do(seed=2)
    (home / "runs" / "walk" / "notes.txt").write_text("mine")
    (home / "runs" / "walk" / "folder").mkdir()
    broken = home / "runs" / "other" / "broken"
    broken.mkdir(parents=True)
    (broken / "run.json").write_text("{")
    assert [run.id for run in all_runs()] == [second.id, first.id]


def test_orphans_are_named_with_reason_and_size_and_deleted(home):
    kept = do(seed=1)
    study_of(home, "mine", kept)
    in_run = kept.path / "embeddings" / TEMPORARY
    in_run.write_bytes(b"x" * 1000)
    half_deleted = home / "runs" / "walk" / TEMPORARY
    (half_deleted / "deep").mkdir(parents=True)
    (half_deleted / "deep" / "file").write_bytes(b"x" * 30)
    unborn = home / "runs" / "walk" / "abcdefabcdef"
    unborn.mkdir()
    (unborn / "config.yaml").write_text("a: 1\n")
    in_study = home / "studies" / "mine" / TEMPORARY
    in_study.touch()
    os.utime(in_study, (0, time.time() - 7200))
    fresh = home / "studies" / "mine" / TEMPORARY.replace("0", "a")
    fresh.touch()
    lock = home / "runs" / "walk" / ".012345012345.lock"
    lock.touch()
    found = {removal.path: (removal.reason, removal.bytes) for removal in plan_clean()}
    assert found == {
        in_run: ("left unfinished by a killed process", 1000),
        half_deleted: ("deleted only in part", 30),
        unborn: ("a run that was killed before it began", 5),
        in_study: ("left unfinished by a killed process", 0),
        lock: ("the lock of no run", 0),
    }
    assert delete(plan_clean()) == 5
    assert plan_clean() == []
    assert fresh.exists()
    assert [run.id for run in all_runs()] == [kept.id]


def test_runs_that_no_study_references_can_go_with_their_locks(home):
    kept, tried, loose = do(seed=1), do(seed=2), do(seed=3)
    study_of(home, "mine", kept, candidates=[{"changes": {}, "run_id": tried.id}])
    with pytest.raises(KeyboardInterrupt), open_run(RECIPE, cell_of(RECIPE.config(seed=4)), FACTS) as stopped:
        raise KeyboardInterrupt
    plan = plan_clean()
    assert {removal.path: removal.reason for removal in plan} == {
        loose.path: "finished, and no study references it",
        stopped.path: "interrupted, and no study references it",
    }
    assert next(removal.bytes for removal in plan if removal.path == loose.path) > 5000
    assert delete(plan) == 2
    assert {run.id for run in all_runs()} == {kept.id, tried.id}
    assert not lock_file(loose.path).exists()
    assert do(seed=3).status == "finished"


def test_a_run_that_is_going_on_is_never_deleted(home):
    unborn = cell_of(RECIPE.config(seed=3))
    with open_run(RECIPE, unborn, FACTS) as run:
        (run.path / TEMPORARY).touch()
        assert plan_clean() == []
    plan = plan_clean()
    assert len(plan) == 2
    with open_run(RECIPE, unborn, FACTS, rerun=True) as run:
        assert delete(plan) == 0
        assert run.path.exists()


def test_a_run_that_a_study_took_since_the_plan_is_kept(home):
    run = do(seed=3)
    plan = plan_clean()
    assert [removal.path for removal in plan] == [run.path]
    study_of(home, "mine", run)
    assert delete(plan) == 0
    assert run.path.exists()


def test_nothing_is_planned_while_a_study_cannot_be_read(home):
    run = do(seed=3)
    study_of(home, "mine", run)
    file = home / "studies" / "mine" / "study.json"
    text = file.read_text()
    for broken in (text[:-20], text.replace('"format_version": 1', '"format_version": 2')):
        file.write_text(broken)
        with pytest.raises(LabError, match=r"study\.json"):
            plan_clean()
    assert orphans() == []

from __future__ import annotations

import itertools
import json
import threading
import time
from pathlib import Path

import pytest

import lab
from lab.errors import LabError, UserError
from lab.runs import interrupt, threads
from lab.runs.catalogue import all_runs
from lab.runs.locks import run_lock
from lab.runs.provenance import now
from lab.runs.refs import load_study
from lab.runs.run import Run
from lab.runs.study import StudyError

SEEDS = {"seed": [0, 1, 2]}
STUDY = {"experiment": "toy", "name": "walks", "sweep": {"model.rate": [0.1, 0.2], "seed": [0, 1]}}


def study(**keys) -> dict:
    return {"experiment": "toy", "name": "walks", "sweep": SEEDS, **keys}


def change(run: Run, **info) -> None:
    (run.path / "run.json").write_text(json.dumps(run.info | info))


def places(run: Run) -> list[float]:
    return run.metrics["place"].tolist()


# --- one run


def test_a_plain_config_is_one_run_and_no_study(toy, home):
    run = lab.run({"experiment": "toy"}, ["steps=2"], quiet=True)
    assert isinstance(run, Run)
    assert (run.status, len(run.metrics), run.path.parent) == ("finished", 2, home / "runs" / "toy")
    assert not (home / "studies").exists()


def test_a_finished_run_is_not_done_again_but_on_request(toy, capsys):
    first = lab.run({"experiment": "toy"}, quiet=True)
    again = lab.run({"experiment": "toy"})
    assert "1 run, all finished already" in capsys.readouterr().out
    assert (again.id, again.info) == (first.id, first.info)
    redone = lab.run({"experiment": "toy"}, quiet=True, rerun=True)
    assert redone.id == first.id
    assert redone.info["started"] > first.info["finished"]
    assert len(toy.notes_of("begin")) == 2


def test_a_failing_run_ends_in_one_line_with_its_cause(toy):
    with pytest.raises(
        LabError, match=r"^run \w{12} failed: ValueError: seed 0 is unlucky \(log: .*log\.txt\)$"
    ) as caught:
        lab.run({"experiment": "toy", "fails": [0]}, quiet=True)
    assert caught.value.exit_code == 1
    assert isinstance(caught.value.__cause__, ValueError)
    assert "Traceback" in all_runs()[0].log


def test_an_error_that_is_clear_already_stays_as_it_is(toy):
    with pytest.raises(LabError, match=r"^rate 0\.1 explodes$"):
        lab.run({"experiment": "toy", "fails_at": [0.1]}, quiet=True)


def test_a_mistake_in_the_data_comes_before_anything_is_done(toy, home):
    with pytest.raises(UserError, match=r"^steps=1, data=none\.txt: data: none\.txt is not there; name a text file$"):
        lab.run({"experiment": "toy", "sweep": {"steps": [1], "data": [None, "none.txt"]}}, quiet=True)
    assert toy.notes_of("begin") == []
    assert list(home.iterdir()) == []


def test_a_folder_that_cannot_hold_runs_is_told_before_the_first(toy, home, monkeypatch):
    (home / "file").write_text("")
    monkeypatch.setenv("LAB_HOME", str(home / "file"))
    with pytest.raises(UserError, match=r"file/runs: runs cannot be written \(.*\); set LAB_HOME to another folder"):
        lab.run(study(), quiet=True)
    assert toy.notes_of("begin") == []


@pytest.mark.parametrize("jobs", [0, -1])
def test_fewer_than_one_run_at_once_is_a_mistake(toy, jobs):
    with pytest.raises(UserError, match=f"jobs={jobs}"):
        lab.run({"experiment": "toy"}, jobs=jobs)


# --- a study


def test_all_cells_are_planned_before_the_first_starts_and_data_looked_at_once_for_all_seeds(toy):
    lab.run(STUDY, quiet=True)
    words = [line.split()[0] for line in toy.notes.read_text().splitlines()]
    assert words == ["plan", "plan", *["begin", "end"] * 4]


def test_what_two_cells_share_is_done_once(toy):
    entry = {"config": {"experiment": "toy"}}
    done = lab.run({"name": "twice", "study": [entry, entry]}, quiet=True)
    assert len(toy.notes_of("begin")) == 1
    assert [row.summary for row in done.rows()] == ["1 seed", "1 seed"]
    assert len(done.runs()) == 1


def test_one_failing_run_does_not_stop_the_others(toy):
    with pytest.raises(StudyError) as caught:
        lab.run(study(fails=[1]), quiet=True)
    assert str(caught.value) == "study walks: toy: 2 of 3 seeds, 1 failed: ValueError: seed 1 is unlucky"
    assert caught.value.exit_code == 1
    record = load_study("walks")
    assert record == caught.value.study
    assert [cell.status for cell in record.cells] == ["finished", "failed", "finished"]
    assert Run(record.run_path("toy", record.cells[1].run_id)).error == "ValueError: seed 1 is unlucky"


def test_started_again_a_study_does_what_is_missing(toy):
    with pytest.raises(StudyError):
        lab.run(study(fails=[1]), quiet=True)
    done = lab.run(study(), quiet=True)
    assert [note[0] for note in toy.notes_of("begin")] == ["0", "1", "2", "1"]
    assert [row.summary for row in done.rows()] == ["3 seeds"]


def test_every_event_is_passed_on(toy):
    events = []
    done = lab.run(study(steps=2), quiet=True, on_event=events.append)
    ids = [run.id for run in done.runs()]
    told = ["start", "stage", "metric", "progress", "metric", "progress", "end"]
    assert [(event["run"], event["event"]) for event in events] == [(run, word) for run in ids for word in told]


def test_the_study_says_while_it_goes_on_how_far_it_is(toy):
    seen = []
    lab.run(
        study(steps=1), quiet=True, on_event=lambda event: seen.append(statuses()) if event["event"] == "end" else 0
    )
    assert [states for states, _ in itertools.groupby(seen)] == [
        ["running", "planned", "planned"],
        ["finished", "running", "planned"],
        ["finished", "finished", "running"],
    ]


def statuses() -> list[str]:
    return [cell["status"] for cell in json.loads(Path("studies/walks/study.json").read_text())["cells"]]


@pytest.fixture
def other_process(toy, capsys):
    """Stands for another process: holds the lock of seed 0's run until we wait for it, then leaves it as it is told."""
    run = lab.run({"experiment": "toy"}, quiet=True)
    change(run, status="running", finished=None)
    watchers = []

    def leaves(**info) -> list[str]:
        held, texts = run_lock(run.path), []
        held.acquire()

        def watch() -> None:
            while "waiting for another process" not in "".join(texts):
                texts.append(capsys.readouterr().out)
                time.sleep(0.02)
            change(run, **info)
            held.release()

        watchers.append(threading.Thread(target=watch))
        watchers[0].start()
        return texts

    yield leaves
    watchers[0].join()


def test_what_another_process_is_doing_is_left_to_it(toy, other_process, capsys):
    texts = other_process(status="finished", finished=now())
    done = lab.run(study())
    assert [cell.status for cell in done.cells] == ["finished"] * 3
    assert [note[0] for note in toy.notes_of("begin")] == ["0", "1", "2"], "seed 0 only by the other"
    assert "(2 of 3 done)" in "".join([*texts, capsys.readouterr().out])


def test_what_failed_in_another_process_is_not_tried_again_here(toy, other_process):
    other_process(status="failed", error="ValueError: there", finished="9999-01-01T00:00:00.000Z")
    with pytest.raises(StudyError, match="2 of 3 seeds, 1 failed: ValueError: there"):
        lab.run(study())
    assert [note[0] for note in toy.notes_of("begin")] == ["0", "1", "2"]


def test_what_another_process_gave_up_is_taken_over(toy, other_process):
    other_process(status="interrupted")
    assert lab.run(study()).rows()[0].summary == "3 seeds"
    assert [note[0] for note in toy.notes_of("begin")] == ["0", "1", "2", "0"]


# --- changed data and source


def test_changed_data_are_said_and_make_a_new_run(toy, home, capsys):
    (home / "lines.txt").write_text("a\nb\n")
    first = lab.run({"experiment": "toy", "data": "lines.txt"})
    assert "changed" not in capsys.readouterr().out
    (home / "lines.txt").write_text("a\nb\nc\n")
    second = lab.run({"experiment": "toy", "data": "lines.txt"})
    assert f"2 → 3 documents since run {first.id[:4]}; a new run is made" in capsys.readouterr().out
    assert second.id != first.id
    lab.run({"experiment": "toy", "data": "lines.txt"})
    assert "→" not in capsys.readouterr().out


def test_a_run_of_other_source_is_used_with_a_warning(toy, capsys):
    change(lab.run({"experiment": "toy"}, quiet=True), source_hash="other")
    lab.run({"experiment": "toy"})
    out = capsys.readouterr().out
    assert "used as it stands, though made by other source of lab or the recipe; --rerun does it again" in out
    assert len(toy.notes_of("begin")) == 1


# --- Ctrl-C


def stop_after(step: int, times: int = 1):
    """An `on_event` that asks for a stop as Ctrl-C does, once a run has come so far."""

    def on_event(event: dict) -> None:
        if event["event"] == "progress" and event["epoch"] == step:
            interrupt.ask()

    return on_event


def test_an_interrupted_run_goes_on_and_equals_the_uninterrupted(toy, home, monkeypatch):
    path = str(toy.write("walk.yaml", steps=5))
    with pytest.raises(
        KeyboardInterrupt, match=r"^interrupted: the run is not finished; `lab run walk.yaml seed=3` goes"
    ):
        lab.run(path, ["seed=3"], quiet=True, on_event=stop_after(2))
    assert not interrupt.asked()
    assert all_runs()[0].status == "interrupted"
    resumed = lab.run(path, ["seed=3"], quiet=True)
    assert [entry["step"] for entry in resumed.info["resumed"]] == [2]
    monkeypatch.setenv("LAB_HOME", str(home / "other"))
    whole = lab.run(path, ["seed=3"], quiet=True)
    assert whole.info["resumed"] == []
    assert places(resumed) == places(whole)
    assert resumed.results.equals(whole.results)


def test_an_interrupted_study_is_all_written_and_goes_on(toy):
    with pytest.raises(KeyboardInterrupt, match=r"^interrupted: 0 of 3 runs are finished; the same call goes on"):
        lab.run(study(), quiet=True, on_event=stop_after(2))
    assert statuses() == ["interrupted", "planned", "planned"]
    assert lab.run(study(), quiet=True).rows()[0].summary == "3 seeds"
    assert [note[0] for note in toy.notes_of("begin")] == ["0", "0", "1", "2"]


# --- threads


def test_threads_are_recorded_and_a_resumed_run_keeps_them(toy, monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda: 3)
    with pytest.raises(KeyboardInterrupt):
        lab.run(study(), quiet=True, on_event=stop_after(2))
    monkeypatch.setattr(threads, "cores", lambda: 5)
    done = lab.run(study(), quiet=True)
    assert [run.info["threads"] for run in done.runs()] == [3, 5, 5]
    assert [len(run.info["resumed"]) for run in done.runs()] == [1, 0, 0]
    redone = lab.run(study(), quiet=True, rerun=True)
    assert [run.info["threads"] for run in redone.runs()] == [5, 5, 5]


def test_the_libraries_of_this_process_use_so_many_threads_for_as_long_as_it_takes(monkeypatch):
    import numpy  # noqa: F401 - loads the library that is asked below
    from threadpoolctl import threadpool_info

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = [pool["num_threads"] for pool in threadpool_info()]
    with threads.limited(1):
        assert {pool["num_threads"] for pool in threadpool_info()} == {1}
        assert threads.cores() == 1
    assert [pool["num_threads"] for pool in threadpool_info()] == before


def test_a_user_may_ask_for_fewer_cores(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    available = threads.cores()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert threads.cores() == 1
    for ignored in ("0", "many", "1000000"):
        monkeypatch.setenv("OMP_NUM_THREADS", ignored)
        assert threads.cores() == available


# --- dry run


def test_a_dry_run_prints_every_run_and_does_nothing(toy, home, capsys):
    toy.write("walks.yaml", sweep={"model.rate": [0.1, 0.2], "seed": [0, 1]}, steps=6)
    with pytest.raises(KeyboardInterrupt):
        lab.run("walks.yaml", ["seed=1", "sweep.model.rate=[0.1]"], quiet=True, on_event=stop_after(2))
    finished = lab.run("walks.yaml", ["seed=0", "sweep.model.rate=[0.1]"], quiet=True).runs()[0]
    toy.notes.unlink()
    before = sorted(home.rglob("*"))
    record = lab.run("walks.yaml", dry_run=True, jobs=2)
    assert sorted(home.rglob("*")) == before
    assert [cell.seed for cell in record.cells] == [0, 1, 0, 1]
    head, *lines, empty, total = capsys.readouterr().out.splitlines()
    assert head.split() == ["run", "row", "seed", "state", "time", "disk"]
    assert [line.split()[1:] for line in lines] == [
        ["rate=0.1", "0", "finished"],
        ["rate=0.1", "1", "interrupted", "2:00", "min", "6.0", "kB"],
        ["rate=0.2", "0", "new", "2:00", "min", "6.0", "kB"],
        ["rate=0.2", "1", "new", "2:00", "min", "6.0", "kB"],
    ]
    assert lines[0].split()[0] == finished.id
    assert (empty, total) == ("", "4 runs: 1 finished, 3 to do; about 4:00 min with -j 2, and 18 kB on disk")
    assert len(toy.notes_of("estimate")) == 2, "once a row"
    assert toy.notes_of("begin") == []


def test_a_dry_run_of_a_finished_study_probes_nothing(toy, capsys):
    lab.run(study(), quiet=True)
    lab.run(study(), dry_run=True)
    assert capsys.readouterr().out.splitlines()[-1] == "3 runs, all finished"
    lab.run(study(), dry_run=True, rerun=True)
    assert "3 runs: 0 finished, 3 to do" in capsys.readouterr().out
    assert len(toy.notes_of("estimate")) == 1

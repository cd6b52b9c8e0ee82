"""The launcher with real processes: `-j`, kill -9, Ctrl-C, two at once. The recipe is a third party's package."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path
from subprocess import Popen

import pytest

from lab.runs.catalogue import all_runs, orphans
from lab.runs.locks import is_locked
from lab.runs.refs import load_study

SWEEP = {"model.rate": [0.1, 0.2], "seed": [0, 1]}


def numbers() -> dict[str, tuple]:
    """What the finished runs of the current home hold, by id, times aside."""
    runs = [run for run in all_runs() if run.status == "finished"]
    return {run.id: (run.metrics[["step", "place"]].values.tolist(), run.results.to_dict("records")) for run in runs}


def wait_until(condition, what: str) -> None:
    for _ in range(1500):
        if condition():
            return
        time.sleep(0.02)
    pytest.fail(f"in 30 s: {what}")


def end(process: Popen) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.fixture
def uninterrupted(toy, home, monkeypatch) -> dict[str, tuple]:
    """What the study of `walks.yaml` comes to with `-j 1`, done in another home."""
    import lab

    toy.write("walks.yaml", sweep=SWEEP, steps=8, nap=0.05, scored=False)
    monkeypatch.setenv("LAB_HOME", str(home / "reference"))
    lab.run("walks.yaml", ["nap=0.0"], quiet=True)
    found = numbers()
    monkeypatch.setenv("LAB_HOME", str(home))
    toy.notes.unlink()
    assert len(found) == 4
    return found


def test_other_processes_share_the_cores_and_give_the_same_numbers(toy, uninterrupted):
    code, out, err = end(toy.launch("walks.yaml", "-j", "2"))
    assert (code, err) == (0, "")
    assert numbers() == uninterrupted
    assert len({note[-1] for note in toy.notes_of("begin")}) == 2, "a process does one run after another"
    assert {run.info["threads"] for run in all_runs()} == {max(1, len(os.sched_getaffinity(0)) // 2)}
    lines = [line.split("  ", 1)[1] for line in out.splitlines() if line[2:3] == ":"]
    assert lines[0] == "4 runs"
    assert any(line.startswith("rate=0.2, seed 1 (") and "walking, epoch 1/8, place " in line for line in lines)
    assert lines[-1].endswith("(4 of 4 done)")


def test_a_run_that_fails_and_one_whose_process_dies_leave_the_others_alone(toy):
    toy.write("walks.yaml", sweep={"seed": [0, 1, 2, 3, 4]}, fails=[0], dies=[1], scored=False)
    code, _, err = end(toy.start("-m", "lab", "run", "walks.yaml", "-j", "2", "--no-report"))
    assert code == 1
    assert "walks: toy: 3 of 5 seeds, 2 failed: ValueError: seed 0 is unlucky; its process was killed by SIGKILL" in err
    assert len(err.splitlines()) == 1
    study = load_study("walks")
    assert [cell.status for cell in study.cells] == ["failed", "failed", *["finished"] * 3]
    assert {run.seed: run.status for run in all_runs() if run.status != "finished"} == {0: "failed", 1: "failed"}
    processes = {note[1]: note[-1] for note in toy.notes_of("begin")}
    assert len(set(processes.values())) in (3, 4), "after a failure the next run has a new process"
    assert end(toy.launch("walks.yaml", "fails=[]", "dies=[]", "-j", "2"))[0] == 0
    assert [cell.status for cell in load_study("walks").cells] == ["finished"] * 5


@pytest.mark.slow
def test_killed_at_random_points_and_started_again_it_equals_the_uninterrupted(toy, uninterrupted):
    chance = random.Random(20130901)
    for _ in range(3):
        toy.notes.unlink(missing_ok=True)
        process = toy.launch("walks.yaml", "-j", "2")
        wait_until(lambda: len(toy.notes_of("begin")) >= 1, "a run begins")
        time.sleep(chance.uniform(0, 0.6))
        process.kill()
        for note in toy.notes_of("begin"):
            if chance.random() < 0.7:  # the others find their parent dead, and stop by themselves
                kill(int(note[-1]))
        process.communicate()
    code, _, err = end(toy.launch("walks.yaml", "-j", "2"))
    assert (code, err) == (0, "")
    assert numbers() == uninterrupted
    assert [row.summary for row in load_study("walks").rows()] == ["2 seeds", "2 seeds"]
    assert [removal for removal in orphans() if "tmp" not in removal.path.name] == []


def kill(pid: int) -> None:
    try:
        if b"worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, FileNotFoundError):
        pass


def test_workers_stop_when_their_parent_dies(toy):
    toy.write("walks.yaml", sweep={"seed": [0, 1]}, steps=600, nap=0.05, scored=False)
    process = toy.launch("walks.yaml", "-j", "2")
    wait_until(lambda: len(toy.notes_of("begin")) == 2, "two runs begin")
    process.kill()
    process.communicate()
    wait_until(lambda: not any(is_locked(run.path) for run in all_runs()), "the workers end")
    assert [run.info["status"] for run in all_runs()] == ["interrupted", "interrupted"]


def test_two_processes_never_do_the_same_run_twice(toy, uninterrupted):
    first = toy.launch("walks.yaml", "waits_for=go", "-j", "2")
    second = toy.launch("walks.yaml", "waits_for=go")
    wait_until(lambda: len(toy.notes_of("begin")) == 3, "two workers and the second process have begun a run each")
    Path("go").touch()
    for process in (first, second):
        code, _, err = end(process)
        assert (code, err) == (0, "")
    begun = Counter(note[1] for note in toy.notes_of("begin"))
    assert begun == dict.fromkeys(uninterrupted, 1)
    assert str(second.pid) in {note[-1] for note in toy.notes_of("begin")}
    assert numbers() == uninterrupted
    assert [cell.status for cell in load_study("walks").cells] == ["finished"] * 4


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_once_finishes_cleanly_and_says_how_to_go_on(toy, uninterrupted, jobs):
    process = toy.launch("walks.yaml", "nap=0.7", "-j", jobs)
    wait_until(lambda: len(toy.notes_of("begin")) >= int(jobs), "the first runs begin")
    os.killpg(process.pid, signal.SIGINT)
    code, _, err = end(process)
    assert code == 130
    assert "Stopping at the next safe place; Ctrl-C again stops at once." in err
    again = "`lab run walks.yaml nap=0.7`" if jobs == "1" else "`lab run walks.yaml nap=0.7 -j 2`"
    assert err.splitlines()[-1] == f"interrupted: 0 of 4 runs are finished; {again} goes on from here"
    assert "Traceback" not in err
    assert [run.info["status"] for run in all_runs()] == ["interrupted"] * int(jobs)
    statuses = Counter(cell.status for cell in load_study("walks").cells)
    assert statuses == {"interrupted": int(jobs), "planned": 4 - int(jobs)}
    assert end(toy.launch("walks.yaml", "nap=0", "-j", jobs))[0] == 0
    assert numbers() == uninterrupted
    assert sum(len(run.info["resumed"]) for run in all_runs()) == int(jobs)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_second_ctrl_c_stops_at_once(toy, jobs):
    toy.write("walks.yaml", sweep={"seed": [0, 1]}, steps=2, nap=60.0, scored=False)
    process = toy.launch("walks.yaml", "-j", jobs)
    wait_until(lambda: len(toy.notes_of("begin")) >= int(jobs), "the first runs begin")
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None, "the first one waits for a safe place, which is a minute away"
    os.killpg(process.pid, signal.SIGINT)
    code, _, err = end(process)
    assert code == 130
    assert "Traceback" not in err
    assert "goes on from here" in err
    assert [run.status for run in all_runs()] == ["interrupted"] * int(jobs)
    assert [cell.status for cell in load_study("walks").cells][: int(jobs)] == ["interrupted"] * int(jobs)

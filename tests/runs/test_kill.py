"""Kill -9 at any moment leaves nothing that a later start cannot use or clean up."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from walk_recipe import content, do

from lab.runs import catalogue
from lab.runs.run import Run

PROGRAM = str(Path(__file__).with_name("walk_recipe.py"))


@pytest.fixture
def reference(home, monkeypatch) -> dict[str, object]:
    """What the same run holds when nobody disturbs it."""
    with monkeypatch.context() as patch:
        patch.setenv("LAB_HOME", str(home / "undisturbed"))
        return content(do(seed=3).path)


def killed_everywhere(numbers, home, reference) -> int:
    """Kill a run at each of its touches of a file, do it again, compare; returns how many kills there were."""
    listed = ",".join(map(str, numbers))
    done = subprocess.run([sys.executable, PROGRAM, "fork", listed, str(home)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    outcomes = [line.split() for line in done.stdout.splitlines()]
    assert {code for _, which, code in outcomes if which == "again"} == {"0"}, done.stderr
    assert {code for _, which, code in outcomes if which == "first"} <= {"0", "-9"}
    for number in numbers:
        folder = home / f"killed at {number}"
        (run,) = (path for path in folder.glob("runs/walk/*") if path.is_dir())
        assert content(run) == reference, f"killed at {number}"
        assert not [path for path in folder.rglob("*") if ".tmp." in path.name], f"killed at {number}"
    return sum(code == "-9" for _, _, code in outcomes)


def test_a_run_killed_at_any_touch_of_a_file_goes_on_to_the_same_end(home, reference):
    numbers = sorted(random.Random(0).sample(range(1, 120), 24))
    assert killed_everywhere(numbers, home, reference) > 15


@pytest.mark.slow
def test_a_run_killed_at_every_touch_of_a_file_goes_on_to_the_same_end(home, reference):
    assert killed_everywhere(range(1, 160), home, reference) > 100


def test_a_run_killed_at_random_times_goes_on_to_the_same_end(home, monkeypatch):
    """Now in real time, so that writes of other languages' code are hit too; the same run is killed again and again."""
    with_naps = json.dumps({"seed": 3, "steps": 24, "nap": 0.01})
    codes, moment = [], random.Random(1)
    while len(codes) < 4:
        process = subprocess.Popen([sys.executable, PROGRAM, "plain", with_naps], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        process.stdout.readline()  # it has begun
        time.sleep(moment.uniform(0, 0.15))
        process.send_signal(signal.SIGKILL)
        process.stdout.close()
        codes.append(process.wait())
        (run,) = catalogue.all_runs()
        assert run.status in ("interrupted", "finished")
        assert run.metrics["step"].tolist() == list(range(1, len(run.metrics) + 1))
    assert codes[0] == -signal.SIGKILL
    assert set(codes) <= {0, -signal.SIGKILL}
    again = do(seed=3, steps=24)
    monkeypatch.setenv("LAB_HOME", str(home / "undisturbed"))
    assert content(again.path)["metrics.jsonl"] == content(do(seed=3, steps=24).path)["metrics.jsonl"]


def test_a_killed_run_shows_as_interrupted_and_a_torn_line_is_passed_over(home):
    run = do(seed=3)
    info = json.loads((run.path / "run.json").read_text())
    (run.path / "run.json").write_text(json.dumps(info | {"status": "running"}))
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 7, "dist')
    assert Run(run.path).status == "interrupted"
    assert Run(run.path).metrics["step"].tolist() == [1, 2, 3, 4, 5, 6]


def test_a_full_disk_ends_in_one_line_and_leaves_what_a_later_start_uses(tmp_path):
    """On a real file system of 600 kB in a mount name space of its own, filled up to a little more each time."""
    script = f'mount -t tmpfs -o size=600k tmpfs "{tmp_path}" && echo mounted && exec "$@"'
    command = ["unshare", "-rm", "sh", "-c", script, "-", sys.executable, PROGRAM, "full_disk", str(tmp_path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no `unshare` here")
    if "mounted" not in done.stdout:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    tries = [json.loads(line) for line in done.stdout.splitlines()[1:]]
    failed = [one["outcome"] for one in tries if one["outcome"] != "finished"]
    assert len(failed) > 4
    assert len(failed) < len(tries)
    for outcome in failed:
        assert outcome.startswith("LabError: cannot write ")
        assert outcome.endswith(": no space left on the disk; free some and start again")
    assert not any(one["left"] for one in tries)
    assert len({one["value"] for one in tries}) == 1

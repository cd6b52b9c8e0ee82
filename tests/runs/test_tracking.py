from __future__ import annotations

import json
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import lab
from lab.config import load
from lab.errors import ConfigError, LabError, UserError
from lab.runs.study import StudyError
from lab.runs.tracking import named_interval
from lab.terminal import print_outcome
from lab.trackers import following
from lab.trackers.installed import trackers, wanted


@dataclass
class Told:
    """What the toy tracker was told."""

    folder: Path

    @property
    def calls(self) -> list[dict]:
        path = self.folder / "told.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def of(self, call: str, id: str | None = None) -> list[dict]:
        return [told for told in self.calls if told["call"] == call and id in (None, told["id"])]

    def misbehave(self, call: str, what: str) -> None:
        (self.folder / f"{call}.does").write_text(what)

    def behave(self, call: str) -> None:
        (self.folder / f"{call}.does").unlink()


@pytest.fixture
def told(toy) -> Iterator[Told]:
    """The toy package brings a tracker too."""
    shutil.copy(Path(__file__).with_name("toy_tracker.py"), toy.folder)
    with open(next(toy.folder.glob("*.dist-info")) / "entry_points.txt", "a") as file:
        file.write("\n[lab.trackers]\ntoy = toy_tracker:ToyTracker\nbroken = no_such_module:make\n")
    trackers.cache_clear()
    yield Told(toy.folder)
    sys.modules.pop("toy_tracker", None)
    trackers.cache_clear()


CONFIG = {"experiment": "toy", "tracker": "toy"}


# --- which trackers


@pytest.mark.parametrize(
    ("given", "variable", "expected"),
    [
        ([None], "", []),
        (["mlflow"], "", ["mlflow"]),
        (["none"], "mlflow", []),
        ([["mlflow", "none", "tensorboard", "mlflow"]], "", ["mlflow", "tensorboard"]),
        ([None, "tensorboard"], "mlflow", ["tensorboard"]),
        ([None, None], "mlflow, tensorboard", ["mlflow", "tensorboard"]),
        ([[]], "mlflow", []),
    ],
    ids=["nothing", "config", "none before the variable", "list", "entries of a study", "variable", "empty list"],
)
def test_the_config_goes_before_the_variable(monkeypatch, given, variable, expected):
    monkeypatch.setenv("LAB_TRACKER", variable)
    assert wanted(*given) == expected


def test_an_unknown_tracker_is_named_with_its_place_and_the_nearest(toy, monkeypatch):
    path = toy.write("mine.yaml", tracker="mlfow")
    with pytest.raises(ConfigError, match=r"mine\.yaml:2: tracker is 'mlfow'; expected .*; did you mean mlflow\?"):
        load(path)
    monkeypatch.setenv("LAB_TRACKER", "tensorbord")
    with pytest.raises(UserError, match=r"^LAB_TRACKER is 'tensorbord'; expected .* did you mean tensorboard\?"):
        lab.run({"experiment": "toy"}, quiet=True)


def test_a_tracker_changes_no_run(told):
    plain = lab.run({"experiment": "toy"}, quiet=True)
    tracked = lab.run(CONFIG, quiet=True)
    assert (tracked.id, told.calls) == (plain.id, [])  # it was finished, so there is nothing to tell


def test_the_study_or_else_its_entries_or_else_the_command_line_say(told):
    entry = {"config": {"experiment": "toy", "tracker": "toy"}}
    assert load({"name": "s", "study": [entry]}).trackers == ["toy"]
    assert load({"name": "s", "study": [entry], "tracker": "none"}).trackers == []
    assert load({"name": "s", "study": [entry]}, ["tracker=none"]).trackers == []
    assert load({"experiment": "toy"}, ["tracker=[toy, tensorboard]"]).trackers == ["toy", "tensorboard"]


@pytest.mark.parametrize("library", ["mlflow", "tensorboard"])
def test_a_missing_library_is_one_line_before_anything_is_done(toy, monkeypatch, library):
    monkeypatch.setattr(f"lab.trackers.{library}_tracker.find_spec", lambda name: None)
    with pytest.raises(UserError, match=rf"^tracker: {library} needs .*: pip install 'embeddings-lab\[{library}\]'$"):
        lab.run({"experiment": "toy", "tracker": library}, quiet=True, dry_run=True)
    assert toy.notes_of("begin") == []


def test_the_light_client_of_mlflow_needs_a_server(toy, monkeypatch):
    monkeypatch.setattr("lab.trackers.mlflow_tracker.find_spec", lambda name: None if name == "sqlalchemy" else name)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(UserError, match=r"^tracker: mlflow: set MLFLOW_TRACKING_URI to the address of a server"):
        lab.run({"experiment": "toy", "tracker": "mlflow"}, quiet=True, dry_run=True)


def test_a_tracker_that_cannot_be_imported_is_one_line(told):
    with pytest.raises(UserError, match=r"^tracker 'broken' \(no_such_module:make\) cannot be imported: ModuleNotF"):
        lab.run({"experiment": "toy", "tracker": "broken"}, quiet=True)


# --- what they are told


def test_a_run_is_told_from_its_config_to_its_results(told):
    run = lab.run({**CONFIG, "drawn": True, "steps": 2, "model": {"rate": 0.2}}, quiet=True)
    calls = told.calls
    assert [call["call"] for call in calls] == [
        *["begin", "metrics", "metrics", "results"], *["artifact"] * 5, "end"
    ]  # fmt: skip
    begin = calls[0]
    assert (begin["id"], begin["kind"], begin["goes_on"], begin["parent"]) == (run.id, "run", False, None)
    assert begin["params"].items() >= {"experiment": "toy", "model.rate": 0.2, "steps": 2, "seed": 0}.items()
    assert not {"tracker", "name", "report.title", "report"} & begin["params"].keys()
    assert begin["tags"].items() >= {"seed": "0", "data_fingerprint": "no data"}.items()
    assert [(c["step"], c["values"]["place"]) for c in told.of("metrics")] == [
        (row.step, row.place) for row in run.metrics.itertuples()
    ]
    values = told.of("results")[0]["values"]
    assert values["test/walk/place"] == run.results.query("metric == 'place'")["value"].item()
    assert {k: v for k, v in values.items() if "recall" in k} == {
        "test/walk/recall@10/far away": 0.5,
        "test/walk/recall@10/far away/low": 0.25,
        "test/walk/recall@10/far away/high": 0.75,
    }
    figure = run.figures[0].path.name
    assert [c["name"] for c in told.of("artifact")] == ["config.yaml", "run.json", "results.json", "log.txt", figure]
    assert told.of("end")[0]["status"] == "finished"


def test_what_is_not_known_of_a_number_is_left_out():
    assert named_interval("a", None, None, None) == {}
    assert named_interval("a", 1, None, 2.0) == {"a": 1.0, "a/high": 2.0}


def test_the_tables_and_the_report_of_a_study_are_told_at_its_end(told, capsys):
    study = lab.run({**CONFIG, "name": "walks", "sweep": {"seed": [0, 1, 2]}}, quiet=True)
    print_outcome(study, write_report=True)
    (values,) = (call["values"] for call in told.of("results", "walks"))
    (row,) = lab.compare(study).tables[0].rows
    expected = {"": row.value, "/low": row.low, "/high": row.high}
    assert values == {f"test/walk/place/{row.label}{end}": value for end, value in expected.items()}
    assert [c["name"] for c in told.of("artifact", "walks")] == ["study.json", "study.json", "report.html"]
    assert [c["status"] for c in told.of("end", "walks")] == ["finished", "finished"]
    told.misbehave("begin", "raise")
    print_outcome(study, write_report=False)
    assert capsys.readouterr().out.count("warning: tracker toy failed (OSError") == 1


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_runs_of_a_study_hang_below_it_and_one_that_fails_says_so(told, jobs):
    with pytest.raises(StudyError) as caught:
        lab.run({**CONFIG, "name": "walks", "sweep": {"seed": [0, 1, 2]}, "fails": [1]}, quiet=True, jobs=jobs)
    ids = [cell.run_id for cell in caught.value.study.cells]
    assert next((c["id"], c["kind"]) for c in told.of("begin")) == ("walks", "study")
    assert [told.of("begin", id)[0]["parent"] for id in ids] == ["walks"] * 3
    assert [told.of("begin", id)[0]["name"] for id in ids] == [f"toy, seed {seed}" for seed in range(3)]
    assert [told.of("end", id)[0]["status"] for id in ids] == ["finished", "failed", "finished"]
    assert told.calls[-1]["call"] == "end"
    assert (told.calls[-1]["id"], told.calls[-1]["status"]) == ("walks", "failed")
    assert len({call["pid"] for call in told.calls}) == 1  # one process, whoever does the runs
    assert [len(told.of("metrics", id)) for id in ids] == [3, 1, 3]


def test_a_run_that_goes_on_is_told_all_of_its_steps_again(told, monkeypatch):
    with pytest.raises(LabError):
        lab.run({**CONFIG, "fails": [0], "steps": 3}, quiet=True)
    run = lab.run({**CONFIG, "steps": 3}, quiet=True)
    first, second = told.of("begin", run.id)
    assert (first["goes_on"], second["goes_on"]) == (False, True)
    assert [call["step"] for call in told.of("metrics")] == [1, 1, 2, 3]
    assert [call["status"] for call in told.of("end")] == ["failed", "finished"]


def test_an_interrupted_run_says_so_and_goes_on_as_the_same(told):
    def press(event) -> None:
        if event["event"] == "progress" and event["epoch"] == 2:
            raise KeyboardInterrupt

    study = {**CONFIG, "name": "walks", "sweep": {"seed": [0, 1]}}
    with pytest.raises(KeyboardInterrupt):
        lab.run(study, quiet=True, on_event=press)
    assert [call["status"] for call in told.of("end")] == ["interrupted", "interrupted"]  # the run and its study
    done = lab.run(study, quiet=True)
    first, second = (run.id for run in done.runs())
    assert [call["goes_on"] for call in told.of("begin", first)] == [False, True]
    assert [call["status"] for call in told.of("end", first)] == ["interrupted", "finished"]
    assert [call["status"] for call in told.of("end", "walks")] == ["interrupted", "finished"]
    assert [call["goes_on"] for call in told.of("begin", second)] == [False]


# --- trackers that do not do what they should


@pytest.mark.parametrize("call", ["begin", "metrics", "results", "artifact", "end"])
def test_a_tracker_that_raises_costs_one_warning(told, capsys, call):
    told.misbehave(call, "raise")
    study = lab.run({**CONFIG, "name": "walks", "sweep": {"seed": [0, 1]}})
    shown = capsys.readouterr()
    line = "warning: tracker toy failed (OSError: the disk of the tracker is full); the runs go on, and their folders"
    assert shown.out.count("warning") == shown.out.count(line) == 1
    assert shown.err == ""
    assert [run.status for run in study.runs()] == ["finished", "finished"]
    assert study.trackers == []


def test_what_a_tracker_missed_is_told_at_the_end_of_the_run(told, monkeypatch):
    monkeypatch.setattr(following, "PAUSE", 0.0)
    failed = threading.Event()
    warn = following.Follower._warn
    monkeypatch.setattr(following.Follower, "_warn", lambda self, what: (warn(self, what), failed.set()))
    told.misbehave("metrics", "raise")

    def behave(event) -> None:
        if event["event"] == "progress" and event["epoch"] == 2:
            assert failed.wait(30)
            told.behave("metrics")

    run = lab.run({**CONFIG, "steps": 3}, quiet=True, on_event=behave)
    assert [call["goes_on"] for call in told.of("begin")] == [False, True]
    assert [call["step"] for call in told.of("metrics")] == [1, 2, 3]
    assert told.of("end", run.id)[0]["status"] == "finished"


def test_a_tracker_that_hangs_is_not_waited_for(told, monkeypatch, capsys):
    monkeypatch.setattr(following, "PATIENCE", 0.2)
    told.misbehave("begin", "never.txt")
    run = lab.run(CONFIG)
    assert run.status == "finished"
    assert "warning: tracker toy has not answered for 0.2 s; the runs go on" in capsys.readouterr().out
    assert told.calls == []


def test_one_tracker_does_not_wait_for_another(told, home):
    told.misbehave("begin", "go.txt")

    def let_go(event) -> None:
        if event["event"] == "stage":  # the other one has begun while the first hangs
            while not list(home.rglob("events.out.tfevents.*")):
                time.sleep(0.01)
            (told.folder / "go.txt").touch()

    lab.run({"experiment": "toy", "tracker": ["toy", "tensorboard"]}, quiet=True, on_event=let_go)
    assert told.of("end")[0]["status"] == "finished"

from __future__ import annotations

import json
import multiprocessing
import threading
from dataclasses import replace

import numpy as np
import pytest
from walk_recipe import FACTS, RECIPE, cell_of, content, do

from lab.embeddings.space import EmbeddingSpace
from lab.errors import LabError, UserError
from lab.experiment import DataFacts
from lab.runs import interrupt, provenance
from lab.runs.locks import RunBusy, is_locked
from lab.runs.run import Run
from lab.runs.writer import open_run


def stopping_at(step: int, error: BaseException):
    """The recipe, ending with an error at the log line of a step."""

    def walk(config, run) -> None:
        take = run.log

        def log(text: str) -> None:
            take(text)
            if text == f"step {step} taken":
                raise error

        run.log = log
        RECIPE.run(config, run)

    walk.__module__ = RECIPE.run.__module__
    return replace(RECIPE, run=walk)


@pytest.fixture
def reference(home, monkeypatch) -> dict[str, object]:
    with monkeypatch.context() as patch:
        patch.setenv("LAB_HOME", str(home / "undisturbed"))
        return content(do(seed=3).path)


def interrupted(home, step: int = 5) -> Run:
    with pytest.raises(KeyboardInterrupt):
        do(stopping_at(step, KeyboardInterrupt()), seed=3)
    (path,) = (path for path in home.glob("runs/walk/*") if path.is_dir())
    return Run(path)


def test_the_directory_is_the_one_of_the_design(home):
    run = do(seed=3)
    assert run.path == home / "runs" / "walk" / run.id
    names = {str(path.relative_to(run.path)) for path in run.path.rglob("*") if path.is_file()}
    assert names == {
        "config.yaml",
        "run.json",
        "metrics.jsonl",
        "results.json",
        "log.txt",
        "scores/walk.place.test.parquet",
        "splits/test.json",
        "embeddings/item.parquet",
        "embeddings/item.untrained.parquet",
        "checkpoints/000000004/state.json",
        "checkpoints/000000004/tensors.safetensors",
        "checkpoints/000000006/state.json",
        "checkpoints/000000006/tensors.safetensors",
        "figures/lk-4929d21a.json",
        "figures/lk-4929d21a.png",
        "model/model.safetensors",
        "model/settings.json",
    }
    info = json.loads((run.path / "run.json").read_text())
    assert info["status"] == "finished"
    assert info["default_embedding"] == "item"
    assert info["data"] == {
        "fingerprint": "no data",
        "counts": {"documents": 612, "tokens": 448_211},
        "description": "none",
    }
    assert {"lab", "python", "torch", "numpy", "gensim"} <= info["packages"].keys()
    assert {"name", "machine", "processor", "cores"} <= info["host"].keys()
    assert info["started"] < info["finished"]
    assert info["resumed"] == []


def test_a_finished_run_is_not_done_again_unless_asked(home):
    first = do(seed=3)
    before = {path: path.stat().st_mtime_ns for path in first.path.rglob("*")}
    assert do(seed=3).id == first.id
    assert {path: path.stat().st_mtime_ns for path in first.path.rglob("*")} == before
    again = do(seed=3, how={"rerun": True})
    assert again.id == first.id
    assert again.info["started"] > first.info["started"]
    assert content(again.path) == content(first.path)


@pytest.mark.parametrize("step", range(1, 7))
def test_an_interrupted_run_goes_on_to_the_same_end(home, reference, step):
    run = interrupted(home, step)
    assert run.status == "interrupted"
    assert run.metrics["step"].tolist() == list(range(1, step + 1))
    events = []
    again = do(seed=3, how={"on_event": events.append})
    assert content(again.path) == reference
    kept = (step - 1) // 2 * 2
    assert [event["step"] for event in events if event["event"] == "start"] == [kept or None]
    assert [once["step"] for once in again.info["resumed"]] == ([kept] if kept else [])
    assert all(once["exact"] for once in again.info["resumed"])
    assert (f"goes on after step {kept}" in again.log) == bool(kept)


def test_a_run_stopped_many_times_goes_on_to_the_same_end(home, reference):
    for step in (3, 4, 4, 5, 6):
        interrupted(home, step)
    assert content(do(seed=3).path) == reference


def test_another_machine_type_is_told_in_run_json(home, monkeypatch):
    interrupted(home)
    here = provenance.host()
    monkeypatch.setattr(provenance, "host", lambda: here | {"processor": "another"})
    assert [once["exact"] for once in do(seed=3).info["resumed"]] == [False]


@pytest.mark.parametrize("what", ["threads", "numpy", "source"])
def test_a_run_starts_over_where_it_could_not_go_on_the_same(home, reference, monkeypatch, what):
    path = interrupted(home).path
    (path / "model").mkdir()
    (path / "model" / "stale.json").touch()
    if what == "numpy":
        now = provenance.packages()
        monkeypatch.setattr(provenance, "packages", lambda: now | {"numpy": "9.9"})
    if what == "source":
        monkeypatch.setattr("lab.runs.writer.source_hash", lambda recipe: "other")
    events = []
    run = do(seed=3, how={"on_event": events.append, "threads": 2 if what == "threads" else 1})
    reasons = [event["reason"] for event in events if event["event"] == "start_over"]
    assert len(reasons) == 1
    expected = {"threads": "threads 1 → 2", "numpy": "→ 9.9", "source": "the source of lab or of the recipe"}
    assert expected[what] in reasons[0]
    found = content(run.path)
    assert found.pop("log.txt") == [f"starts over: {reasons[0]}", *reference.pop("log.txt")]
    assert found == reference
    assert run.info["resumed"] == []


def test_a_failing_run_keeps_its_error_and_goes_on_later(home, reference):
    with pytest.raises(ValueError, match="broken"):
        do(stopping_at(5, ValueError("broken\nin two lines")), seed=3)
    (path,) = (path for path in home.glob("runs/walk/*") if path.is_dir())
    run = Run(path)
    assert (run.status, run.error) == ("failed", "ValueError: broken in two lines")
    assert "Traceback" in run.log
    assert "broken" in repr(run)
    assert content(do(seed=3).path) == reference


def test_status_finished_is_the_last_write(home, monkeypatch):
    written = []
    from lab.runs import files, writer

    real = files.replacing

    def noting(path):
        written.append(path)
        return real(path)

    monkeypatch.setattr(files, "replacing", noting)
    events = []
    run = do(seed=3, how={"on_event": events.append})
    assert str(written[-1]).endswith("run.json")
    assert sum(str(path).endswith("run.json") for path in written) == 2
    assert events[-1] == {"run": run.id, "event": "end", "status": "finished", "error": None}
    assert all(json.loads(json.dumps(event)) == event for event in events)
    assert writer.open_run is open_run


def test_a_watcher_that_breaks_after_the_last_write_leaves_the_run_finished(home):
    def watch(event) -> None:
        if event["event"] == "end":
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        do(seed=3, how={"on_event": watch})
    (path,) = (path for path in home.glob("runs/walk/*") if path.is_dir())
    assert Run(path).status == "finished"


def test_ctrl_c_stops_at_the_next_checkpoint_and_nothing_is_lost(home, reference):
    def ask(event) -> None:
        if event.get("text") == "step 3 taken":
            interrupt.ask()

    with interrupt.catching(), pytest.raises(KeyboardInterrupt):
        do(seed=3, how={"on_event": ask})
    (path,) = (path for path in home.glob("runs/walk/*") if path.is_dir())
    assert Run(path).status == "interrupted"
    assert Run(path).metrics["step"].tolist() == [1, 2, 3, 4]
    assert content(do(seed=3).path) == reference


# --- locks


def hold(home: str, held, release) -> None:
    import os

    os.environ["LAB_HOME"] = home
    with open_run(RECIPE, cell_of(RECIPE.config(seed=3)), FACTS) as run:
        held.set()
        release.wait(30)
        RECIPE.run(run.config, run)


def test_two_processes_never_do_the_same_run_twice(home):
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    other = context.Process(target=hold, args=(str(home), held, release))
    other.start()
    assert held.wait(30)
    (path,) = (path for path in home.glob("runs/walk/*") if path.is_dir())
    assert is_locked(path)
    assert Run(path).status == "running"
    with pytest.raises(RunBusy, match="by another process"):
        do(seed=3, how={"wait": False})
    events = []

    def watch(event) -> None:
        events.append(event["event"])
        release.set()

    run = do(seed=3, how={"on_event": watch})
    other.join()
    assert other.exitcode == 0
    assert events == ["waiting"]
    assert run.status == "finished"
    assert not is_locked(path)


def test_waiting_for_another_process_ends_with_ctrl_c(home):
    with open_run(RECIPE, cell_of(RECIPE.config(seed=3)), FACTS), interrupt.catching():
        threading.Timer(0.05, interrupt.ask).start()
        with pytest.raises(KeyboardInterrupt):
            do(seed=3)


# --- what a recipe may not do


@pytest.fixture
def run(home):
    with open_run(RECIPE, cell_of(RECIPE.config(seed=3)), FACTS) as run:
        yield run


def test_scores_must_average_to_the_metric(run):
    run.scores("test", "accuracy", ["a", "b"], [0, 1])
    run.result("test", "accuracy", 0.5, n=2)
    run.result("test", "accuracy", 0.9, n=1, label="of a section")
    with pytest.raises(LabError, match=r"scores of test accuracy average to 0\.5, but the result is 0\.6"):
        run.result("test", "accuracy", 0.6, n=2)
    run.result("test", "loss", 0.25, n=2)
    with pytest.raises(LabError, match=r"average to 0\.75"):
        run.scores("test", "loss", ["a", "b"], [0.5, 1.0])


@pytest.mark.parametrize(
    ("ids", "values", "columns", "words"),
    [
        (["a", "a"], [0, 1], {}, r"unique, and 'a' is there 2 times"),
        (["a"], [0, 1], {}, "1 ids, but values of shape"),
        ([], [], {}, "0 ids"),
        (["a", "b"], [0, np.nan], {}, "'b' has no finite value"),
        (["a", "b"], [0, 1], {"note": ["x"]}, "columns of other lengths"),
    ],
)
def test_scores_are_one_finite_number_an_item(run, ids, values, columns, words):
    with pytest.raises(LabError, match=words):
        run.scores("test", "accuracy", ids, values, **columns)


def test_one_primary_result_a_split(run):
    run.result("a", "accuracy", 0.5, n=2, primary=True)
    run.result("a", "accuracy", 0.6, n=2, primary=True)
    run.result("a", "loss", 0.5, n=2, split="validation", primary=True)
    with pytest.raises(LabError, match="two primary results on the test split: a accuracy and b accuracy"):
        run.result("b", "accuracy", 0.5, n=2, primary=True)
    assert [result["value"] for result in run.results] == [0.6, 0.5]


def test_numbers_of_every_kind_become_strict_json(run):
    extra = {"low": np.float32(np.nan), "per_class": np.array([1.0, np.inf]), "coverage": np.int64(3), "protocol": "‮"}
    run.result("a", "loss", np.float32("nan"), n=np.int64(2), **extra)
    run.metric(np.int64(1), loss=np.float64("inf"), epoch=2)
    with open_run(RECIPE, cell_of(RECIPE.config(seed=4)), FACTS) as other:
        other.result("a", "loss", float("nan"), n=2, **extra)
    listed = json.loads((other.path / "results.json").read_text(), parse_constant=pytest.fail)["results"]
    assert listed[0]["value"] is None
    assert (listed[0]["low"], listed[0]["per_class"], listed[0]["coverage"]) == (None, [1.0, None], 3)
    line = json.loads((run.path / "metrics.jsonl").read_text().splitlines()[-1], parse_constant=pytest.fail)
    assert (line["step"], line["loss"], line["epoch"]) == (1, None, 2.0)
    assert np.isnan(Run(other.path).results["value"][0])
    assert np.isnan(Run(run.path).metrics["loss"][0])


def test_embedding_names_are_names_of_files(run):
    with pytest.raises(LabError, match="a name is made of"):
        run.embeddings(EmbeddingSpace(["a"], np.ones((1, 2))), "../outside")


def test_the_same_stream_for_the_same_name(run):
    assert run.generator("a").random() == run.generator("a").random() != run.generator("b").random()
    assert run.stream_seed("a") != run.stream_seed("b")


def test_a_checkpoint_state_keeps_large_numbers_and_infinities(run):
    state = {"large": 2**127 + 1, "best": float("inf"), "python": [1, [2**32 - 1], None]}
    run.checkpoint(3, {"a": np.arange(3, dtype=np.int8)}, state)
    found = run.latest_checkpoint()
    assert (found.step, found.state) == (3, state)
    assert found.tensors["a"].dtype == np.int8


def test_a_damaged_checkpoint_falls_back_to_the_one_before(home, reference):
    path = interrupted(home, 5).path
    tensors = path / "checkpoints" / "000000004" / "tensors.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-3])
    again = do(seed=3)
    assert [once["step"] for once in again.info["resumed"]] == [2]
    assert content(again.path) == reference


def test_a_run_or_checkpoint_of_a_newer_lab_is_refused_and_left_alone(home):
    path = interrupted(home, 5).path
    for file in (path / "checkpoints" / "000000004" / "state.json", path / "run.json"):
        text = file.read_text()
        file.write_text(text.replace('"format_version": 1', '"format_version": 2'))
        with pytest.raises(UserError, match="was written by a newer lab"):
            do(seed=3)
        file.write_text(text)
    assert Run(path).status == "interrupted"


def test_other_data_make_another_run(home):
    assert do(seed=3).id != do(seed=3, facts=DataFacts("newer", {"documents": 662})).id

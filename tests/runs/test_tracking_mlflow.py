from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

import lab
from lab.errors import LabError
from lab.runs.study import StudyError
from lab.trackers import following

STUDY = {"experiment": "toy", "name": "walks", "tracker": "mlflow", "drawn": True}


@pytest.fixture(scope="session")
def store(tmp_path_factory) -> Path:
    """An empty sqlite store, whose tables take seconds to make."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("store") / "m.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@contextmanager
def mlflow_server(folder: Path, store: Path) -> Iterator[tuple[str, subprocess.Popen]]:
    """A real server with a sqlite store, on a free port of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shutil.copy(store, folder)
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    stores = ["--backend-store-uri", f"sqlite:///{folder}/m.db", "--artifacts-destination", str(folder / "artifacts")]
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}
    with open(folder / "server.log", "wb") as log:
        process = subprocess.Popen(
            [*command, *stores], stdout=log, stderr=log, start_new_session=True, env=environment, cwd=folder
        )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(900):
            try:
                with urllib.request.urlopen(f"{url}/health", timeout=5):
                    break
            except OSError:
                assert process.poll() is None, (folder / "server.log").read_text()
                time.sleep(0.1)
        yield url, process
    finally:
        kill(process)


def kill(process: subprocess.Popen) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


@pytest.fixture(scope="session")
def server(tmp_path_factory, store) -> Iterator[str]:
    with mlflow_server(tmp_path_factory.mktemp("mlflow"), store) as (url, _):
        yield url


@pytest.fixture
def experiment(server, request, monkeypatch) -> str:
    """The server, and an MLflow experiment of this test's own."""
    name = request.node.name
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", name)
    return name


def runs_of(experiment: str) -> dict[str, Any]:
    """The runs in MLflow by the ids of lab."""
    from mlflow import MlflowClient

    client = MlflowClient()
    found = client.get_experiment_by_name(experiment)
    runs = client.search_runs([found.experiment_id]) if found else []
    by_id = {run.data.tags["lab.id"]: run for run in runs}
    assert len(by_id) == len(runs), "a run stands there twice"
    return by_id


def files_of(run: Any, folder: str = "") -> list[str]:
    from mlflow import MlflowClient

    found = MlflowClient().list_artifacts(run.info.run_id, folder)
    return sorted(name for file in found for name in (files_of(run, file.path) if file.is_dir else [file.path]))


def steps_of(run: Any, name: str = "place") -> list[tuple[int, float]]:
    from mlflow import MlflowClient

    return [(metric.step, metric.value) for metric in MlflowClient().get_metric_history(run.info.run_id, name)]


def test_a_run_in_a_local_store(toy, home, store, monkeypatch):
    """Without a server, what `MLFLOW_TRACKING_URI=sqlite:///…` gives."""
    shutil.copy(store, home)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{home}/m.db")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "walks")
    run = lab.run({"experiment": "toy", "tracker": "mlflow", "drawn": True}, quiet=True)
    kept = runs_of("walks")[run.id]
    assert (kept.info.status, kept.info.run_name) == ("FINISHED", "toy, seed 0")
    assert kept.data.params.items() >= {"experiment": "toy", "model.rate": "0.1", "data": "null"}.items()
    assert steps_of(kept) == [(row.step, row.place) for row in run.metrics.itertuples()]
    interval = {name: value for name, value in kept.data.metrics.items() if "recall" in name}
    name = "test/walk/recall_at_10/far away"
    assert interval == {name: 0.5, f"{name}/low": 0.25, f"{name}/high": 0.75}


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_study_is_a_run_with_its_runs_below_it(toy, experiment, jobs):
    with pytest.raises(StudyError) as caught:
        lab.run({**STUDY, "sweep": {"seed": [0, 1, 2]}, "fails": [1]}, quiet=True, jobs=jobs)
    study, kept = caught.value.study, runs_of(experiment)
    assert study.trackers == ["mlflow"]
    parent = kept.pop("walks")
    assert (parent.info.status, parent.data.tags["lab.kind"]) == ("FAILED", "study")
    assert files_of(parent) == ["study.json"]
    assert {run.data.tags["mlflow.parentRunId"] for run in kept.values()} == {parent.info.run_id}
    statuses = {"finished": "FINISHED", "failed": "FAILED"}
    assert {id: run.info.status for id, run in kept.items()} == {
        cell.run_id: statuses[cell.status] for cell in study.cells
    }
    run = study.runs()[0]
    figure = f"figures/{run.figures[0].path.name}"
    assert files_of(kept[run.id]) == sorted(["config.yaml", figure, "log.txt", "results.json", "run.json"])
    from mlflow.artifacts import download_artifacts

    path = download_artifacts(run_id=kept[run.id].info.run_id, artifact_path="config.yaml")
    assert yaml.safe_load(Path(path).read_text()) == run.config
    assert steps_of(kept[run.id]) == [(row.step, row.place) for row in run.metrics.itertuples()]


@pytest.mark.slow
def test_a_run_that_goes_on_is_the_same_run_and_one_that_starts_over_another(toy, experiment):
    config = {"experiment": "toy", "tracker": "mlflow"}
    with pytest.raises(LabError):
        lab.run({**config, "fails": [0]}, quiet=True)
    (before,) = runs_of(experiment).values()
    assert (before.info.status, len(steps_of(before))) == ("FAILED", 1)
    run = lab.run(config, quiet=True)
    after = runs_of(experiment)[run.id]
    assert (after.info.run_id, after.info.status) == (before.info.run_id, "FINISHED")
    assert steps_of(after) == [(row.step, row.place) for row in run.metrics.itertuples()]
    lab.run(config, quiet=True, rerun=True)
    with pytest.raises(AssertionError, match="twice"):
        runs_of(experiment)


@pytest.mark.slow
def test_a_server_killed_in_the_middle_costs_one_warning(toy, home, store, monkeypatch, capfd):
    monkeypatch.setattr(following, "PAUSE", 0.0)
    with mlflow_server(home, store) as (url, process):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url)

        def end_the_server(event) -> None:
            if event["event"] == "progress" and event["epoch"] == 2:
                kill(process)

        study = lab.run({**STUDY, "sweep": {"seed": [0, 1]}}, on_event=end_the_server)
    shown = capfd.readouterr()
    assert [run.status for run in study.runs()] == ["finished", "finished"]
    assert shown.out.lower().count("warning") == shown.out.count("warning: tracker mlflow failed (") == 1
    assert shown.err == ""


@pytest.mark.parametrize("kind", ["nobody listens", pytest.param("nobody answers", marks=pytest.mark.slow)])
def test_an_address_where_no_server_is_costs_one_warning(toy, monkeypatch, capfd, kind):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as hanging:
        hanging.bind(("127.0.0.1", 0))
        if kind == "nobody answers":
            hanging.listen()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{hanging.getsockname()[1]}")
        run = lab.run({"experiment": "toy", "tracker": "mlflow"})
    shown = capfd.readouterr()
    assert run.status == "finished"
    assert shown.out.lower().count("warning") == shown.out.count("warning: tracker mlflow failed (") == 1
    assert shown.err == ""

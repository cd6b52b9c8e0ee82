"""What the launcher tells trackers: every run it makes, from its events and its folder, and the study around them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import LabError
from lab.runs.files import read_json
from lab.runs.journal import read_records
from lab.runs.refs import flatten
from lab.runs.run import Run
from lab.trackers.following import Follower, Metrics, Subject
from lab.trackers.installed import MakeTracker
from lab.trackers.tracker import Facts, Status

if TYPE_CHECKING:
    from lab.runs.outcome import Outcome
    from lab.runs.plan import Job
    from lab.runs.study import StudyRecord

BESIDE = ("report", "name", "tracker")
"""Sections of a config that change no number: they are no parameters."""

FILES = ("config.yaml", "run.json", "results.json", "log.txt", "study.json")


class Tracking:
    """The trackers of one launch. Nothing it does raises, and nothing but `close` takes time."""

    def __init__(self, makers: Mapping[str, MakeTracker]) -> None:
        self._followers = [Follower(name, make) for name, make in makers.items()]
        self._study: str | None = None
        self._open: set[str] = set()
        self._told: set[str] = set()

    def begin_study(self, record: StudyRecord) -> None:
        """The runs to come belong to a study."""
        self._study = record.name
        subject = study_subject(record)
        for follower in self._followers:
            follower.begin(subject)

    def event(self, job: Job, event: Mapping[str, Any]) -> None:
        """Something happened in a run (see `lab.runs.writer`)."""
        if event["event"] == "start":
            with suppress(LabError, OSError):  # its folder was damaged since: it is not followed
                self._begin(job, goes_on=event["step"] is not None)
        elif event["event"] == "metric":
            values = {name: value for name, value in event["values"].items() if value is not None}
            for follower in self._followers:
                follower.metrics(job.id, event["step"], values)

    def ended(self, job: Job, outcome: Outcome) -> None:
        """A run ended; one that was not begun here is none of ours."""
        if job.id in self._open and outcome.status != "busy":
            self._open.remove(job.id)
            for follower in self._followers:
                follower.end(job.id, outcome.status)

    def warnings(self) -> list[str]:
        """What trackers could not do, a line each, and each line once."""
        new = [f.warning for f in self._followers if f.warning and f.name not in self._told]
        self._told |= {follower.name for follower in self._followers if follower.warning}
        return new

    def close(self, study_status: Status) -> list[str]:
        """End what is open, wait for the trackers as long as they take it, and name those that went well."""
        for follower in self._followers:
            for id_ in sorted(self._open):
                follower.end(id_, "interrupted")
            if self._study:
                follower.end(self._study, study_status)
        for follower in self._followers:
            follower.close()
        return [follower.name for follower in self._followers if not follower.warning]

    def _begin(self, job: Job, goes_on: bool) -> None:
        subject = run_subject(job.path, job.label, self._study, goes_on)
        for follower in self._followers:
            follower.begin(subject)
        self._open.add(job.id)


def run_subject(path: Path, name: str, study: str | None, goes_on: bool) -> Subject:
    """What there is to tell of the run in a folder."""
    run = Run(path)
    info = run.info
    known = {
        "experiment": run.experiment,
        "study": study,
        "seed": info["seed"],
        "data": info["data"].get("description"),
        "data_fingerprint": info["data"]["fingerprint"],
        "recipe_version": info["recipe_version"],
        "source_hash": info["source_hash"],
        "git_commit": info["git_commit"],
    }
    tags = {key: str(value) for key, value in known.items() if value not in (None, "")}
    config = {key: value for key, value in run.config.items() if key not in BESIDE}
    return Subject(
        facts=Facts("run", run.id, name, run.experiment, path, tags, goes_on),
        params=flatten(config),
        history=lambda: _history(path),
        results=lambda: result_metrics(read_json(path / "results.json")["results"]),
        artifacts=lambda: [*_files(path), *sorted((path / "figures").glob("*.png"))],
        parent=study,
    )


def study_subject(record: StudyRecord) -> Subject:
    """What there is to tell of a study, but for its runs."""
    experiments = sorted({cell.experiment for cell in record.cells})
    title = record.report.get("title")
    tags = {"experiment": ", ".join(experiments), **({"title": title} if title else {})}
    return Subject(
        facts=Facts("study", record.name, record.name, ", ".join(experiments), record.path, tags, goes_on=True),
        params={},
        history=list,
        results=dict,
        artifacts=lambda: _files(record.path),
    )


def result_metrics(results: list[dict[str, Any]]) -> dict[str, float]:
    """Results as numbers with names: `test/analogies/accuracy`, the ends of its interval as `…/low` and `…/high`."""
    found: dict[str, float] = {}
    for result in results:
        parts = [result["split"], result["evaluation"], result["metric"], result.get("label")]
        name = "/".join(str(part) for part in parts if part)
        values = {name: result["value"], f"{name}/low": result.get("low"), f"{name}/high": result.get("high")}
        found |= {key: float(value) for key, value in values.items() if isinstance(value, int | float)}
    return found


def _history(path: Path) -> Iterator[Metrics]:
    """The steps of metrics.jsonl; a number that was NaN or infinite is not among its values."""
    for record in read_records(path / "metrics.jsonl"):
        values = {name: value for name, value in record.items() if name not in ("step", "time") and value is not None}
        yield record["step"], values


def _files(path: Path) -> list[Path]:
    return [path / name for name in FILES if (path / name).is_file()]

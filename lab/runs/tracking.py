"""What the launcher tells trackers: every run it makes, from its events and its folder, and the study around them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
        results=lambda: result_metrics(path),
        artifacts=lambda: [*_files(path), *sorted((path / "figures").glob("*.png"))],
        parent=study,
    )


def tell_study(
    record: StudyRecord, makers: Mapping[str, MakeTracker], results: Mapping[str, float], files: Sequence[Path]
) -> list[str]:
    """Tell trackers what the runs of a study that has ended come to; what they could not do, a line each.

    `results`: numbers by name; `files`: below the folder of the study, such as its report.
    """
    status: Status = "failed" if any(cell.status == "failed" for cell in record.cells) else "finished"
    followers = [Follower(name, make) for name, make in makers.items()]
    for follower in followers:
        follower.begin(study_subject(record, results, files))
        follower.end(record.name, status)
    for follower in followers:
        follower.close()
    return [follower.warning for follower in followers if follower.warning]


def study_subject(
    record: StudyRecord, results: Mapping[str, float] | None = None, files: Sequence[Path] = ()
) -> Subject:
    """What there is to tell of a study, but for its runs."""
    experiments = sorted({cell.experiment for cell in record.cells})
    title = record.report.get("title")
    tags = {"experiment": ", ".join(experiments), **({"title": title} if title else {})}
    return Subject(
        facts=Facts("study", record.name, record.name, ", ".join(experiments), record.path, tags, goes_on=True),
        params={},
        history=list,
        results=lambda: results or {},
        artifacts=lambda: [*_files(record.path), *files],
    )


def result_metrics(path: Path) -> dict[str, float]:
    """The results of a finished run by name, each with its interval as `named_interval` has it."""
    if read_json(path / "run.json")["status"] != "finished":
        return {}
    found: dict[str, float] = {}
    for result in read_json(path / "results.json")["results"]:
        parts = [result["split"], result["evaluation"], result["metric"], result.get("label")]
        name = "/".join(str(part) for part in parts if part)
        found |= named_interval(name, result["value"], result.get("low"), result.get("high"))
    return found


def named_interval(name: str, value: float | None, low: float | None, high: float | None) -> dict[str, float]:
    """A number and the ends of its interval, as far as they are known: `name`, `name/low`, `name/high`."""
    values = {name: value, f"{name}/low": low, f"{name}/high": high}
    return {key: float(number) for key, number in values.items() if number is not None}


def _history(path: Path) -> Iterator[Metrics]:
    """The steps of metrics.jsonl; a number that was NaN or infinite is not among its values."""
    for record in read_records(path / "metrics.jsonl"):
        values = {name: value for name, value in record.items() if name not in ("step", "time") and value is not None}
        yield record["step"], values


def _files(path: Path) -> list[Path]:
    return [path / name for name in FILES if (path / name).is_file()]

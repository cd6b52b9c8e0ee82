"""`lab.run`: does one run, or all runs of a study, and says how it went."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from lab.config import StudyPlan, load
from lab.errors import LabError, UserError
from lab.runs import dry_run as dry
from lab.runs import home, interrupt, threads
from lab.runs.outcome import Outcome
from lab.runs.plan import Job, Planner, changed_data
from lab.runs.pool import SECONDS_BETWEEN_LOOKS, Pool
from lab.runs.prepare import at_edges, prepare, untuned
from lab.runs.progress import Progress, progress
from lab.runs.run import Run
from lab.runs.schedule import Schedule
from lab.runs.study import StudyError, StudyRecord
from lab.runs.tracking import Tracking
from lab.runs.worker import do
from lab.trackers import load_trackers

OnEvent = Callable[[dict[str, Any]], None]


def run(
    config: str | Path | Mapping[str, Any] | StudyPlan,
    overrides: Sequence[str] = (),
    *,
    jobs: int = 1,
    dry_run: bool = False,
    rerun: bool = False,
    quiet: bool = False,
    on_event: OnEvent | None = None,
    display: Progress | None = None,
) -> Run | StudyRecord:
    """Do what a config says, except what is done already: one run, or every run of a study.

    `config`: a YAML file, the name of a shipped config, the same as a mapping, or what `lab.config.load` returned.
    `overrides`: `key.path=value`, as on the command line. `jobs`: runs at once; with more than one, in as many other
    processes. `dry_run`: print the runs and what they cost, and do nothing. `rerun`: do finished runs again.
    `quiet`: print nothing. `on_event`: called with every event of every run, a small dict (see `lab.runs.writer`).
    `display`: what shows the progress, else the one that fits the terminal.

    Returns the `Run`, or a study's `StudyRecord` (for `dry_run` always a `StudyRecord`, which is not saved).

    Raises:
        UserError: a mistake in the config or the data it names, before anything is done.
        StudyError: some runs of a study failed; the others are finished and all is written.
        LabError: the one run failed.
        KeyboardInterrupt: Ctrl-C was pressed; its text says how to go on.
    """
    if jobs < 1:
        raise UserError(f"jobs={jobs}: expected 1 or more runs at once")
    plan = config if isinstance(config, StudyPlan) else load(config, overrides)
    planner = Planner()
    makers = load_trackers(plan.trackers)
    schedule = Schedule(planner.rows(plan), planner, rerun=rerun)
    record = _record(plan, schedule)
    if dry_run:
        print(dry.table(dry.lines(schedule), jobs))
        return record
    if schedule.open:
        home.make_home()
    with closing(display or progress(quiet)) as shown:
        launch = _Launch(schedule, record if plan.is_study else None, shown, rerun, on_event, Tracking(makers))
        launch.go(jobs)
    if schedule.open:
        line = _how_to_go_on(schedule, plan, config, overrides, jobs)
        print(line, file=sys.stderr)  # the one that pressed Ctrl-C sees it, whatever catches what is raised
        raise KeyboardInterrupt(line)
    return _result(plan, schedule, record)


@dataclass
class _Launch:
    """One call of `run`: drives the schedule, in this process or with a pool of others."""

    schedule: Schedule
    record: StudyRecord | None
    display: Progress
    rerun: bool
    on_event: OnEvent | None
    tracking: Tracking
    threads: int = 1

    def go(self, jobs: int) -> None:
        """Do all that is open, until nothing is or Ctrl-C is pressed."""
        self._save()
        self.display.begin(self.schedule.total, self.schedule.done)
        warnings = self.record.warnings if self.record else []
        for notice in [*changed_data(self.schedule.open), *_stale(self.schedule), *warnings]:
            self.display.say(notice)
        if self.record and self.schedule.open:
            self.tracking.begin_study(self.record)
        self.threads = max(1, threads.cores() // max(1, min(jobs, self.schedule.total - self.schedule.done)))
        try:
            with interrupt.catching(self.display.stopping):
                prepare(self.schedule.startable, self.display.say)
                if jobs == 1:
                    self._one_by_one()
                else:
                    self._several(jobs)
        except KeyboardInterrupt:  # the second Ctrl-C; `run` raises the one that says how to go on
            pass
        finally:
            if self.record:
                self.record.refresh()
            self._save()
            self._finish_tracking()
        for notice in at_edges(self.schedule.rows):
            self.display.say(notice)

    def _one_by_one(self) -> None:
        while not interrupt.asked():
            job = self.schedule.take()
            if job is not None:
                self._started(job)
                self._ended(job, do(job, on_event=partial(self._event, job), **self._how(job)))
            elif not self._wait_for_others():
                return

    def _several(self, jobs: int) -> None:
        with Pool(jobs) as pool:
            while True:
                while not (pool.full or interrupt.asked()) and (job := self.schedule.take()):
                    self._started(job)
                    pool.start(job, self._how(job))
                if pool.busy:
                    if ended := pool.listen(self._event):
                        self._ended(*ended)
                elif interrupt.asked() or not self._wait_for_others():
                    return

    def _how(self, job: Job) -> dict[str, Any]:
        """How a run is to be done. One that stopped halfway keeps its threads, else it could not go on."""
        kept = self.threads
        with suppress(LabError):  # there is no such run yet
            before = Run(job.path)
            kept = kept if before.status == "finished" else before.info["threads"]
        return {"study": self.record.name if self.record else None, "threads_used": kept, "rerun": self.rerun}

    def _wait_for_others(self) -> bool:
        """Wait a moment where other processes are at work on runs of ours; False where there are none."""
        if not self.schedule.waiting:
            return False
        self.display.waiting(self.schedule.waiting)
        time.sleep(SECONDS_BETWEEN_LOOKS)
        return True

    def _started(self, job: Job) -> None:
        self.display.started(job)
        self._save()

    def _event(self, job: Job, event: dict[str, Any]) -> None:
        self.display.event(job, event)
        self.tracking.event(job, event)
        self._pass_on_warnings()
        if self.on_event:
            self.on_event(event)

    def _ended(self, job: Job, outcome: Outcome) -> None:
        if outcome.status == "interrupted":
            interrupt.ask()
        if self.record:
            outcome = replace(outcome, exception=None)  # its traceback would keep the run's data in memory
        self.tracking.ended(job, outcome)
        self.schedule.settle(job, outcome)
        self.display.ended(job, outcome, self.schedule.done, self.schedule.total)
        self._save()

    def _save(self) -> None:
        if self.record:
            self.record.save()

    def _finish_tracking(self) -> None:
        failed = any(outcome.status == "failed" for outcome in self.schedule.outcomes.values())
        went_well = self.tracking.close("interrupted" if self.schedule.open else "failed" if failed else "finished")
        self._pass_on_warnings()
        if self.record:
            self.record.trackers = went_well

    def _pass_on_warnings(self) -> None:
        for warning in self.tracking.warnings():
            self.display.say(f"warning: {warning}")


def _record(plan: StudyPlan, schedule: Schedule) -> StudyRecord:
    cells = [record for row in schedule.rows for record in row.records]
    source = str(plan.file) if plan.file else None
    recipes = {job.recipe.name: job.recipe for job in schedule.jobs.values()}
    warnings = untuned(schedule.rows, recipes)
    report = plan.report.model_dump(mode="json")
    return StudyRecord(plan.name, home.studies_dir() / plan.name, report, cells, source, warnings)


def _result(plan: StudyPlan, schedule: Schedule, record: StudyRecord) -> Run | StudyRecord:
    """What `run` returns, or the error with which it ends."""
    if plan.is_study:
        failed = [f"{row.label}: {row.summary}" for row in record.rows() if row.failed]
        if failed:
            raise StudyError(f"study {record.name}: {'; '.join(failed)}", record)
        return record
    (job,) = schedule.jobs.values()
    outcome = schedule.outcomes[job.id]
    if outcome.status == "failed":
        if isinstance(outcome.exception, LabError):
            raise outcome.exception
        raise LabError(f"run {job.id} failed: {outcome.error} (log: {job.path / 'log.txt'})") from outcome.exception
    return Run(job.path)


def _stale(schedule: Schedule) -> list[str]:
    """One line where finished runs are taken as they are although the same config would now give others."""
    whys = {}
    for job_id, outcome in schedule.outcomes.items():
        if outcome.status == "finished" and (why := Run(schedule.jobs[job_id].path).why_stale(check_data=False)):
            whys[job_id] = why
    if not whys:
        return []
    first, why = next(iter(whys.items()))
    which = f"run {first[:4]} is" if len(whys) == 1 else f"{len(whys)} finished runs (the first: {first[:4]}) are"
    return [f"{which} used as it stands, though {why}; --rerun does it again"]


def _how_to_go_on(schedule: Schedule, plan: StudyPlan, config: object, overrides: Sequence[str], jobs: int) -> str:
    source = config if isinstance(config, str | Path) else plan.file
    words = ["lab", "run", str(source), *overrides, *(["-j", str(jobs)] if jobs > 1 else [])]
    again = f"`{shlex.join(words)}` goes" if source else "the same call goes"
    total = schedule.total
    done = f"{schedule.done} of {total} runs are finished" if total > 1 else "the run is not finished"
    return f"interrupted: {done}; {again} on from here"

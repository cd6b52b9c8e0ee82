"""Which run comes next: skips what is finished, lets rows choose, and leaves alone what another process is doing."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from lab.errors import LabError
from lab.runs import choose
from lab.runs.locks import is_locked
from lab.runs.outcome import Outcome
from lab.runs.plan import Job, PlannedRow, Planner, Try
from lab.runs.provenance import now
from lab.runs.run import Run
from lab.runs.study import Status


class Schedule:
    """All runs of a study, with what has become of them.

    The states of the runs are kept in the rows' `CellRecord`s as they become known. Of a row that chooses, the other
    seeds become ready once all of its tries have ended; a run that is made from another once that is finished.
    """

    def __init__(self, rows: Sequence[PlannedRow], planner: Planner, *, rerun: bool = False) -> None:
        """`rerun`: finished runs are done again, those that were finished before now."""
        self.rows = list(rows)
        self.jobs: dict[str, Job] = {}
        self.outcomes: dict[str, Outcome] = {}
        self._planner = planner
        self._began = now()
        self._rerun = rerun
        self._ready: deque[Job] = deque()
        self._elsewhere: deque[Job] = deque()
        self._later: list[Job] = []
        self._running: set[str] = set()
        for row in self.rows:
            for job in [*(a_try.job for a_try in row.tries), *row.jobs]:
                self._add(job)
            self._advance(row)

    @property
    def total(self) -> int:
        """How many runs there are; a cell that waits for a choice counts, except the one that tries."""
        return len(self.jobs) + sum(row.jobs[1:].count(None) for row in self.rows)

    @property
    def done(self) -> int:
        """How many runs are finished."""
        return sum(outcome.status == "finished" for outcome in self.outcomes.values())

    @property
    def open(self) -> list[Job]:
        """The runs still to be done, as far as known."""
        ended = {id_ for id_, outcome in self.outcomes.items() if outcome.status != "interrupted"}
        return [job for job in self.jobs.values() if job.id not in ended]

    @property
    def startable(self) -> list[Job]:
        """Those of `open` that wait for no other run of the study."""
        return [job for job in self.open if not self._waits(job)]

    def take(self) -> Job | None:
        """The next run to be done here; None where there is none now (see `waiting`)."""
        for _ in range(len(self._ready) + len(self._elsewhere)):
            job = (self._ready or self._elsewhere).popleft()
            if self._comes_later(job):
                continue
            if is_locked(job.path):
                self._elsewhere.append(job)
            elif outcome := self._found(job):
                self.settle(job, outcome)
            else:
                self._running.add(job.id)
                self._advance_all()
                return job
        return self.take() if self._ready else None  # what was found finished may have made others ready

    @property
    def waiting(self) -> list[Job]:
        """Runs that another process is at work on; `take` looks at them again."""
        return list(self._elsewhere)

    def settle(self, job: Job, outcome: Outcome) -> None:
        """A run ended. One that was found `busy` is looked at again later."""
        self._running.discard(job.id)
        if outcome.status == "busy":
            self._elsewhere.append(job)
        else:
            self.outcomes[job.id] = outcome
            self._ready.extend(self._later)
            self._later.clear()
        self._advance_all()

    def _comes_later(self, job: Job) -> bool:
        """Whether a job is not to be done now: what it is made from is not finished, or failed, and it with it."""
        if failed := [id_ for id_ in job.after if self._is(id_, "failed")]:
            self.settle(job, Outcome("failed", f"run {failed[0]}, from which it is made, failed"))
        elif self._waits(job):
            self._later.append(job)
        else:
            return False
        return True

    def _waits(self, job: Job) -> bool:
        return not all(self._is(id_, "finished") for id_ in job.after)

    def _is(self, id_: str, status: str) -> bool:
        return id_ in self.outcomes and self.outcomes[id_].status == status

    def _found(self, job: Job) -> Outcome | None:
        """What became of a run already; None where it is to be done.

        One that failed is done again, and on request one that is finished, unless another process did that since.
        """
        try:
            run = Run(job.path)
        except LabError:  # there is none, or it is damaged: doing it says which
            return None
        since = (run.info.get("finished") or "") >= self._began
        if run.status == "finished" and (since or not self._rerun):
            return Outcome("finished")
        return Outcome("failed", run.error) if run.status == "failed" and since else None

    def _add(self, job: Job | None) -> None:
        if job is None or job.id in self.jobs:
            return
        self.jobs[job.id] = job
        if outcome := self._found(job):
            self.outcomes[job.id] = outcome
        else:
            self._ready.append(job)

    def _advance_all(self) -> None:
        for row in self.rows:
            self._advance(row)

    def _advance(self, row: PlannedRow) -> None:
        """Let a row choose if it can now, and note in its records how its runs stand."""
        if row.tries:
            known = {c["run_id"]: c for c in row.records[0].candidates if c["status"] in ("finished", "failed")}
            row.records[0].candidates = [known.get(t.job.id) or self._candidate(t) for t in row.tries]
            if None in row.jobs and all(self._status(a_try.job)[0] in ("finished", "failed") for a_try in row.tries):
                self._choose(row)
        for record, job in zip(row.records, row.jobs, strict=True):
            if job is not None:
                record.run_id = job.id
                record.status, record.error = self._status(job)

    def _choose(self, row: PlannedRow) -> None:
        candidates = row.records[0].candidates
        try:
            choice = choose.choose([c["changes"] for c in candidates], [c["validation"] for c in candidates])
        except LabError as error:
            reasons = dict.fromkeys(candidate["error"] for candidate in candidates if candidate["error"])
            for record in row.records:
                record.status, record.error = "failed", "; ".join([str(error), *reasons])
            return
        changes = row.tries[choice.index].changes
        row.jobs = [self._planner.job(cell, row.label, changes) for cell in row.cells]
        for record, job in zip(row.records, row.jobs, strict=True):
            record.chosen, record.at_edge = dict(changes), choice.at_edge
            self._add(job)

    def _candidate(self, a_try: Try) -> dict[str, Any]:
        status, error = self._status(a_try.job)
        validation = None
        if status == "finished":
            try:
                validation = choose.validation_result(a_try.job.path)
            except LabError as problem:
                error = str(problem)
        return {
            "changes": a_try.changes,
            "run_id": a_try.job.id,
            "status": status,
            "error": error,
            "validation": validation,
        }

    def _status(self, job: Job) -> tuple[Status, str | None]:
        outcome = self.outcomes.get(job.id)
        if outcome is not None and outcome.status != "busy":
            return outcome.status, outcome.error
        return ("running" if job.id in self._running else "planned"), None

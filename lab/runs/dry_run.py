"""`--dry-run`: the runs of a study as a table, with what they are likely to cost."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.errors import LabError
from lab.experiment import Estimate
from lab.runs.labels import describe_values
from lab.runs.plan import Job, PlannedRow
from lab.runs.progress import duration
from lab.runs.replicates import described
from lab.runs.run import Run
from lab.runs.schedule import Schedule

if TYPE_CHECKING:
    from lab.config import Cell


@dataclass(frozen=True)
class Line:
    """One run of the table. `which`: its seed, or in words its seed, split and fold where these vary.

    `state`: finished, running, interrupted, failed, new, or `after the choice`.
    """

    id: str
    row: str
    which: str
    state: str
    estimate: Estimate | None = None

    @property
    def to_do(self) -> bool:
        """Whether it would be done now."""
        return self.state != "finished"


def lines(schedule: Schedule) -> list[Line]:
    """All runs of a study; each row's cost is probed once, and only where a run of it is to be done."""
    listed: list[Line] = []
    for row in schedule.rows:
        planned = list(_runs(row, schedule))
        estimate = _estimate(row) if any(line.to_do for line in planned) else None
        known = {line.id for line in listed}
        for line in planned:
            again = line.id in known and line.id != _UNKNOWN  # two cells can share a run
            cost = Estimate(0, 0) if again or not line.to_do else estimate
            listed.append(Line(line.id, line.row, line.which, line.state, cost))
            known.add(line.id)
    return listed


def table(listed: Sequence[Line], jobs: int) -> str:
    """The lines as text, with the sums and how long all of it takes with `jobs` runs at once."""
    which = "seed" if all(line.which.isdigit() for line in listed) else "repeat"
    head = ("run", "row", which, "state", "time", "disk")
    cells = [head, *((line.id, line.row, line.which, line.state, *_cost(line)) for line in listed)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    text = ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join([*text, "", _sum(listed, jobs)])


_UNKNOWN = "-"


def _runs(row: PlannedRow, schedule: Schedule) -> Iterator[Line]:
    for a_try in row.tries:
        label = f"{row.label}, tries {describe_values(a_try.changes)}"
        yield Line(a_try.job.id, label, _which(row.cells[0]), _state(a_try.job, schedule))
    tried = {a_try.job.id for a_try in row.tries}
    for number, (cell, job) in enumerate(zip(row.cells, row.jobs, strict=True)):
        if job is None and number > 0:  # the first is one of the tries
            yield Line(_UNKNOWN, row.label, _which(cell), "after the choice")
        elif job is not None and job.id not in tried:
            chosen = row.records[number].chosen
            label = f"{row.label}, chose {describe_values(chosen)}" if chosen else row.label
            yield Line(job.id, label, _which(cell), _state(job, schedule))


def _which(cell: Cell) -> str:
    varying = set(cell.replicate) - {"seed"}
    return described(cell.replicate) if varying else str(cell.config.seed)


def _state(job: Job, schedule: Schedule) -> str:
    if job.id in schedule.outcomes:
        return "finished"
    try:
        state = Run(job.path).status
    except LabError:
        return "new"
    return "to be redone" if state == "finished" else state


def _estimate(row: PlannedRow) -> Estimate | None:
    job = next(job for job in [*(a_try.job for a_try in row.tries), *row.jobs] if job is not None)
    if job.recipe.estimate is None:
        return None
    try:
        return job.recipe.estimate(job.cell.config)
    except Exception:  # an estimate is a courtesy: the table without it is better than none
        return None


def _cost(line: Line) -> tuple[str, str]:
    if not line.to_do:
        return "", ""
    if line.estimate is None:
        return "?", "?"
    return duration(line.estimate.seconds), size(line.estimate.bytes)


def _sum(listed: Sequence[Line], jobs: int) -> str:
    to_do = [line for line in listed if line.to_do]
    runs = f"{len(listed)} run{'s' * (len(listed) != 1)}"
    if not to_do:
        return f"{runs}, all finished"
    known = [line.estimate for line in to_do if line.estimate is not None]
    finished = len(listed) - len(to_do)
    runs += f": {finished} finished, {len(to_do)} to do"
    if not known:
        return f"{runs}; these experiments give no estimate"
    least = "at least" if len(known) < len(to_do) else "about"
    seconds, space = makespan([e.seconds for e in known], jobs), sum(e.bytes for e in known)
    return f"{runs}; {least} {duration(seconds)} with -j {jobs}, and {size(space)} on disk"


def makespan(seconds: Sequence[float], jobs: int) -> float:
    """How long runs of these lengths take when each starts, in this order, as soon as one of `jobs` places is free."""
    places = [0.0] * jobs
    for length in seconds:
        heapq.heapreplace(places, places[0] + length)
    return max(places)


def size(count: float) -> str:
    """Bytes as a person says them: `320 kB`, `1.2 GB`."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"

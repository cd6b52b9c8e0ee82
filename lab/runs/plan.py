"""The plan stage: every run that a study needs is known and checked before the first starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.config import load_recipe
from lab.errors import LabError, UserError
from lab.experiment import DataFacts, Recipe
from lab.runs import home
from lab.runs.built_on import (
    HERE,
    PlannedRun,
    cell_meant,
    forget_planned,
    named_for_good,
    note_planned,
    runs_named,
)
from lab.runs.catalogue import all_runs
from lab.runs.identity import canonical_json, config_hash, run_id
from lab.runs.labels import describe_values, row_labels
from lab.runs.replicates import described
from lab.runs.run import data_change
from lab.runs.study import CellRecord

if TYPE_CHECKING:
    from lab.config import Cell, StudyPlan


@dataclass(frozen=True)
class Job:
    """One run to be made: what to do, and where it will lie. `label` says which in words, its seed or fold included.

    `after`: ids of runs of the same study that it is made from.
    """

    id: str
    cell: Cell
    recipe: Recipe
    facts: DataFacts
    label: str
    after: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """The run directory."""
        return home.runs_dir() / self.cell.experiment / self.id


@dataclass(frozen=True)
class Try:
    """One candidate of a row's `choose:`: the dotted keys it changes, and the run that shows how good they are."""

    changes: dict[str, Any]
    job: Job


@dataclass
class PlannedRow:
    """One row of the table: a cell for each replicate, and the tries from which the row chooses (none: no `choose:`).

    `jobs`: one a cell, None where it is not known before the choice.
    """

    label: str
    cells: list[Cell]
    records: list[CellRecord]
    tries: list[Try] = field(default_factory=list)
    jobs: list[Job | None] = field(default_factory=list)


class Planner:
    """Turns cells into jobs. Recipes are imported once; data are looked at once for all seeds of a config."""

    def __init__(self) -> None:
        self._recipes: dict[str, Recipe] = {}
        self._facts: dict[str, DataFacts] = {}
        self._several = False
        self._built_on: set[str] = set()

    def rows(self, plan: StudyPlan) -> list[PlannedRow]:
        """Plan all cells of a study, the candidates of every `choose:` included.

        Raises:
            UserError: a recipe finds something wrong with the files, columns or labels of a cell, or a run that a cell
                is to be made from is not there.
        """
        cells = self._with_runs(plan.cells)
        labels = row_labels(cells)
        rows: dict[str, PlannedRow] = {}
        for cell, label in zip(cells, labels, strict=True):
            record = _record(cell, label)
            row = rows.setdefault(record.key, PlannedRow(label, [], []))
            row.cells.append(cell)
            row.records.append(record)
        self._several = len(rows) > 1  # then a mistake has to say in which row
        for row in rows.values():
            self._plan_row(row)
        return list(rows.values())

    def job(self, cell: Cell, label: str, changes: Mapping[str, Any] | None = None) -> Job:
        """The run of one cell, under changed values where given."""
        words = f"{label}, {describe_values(changes)}" if changes else label
        if changes:
            cell = cell.with_values(changes)
        recipe = self._recipe(cell.experiment)
        facts = self._facts_of(recipe, cell, label)
        id_ = run_id(recipe, cell.config, facts.fingerprint, facts.inputs)
        words = f"{words}, {described(cell.replicate or {'seed': cell.config.seed})}"
        after = tuple(name for _, name in runs_named(cell.values) if name in self._built_on)
        return Job(id_, cell, recipe, facts, words, after)

    def _with_runs(self, cells: Sequence[Cell]) -> list[Cell]:
        """The cells with every `run:REF` in their values as `run:` and a whole id; runs of this study are noted."""
        forget_planned()
        found: list[Cell] = []
        meant: dict[str, str] = {}  # a control means the runs that the row means to which it belongs
        for cell in cells:
            changes = {}
            for key, ref in runs_named(cell.values):
                try:
                    known = meant.get(ref) if cell.control else None
                    changes[key] = meant[ref] = known or self._named_for_good(cell, ref, found)
                except UserError as error:
                    raise UserError(f"{key}: {error}") from error
            found.append(cell.with_values(changes) if changes else cell)
        return found

    def _named_for_good(self, cell: Cell, ref: str, before: Sequence[Cell]) -> str:
        if ref.partition(":")[0] != HERE:
            return named_for_good(ref)
        job = self.job(cell_meant(cell, ref, before), ref)
        self._built_on.add(job.id)
        note_planned(PlannedRun(job.id, job.recipe.name, job.cell.config))
        return named_for_good(job.id)

    def _plan_row(self, row: PlannedRow) -> None:
        first = row.cells[0]
        if first.choices:
            row.tries = [Try(changes, self.job(first, row.label, changes)) for changes in first.candidates()]
            row.jobs = [None] * len(row.cells)
            return
        row.jobs = [self.job(cell, row.label) for cell in row.cells]
        for record, job in zip(row.records, row.jobs, strict=True):
            record.run_id = job.id if job else None

    def _recipe(self, name: str) -> Recipe:
        if name not in self._recipes:
            self._recipes[name] = load_recipe(name)
        return self._recipes[name]

    def _facts_of(self, recipe: Recipe, cell: Cell, label: str) -> DataFacts:
        key = canonical_json({k: v for k, v in cell.values.items() if k not in ("seed", "name", "report", "tracker")})
        if key not in self._facts:
            try:
                self._facts[key] = recipe.plan(cell.config)
            except LabError as error:
                error.args = (f"{label}: {error}",) if self._several else error.args
                raise
            except Exception as error:
                raise LabError(f"{label}: cannot be planned: {type(error).__name__}: {error}") from error
        return self._facts[key]


def _record(cell: Cell, label: str) -> CellRecord:
    record = CellRecord(dict(cell.row), cell.config.seed, cell.experiment, entry=cell.entry, label=label)
    record.replicate, record.control = dict(cell.replicate), bool(cell.control)
    return record


def changed_data(jobs: Iterable[Job]) -> list[str]:
    """A line for each data set that changed since a run of the same config: `612 → 662 documents since run 3fa9`.

    Only runs that are about to be made are looked at.
    """
    new = [job for job in jobs if not (job.path / "run.json").is_file()]
    runs = all_runs() if new else []
    notices: dict[str, str] = {}
    for job in new:
        same = config_hash(job.recipe, job.cell.config)
        older = [run for run in runs if run.info.get("config_hash") == same]
        last = max(older, key=lambda run: run.info.get("started") or "", default=None)
        change = data_change(last.info["data"], job.facts) if last else None
        if last and change:
            notices.setdefault(change, f"{change} since run {last.id[:4]}; a new run is made")
    return list(notices.values())

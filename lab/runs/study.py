"""A study: runs over config values and seeds, and their record in `studies/<name>/study.json`."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from lab.errors import LabError
from lab.runs import home
from lab.runs.files import read_json, write_json
from lab.runs.labels import row_key
from lab.runs.replicates import count, counted, described, noun

if TYPE_CHECKING:
    from lab.runs.run import Run

FILE = "study.json"
FORMAT_VERSION = 1

Status = Literal["planned", "running", "finished", "interrupted", "failed"]


class StudyError(LabError):
    """Some runs of a study failed. The others are done and all is written; `study` is the record of it."""

    def __init__(self, message: str, study: StudyRecord) -> None:
        super().__init__(message)
        self.study = study


@dataclass
class CellRecord:
    """One cell: a row of the study with one seed, on one split.

    `row`: swept dotted keys and values, the replicates' apart; `entry`: the entry of the study it comes from;
    `replicate`: the swept ones of `seed`, `data.split.seed` and `data.split.fold`; `control`: a row that the recipe
    added for comparison.
    `run_id`: None until the row's choice is made, where the study has a `choose:`.
    `chosen`: what the row chose for itself, dotted keys and values; `at_edge`: those of its keys whose chosen value
    is the smallest or largest number tried, so that a better one may lie outside.
    `candidates`: on the cell that tried (the row's first), one mapping a try: `changes`, `run_id`, `status`,
    `error`, and `validation`, its primary validation result `{evaluation, metric, value, higher_is_better}` or None.
    """

    row: dict[str, Any]
    seed: int
    experiment: str
    run_id: str | None = None
    status: Status = "planned"
    error: str | None = None
    entry: int = 0
    label: str = ""
    chosen: dict[str, Any] = field(default_factory=dict)
    at_edge: list[str] = field(default_factory=list)
    candidates: list[dict[str, Any]] = field(default_factory=list)
    replicate: dict[str, Any] = field(default_factory=dict)
    control: bool = False

    @property
    def described(self) -> str:
        """Which of its row's runs it is: `seed 0`, `fold 3`, `seed 0, split 2`."""
        return described(self.replicate or {"seed": self.seed})

    @property
    def key(self) -> str:
        """What the cells of one row share."""
        return row_key(self.entry, self.row)


@dataclass(frozen=True)
class Row:
    """One line of a study's table: a config with its seeds, splits and folds folded.

    `runs`: the finished ones; `planned`: how many there are to be; `failed`: one line for each that failed.
    `chosen`, `at_edge`, `candidates` and `control` as in `CellRecord`. `over`: what the runs are repeats of: `seed`,
    `split`, `fold`, or `run` where several of these vary; `counted`: how many of it there are to be, in words.
    """

    label: str
    row: dict[str, Any]
    experiment: str
    runs: list[Run]
    planned: int
    failed: list[str]
    chosen: dict[str, Any] = field(default_factory=dict)
    at_edge: list[str] = field(default_factory=list)
    candidates: list[dict[str, Any]] = field(default_factory=list)
    control: bool = False
    over: str = "seed"
    counted: str = ""

    @property
    def summary(self) -> str:
        """`3 seeds`, `3 seeds × 5 splits`, or `2 of 3 folds, 1 failed: ValueError: …`."""
        missing = self.planned - len(self.runs) - len(self.failed)
        parts = [f"{len(self.runs)} of {count(self.planned, self.over)}"] if len(self.runs) < self.planned else []
        if self.failed:
            parts.append(f"{len(self.failed)} failed: {'; '.join(dict.fromkeys(self.failed))}")
        if missing:
            parts.append(f"{missing} not finished")
        return ", ".join(parts) or self.counted or count(self.planned, self.over)


@dataclass
class StudyRecord:
    """A study as its folder keeps it: which cells it has, and the run and state of each.

    `warnings`: what its runs together cannot show, in sentences. `trackers`: those that followed its runs in this
    process, for who has more to tell them; they are not kept.
    """

    name: str
    path: Path
    report: dict[str, Any] = field(default_factory=dict)
    cells: list[CellRecord] = field(default_factory=list)
    config: str | None = None
    warnings: list[str] = field(default_factory=list)
    trackers: list[str] = field(default_factory=list)

    def rows(self) -> list[Row]:
        """One `Row` for each config, its seeds, splits and folds folded, with the runs that are finished now."""
        grouped: dict[str, list[CellRecord]] = {}
        for cell in self.cells:
            grouped.setdefault(cell.key, []).append(cell)
        return [self._row(cells) for cells in grouped.values()]

    def runs(self) -> list[Run]:
        """All finished runs, in the order of the study; a run that two cells share comes once."""
        runs = {run.id: run for row in self.rows() for run in row.runs}
        return list(runs.values())

    def run_path(self, experiment: str, run_id: str) -> Path:
        """Folder of one of the runs, beside the studies this one stands among."""
        beside = self.path.absolute().parent.parent / "runs"
        return (beside if beside.is_dir() else home.runs_dir()) / experiment / run_id

    def refresh(self) -> None:
        """Bring the state of every cell up to what its run says now, whichever process did it."""
        for cell in self.cells:
            if cell.run_id is not None:
                run = self._load(cell)
                if run is not None:
                    cell.status, cell.error = cast(Status, run.status), run.error
                elif cell.status != "failed":  # a run can fail before it has a folder; else it was deleted
                    cell.status = "planned"

    def save(self) -> Path:
        """Write `study.json` into the study's folder, whole or not at all."""
        kept = {"name": self.name, "config": self.config, "report": self.report, "warnings": self.warnings}
        cells = [vars(cell) for cell in self.cells]
        write_json(self.path / FILE, {"format_version": FORMAT_VERSION, **kept, "cells": cells})
        return self.path / FILE

    @classmethod
    def load(cls, path: str | Path) -> StudyRecord:
        """Read a study's folder or its `study.json`; raises `UserError` where a newer `lab` wrote it."""
        path = Path(path)
        folder = path.parent if path.name == FILE else path
        stored = read_json(folder / FILE)
        known = {f.name for f in fields(CellRecord)}
        cells = [CellRecord(**{k: v for k, v in cell.items() if k in known}) for cell in stored["cells"]]
        record = cls(stored["name"], folder, stored.get("report", {}), cells, stored.get("config"))
        record.warnings = stored.get("warnings", [])
        record.refresh()
        return record

    def _row(self, cells: list[CellRecord]) -> Row:
        first = cells[0]
        runs = [run for run in map(self._load, cells) if run is not None and run.status == "finished"]
        replicates = [cell.replicate or {"seed": cell.seed} for cell in cells]
        return Row(
            label=first.label or first.experiment,
            row=first.row,
            experiment=first.experiment,
            runs=runs,
            planned=len(cells),
            failed=[cell.error or "unknown error" for cell in cells if cell.status == "failed"],
            chosen=first.chosen,
            at_edge=first.at_edge,
            candidates=first.candidates,
            control=first.control,
            over=noun(replicates),
            counted=counted(replicates),
        )

    def _load(self, cell: CellRecord) -> Run | None:
        from lab.runs.run import Run

        if cell.run_id is None:
            return None
        path = self.run_path(cell.experiment, cell.run_id)
        return Run(path) if (path / "run.json").is_file() else None

    def __repr__(self) -> str:
        rows = self.rows()
        lines = [f"  {row.label}: {row.summary}" for row in rows]
        return "\n".join([f"Study {self.name}, {count(len(rows), 'row')}", *lines])

    def _repr_html_(self) -> str:
        from html import escape

        cells = [(row.label, row.summary, ", ".join(run.id[:4] for run in row.runs)) for row in self.rows()]
        body = "".join("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in cells)
        head = "<tr><th>row</th><th>repeats</th><th>runs</th></tr>"
        return f"<b>Study {escape(self.name)}</b><table>{head}{body}</table>"

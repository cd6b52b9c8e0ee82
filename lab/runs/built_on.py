"""Runs that build on other runs: config values `run:REF`, which the planner turns into `run:` and a whole id.

So the config that a run keeps says for good which run it was made from, whatever `last` or a study mean later, and
that run's id, which stands for all that decides its numbers, is part of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.errors import UserError
from lab.runs import home
from lab.runs.refs import conditions, flatten, having, load_run

if TYPE_CHECKING:
    from lab.config import Cell
    from lab.config.base import ExperimentConfig
    from lab.runs.run import Run

PREFIX = "run:"
HERE = "this"
"""`run:this:key=value,…`: the run of an earlier entry of the same study."""
_BESIDE = ("name", "report", "tracker")


@dataclass(frozen=True)
class PlannedRun:
    """A run that this process is about to make: known by its config before it has a folder."""

    id: str
    experiment: str
    config: ExperimentConfig


_PLANNED: dict[str, PlannedRun] = {}


def note_planned(run: PlannedRun) -> None:
    """Let `find_run` find a run that is not made yet."""
    _PLANNED[run.id] = run


def forget_planned() -> None:
    """Another study is planned now: what the last one was to make is made, or will not be."""
    _PLANNED.clear()


def find_run(ref: str) -> Run | PlannedRun:
    """The finished run that `ref` means (see `load_run`), or one that is planned.

    Raises `UserError` where there is none, and where it is not finished and not going to be made here.
    """
    try:
        run = load_run(ref)
    except UserError:
        if ref in _PLANNED:
            return _PLANNED[ref]
        raise
    if run.status != "finished":
        if run.id in _PLANNED:
            return _PLANNED[run.id]
        raise UserError(f"run {run.id} is {run.status}; another can build on it once it is finished")
    return run


def runs_named(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The dotted keys of a config's values that name a run, each with what stands behind `run:`."""
    for key, value in flatten(values).items():
        if isinstance(value, str) and value.startswith(PREFIX) and key.partition(".")[0] not in _BESIDE:
            yield key, value.removeprefix(PREFIX).strip()


def named_for_good(ref: str) -> str:
    """`run:` and the whole id of the finished run that `ref` means; its path where it lies elsewhere."""
    run = find_run(ref)
    if isinstance(run, PlannedRun) or run.path == (home.runs_dir() / run.experiment / run.id).absolute():
        return f"{PREFIX}{run.id}"
    return f"{PREFIX}{run.path}"


def cell_meant(cell: Cell, ref: str, cells: Sequence[Cell]) -> Cell:
    """The cell of an earlier entry of the study that `this:key=value,…` means.

    Raises `UserError` where none or several have these values, and where its row has yet to choose some of its own.
    """
    asked = conditions(ref, ref.partition(":")[2], HERE)
    found = [other for other in cells if other.entry < cell.entry and not other.control]
    if not found:
        raise UserError(f"{ref!r}: no entry of this study stands before this one")
    for key, value in asked:
        found = having("this study", found, _swept, lambda other: flatten(other.values), key, value)
    if len(found) > 1:
        raise UserError(f"{ref!r} means {len(found)} runs of this study; add conditions, such as seed=${{seed}}")
    if found[0].choices:
        chosen = ", ".join(found[0].choices)
        raise UserError(f"{ref!r}: that row is yet to choose its {chosen}; give it one value, or make it a study apart")
    return found[0]


def _swept(cell: Cell) -> dict[str, Any]:
    return {**cell.row, **cell.replicate, "seed": cell.config.seed, "experiment": cell.experiment}

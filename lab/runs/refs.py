"""Finding a run by what a person types: a path, the start of an id, `last`, or `study:key=value,…`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lab.errors import LabError, UserError, nearest
from lab.runs.catalogue import all_runs, all_studies
from lab.runs.home import runs_dir, studies_dir
from lab.runs.labels import describe_values
from lab.runs.run import Run

if TYPE_CHECKING:
    from lab.runs.study import CellRecord, StudyRecord

_SHOWN = 8
Cell = TypeVar("Cell")


def load_run(ref: str | Path) -> Run:
    """The run that `ref` means.

    `ref`: the path of a run directory or of a file in it; the start of a run's id, as long as no other has it; `last`,
    the run started last, controls of its study left out; or `study:key=value,…`, a study's run with those
    values (a key may be shortened to an ending no other key has, `model.window` to `window`; `seed` is a key too).

    Raises:
        UserError: it means no run (the nearest are listed) or several (they are listed).
    """
    text = str(ref).strip()
    if folder := _run_folder(text):
        return Run(folder)
    if text == "last":
        runs = all_runs()
        if not runs:
            raise UserError(f"there is no last run: no runs in {runs_dir()}")
        beside = _controls_beside(runs[0])
        return next((run for run in runs if run.id not in beside), runs[0])
    if ":" in text:
        return _in_study(text)
    return _by_id(text)


def load_study(ref: str | Path) -> StudyRecord:
    """The study that `ref` means: its path, its name, or `last`, the one changed last.

    Raises:
        UserError: there is no such study; the nearest are listed.
    """
    from lab.runs.study import StudyRecord

    text = str(ref).strip()
    if text == "last":
        studies = all_studies()
        if not studies:
            raise UserError(f"there is no last study: no studies in {studies_dir()}")
        return studies[0]
    for folder in (Path(text), studies_dir() / text):
        found = folder.parent if folder.name == "study.json" else folder
        if text and _is_file(found / "study.json"):
            return StudyRecord.load(found)
    raise _miss(f"no study {text!r}", [study.name for study in all_studies()], text, "studies", studies_dir())


def _controls_beside(run: Run) -> set[str | None]:
    """Ids of the controls of the study that a run was made for: nobody who says `last` means these."""
    with suppress(LabError):  # a study that has gone or cannot be read
        study = load_study(run.info.get("study") or "")
        return {cell.run_id for cell in study.cells if cell.control}
    return set()


def _run_folder(text: str) -> Path | None:
    path = Path(text)
    folders = [path, path.parent, path.parent.parent] if text and _exists(path) else []
    return next((folder for folder in folders if _is_file(folder / "run.json")), None)


def _by_id(text: str) -> Run:
    runs = all_runs()
    found = [run for run in runs if run.id.startswith(text.lower())] if text else []
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(f"{len(found)} runs start with {text!r}: {_listed([_described(run) for run in found])}")
    studies = [] if re.fullmatch("[0-9a-f]{4,12}", text.lower()) else [study.name for study in all_studies()]
    if text in studies:
        raise UserError(f"{text!r} is a study; name one of its runs: {text}:key=value,…")
    raise _miss(f"no run {text!r}", [run.id for run in runs], text, "runs", runs_dir())


def _in_study(text: str) -> Run:
    name, _, rest = text.partition(":")
    study = load_study(name)
    cells = study.cells
    for key, value in conditions(text, rest, name):
        cells = having(f"study {study.name}", cells, _own_values, partial(_config_of, study), key, value)
    found = {cell.run_id or "": cell for cell in cells}
    if len(found) > 1:
        listed = _listed([f"{cell.run_id or 'not started'} ({_values_of(cell)})" for cell in cells])
        raise UserError(f"{text!r} means {len(found)} runs: {listed}")
    if not found:
        raise UserError(f"study {study.name} has no runs yet")
    cell = next(iter(found.values()))
    path = study.run_path(cell.experiment, cell.run_id or "")
    if cell.run_id is None or not _is_file(path / "run.json"):
        raise UserError(f"{text!r}: this run is {cell.status}{f': {cell.error}' if cell.error else ''}")
    return Run(path)


def conditions(text: str, rest: str, name: str) -> list[tuple[str, str]]:
    """The keys and values of `rest`, `key=value,…`; `text`: all that was typed. Raises `UserError` for another form."""
    found = []
    for condition in re.split(r",(?=\s*[\w.-]+\s*=)", rest) if rest.strip() else []:
        key, equals, value = (part.strip() for part in condition.partition("="))
        if not equals:
            raise UserError(f"{text!r}: expected {name}:key=value,…, not {condition!r}")
        found.append((key, value))
    return found


def having(
    study: str,
    cells: Sequence[Cell],
    own: Callable[[Cell], Mapping[str, Any]],
    config: Callable[[Cell], Mapping[str, Any]],
    key: str,
    value: str,
) -> list[Cell]:
    """Those of the cells that have a value; the key is one of the study's own, else any of their configs.

    `own`: a cell's swept dotted keys and values; `config`: all of its config's. Raises `UserError` with the nearest
    where no cell has the key, or the value.
    """
    values = [own(cell) for cell in cells]
    full = _full_key(key, values)
    if full is None:
        configs = [config(cell) for cell in cells]
        full = _full_key(key, configs)
        if full is None:
            alike = nearest(key, _all_keys([*values, *configs])) or _all_keys(values)
            raise UserError(f"{study} has no key {key!r}; nearest: {_listed(alike)}")
        values = configs
    found = [cell for cell, known in zip(cells, values, strict=True) if full in known and _same(known[full], value)]
    if not found:
        there = dict.fromkeys(str(known[full]) for known in values if full in known)
        alike = nearest(value, list(there)) or list(there)
        raise UserError(f"{study} has no run with {full}={value}; nearest: {_listed(alike)}")
    return found


def _own_values(cell: CellRecord) -> dict[str, Any]:
    return {**cell.row, **cell.chosen, **cell.replicate, "seed": cell.seed, "experiment": cell.experiment}


def _full_key(key: str, values: Sequence[Mapping[str, Any]]) -> str | None:
    """The dotted key that is `key` or the only one that ends in it. Raises `UserError` where several do."""
    keys = _all_keys(values)
    found = [key] if key in keys else [name for name in keys if name.endswith(f".{key}")]
    if len(found) > 1:
        raise UserError(f"{key!r} may mean {_listed(found)}")
    return found[0] if found else None


def _all_keys(values: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for known in values for name in known))


def _config_of(study: StudyRecord, cell: CellRecord) -> dict[str, Any]:
    path = study.run_path(cell.experiment, cell.run_id or "")
    return flatten(Run(path).config) if cell.run_id and _is_file(path / "run.json") else {}


def flatten(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested mappings as one with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= flatten(value, f"{before}{key}.") if isinstance(value, Mapping) else {f"{before}{key}": value}
    return flat


def _same(value: Any, text: str) -> bool:
    """Whether a typed text means a value: as the tables show it, as Python writes it, or the same number."""
    if text in (str(value), describe_values({"": value}).removeprefix("=")):
        return True
    try:
        return not isinstance(value, bool) and float(text) == value
    except ValueError:
        return False


def _values_of(cell: CellRecord) -> str:
    return describe_values({**cell.row, **cell.chosen, **cell.replicate, "seed": cell.seed})


def _described(run: Run) -> str:
    return f"{run.id} ({run.experiment}, seed {run.seed}, {run.status})"


def _miss(what: str, names: list[str], text: str, kind: str, where: Path) -> UserError:
    if not names:
        return UserError(f"{what}: there are no {kind} in {where}")
    alike = nearest(text, names)
    return UserError(f"{what}; {'nearest' if alike else 'there are'}: {_listed(alike or names)}")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name too long, or with a NUL in it, is no path
        return False


def _is_file(path: Path) -> bool:
    return _exists(path) and path.is_file()

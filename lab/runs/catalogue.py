"""All runs and studies under `home()`, and what `lab clean` would delete of them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import LabError
from lab.runs.files import clearly, is_temporary, leftovers, remove
from lab.runs.home import runs_dir, studies_dir
from lab.runs.locks import is_locked, lock_file, run_lock
from lab.runs.run import Run

if TYPE_CHECKING:
    from lab.runs.study import StudyRecord

_ABANDONED = 3600  # seconds: an unfinished file that nobody has written to for so long has lost its writer
_UNFINISHED = "left unfinished by a killed process"


@dataclass(frozen=True)
class Removal:
    """Something `lab clean` would delete: why, and how many bytes that frees."""

    path: Path
    reason: str
    bytes: int


def all_runs() -> list[Run]:
    """Every run, the latest start first. Of each only run.json is read; what is no readable run is passed over."""
    runs = []
    for path in _run_folders():
        try:
            runs.append(Run(path))
        except LabError:
            continue
    return sorted(runs, key=lambda run: run.info["started"], reverse=True)


def all_studies() -> list[StudyRecord]:
    """Every study, the latest changed first. Raises `LabError` for one that is damaged or from a newer `lab`."""
    from lab.runs.study import StudyRecord

    files = sorted(studies_dir().glob("**/study.json"), key=lambda file: file.stat().st_mtime, reverse=True)
    return [StudyRecord.load(file) for file in files]


def plan_clean() -> list[Removal]:
    """What can go: orphans, and runs that no study references. Nothing is deleted, nothing in use is named.

    Raises:
        LabError: a study cannot be read, so that what it references is not known.
    """
    return orphans() + _unreferenced()


def orphans() -> list[Removal]:
    """What killed processes left: unfinished files and folders, run folders without run.json, locks of no run."""
    found = []
    for path in (path for experiment in _folders(runs_dir()) for path in sorted(experiment.iterdir())):
        if is_temporary(path):
            found.append(_removal(path, "deleted only in part"))
        elif path.name.endswith(".lock"):
            run = path.with_name(path.name[1:].removesuffix(".lock"))
            if not run.exists() and not is_locked(run):
                found.append(_removal(path, "the lock of no run"))
        elif path.is_dir() and not is_locked(path):
            if not (path / "run.json").exists():
                found.append(_removal(path, "a run that was killed before it began"))
            found += [_removal(left, _UNFINISHED) for left in leftovers(path)]
    return found + [_removal(path, _UNFINISHED) for path in leftovers(studies_dir()) if _is_abandoned(path)]


def delete(plan: Iterable[Removal]) -> int:
    """Delete what `plan_clean` named and still names; returns how much of it. A run in use by now is left alone."""
    still = {removal.path for removal in plan_clean()}
    deleted = 0
    for removal in plan:
        path = removal.path
        if path not in still:
            continue
        run = path.with_name(path.name[1:].removesuffix(".lock")) if path.name.endswith(".lock") else path
        if run.parent.parent == runs_dir() and not is_temporary(run):
            deleted += _delete_run(run)
        else:
            with clearly(path):
                remove(path)
            deleted += 1
    return deleted


def _delete_run(path: Path) -> bool:
    from filelock import Timeout

    lock = run_lock(path)
    try:
        with clearly(path), lock.acquire(timeout=0):
            if path.exists():
                remove(path)
            lock_file(path).unlink(missing_ok=True)
            return True
    except Timeout:
        return False


def _unreferenced() -> list[Removal]:
    referenced = set()
    for cell in (cell for study in all_studies() for cell in study.cells):
        referenced |= {cell.run_id, *(candidate["run_id"] for candidate in cell.candidates)}
    runs = all_runs()
    referenced = _with_bases(referenced, runs)
    free = [run for run in runs if run.id not in referenced and not is_locked(run.path)]
    return [_removal(run.path, f"{run.status}, and no study references it") for run in free]


def _with_bases(ids: set[str | None], runs: Sequence[Run]) -> set[str | None]:
    """The ids of some runs and of those that these were made from."""
    by_id, new = {run.id: run for run in runs}, ids
    while new := {base for id_ in new if id_ in by_id for base in _bases(by_id[id_])} - ids:
        ids = ids | new
    return ids


def _bases(run: Run) -> set[str | None]:
    from lab.runs.built_on import runs_named

    try:
        return {id_ for _, id_ in runs_named(run.config)}
    except (LabError, OSError):  # killed before it had a config, or damaged
        return set()


def _run_folders() -> list[Path]:
    return [path for experiment in _folders(runs_dir()) for path in _folders(experiment) if not is_temporary(path)]


def _folders(path: Path) -> list[Path]:
    return sorted(child for child in path.iterdir() if child.is_dir()) if path.is_dir() else []


def _removal(path: Path, reason: str) -> Removal:
    files = [file for file in [path, *path.rglob("*")] if file.is_file()]
    return Removal(path, reason, sum(file.lstat().st_size for file in files))


def _is_abandoned(path: Path) -> bool:
    return time.time() - path.stat().st_mtime > _ABANDONED

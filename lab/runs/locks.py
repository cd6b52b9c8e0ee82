"""The lock of a run: whoever writes a run directory holds it, and the kernel frees it when its owner dies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import LabError

if TYPE_CHECKING:
    from filelock import BaseFileLock


class RunBusy(LabError):  # noqa: N818 - not a mistake of anybody's
    """Another process is at work on this run."""


def run_lock(path: Path) -> BaseFileLock:
    """The lock of a run directory, not yet acquired."""
    from filelock import FileLock

    return FileLock(lock_file(path), thread_local=False)


def lock_file(path: Path) -> Path:
    """Where the lock of a run directory lies: beside it, so that the directory can be replaced under the lock."""
    return path.parent / f".{path.name}.lock"


def is_locked(path: Path) -> bool:
    """Whether a living process holds the lock of a run directory."""
    from filelock import Timeout

    if not lock_file(path).exists():
        return False
    try:
        with run_lock(path).acquire(timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # a folder that nobody may write to: nobody writes in it
        return False

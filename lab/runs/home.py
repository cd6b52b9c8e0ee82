"""Where runs and studies lie (the cache: `lab.cache`)."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from lab.cache import cache_dir as cache_dir
from lab.errors import UserError


def home() -> Path:
    """The folder that holds `runs/` and `studies/`: `LAB_HOME`, or the current one."""
    return Path(os.environ.get("LAB_HOME") or Path.cwd())


def runs_dir() -> Path:
    """Where run directories lie, `<experiment>/<id>` each."""
    return home() / "runs"


def studies_dir() -> Path:
    """Where studies lie, `<name>/study.json` each."""
    return home() / "studies"


def make_home() -> None:
    """Make the folder of the runs. Raises `UserError` where it cannot be made or written to."""
    folder = runs_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{folder}: runs cannot be written ({reason}); set LAB_HOME to another folder") from error

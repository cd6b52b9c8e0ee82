"""Where runs and studies lie (the cache: `lab.cache`)."""

from __future__ import annotations

import os
from pathlib import Path

from lab.cache import cache_dir as cache_dir


def home() -> Path:
    """The folder that holds `runs/` and `studies/`: `LAB_HOME`, or the current one."""
    return Path(os.environ.get("LAB_HOME") or Path.cwd())


def runs_dir() -> Path:
    """Where run directories lie, `<experiment>/<id>` each."""
    return home() / "runs"


def studies_dir() -> Path:
    """Where studies lie, `<name>/study.json` each."""
    return home() / "studies"

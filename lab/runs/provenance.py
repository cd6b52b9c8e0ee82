"""Where a run's numbers come from: versions, machine, commit, time."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import lab
from lab.runs.threads import allowed_cores

DECISIVE = ("torch", "numpy", "gensim")
"""A run goes on from its checkpoint only under the same versions of these."""

_RECORDED = (*DECISIVE, "scipy", "scikit-learn", "pandas", "pyarrow", "transformers", "datasets", "umap-learn", "numba")


@lru_cache
def packages() -> dict[str, str]:
    """Versions of lab, python and the libraries that can change a number; what is not installed is left out."""
    found = {"lab": lab.__version__, "python": platform.python_version()}
    for name in _RECORDED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def host() -> dict[str, Any]:
    """The machine: name, system, machine type, processor and the cores this process may use."""
    return {
        "name": platform.node(),
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": allowed_cores(),
    }


@lru_cache
def git_commit() -> str | None:
    """The commit of `lab`'s own repository, with `+changes` where its source differs; None for an installed package."""
    root = Path(lab.__file__).parents[1]
    if not (root / ".git").exists():  # a package inside somebody else's repository is not at that one's commit
        return None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return commit + "+changes" if _git(root, "status", "--porcelain", "--", "lab", "experiments") else commit
    except (OSError, subprocess.SubprocessError):
        return None


def now() -> str:
    """The time as ISO 8601 in UTC, to the millisecond, so that runs sort by it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout.strip()


@lru_cache
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()

"""The other runs of a config: same experiment, same settings, same data, another seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lab.runs.run import Run

_BESIDE = ("seed", "name", "report")


def another_seed(run: Run) -> Run | None:
    """The finished run that differs from `run` in nothing but its seed; of several that with the smallest seed.

    Looked for among all runs; of most only run.json is read.
    """
    from lab.runs.catalogue import all_runs

    found = [other for other in all_runs() if _may_be(run, other) and _settings(other) == _settings(run)]
    return min(found, key=lambda other: other.seed, default=None)


def _may_be(run: Run, other: Run) -> bool:
    same = ("experiment", "recipe_version")
    return (
        other.id != run.id
        and other.seed != run.seed
        and all(other.info.get(key) == run.info.get(key) for key in same)
        and other.info.get("data", {}).get("fingerprint") == run.info.get("data", {}).get("fingerprint")
        and other.status == "finished"
    )


def _settings(run: Run) -> Mapping[str, Any]:
    return {key: value for key, value in run.config.items() if key not in _BESIDE}

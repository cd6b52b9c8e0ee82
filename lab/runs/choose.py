"""`choose:` — each row of a study chooses some of its values for itself, by validation data only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.runs.files import read_json

VALIDATION = "validation"


@dataclass(frozen=True)
class Choice:
    """The try that won, and those of its keys that stand at the edge of the numbers tried."""

    index: int
    at_edge: list[str]


def validation_result(run: Path) -> dict[str, Any]:
    """The result by which a finished run is chosen: its primary one with split `validation`.

    Returns `{evaluation, metric, value, higher_is_better, test_fingerprint}`. Nothing else of the results is looked
    at, so a choice cannot see the test data.

    Raises:
        LabError: the run has no such result, or several.
    """
    results = read_json(run / "results.json").get("results", [])
    found = [result for result in results if result.get("split") == VALIDATION and result.get("primary")]
    if len(found) != 1:
        raise LabError(
            f"run {run.name[:4]} has {len(found)} primary results with split 'validation'; `choose` needs exactly one "
            "(does the config hold validation data out?)"
        )
    kept = {key: found[0][key] for key in ("evaluation", "metric", "value", "higher_is_better")}
    return {**kept, "test_fingerprint": found[0].get("test_fingerprint")}


def choose(tries: Sequence[Mapping[str, Any]], results: Sequence[Mapping[str, Any] | None]) -> Choice:
    """The best of some tries.

    `tries`: the dotted keys and values each one changed. `results`: for each its `validation_result`, or None where
    its run failed. A value that is not a number never wins; of equal ones the first does.

    Raises:
        LabError: no try has a number to show, or they were not measured on the same thing (a loss over other windows,
            say), so that the smallest number says nothing.
    """
    valid = [(i, r) for i, r in enumerate(results) if r is not None and _is_number(r["value"])]
    if not valid:
        raise LabError(f"nothing to choose from: none of {len(tries)} tries has a validation result")
    if len({(r["evaluation"], r["metric"], r.get("test_fingerprint")) for _, r in valid}) > 1:
        keys = ", ".join(sorted({key for i, _ in valid for key in tries[i]}))
        raise LabError(f"`choose` cannot rank the values of {keys}: each changes what the validation result measures")
    sign = 1 if valid[0][1]["higher_is_better"] else -1
    best = max(valid, key=lambda pair: (sign * pair[1]["value"], -pair[0]))[0]
    return Choice(best, [key for key in tries[best] if _at_edge(tries[best][key], [t[key] for t in tries])])


def _at_edge(value: Any, tried: Sequence[Any]) -> bool:
    """Whether a number is the smallest or the largest of at least two that were tried."""
    if any(isinstance(v, bool) or not isinstance(v, Real) for v in tried):
        return False
    return len(set(tried)) > 1 and value in (min(tried), max(tried))


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and math.isfinite(float(value))

"""Which trackers there are and which are wanted: the entry points of the group `lab.trackers`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from lab.errors import UserError, nearest
from lab.trackers.tracker import Tracker

GROUP = "lab.trackers"
VARIABLE = "LAB_TRACKER"
NONE = "none"

MakeTracker = Callable[[], Tracker]


@cache
def trackers() -> dict[str, EntryPoint]:
    """Every installed tracker by name, none imported."""
    return {point.name: point for point in entry_points(group=GROUP)}


def known(names: str | Sequence[str] | None) -> str | Sequence[str] | None:
    """The same names, checked; raises `ValueError` for a name that no tracker has."""
    for name in _listed(names):
        if name != NONE and name not in trackers():
            expected = [*sorted(trackers()), NONE]
            alike = nearest(name, expected, 1)
            cure = f"; did you mean {alike[0]}?" if alike else ""
            raise ValueError(f"expected {', '.join(expected)} or a list of them{cure}")
    return names


def wanted(*given: str | Sequence[str] | None) -> list[str]:
    """The trackers to use: those of the first config that says, else of `LAB_TRACKER` (names with commas), else none.

    Raises `UserError` where the variable names one that does not exist.
    """
    names = next((names for names in given if names is not None), None)
    if names is None:
        names = [name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip()]
        try:
            known(names)
        except ValueError as error:
            raise UserError(f"{VARIABLE} is {os.environ[VARIABLE]!r}; {error}") from None
    return [name for name in dict.fromkeys(_listed(names)) if name != NONE]


def load_trackers(names: Sequence[str]) -> dict[str, MakeTracker]:
    """What makes a tracker of each name. Raises `UserError` where one cannot be imported or lacks a library."""
    found = {}
    for name in names:
        point = trackers()[name]
        try:
            make = point.load()
        except Exception as error:
            why = " ".join(f"{type(error).__name__}: {error}".split())
            raise UserError(f"tracker {name!r} ({point.value}) cannot be imported: {why}") from error
        make()
        found[name] = make
    return found


def _listed(names: str | Sequence[str] | None) -> list[str]:
    return [names] if isinstance(names, str) else list(names or [])

"""`sweep:` and `choose:`: which values which keys take, read from a config and from the command line."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.config.keys import Keys
from lab.config.places import COMMAND_LINE, KeyPath, Origin, Tree, mistake, quoted
from lab.config.resolve import Override

MOST_CELLS = 10_000
REPLICATES = ("data.split.seed", "data.split.fold", "seed")
"""Keys that repeat a row rather than make another: who is trained on, and what is random. The last varies fastest."""


@dataclass(frozen=True)
class Value:
    """One value of one key, and where it was written."""

    key: str
    value: Any
    origin: Origin


Grid = dict[str, list[Value]]
"""Axes by dotted key; the cells are all their combinations."""


def read_sweep(tree: Tree, keys: Keys) -> list[Grid]:
    """The grids of a config: one for `sweep: {key: [values]}`, one an item for a list of cells, none without.

    In a list of cells a value that is a list is an axis too, so that `{model.window: 3, seed: [0, 1]}` is two cells.
    Raises `ConfigError` for keys that do not exist, for axes that are no list, empty or repeat a value.
    """
    given = tree.values.get("sweep")
    origin = _as(tree.origin(("sweep",)), "sweep")
    if given is None or given == {}:
        return []
    if isinstance(given, dict):
        return [_grid(tree, ("sweep",), given, keys, strict=True)]
    if not isinstance(given, list) or not given:
        what = "an empty list" if given == [] else quoted(given)
        raise mistake(origin, f"{what} is no sweep; expected keys with lists of values, such as {{seed: [0, 1, 2]}}")
    for number, cell in enumerate(given):
        if not isinstance(cell, dict) or not cell:
            place = _as(tree.origin(("sweep", number)), "sweep")
            raise mistake(place, f"item {number + 1} is {quoted(cell)}; expected a cell such as {{seed: 0}}")
    return [_grid(tree, ("sweep", number), cell, keys, strict=False) for number, cell in enumerate(given)]


def read_choose(tree: Tree, keys: Keys, grids: Sequence[Grid]) -> Grid:
    """The candidates of each key that `choose:` leaves to validation data (empty without). Raises `ConfigError`."""
    given = tree.values.get("choose")
    if given is None:
        return {}
    if not isinstance(given, dict):
        place = _as(tree.origin(("choose",)), "choose")
        raise mistake(place, f"{quoted(given)} is no choice; expected keys with lists of values")
    chosen = _grid(tree, ("choose",), given, keys, strict=True)
    for key, values in chosen.items():
        if key in REPLICATES:
            what = "seed" if key.endswith("seed") else "fold"
            raise mistake(values[0].origin, f"a {what} is never chosen, that would be picking the luckiest; use sweep")
        if any(key in grid for grid in grids):
            raise mistake(values[0].origin, f"{key} is swept as well; expected it in one of sweep and choose")
    return chosen


def override_axes(
    grids: list[Grid], choose: Grid, overrides: Sequence[Override], keys: Keys
) -> tuple[list[Grid], Grid]:
    """What is left of the axes after the command line.

    `sweep.key=[…]` and `choose.key=[…]` set an axis; `key=value` fixes a swept key, and one that was to be chosen.
    """
    grids, choose = [dict(grid) for grid in grids], dict(choose)
    for override in overrides:
        key = override.key
        if override.target == "":
            for grid in grids:
                if key in grid:
                    grid[key] = [Value(key, override.value, COMMAND_LINE)]
            choose.pop(key, None)
            continue
        tree = Tree({override.target: {key: override.value}}, {(): COMMAND_LINE})
        axis = _grid(tree, (override.target,), {key: override.value}, keys, strict=True)
        if override.target == "choose":
            choose |= axis
        else:
            grids = [grid | axis for grid in grids] or [axis]
    return grids, choose


def combinations(grids: Sequence[Grid]) -> Iterator[list[Value]]:
    """The swept values of every cell, replicates innermost, so that the cells of a row follow one another.

    Without a sweep there is one cell that changes nothing. Raises `ConfigError` beyond `MOST_CELLS`.
    """
    count = sum(math.prod(len(axis) for axis in grid.values()) for grid in grids)
    if count > MOST_CELLS:
        origin = next(value.origin for grid in grids for axis in grid.values() for value in axis)
        raise mistake(origin, f"{count:,} cells; expected at most {MOST_CELLS:,}")
    for grid in grids or [{}]:
        axes = sorted(grid.values(), key=lambda axis: _place(axis[0].key))
        for cell in itertools.product(*axes):
            yield list(cell)


def swept_keys(grids: Sequence[Grid]) -> list[str]:
    """Every swept key but the replicates', in the order of the config."""
    return list(dict.fromkeys(key for grid in grids for key in grid if key not in REPLICATES))


def _place(key: str) -> int:
    return REPLICATES.index(key) if key in REPLICATES else -1


def describe(values: Sequence[Value]) -> str:
    """`model.window=3, seed=0`: a cell in a message."""
    return ", ".join(f"{v.key}={v.value if isinstance(v.value, str) else json.dumps(v.value)}" for v in values)


def _grid(tree: Tree, path: KeyPath, given: Mapping[str, Any], keys: Keys, *, strict: bool) -> Grid:
    kind = str(path[0])
    grid: Grid = {}
    for key, values in given.items():
        place = _as(tree.origin((*path, key)), kind)
        _check_key(key, values, keys, place, kind)
        if not isinstance(values, list):
            if strict:
                raise mistake(
                    place, f"{key} is {quoted(values)}; expected a list of values, such as {_example(key, values)}"
                )
            grid[key] = [Value(key, values, place)]
            continue
        if not values:
            raise mistake(place, f"{key} has no values; expected a list of at least one")
        axis = [Value(key, v, _as(tree.origin((*path, key, n)), kind)) for n, v in enumerate(values)]
        _check_distinct(axis)
        grid[key] = axis
    for key, inner in itertools.permutations(grid, 2):
        if inner.startswith(f"{key}."):
            raise mistake(grid[inner][0].origin, f"{inner} lies within {key}, which stands there too; keep one of them")
    return grid


def _check_key(key: str, values: Any, keys: Keys, place: Origin, kind: str) -> None:
    path = key.split(".")
    if keys.find(path) is None:
        raise mistake(place, keys.unknown(path))
    if key == "experiment":
        raise mistake(place, "experiment cannot vary here; list one entry an experiment under `study`")
    if not keys.counts(path):
        raise mistake(place, f"{key} changes no number; expected a key of the experiment")
    if isinstance(values, dict) and values:
        inner = next(iter(values))
        raise mistake(place, f"{key} is a mapping; expected dotted keys with lists, such as {key}.{inner}: [ … ]")


def _check_distinct(axis: Sequence[Value]) -> None:
    seen: dict[str, Value] = {}
    for value in axis:
        if seen.setdefault(json.dumps(value.value, sort_keys=True), value) is not value:
            raise mistake(value.origin, f"{value.key} has {quoted(value.value)} twice; expected each value once")


def _as(origin: Origin | None, kind: str) -> Origin:
    origin = origin or COMMAND_LINE
    if origin.kind == "command line":
        return origin
    return Origin(origin.file, origin.line, "choose" if kind == "choose" else "sweep")


def _example(key: str, value: Any) -> str:
    if key == "seed":
        return "[0, 1, 2]"
    return f"[{value if isinstance(value, str) else json.dumps(value)}, …]"

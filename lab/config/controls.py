"""Control rows: what every study of a recipe shows for comparison, unless `controls: false`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lab.config.cells import Cell, cells_of
from lab.config.experiments import load_recipe
from lab.config.places import COMMAND_LINE, Origin, Tree, mistake, quoted
from lab.config.resolve import Override
from lab.config.sweep import REPLICATES

KEY = "controls"


def wanted(tree: Tree, otherwise: bool = True) -> bool:
    """What `controls:` says in a config or study file. Raises `ConfigError` where it is neither true nor false."""
    given = tree.values.get(KEY, otherwise)
    if not isinstance(given, bool):
        raise mistake(tree.origin((KEY,)), f"controls is {quoted(given)}; expected true or false (rows for comparison)")
    return given


def from_command_line(tree: Tree, overrides: Sequence[Override]) -> tuple[Tree, list[Override]]:
    """A config with `controls=…` of the command line in it, and the other overrides."""
    for override in overrides:
        if override.key == KEY and not override.target:
            tree = tree.with_value((KEY,), override.value, COMMAND_LINE)
    return tree, [override for override in overrides if override.key != KEY]


def control_cells(asked: Sequence[Cell], beside: Sequence[Cell]) -> list[Cell]:
    """The cells that the recipes of `asked` add: one a control, data setting and replicate.

    Those that the study has anyway (`beside`) are left out. A control's `row` holds the swept keys of the data, its
    entries are numbered on from those of the study. Raises `ConfigError` where a recipe gives a config that is wrong.
    """
    known = {_text(cell.experiment, cell.values) for cell in beside}
    first = max((cell.entry for cell in beside), default=-1) + 1
    entries: dict[str, int] = {}
    found: dict[str, Cell] = {}
    for cell, label, config in _given(asked):
        (made,), _ = cells_of(_tree(cell.experiment, config), 0, ())
        text = _text(made.experiment, made.values)
        if text in known:
            continue
        known.add(text)
        row = {key: value for key, value in cell.row.items() if key.startswith("data.")}
        one = _text(label, _without_replicates(made.values))
        entry = entries.setdefault(one, first + len(entries))
        found[text] = replace(made, row=row, entry=entry, replicate=cell.replicate, control=label)
    return sorted(found.values(), key=lambda cell: cell.entry)  # so that the cells of a row follow one another


def _given(asked: Sequence[Cell]) -> Iterator[tuple[Cell, str, Mapping[str, Any]]]:
    """Each control once, with the first cell it belongs to."""
    seen: set[str] = set()
    for cell in asked:
        make = load_recipe(cell.experiment).controls
        for label, config in make(cell.config) if make else ():
            text = _text(label, config)
            if text not in seen:
                seen.add(text)
                yield cell, label, config


def _tree(experiment: str, config: Mapping[str, Any]) -> Tree:
    return Tree(json.loads(json.dumps(dict(config))), {(): Origin(f"a control of {experiment}", None, "default")})


def _without_replicates(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in values.items():
        if f"{above}{key}" in REPLICATES:
            continue
        if isinstance(value, Mapping):
            kept[key] = _without_replicates(value, f"{above}{key}.")
        else:  # each replicate may be made from the run of its own seed: `run:this:seed=0`
            named = isinstance(value, str) and value.startswith("run:")
            kept[key] = re.sub(r"[:,][\w.]*\b(seed|fold)=[^,]*", "", value) if named else value
    return kept


def _text(label: str, values: Mapping[str, Any]) -> str:
    counted = {key: value for key, value in values.items() if key not in ("name", "report", "tracker")}
    return json.dumps([label, counted], sort_keys=True, default=str)

"""One config becomes cells: its sweep expanded, the command line applied, every cell checked."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any

from lab.config.base import ExperimentConfig
from lab.config.experiments import load_recipe, recipes, unknown_experiment
from lab.config.keys import keys_of
from lab.config.places import COMMAND_LINE, DEFAULT, KeyPath, Origin, Tree, did_you_mean, mistake, value_at
from lab.config.resolve import Override
from lab.config.sweep import (
    REPLICATES,
    Grid,
    Value,
    combinations,
    describe,
    override_axes,
    read_choose,
    read_sweep,
    swept_keys,
)
from lab.config.validate import validate

FILE_KEYS = ("extends", "sweep", "choose", "study", "controls")
"""Keys of a config file that no experiment's class has."""


@dataclass(frozen=True)
class Cell:
    """One run to be: a validated config and its place in the study.

    `values`: `config` as JSON types. `row`: swept dotted keys → value, the replicates' apart: what a table shows.
    `entry`: which entry of the study, from 0. `choices`: the candidates of each key that `choose:` names.
    `replicate`: the swept ones of `seed`, `data.split.seed` and `data.split.fold`, which cells of one row differ in.
    `control`: the name of a row that a recipe added for comparison, "" for one that the config asks for.
    """

    experiment: str
    config: ExperimentConfig
    values: dict[str, Any]
    row: dict[str, Any]
    entry: int
    choices: dict[str, list[Any]]
    tree: Tree = field(repr=False, compare=False)
    choose: Grid = field(repr=False, compare=False)
    replicate: dict[str, Any] = field(default_factory=dict)
    control: str = ""

    @property
    def origins(self) -> dict[str, Origin]:
        """Where each value came from, by dotted key."""
        return dict(_origins(self.values, self.tree, ()))

    def with_values(self, changes: Mapping[str, Any]) -> Cell:
        """The same cell with dotted keys set, checked again; its row stays. Raises `ConfigError`."""
        return self._with([self._choice(key, value) for key, value in changes.items()])

    def candidates(self) -> list[dict[str, Any]]:
        """Every combination of what `choose:` leaves open, as changes for `with_values`; `[{}]` without one."""
        axes = [[(key, value) for value in values] for key, values in self.choices.items()]
        return [dict(combination) for combination in itertools.product(*axes)]

    def _choice(self, key: str, value: Any) -> Value:
        listed = [choice for choice in self.choose.get(key, []) if choice.value == value]
        return listed[0] if listed else Value(key, value, Origin("chosen", None, "choose"))

    def _with(self, changes: Sequence[Value]) -> Cell:
        tree = _changed(self.tree, changes)
        config = validate(tree, type(self.config), more_keys=FILE_KEYS, cell=describe(changes))
        return replace(self, config=config, values=config.model_dump(mode="json"), tree=tree)


def cells_of(tree: Tree, entry: int, overrides: Sequence[Override]) -> tuple[list[Cell], list[Override]]:
    """The checked cells of one config, and the overrides whose key its experiment does not have."""
    for override in overrides:
        if override.path == ("experiment",):
            tree = tree.with_value(("experiment",), override.value, COMMAND_LINE)
    experiment = _experiment(tree)
    model = load_recipe(experiment).config
    keys = keys_of(model)
    mine = [override for override in overrides if keys.find(override.path) is not None]
    grids = read_sweep(tree, keys)
    grids, choose = override_axes(grids, read_choose(tree, keys, grids), mine, keys)
    base = tree.without("sweep", "choose", "controls")
    for override in mine:
        if not override.target:
            base = base.with_value(override.path, override.value, COMMAND_LINE)
    fixed = {override.key for override in mine}.intersection(*grids) if grids else set()
    cells: dict[str, Cell] = {}
    for swept in combinations(grids):
        config = validate(_changed(base, swept), model, more_keys=FILE_KEYS, cell=describe(swept))
        values = config.model_dump(mode="json")
        row = {key: value_at(values, key.split(".")) for key in swept_keys(grids)}
        choices = {key: [choice.value for choice in axis] for key, axis in choose.items()}
        repeated = {key: value_at(values, key.split(".")) for key in _replicates(grids)}
        cell = Cell(experiment, config, values, row, entry, choices, _changed(base, swept), choose, repeated)
        identity = json.dumps(values, sort_keys=True)
        if identity in cells and not fixed:
            raise mistake(swept[0].origin, f"two cells are the same: {describe(swept)}; expected each once")
        cells.setdefault(identity, cell)
    _check_candidates(cells.values())
    return list(cells.values()), [override for override in overrides if override not in mine]


def _replicates(grids: Sequence[Grid]) -> list[str]:
    return [key for key in REPLICATES if any(key in grid for grid in grids)]


def _check_candidates(cells: Iterable[Cell]) -> None:
    """Check what `choose:` may come to, once a row."""
    rows = {json.dumps(cell.row, sort_keys=True): cell for cell in reversed(list(cells))}
    for cell in rows.values():
        for changes in cell.candidates():
            cell.with_values(changes)


def _experiment(tree: Tree) -> str:
    if "experiment" not in tree.values:
        for key in tree.values:
            if near := get_close_matches(key, ["experiment", "extends", "study"], n=1, cutoff=0.75):
                raise mistake(tree.origin((key,)), f"unknown key {key}{did_you_mean(near)}")
        raise mistake(tree.origin(), f"experiment is missing; expected one of {', '.join(sorted(recipes()))}")
    name = tree.values["experiment"]
    if not isinstance(name, str) or name not in recipes():
        raise mistake(tree.origin(("experiment",)), unknown_experiment(name))
    return name


def _changed(tree: Tree, changes: Sequence[Value]) -> Tree:
    for change in changes:
        tree = tree.with_value(change.key.split("."), change.value, change.origin)
    return tree


def _origins(values: Mapping[str, Any], tree: Tree, above: KeyPath) -> Iterator[tuple[str, Origin]]:
    missing = object()
    for key, value in values.items():
        path = (*above, key)
        if isinstance(value, dict) and value:
            yield from _origins(value, tree, path)
        else:
            written = value_at(tree.values, path, missing) is not missing
            yield ".".join(map(str, path)), (tree.origin(path) or DEFAULT) if written else DEFAULT

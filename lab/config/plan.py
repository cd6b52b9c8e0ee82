"""`load`: a config file or study, every cell of it expanded and checked before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.config.base import ReportConfig, StudyConfig
from lab.config.cells import FILE_KEYS, Cell, cells_of
from lab.config.controls import control_cells, from_command_line, wanted
from lab.config.keys import Keys, keys_of
from lab.config.places import COMMAND_LINE, Origin, Tree, did_you_mean, mistake, quoted, value_at
from lab.config.resolve import Override, extended, find_config, parse_override, read_chain
from lab.config.validate import validate
from lab.errors import nearest
from lab.trackers.installed import wanted as wanted_trackers

_STUDY_KEYS = ("name", "report", "tracker", "study", "extends", "controls")
_ENTRY_KEYS = ("config", "sweep", "choose")


@dataclass(frozen=True)
class StudyPlan:
    """What `load` returns. `origins` are those of the first cell; `is_study`: sweep, choose or study was given.

    `trackers`: who else is to be told of the runs, by name; what the study says goes before what its entries say.

    The cells of a study end with the controls that its recipes add (see `lab.config.controls`).
    """

    name: str
    file: Path | None
    cells: list[Cell]
    report: ReportConfig
    is_study: bool
    trackers: list[str]

    @property
    def origins(self) -> dict[str, Origin]:
        """Where each value of the first cell came from, by dotted key."""
        return self.cells[0].origins


def load(source: str | Path | Mapping[str, Any], overrides: Sequence[str] = ()) -> StudyPlan:
    """Read a config or study, apply `key=value` overrides, expand its sweeps, and check every cell.

    `source`: a path, the name of a shipped config, or a mapping of the same shape. Every candidate of `choose:` is
    checked too. Imports nothing heavier than the config classes of the experiments used. Raises `ConfigError`: one
    line with file, line, key, what was expected and the nearest valid name.
    """
    changes = [parse_override(text) for text in overrides]
    if isinstance(source, Mapping):
        file, folder = None, Path()
        tree = extended(_given(source), folder)
    else:
        file = find_config(str(source), Path())
        folder = file.parent
        tree = read_chain(file)
    tree, changes = from_command_line(tree, changes)
    if "study" in tree.values:
        return _load_study(tree, file, folder, changes)
    cells, unused = cells_of(tree, 0, changes)
    if unused:
        raise mistake(COMMAND_LINE, keys_of(type(cells[0].config)).unknown(unused[0].path))
    config = cells[0].config
    is_study = any(tree.values.get(key) for key in ("sweep", "choose")) or any(o.target for o in changes)
    if wanted(tree) and is_study:
        cells += control_cells(cells, cells)
    name = config.name or _name_of(file, config.experiment)
    return StudyPlan(name, file, cells, config.report, is_study, wanted_trackers(config.tracker))


def _load_study(tree: Tree, file: Path | None, folder: Path, overrides: Sequence[Override]) -> StudyPlan:
    for key in tree.values:
        if key not in _STUDY_KEYS:
            near = did_you_mean(nearest(key, _STUDY_KEYS, 1)) or "; put it into the config of an entry"
            raise mistake(
                tree.origin((key,)), f"{key} cannot stand beside `study`; expected name, report or tracker{near}"
            )
    head, controls = tree.without("study", "controls"), wanted(tree)
    for override in overrides:
        if override.path == ("experiment",):
            raise mistake(COMMAND_LINE, "experiment cannot be set for a study; its entries say which they run")
        if _is_head(override):
            head = head.with_value(override.path, override.value, COMMAND_LINE)
    config = validate(head, StudyConfig, more_keys=FILE_KEYS)
    left = [override for override in overrides if not _is_head(override)]
    cells: list[Cell] = []
    compared: list[Cell] = []
    unused = list(left)
    for number, entry in enumerate(_entries(tree, folder)):
        found, not_here = cells_of(entry, number, left)
        cells += found
        compared += found if wanted(entry, controls) else []
        unused = [override for override in unused if override in not_here]
    if unused:
        experiments = {cell.experiment: keys_of(type(cell.config)) for cell in cells}
        _no_entry_has(unused[0], experiments)
    cells += control_cells(compared, cells)
    trackers = wanted_trackers(config.tracker, *(cell.config.tracker for cell in cells))
    return StudyPlan(config.name or _name_of(file, "study"), file, cells, config.report, True, trackers)


def _is_head(override: Override) -> bool:
    return not override.target and override.path[0] in ("name", "report", "tracker")


def _no_entry_has(override: Override, experiments: Mapping[str, Keys]) -> None:
    for keys in experiments.values():
        if "did you mean" in (text := keys.unknown(override.path)):
            raise mistake(COMMAND_LINE, text)
    raise mistake(COMMAND_LINE, text if len(experiments) == 1 else f"unknown key {override.key} in every entry")


def _entries(tree: Tree, folder: Path) -> Iterator[Tree]:
    """The configs of a study's entries, each with the entry's own `sweep` and `choose` in it."""
    given = tree.values["study"]
    if not isinstance(given, list) or not given:
        what = "an empty list" if given == [] else quoted(given)
        raise mistake(tree.origin(("study",)), f"study is {what}; expected a list of entries, each with a `config:`")
    for number, entry in enumerate(given):
        place = tree.origin(("study", number))
        if not isinstance(entry, dict):
            cure = f"; did you mean {{config: {entry}}}?" if isinstance(entry, str) else ""
            raise mistake(
                place, f"study: entry {number + 1} is {quoted(entry)}; expected a mapping with `config:`{cure}"
            )
        for key in entry:
            if key not in _ENTRY_KEYS:
                near = did_you_mean(nearest(key, _ENTRY_KEYS, 1)) or "; put it into the entry's config"
                where = tree.origin(("study", number, key))
                raise mistake(where, f"study: unknown key {key}; expected config, sweep or choose{near}")
        if "config" not in entry:
            raise mistake(place, f"study: entry {number + 1} has no `config:`; expected the name or path of a config")
        config = _entry_config(tree, number, folder)
        if "study" in config.values:
            raise mistake(place, f"study: {entry['config']} is a study itself; list its entries here instead")
        own = tree.below("study", number)
        for key in ("sweep", "choose"):
            if key in entry:
                below = {path: o for path, o in own.origins.items() if path[:1] == (key,)}
                rest = config.without(key)
                config = Tree(rest.values | {key: entry[key]}, rest.origins | below)
        yield config


def _entry_config(tree: Tree, number: int, folder: Path) -> Tree:
    path = ("study", number, "config")
    given = value_at(tree.values, path)
    if isinstance(given, dict):
        inline = tree.below(*path)
        return extended(inline, folder)
    if not isinstance(given, str) or not given:
        text = f"study: config is {quoted(given)}; expected the name or path of a config, or a mapping"
        raise mistake(tree.origin(path), text)
    return read_chain(find_config(given, folder, tree.origin(path)))


def _given(source: Mapping[str, Any]) -> Tree:
    """A mapping of Python values as a tree."""
    place = Origin("the given config", None, "file")
    return Tree(_plain(dict(source), "", place), {(): place})


def _plain(value: Any, key: str, place: Origin) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v, f"{key}.{k}".lstrip("."), place) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, key, place) for item in value]
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, str | int | float):
        return value
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        return value.item()
    raise mistake(place, f"{key} is a {type(value).__name__}; expected text, a number, a boolean, a list or a mapping")


def _name_of(file: Path | None, otherwise: str) -> str:
    return file.stem.replace(":", "-") if file else otherwise

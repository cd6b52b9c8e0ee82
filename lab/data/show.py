"""`lab show SOURCE`: the data check of labelled data and of pairs. Imports nothing heavy until a source is shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from lab.data.sources import table_kind

if TYPE_CHECKING:
    from lab.config.base import Section

PACKAGED = ("digits", "mnist-5k", "wikipedia-topics")
PAIRS = ("wikipedia-links", "wikipedia-search")
_Config = TypeVar("_Config", bound="Section")


def is_source(target: str) -> bool:
    """Whether a name is that of data: packaged, `hf:NAME`, a table, or a folder not of a run or weights."""
    if target in (*PACKAGED, *PAIRS) or target.startswith("hf:"):
        return True
    path = Path(target).expanduser()
    if path.is_file():
        return table_kind(path) is not None or _ratings(path)
    return path.is_dir() and not any((path / name).is_file() for name in ("run.json", "study.json", "config.json"))


def shown_source(target: str, overrides: Sequence[str]) -> str:
    """The data check of a source as text; overrides such as `data.label=kind`. Raises `UserError` as reading does."""
    if holds_pairs(target, overrides):
        from lab.data.interactions.check import shown_source as shown
    else:
        from lab.data.labelled.check import shown_source as shown
    return shown(target, overrides)


def holds_pairs(target: str, overrides: Sequence[str]) -> bool:
    """Whether a source is one of pairs (user and item), not of labelled items.

    Packaged pairs and MovieLens layouts are; so is whatever is shown with `data.user=…` or `data.item=…`, and a table
    with a column of the usual names for both sides and none of those for a label. Raises `UserError` for a table that
    cannot be read.
    """
    path = Path(target).expanduser()
    given = [override.removeprefix("data.") for override in overrides]
    if target in PAIRS or any(text.startswith(("user=", "item=")) for text in given):
        return True
    if target in PACKAGED or target.startswith("hf:"):
        return False
    if path.is_dir():
        from lab.data.interactions.movielens import ratings_file

        return ratings_file(path) is not None
    if _ratings(path):
        return True
    from lab.data.interactions.tables import ITEMS, USERS, columns_of
    from lab.data.labelled.tables import LABELS

    encoding = next((text.partition("=")[2] for text in given if text.startswith("encoding=")), "utf-8")
    columns = {name.lower() for name in columns_of(path, encoding)}
    return bool(columns.intersection(USERS) and columns.intersection(ITEMS)) and not columns.intersection(LABELS)


def _ratings(path: Path) -> bool:
    return path.suffix == ".inter" or path.name in ("ratings.dat", "u.data")


def data_config(source: str, overrides: Sequence[str], model: type[_Config]) -> _Config:
    """A config with one section `data` for a source, with overrides such as `data.label=kind` or `label=kind`.

    Raises `UserError` for a key that the section does not have.
    """
    from lab.config.places import COMMAND_LINE, Tree
    from lab.config.resolve import parse_override
    from lab.config.validate import validate

    tree = Tree({"data": {"source": source}}, {("data", "source"): COMMAND_LINE})
    for override in map(parse_override, overrides):
        path = override.path if override.path[0] == "data" else ("data", *override.path)
        tree = tree.with_value(path, override.value, COMMAND_LINE)
    return validate(tree, model)

"""Values that know where they came from: what every message about a config is made of."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lab.errors import ConfigError

KeyPath = tuple[str | int, ...]
"""Where a value stands: `("train", "epochs")`, or with a number for an item of a list."""


@dataclass(frozen=True)
class Origin:
    """Where a value was written. `line` counts from 1; it is None where there is no file."""

    file: str
    line: int | None
    kind: Literal["file", "command line", "default", "sweep", "choose"]

    @property
    def place(self) -> str:
        """`study.yaml:7`, or the name of what is no file."""
        return self.file if self.line is None else f"{self.file}:{self.line}"

    def __str__(self) -> str:
        return f"{self.kind}, {self.place}" if self.kind in ("sweep", "choose") else self.place


DEFAULT = Origin("default", None, "default")
COMMAND_LINE = Origin("command line", None, "command line")


@dataclass(frozen=True)
class Tree:
    """Nested values (JSON types) and the origin of each mapping entry and list item by its path; never changed."""

    values: dict[str, Any]
    origins: dict[KeyPath, Origin]

    def origin(self, path: Sequence[str | int] = ()) -> Origin | None:
        """The origin of a value, or of the nearest thing around it that has one."""
        for length in range(len(path), -1, -1):
            if found := self.origins.get(tuple(path[:length])):
                return found
        return None

    def without(self, *keys: str) -> Tree:
        """The same without some top-level keys."""
        values = {key: value for key, value in self.values.items() if key not in keys}
        return Tree(values, {path: o for path, o in self.origins.items() if not path or path[0] not in keys})

    def below(self, *path: str | int) -> Tree:
        """The mapping at a path as a tree of its own."""
        inner: Any = self.values
        for part in path:
            inner = inner[part]
        return Tree(inner, {p[len(path) :]: o for p, o in self.origins.items() if p[: len(path)] == path})

    def with_value(self, path: Sequence[str], value: Any, origin: Origin) -> Tree:
        """The same with one value set; mappings on the way are made, and what stood there is replaced whole."""
        values = inner = dict(self.values)
        place = tuple(path)
        origins = {p: o for p, o in self.origins.items() if p[: len(place)] != place}
        for depth, part in enumerate(path[:-1], start=1):
            if not isinstance(inner.get(part), dict):
                inner[part] = {}
                origins[place[:depth]] = origin
            inner[part] = inner = dict(inner[part])
        inner[path[-1]] = value
        return Tree(values, origins | {place: origin})


def merge(base: Tree, top: Tree) -> Tree:
    """`top` laid over `base`: mappings are merged key by key, anything else (lists too) is replaced."""
    origins = dict(base.origins)
    values = _merge(base.values, top.values, (), origins)
    return Tree(values, origins | top.origins)


def _merge(base: dict[str, Any], top: dict[str, Any], path: KeyPath, origins: dict[KeyPath, Origin]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in top.items():
        here = (*path, key)
        if isinstance(value, dict) and isinstance(base.get(key), dict) and here not in _REPLACED_WHOLE:
            merged[key] = _merge(base[key], value, here, origins)
        else:
            merged[key] = value
            for below in [p for p in origins if p[: len(here)] == here]:
                del origins[below]
    return merged


_REPLACED_WHOLE = {("sweep",), ("choose",)}  # else a config could never drop an axis of the one it extends


def value_at(values: Any, path: Iterable[str | int], default: Any = None) -> Any:
    """The value at a path of nested mappings and lists, or `default`."""
    for part in path:
        if not isinstance(values, dict | list):
            return default
        try:
            values = values[part]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            return default
    return values


def dotted(path: Iterable[str | int]) -> str:
    """`("report", "words", 1)` → `report.words[1]`, items counted from 0."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def display(path: Path) -> str:
    """A file's name for a person: relative below the current folder, else absolute."""
    try:
        relative = os.path.relpath(path)
    except ValueError:  # another drive
        return str(path)
    return os.path.abspath(path) if relative.startswith(os.pardir) else relative


def quoted(value: Any) -> str:
    """A value as it reads in a message: short, on one line, in YAML's words."""
    if value is None:
        return "empty (null)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else f"{value[:59]}…")
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def one_line(text: str) -> str:
    """The same text with whatever would break the line made visible."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def mistake(origin: Origin | None, text: str) -> ConfigError:
    """The error to raise: `study.yaml:7: TEXT`, always one line."""
    prefix = f"{origin.place}: " if origin else ""
    if origin and origin.kind in ("sweep", "choose"):
        prefix += f"{origin.kind}: "
    return ConfigError(one_line(prefix + text))


def either(choices: Iterable[str], word: str = "or") -> str:
    """`a`, `a or b`, `a, b or c`."""
    *first, last = choices
    return f"{', '.join(first)} {word} {last}" if first else last


def did_you_mean(names: Sequence[str]) -> str:
    """`; did you mean a or b?`, or nothing where no name is alike."""
    return f"; did you mean {either(names)}?" if names else ""

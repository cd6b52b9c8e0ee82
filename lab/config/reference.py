"""The configuration reference: every key of every experiment, from the same classes that check a config."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from lab.config.experiments import load_recipe, recipes
from lab.config.keys import Keys, Node, keys_of


def reference() -> str:
    """A page of Markdown: a section an experiment, a table of keys with what each expects, its default and its use.

    Keys that all experiments have in common stand once, on top. Raises `UserError` for a recipe that cannot be
    imported.
    """
    found = {name: load_recipe(name) for name in sorted(recipes())}
    lines = {name: _lines(keys_of(recipe.config)) for name, recipe in found.items()}
    shared = [line for line in next(iter(lines.values())) if all(line in own for own in lines.values())]
    parts = [_INTRODUCTION, "## Every experiment", _table(shared)]
    for name, recipe in found.items():
        parts += [f"## `{name}`", f"{recipe.summary[:1].upper()}{recipe.summary[1:]}."]
        parts.append(_table([line for line in lines[name] if line not in shared]))
    return "\n\n".join(parts) + "\n"


_INTRODUCTION = """# Configuration

Every key of every experiment, as the installed version knows them. A file names its `experiment`, may start from
another with `extends`, and gives only what differs from the defaults. `lab show CONFIG` prints a config with the place
each value comes from; `lab show --schema` writes the same as JSON Schema, for completion in an editor.

Beside these, any file may have `sweep:` (a grid of values, a run each), `choose:` (values that each row tries on
validation data), and `controls: false` (a study without the rows that recipes add for comparison). Keys in *italics*
change no number and so are no part of a run's id."""


def _table(lines: Sequence[str]) -> str:
    return "\n".join(["| key | value | default | what it is |", "| --- | --- | --- | --- |", *lines])


def _lines(keys: Keys) -> list[str]:
    """A line of the table for each key that has a value of its own; `[]` behind a list whose items have keys."""
    lines = []
    for path in keys.all():
        node = keys.find(path) or {}
        section = keys.children(node) and "default" not in node and not node.get("description")
        if path == ("experiment",) or section:
            continue
        name = f"`{'.'.join(path)}`"
        lines.append(_line(name if keys.counts(path) else f"*{name}*", keys, node))
        items = keys.find((*path, 0))
        for key, child in (keys.children(items) if items else {}).items():
            lines.append(_line(f"`{'.'.join(path)}[].{key}`", keys, child))
    return lines


def _line(name: str, keys: Keys, node: Node) -> str:
    cells = [name, _values(keys, node), _default(node), str(node.get("description", ""))]
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def _values(keys: Keys, node: Node) -> str:
    choices = [choice for branch in keys.branches(node) for choice in branch.get("enum", [])]
    return ", ".join(f"`{choice}`" for choice in choices) if choices else keys.phrase(node)


def _default(node: Node) -> str:
    if "default" not in node:
        return ""
    return f"`{_as_yaml(node['default'])}`"


def _as_yaml(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)

"""The schema stage: pydantic checks the values, and its complaints become one line with file, line, key and cure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from lab.config.interpolate import interpolate
from lab.config.keys import Keys, keys_of
from lab.config.places import KeyPath, Tree, did_you_mean, dotted, mistake, quoted, value_at
from lab.config.yaml_reader import scalar
from lab.errors import ConfigError, nearest

Model = TypeVar("Model", bound=BaseModel)
_PHRASED = {  # rules that `Keys.expected` puts into words
    *("int_type", "float_type", "bool_type", "string_type", "list_type", "model_type", "dict_type", "none_required"),
    *("greater_than", "greater_than_equal", "less_than", "less_than_equal", "literal_error", "too_short"),
    *("string_pattern_mismatch",),
}
_YES_AND_NO = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


def validate(tree: Tree, model: type[Model], *, more_keys: Sequence[str] = (), cell: str = "") -> Model:
    """Check one resolved config and return it as `model`.

    Types are strict: text is no number, 1 is no boolean. `more_keys` are keys of the file that the class does not
    have, named where one is misspelt. `cell` describes the swept values, for rules between keys.
    Raises `ConfigError` with the first mistake and how many more there are.
    """
    tree = interpolate(tree, model)
    try:
        return model.model_validate_json(json.dumps(tree.values), strict=True)
    except ValidationError as error:
        raise _explained(error, tree, keys_of(model), more_keys, cell) from error


@dataclass(frozen=True)
class _Problem:
    path: KeyPath
    kind: str
    text: str


def _explained(error: ValidationError, tree: Tree, keys: Keys, more_keys: Sequence[str], cell: str) -> ConfigError:
    problems: dict[KeyPath, _Problem] = {}
    for detail in error.errors(include_url=False):
        path = _path(detail["loc"], tree.values, detail["type"])
        problems.setdefault(path, _Problem(path, detail["type"], _custom_text(detail)))
    # of the alternatives that a value may be, the one that went furthest was meant
    kept = [p for p in problems.values() if not any(q[: len(p.path)] == p.path != q for q in problems)]
    first = min(kept, key=lambda problem: (problem.kind != "extra_forbidden", _line(tree, problem.path)))
    more = f" (and {len(kept) - 1} more mistake{'s' * (len(kept) > 2)})" if len(kept) > 1 else ""
    return mistake(tree.origin(first.path), _sentence(first, tree, keys, more_keys, cell) + more)


def _path(location: Sequence[int | str], values: Any, kind: str) -> KeyPath:
    """Pydantic's location without the names of union members that it puts in between."""
    path: KeyPath = ()
    for number, part in enumerate(location):
        here = value_at(values, path)
        known = part in here if isinstance(here, dict) else isinstance(here, list) and isinstance(part, int)
        if known or (kind == "missing" and number == len(location) - 1):
            path = (*path, part)
    return path


def _line(tree: Tree, path: KeyPath) -> int:
    origin = tree.origin(path)
    return origin.line or 0 if origin else 0


def _custom_text(detail: Any) -> str:
    """The words of a rule that the config class itself raised, or pydantic's own."""
    reason = detail.get("ctx", {}).get("error")
    return str(reason) if reason is not None else detail["msg"]


def _sentence(problem: _Problem, tree: Tree, keys: Keys, more_keys: Sequence[str], cell: str) -> str:
    path, name = problem.path, dotted(problem.path)
    value = value_at(tree.values, path)
    if problem.kind == "extra_forbidden":
        return keys.unknown([str(part) for part in path], more_keys)
    if problem.kind == "missing":
        return f"{name} is missing; expected {keys.expected(path)}"
    if problem.kind in ("value_error", "assertion_error"):
        where = f" (in the cell {cell})" if cell else ""
        said = f"{name} is {quoted(value)}; {problem.text}" if name and not isinstance(value, dict) else problem.text
        return f"{said}{where}" if not name or name in said else f"{name}: {said}{where}"
    return f"{name} is {quoted(value)}; expected {_expected(problem, keys)}{_near_value(value, path, keys)}"


def _expected(problem: _Problem, keys: Keys) -> str:
    expected = keys.expected(problem.path)
    if problem.kind == "finite_number":
        return f"{expected}, and finite"
    if problem.kind in _PHRASED and expected != "another value":
        return expected
    return problem.text.removeprefix("Input should be ").removeprefix("Input should ")


def _near_value(value: Any, path: KeyPath, keys: Keys) -> str:
    """The nearest valid value, where one can be guessed."""
    choices = [choice for choice in keys.choices(path) if isinstance(choice, str)]
    expected = keys.phrase(keys.find(path) or {})
    if isinstance(value, str) and choices:
        folded = {choice.lower().replace("-", "").replace("_", ""): choice for choice in choices}
        alike = nearest(value.lower().replace("-", "").replace("_", ""), list(folded), 1)
        return did_you_mean([repr(folded[name]) for name in alike])
    if isinstance(value, str) and "true or false" in expected and value.lower() in _YES_AND_NO:
        return did_you_mean([_YES_AND_NO[value.lower()]])
    if isinstance(value, float) and value.is_integer() and "whole number" in expected:
        return did_you_mean([str(int(value))])
    names = [part for part in path if isinstance(part, str)]
    if isinstance(value, list) and value and len(names) == len(path) and keys.counts(names):
        return f"; for a run with each, sweep it: sweep.{dotted(path)}=[…], or under `sweep:` in the file"
    item_of_list = bool(path) and isinstance(path[-1], int)
    if expected.startswith("text") and (isinstance(value, int | float) or (value is None and item_of_list)):
        return f"; put it in quotes: '{json.dumps(value)}'"
    if value is None and expected.startswith("a mapping"):
        return "; give it a key or remove the line"
    if "a list" in expected and not isinstance(value, list | dict) and value is not None:
        return did_you_mean([f"[{value if isinstance(value, str) else json.dumps(value)}]"])
    number = scalar(value) if isinstance(value, str) else None
    if isinstance(number, int | float) and not isinstance(number, bool) and "number" in expected:
        return f"; remove the quotes: {number}"
    return ""

"""The part of JSON Schema draft 7 that our schema uses, after the specification: an editor in forty lines."""

from __future__ import annotations

import re
from typing import Any

TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "number": (int, float),
    "integer": int,
}
ANNOTATIONS = {"$schema", "$comment", "title", "description", "default", "definitions", "synonyms"}


def mistakes(value: Any, schema: dict[str, Any], root: dict[str, Any] | None = None, at: str = "") -> list[str]:
    """Where and why a value does not fit a schema; empty where it does."""
    root = schema if root is None else root
    found: list[str] = []
    for word, rule in schema.items():
        if word not in ANNOTATIONS:
            found += RULES[word](value, rule, schema, root, at)
    return found


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, TYPES[name]) or (name == "integer" and isinstance(value, float) and value.is_integer())


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _reference(value, rule, schema, root, at):
    return mistakes(value, root["definitions"][rule.removeprefix("#/definitions/")], root, at)


def _properties(value, rule, schema, root, at):
    inside = value if isinstance(value, dict) else {}
    return [m for key, node in rule.items() if key in inside for m in mistakes(inside[key], node, root, f"{at}.{key}")]


def _patterns(value, rule, schema, root, at):
    keys = [(key, node) for pattern, node in rule.items() for key in value if re.search(pattern, key)]
    return [m for key, node in keys for m in mistakes(value[key], node, root, f"{at}.{key}")]


def _additional(value, rule, schema, root, at):
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    more = [key for key in value if key not in known and not any(re.search(p, key) for p in patterns)]
    if rule is False:
        return [f"{at}.{key}: unknown" for key in more]
    return [m for key in more if isinstance(rule, dict) for m in mistakes(value[key], rule, root, f"{at}.{key}")]


def _any(value, rule, schema, root, at):
    branches = [mistakes(value, node, root, at) for node in rule]
    return [] if any(branch == [] for branch in branches) else [f"{at}: {branches}"]


def _check(holds, applies=lambda value: True):
    return lambda value, rule, schema, root, at: (
        [f"{at}: not {rule}"] if applies(value) and not holds(value, rule) else []
    )


RULES = {
    "$ref": _reference,
    "properties": _properties,
    "patternProperties": lambda value, *rest: _patterns(value, *rest) if isinstance(value, dict) else [],
    "additionalProperties": lambda value, *rest: _additional(value, *rest) if isinstance(value, dict) else [],
    "anyOf": _any,
    "items": lambda value, rule, schema, root, at: (
        [m for n, item in enumerate(value) for m in mistakes(item, rule, root, f"{at}[{n}]")]
        if isinstance(value, list)
        else []
    ),
    "type": _check(lambda value, rule: any(_is(value, name) for name in ([rule] if isinstance(rule, str) else rule))),
    "enum": _check(lambda value, rule: value in rule),
    "const": _check(lambda value, rule: value == rule),
    "pattern": _check(lambda value, rule: re.search(rule, value), lambda value: isinstance(value, str)),
    "minimum": _check(lambda value, rule: value >= rule, _number),
    "maximum": _check(lambda value, rule: value <= rule, _number),
    "exclusiveMinimum": _check(lambda value, rule: value > rule, _number),
    "exclusiveMaximum": _check(lambda value, rule: value < rule, _number),
    "minItems": _check(lambda value, rule: len(value) >= rule, lambda value: isinstance(value, list)),
    "maxItems": _check(lambda value, rule: len(value) <= rule, lambda value: isinstance(value, list)),
    "required": _check(lambda value, rule: set(rule) <= set(value), lambda value: isinstance(value, dict)),
}

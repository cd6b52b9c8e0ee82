"""JSON Schema of config files, for editors: completion, descriptions and checks while typing."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from lab.config.base import StudyConfig
from lab.config.experiments import load_recipe, recipes
from lab.config.keys import Keys
from lab.errors import LabError

Node = dict[str, Any]
_REFERENCE = r"\$\{"


def json_schema(experiments: Sequence[str] | None = None) -> Node:
    """One schema for any config file: a study, or a config of one of the `experiments` (default: all installed).

    Nothing is required, since `extends` may bring it, and a `${reference}` may stand for any scalar. A recipe that
    cannot be imported is left out and named in `$comment`.
    """
    definitions: dict[str, Node] = {}
    forms, left_out = [], []
    for name in sorted(recipes()) if experiments is None else experiments:
        try:
            model = load_recipe(name).config
        except LabError as error:
            left_out.append(str(error))
            continue
        definitions |= _experiment(name, model.model_json_schema())
        forms.append(name)
    definitions |= _study(forms)
    schema: Node = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A config of lab",
        "anyOf": [_reference(name) for name in [*forms, "study"]],
        "definitions": definitions,
    }
    return schema | ({"$comment": f"left out: {'; '.join(left_out)}"} if left_out else {})


def _reference(name: str) -> Node:
    return {"$ref": f"#/definitions/{name}"}


def _experiment(name: str, schema: Node) -> dict[str, Node]:
    """The definitions of one experiment: its config file, its sections, and what may be swept or chosen."""
    keys = Keys(copy.deepcopy(schema))
    sections = schema.pop("$defs", {})
    definitions = {f"{name}.{section}": _loose(node, name) for section, node in sections.items()}
    file = _loose(schema, name)
    file["properties"] |= {
        "extends": _EXTENDS,
        "sweep": _reference(f"{name}.sweep"),
        "choose": _reference(f"{name}.choose"),
    }
    paths = [path for path in keys.all() if keys.counts(path) and path != ("experiment",)]
    values = {".".join(path): _loose(_inlined(keys.find(path) or {}), name) for path in paths}
    free = [
        path
        for path in paths
        if any(
            "additionalProperties" in b and b["additionalProperties"] is not False
            for b in keys.branches(keys.find(path) or {})
        )
    ]
    return {name: file} | definitions | _axes(name, values, [".".join(path) for path in free])


def _axes(name: str, values: dict[str, Node], free: Sequence[str]) -> dict[str, Node]:
    listed = {key: {"type": "array", "minItems": 1, "items": node} for key, node in values.items()}
    single = {key: {"anyOf": [node, listed[key]]} for key, node in values.items()}
    patterns: Node = {"patternProperties": {f"^{key.replace('.', '[.]')}[.]": {} for key in free}} if free else {}
    cell = {"type": "object", "properties": single, "additionalProperties": False} | patterns
    grid = {"type": "object", "properties": listed, "additionalProperties": False} | patterns
    return {
        f"{name}.sweep": {
            "description": "runs over all combinations of these values, or a list of cells",
            "anyOf": [grid, {"type": "array", "minItems": 1, "items": cell}, {"type": "null"}],
        },
        f"{name}.choose": {
            "description": "keys whose value each row chooses for itself on validation data",
            "anyOf": [grid, {"type": "null"}],
        },
    }


def _study(forms: Sequence[str]) -> dict[str, Node]:
    schema = StudyConfig.model_json_schema()
    sections = schema.pop("$defs", {})
    file = _loose(schema, "study")
    one_of = [_reference(name) for name in forms]
    config = {
        "description": "name of a shipped config, path of a file, or a config written out",
        "anyOf": [{"type": "string"}, *one_of],
    }
    entry = {
        "type": "object",
        "required": ["config"],
        "additionalProperties": False,
        "properties": {
            "config": config,
            "sweep": {"anyOf": [_reference(f"{name}.sweep") for name in forms] or [{}]},
            "choose": {"anyOf": [_reference(f"{name}.choose") for name in forms] or [{}]},
        },
    }
    file["properties"] |= {"extends": _EXTENDS, "study": {"type": "array", "minItems": 1, "items": entry}}
    return {"study": file} | {f"study.{name}": _loose(node, "study") for name, node in sections.items()}


_EXTENDS: Node = {"type": "string", "description": "config to start from: a relative path or the name of a shipped one"}


def _inlined(node: Node) -> Node:
    """A node of a sweep, which may be a reference to a section."""
    return copy.deepcopy(node)


def _loose(node: Any, name: str) -> Any:
    """A node with nothing required, references in the experiment's own namespace, and `${…}` allowed."""
    if isinstance(node, list):
        return [_loose(item, name) for item in node]
    if not isinstance(node, dict):
        return node
    loose: Node = {}
    for word, value in node.items():
        if word == "properties":
            loose[word] = {key: _loose(child, name) for key, child in value.items()}
        elif word == "$ref":
            loose[word] = f"#/definitions/{name}.{value.rsplit('/', 1)[-1]}"
        elif word not in ("required", "title", "identity"):
            loose[word] = _loose(value, name) if word not in ("default", "enum", "const") else value
    return _or_reference(loose)


def _or_reference(node: Node) -> Node:
    if node.get("type") in ("integer", "number", "boolean"):
        return node | {"type": [node["type"], "string"], "pattern": _REFERENCE}
    if "enum" in node or "const" in node:
        words = {word: node[word] for word in ("enum", "const", "type") if word in node}
        rest = {word: value for word, value in node.items() if word not in words}
        return rest | {"anyOf": [words, {"type": "string", "pattern": _REFERENCE}]}
    return node

"""JSON Schema of config files, for editors: completion, descriptions and checks while typing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lab.config.base import StudyConfig
from lab.config.experiments import load_recipe, recipes
from lab.config.keys import Keys
from lab.errors import LabError

Node = dict[str, Any]
_REFERENCE = r"\$\{"
_CONTROLS: Node = {
    "type": "boolean",
    "description": "false: a study without the rows that its recipes add for comparison",
}
_EXTENDS: Node = {"type": "string", "description": "config to start from: a relative path or the name of a shipped one"}


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
    keys = Keys(lambda: schema)
    paths = [path for path in keys.all() if keys.counts(path) and path != ("experiment",)]
    nodes = {".".join(path): keys.find(path) or {} for path in paths}
    file = _loose({word: value for word, value in schema.items() if word != "$defs"}, name)
    axes = {word: _reference(f"{name}.{word}") for word in ("sweep", "choose")}
    file["properties"] |= {"extends": _EXTENDS, "controls": _CONTROLS} | axes
    return {
        name: file,
        **{f"{name}.{section}": _loose(node, name) for section, node in schema.get("$defs", {}).items()},
        **{f"{name}:{key}": _loose(node, name) for key, node in nodes.items()},
        **_axes(name, list(nodes), [key for key, node in nodes.items() if keys.is_free(node)]),
    }


def _axes(name: str, keys: Sequence[str], free: Sequence[str]) -> dict[str, Node]:
    """What `sweep:` and `choose:` may hold; `free`: mappings whose own keys are the user's."""
    lists = {key: {"type": "array", "minItems": 1, "items": _reference(f"{name}:{key}")} for key in keys}
    either = {key: {"anyOf": [_reference(f"{name}:{key}"), lists[key]]} for key in keys}
    closed: Node = {"type": "object", "additionalProperties": False}
    if free:
        closed["patternProperties"] = {f"^{key.replace('.', '[.]')}[.]": {} for key in free}
    grid, cell = closed | {"properties": lists}, closed | {"properties": either}
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
    """The definitions of a study file; a `sweep` of its entries may be that of any experiment."""
    schema = StudyConfig.model_json_schema()
    file = _loose({word: value for word, value in schema.items() if word != "$defs"}, "study")
    config = {
        "description": "name of a shipped config, path of a file, or a config written out",
        "anyOf": [{"type": "string"}, *map(_reference, forms)],
    }
    axes = {word: {"anyOf": [_reference(f"{form}.{word}") for form in forms]} for word in ("sweep", "choose")}
    entry = {
        "type": "object",
        "required": ["config"],
        "additionalProperties": False,
        "properties": {"config": config} | axes,
    }
    file["properties"] |= {
        "extends": _EXTENDS,
        "controls": _CONTROLS,
        "study": {"type": "array", "minItems": 1, "items": entry},
    }
    return {"study": file} | {f"study.{name}": _loose(node, "study") for name, node in schema["$defs"].items()}


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
            loose[word] = value if word in ("default", "enum", "const") else _loose(value, name)
    return _or_reference(loose)


def _or_reference(node: Node) -> Node:
    if node.get("type") in ("integer", "number", "boolean"):
        return node | {"type": [node["type"], "string"], "pattern": _REFERENCE}
    if "enum" in node or "const" in node:
        words = {word: node[word] for word in ("enum", "const", "type") if word in node}
        rest = {word: value for word, value in node.items() if word not in words}
        return rest | {"anyOf": [words, {"type": "string", "pattern": _REFERENCE}]}
    return node

"""`${key.path}` in values, by OmegaConf, which is imported only where one occurs."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel

from lab.config.places import KeyPath, Tree, did_you_mean, dotted, mistake, value_at
from lab.errors import nearest


def interpolate(tree: Tree, model: type[BaseModel]) -> Tree:
    """Replace every `${key.path}` by the value of that key, a default if the config does not give it.

    Raises `ConfigError` for a key that does not exist, a circle, an unknown resolver or a missing brace.
    """
    places = list(_references(tree.values, ()))
    if not places:
        return tree
    from omegaconf import OmegaConf

    known = _laid_over(defaults(model), tree.values)
    for path in places:  # the grammar of each alone, so that a slip is told at its own place
        with _told(tree, path, known):
            OmegaConf.create([value_at(tree.values, path)])
    container = OmegaConf.create(known)
    values = copy.deepcopy(tree.values)
    for path in places:
        with _told(tree, path, known):
            value_at(values, path[:-1])[path[-1]] = _resolved(container, path)
    return Tree(values, tree.origins)


@contextmanager
def _told(tree: Tree, path: KeyPath, known: dict[str, Any]) -> Iterator[None]:
    """OmegaConf's errors as ours, placed at the reference."""
    from omegaconf.errors import OmegaConfBaseException

    try:
        yield
    except (OmegaConfBaseException, ValueError, TypeError, RecursionError) as error:
        text = value_at(tree.values, path)
        raise mistake(tree.origin(path), f"{dotted(path)}: {text!r} {_explained(error, known)}") from error


def defaults(model: type[BaseModel]) -> dict[str, Any]:
    """The defaults of a config class as nested JSON types; keys that have none are absent."""
    from pydantic_core import to_jsonable_python

    found = {}
    for name, field in model.model_fields.items():
        if not field.is_required():
            found[name] = to_jsonable_python(field.get_default(call_default_factory=True, validated_data={}))
        elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found[name] = defaults(field.annotation)
    return found


def _references(values: Any, path: KeyPath) -> Iterator[KeyPath]:
    if isinstance(values, str) and "${" in values:
        yield path
    items = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    for key, value in items:
        yield from _references(value, (*path, key))


def _laid_over(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in top.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = _laid_over(base[key], value) if both else value
    return merged


def _resolved(container: Any, path: KeyPath) -> Any:
    from omegaconf import OmegaConf

    for part in path:
        container = container[part]
    return OmegaConf.to_container(container, resolve=True) if OmegaConf.is_config(container) else container


def _explained(error: Exception, known: dict[str, Any]) -> str:
    kind, text = type(error).__name__, str(error).splitlines()[0]
    if kind == "InterpolationKeyError" and (found := re.search(r"key '(.*)' not found", text)):
        return f"refers to {found[1]}, which does not exist{did_you_mean(_alike(found[1], known))}"
    if kind == "RecursionError" or "Recursive" in text:
        return "refers to itself in a circle"
    if kind == "GrammarParseError":
        return r"is not a reference; expected ${section.key}, or \${ where the characters themselves are meant"
    if kind == "UnsupportedInterpolationType":
        return "names a resolver that does not exist; expected ${section.key} or ${oc.env:VARIABLE}"
    return f"cannot be resolved: {text.rsplit('interpolation: ', 1)[-1]}"


def _alike(wrong: str, known: dict[str, Any]) -> list[str]:
    """Keys of the same name elsewhere, else those with the most similar name, in the same section if one is there."""
    section, _, name = wrong.rpartition(".")
    paths = list(_paths(known, ()))
    beside = [path for path in paths if dotted(path[:-1]) == section]
    for candidates, cutoff in ((paths, 1.0), (beside, 0.5), (paths, 0.7)):
        if near := nearest(name, list(dict.fromkeys(str(path[-1]) for path in candidates)), 1, cutoff):
            return [dotted(path) for path in candidates if path[-1] == near[0]][:3]
    return []


def _paths(values: dict[str, Any], above: KeyPath) -> Iterator[KeyPath]:
    for key, value in values.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from _paths(value, (*above, key))

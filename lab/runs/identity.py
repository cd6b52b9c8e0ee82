"""What makes two runs the same run: the keys that can change the numbers, the recipe's version and the data."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from enum import Enum
from functools import cache, lru_cache
from hashlib import blake2b
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

if TYPE_CHECKING:
    from lab.experiment import Recipe

ARITHMETIC = ("config", "data", "models", "training", "embeddings", "evaluation", "serving")
"""The parts of `lab` whose source can change a number, beside `runs/seeds.py` and what stands alone in `lab`."""

SAYS_OR_KEEPS = (
    "__",
    "atomic",
    "cache",
    "cli",
    "embed",
    "errors",
    "experiment",
    "export",
    "hub",
    "predict",
    "terminal",
    "trained",
)
"""What the modules that stand alone in `lab` are called where they only tell, keep or read back."""


def canonical_json(obj: Any) -> str:
    """The one JSON text of a value, whatever the order of its keys; 1 and 1.0 differ, as they may differ in meaning.

    Raises `TypeError` for what is not plain data.
    """
    return json.dumps(_plain(obj), sort_keys=True, separators=(",", ":"))


def run_id(recipe: Recipe, config: BaseModel, data_fingerprint: str, inputs: Mapping[str, str] | None = None) -> str:
    """The id of a run: 12 hexadecimal digits. `inputs`: as in `DataFacts`; without any, the id is that of none."""
    more = {"inputs": dict(inputs)} if inputs else {}
    return _digest({**_what(recipe, config), "data": data_fingerprint, **more}, 6)


def config_hash(recipe: Recipe, config: BaseModel) -> str:
    """A hash of the same as `run_id`, the data aside: equal for runs that differ in nothing but newer data."""
    return _digest(_what(recipe, config), 16)


def differing(section: BaseModel, default: BaseModel | None = None) -> dict[str, Any]:
    """The keys of a section that count: those that can change the numbers and differ from their defaults.

    `default`: the section that stands where the config does not say otherwise; else the class's own defaults.
    """
    default = default if default is not None else _defaults(section)
    counted: dict[str, Any] = {}
    for name, field in type(section).model_fields.items():
        extra = field.json_schema_extra
        if isinstance(extra, Mapping) and extra.get("identity") is False:
            continue
        value = getattr(section, name)
        usual = None if default is None else getattr(default, name)
        if default is not None and not field.is_required() and canonical_json(value) == canonical_json(usual):
            continue
        if isinstance(value, BaseModel) and isinstance(usual, BaseModel) and type(value) is type(usual):
            value = differing(value, usual)
        counted[name] = value
    return counted


@lru_cache
def source_hash(recipe: Recipe) -> str:
    """A hash of the source that a run's numbers come from: the arithmetic parts of `lab` and the recipe's own file."""
    return _digest([_lab_source(), *map(_source, _recipe_files(recipe))], 16)


@cache
def _lab_source() -> list[str]:
    package = Path(__file__).parents[1]
    files = sorted(path for part in ARITHMETIC for path in (package / part).rglob("*.py"))
    alone = [path for path in sorted(package.glob("*.py")) if not path.name.startswith(SAYS_OR_KEEPS)]
    return [_source(path) for path in [*files, *alone, package / "runs" / "seeds.py"]]


def _source(path: Path) -> str:
    content = path.read_bytes().replace(b"\r\n", b"\n")
    return f"{path.name} {blake2b(content, digest_size=16).hexdigest()}"


def _what(recipe: Recipe, config: BaseModel) -> dict[str, Any]:
    return {"experiment": recipe.name, "version": recipe.version, "config": differing(config)}


def _recipe_files(recipe: Recipe) -> list[Path]:
    names = {recipe.config.__module__, getattr(recipe.run, "__module__", "")}
    found = {getattr(sys.modules.get(name), "__file__", None) for name in names}
    return sorted(Path(file) for file in found if file)  # a recipe typed into a notebook has none


def _digest(obj: Any, size: int) -> str:
    return blake2b(canonical_json(obj).encode(), digest_size=size).hexdigest()


def _defaults(section: BaseModel) -> BaseModel | None:
    """The same section with nothing but its required keys given; None where that is no valid section."""
    fields = type(section).model_fields
    required = {field.alias or name: getattr(section, name) for name, field in fields.items() if field.is_required()}
    try:
        return type(section).model_validate(required)
    except ValidationError:
        return None


def _plain(value: Any) -> Any:
    """Plain data for `json`. A section becomes its class's name, so that two kinds never look alike, and its keys."""
    if isinstance(value, BaseModel):
        return [type(value).__name__, _plain(differing(value))]
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("canonical JSON has text for keys")
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((_plain(item) for item in value), key=canonical_json)
    if isinstance(value, Enum):
        return _plain(value.value)
    return fspath(value) if isinstance(value, PathLike) else value

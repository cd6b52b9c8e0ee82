"""`lab new`: a shipped config as a file of one's own."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from lab.config.places import did_you_mean, display
from lab.config.resolve import shipped_file
from lab.config.shipped import configs_dir, shipped_like
from lab.config.yaml_reader import compose
from lab.errors import ConfigError, UserError


def write_new(name: str, destination: str | Path | None = None) -> Path:
    """Copy the shipped config `name` to `destination` (a file, or a folder; default: here), comments and all.

    What it names by relative path (`extends`, the configs of a study) becomes a built-in name, and the line for
    editors points at the installed schema, so that the copy works wherever it lies. Raises `ConfigError` for an
    unknown name, `UserError` where the file exists or cannot be written.
    """
    if (source := shipped_file(name)) is None:
        cure = did_you_mean(shipped_like(name))
        raise ConfigError(f"there is no shipped config {name!r}{cure} (`lab list configs` names them all)")
    target = Path(os.path.expanduser(destination)) if destination else Path()
    if target.is_dir():
        target /= source.name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(target, "x", encoding="utf-8") as file:
            file.write(_portable(source))
    except OSError as error:
        if target.exists():
            raise UserError(f"{display(target)} exists and is left as it is; name another file with -o") from error
        raise UserError(f"{display(target)} cannot be written: {error.strerror or error}") from error
    return target


def _portable(source: Path) -> str:
    text = source.read_text(encoding="utf-8")
    root = compose(text, display(source))
    for node in reversed(list(_config_names(root))):
        path = source.parent / node.value
        if path.is_file():
            name = Path(os.path.relpath(path, configs_dir())).with_suffix("").as_posix()
            text = text[: node.start_mark.index] + name + text[node.end_mark.index :]
    schema = (configs_dir() / "schema.json").as_uri()
    return re.sub(r"^(# yaml-language-server: \$schema=).*$", rf"\1{schema}", text, count=1, flags=re.MULTILINE)


def _config_names(node: yaml.Node | None) -> Iterator[yaml.ScalarNode]:
    """The scalars that name other configs, in the order of the text."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _config_names(item)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value in ("extends", "config") and isinstance(value, yaml.ScalarNode):
                yield value
            elif key.value in ("study", "config"):
                yield from _config_names(value)

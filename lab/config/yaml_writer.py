"""YAML that `lab.config` reads back as exactly the same values (PyYAML's own writer leaves text such as `1e3` bare)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from lab.config.yaml_reader import read_text, scalar


def to_yaml(values: Mapping[str, Any]) -> str:
    """JSON types as YAML. A `${` in a text is escaped, so that `lab.config.load` takes it as it stands."""
    return "".join(f"{line}\n" for line, _ in lines_of(values))


def from_yaml(text: str, file: str = "config.yaml") -> dict[str, Any]:
    """The values that `to_yaml` wrote. Raises `ConfigError` for what is no YAML; `file` is its name in the message."""
    return _unescaped(read_text(text, file).values)


def lines_of(values: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Lines of YAML, with the dotted key of those that end in a value."""
    for key, value in values.items():
        start = f"{'  ' * len(above)}{_scalar(key)}:"
        if isinstance(value, dict) and value:
            yield start, ""
            yield from lines_of(value, (*above, key))
        else:
            yield f"{start} {inline(value)}", ".".join((*above, key))


def inline(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, list):
        return f"[{', '.join(map(inline, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_scalar(k)}: {inline(v)}' for k, v in value.items())}}}"
    return _scalar(value) if isinstance(value, str) else json.dumps(value)


def _scalar(text: str) -> str:
    """Text as a scalar that reads back as the same text: bare where that is safe, else in double quotes."""
    if "${" in text:
        text = re.sub(r"(\\*)\$\{", lambda found: f"{found[1] * 2}\\${{", text)
    safe = re.fullmatch(r"[^\W]([\w ./-]*[\w./-])?", text) and scalar(text) == text
    return text if safe and text.isprintable() else _in_quotes(text)


def _in_quotes(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'


def _unescaped(value: Any) -> Any:
    if isinstance(value, dict):
        return {_unescaped(key): _unescaped(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_unescaped(item) for item in value]
    if isinstance(value, str):
        return re.sub(r"(\\*)\\\$\{", lambda found: f"{found[1][::2]}${{", value)
    return value

"""YAML as people expect it (the core schema of YAML 1.2), with the line of every key.

PyYAML alone reads `1e-3` as text, `off` as false, `1:30` as 90, and keeps the last of two equal keys without a word.
Here numbers are numbers, only `true` and `false` are booleans, and a duplicate key is an error.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from lab.config.places import COMMAND_LINE, KeyPath, Origin, Tree, display, mistake

_PLAIN = "plain scalar"
_TEXT = "tag:yaml.org,2002:str"
_INTEGER = re.compile(r"[-+]?([0-9]{1,1000}|[0-9]{1,3}(_[0-9]{3})+)")
_OTHER_BASE = re.compile(r"0o[0-7]{1,1000}|0x[0-9a-fA-F]{1,1000}")
_POWER = re.compile(r"([-+]?[0-9]{1,15})[eE]\+?([0-9]{1,2})")  # 1e5 is as whole as 100000
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_LARGEST_FILE = 1_000_000  # bytes
_MOST_VALUES = 20_000  # aliases of aliases grow without end ("billion laughs")


def scalar(text: str) -> str | int | float | bool | None:
    """What an unquoted scalar means: `1e-3` and `10_000` are numbers, `off` and `2024-01-01` are text."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OTHER_BASE.fullmatch(text):
        return int(text, 0)
    if power := _POWER.fullmatch(text):
        return int(power[1]) * 10 ** int(power[2])
    return float(text) if _FLOAT.fullmatch(text) else text


def read_file(path: Path) -> Tree:
    """Read one config file. Raises `ConfigError` where it is missing, unreadable, not UTF-8 or not valid YAML."""
    name = display(path)
    place = Origin(name, None, "file")
    try:
        if path.is_dir():
            inside = path / "config.yaml"
            cure = f"expected a file, such as {display(inside)}" if inside.is_file() else "expected a YAML file"
            raise mistake(place, f"this is a folder; {cure}")
        if (size := path.stat().st_size) > _LARGEST_FILE:
            raise mistake(place, f"{size:,} bytes is no config; expected a YAML file of at most {_LARGEST_FILE:,}")
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise mistake(place, "there is no such file") from error
    except ValueError as error:
        raise mistake(place, "no file can have this name") from error
    except OSError as error:
        raise mistake(place, f"cannot be read: {error.strerror or error}") from error
    return read_text(_decoded(data, name), name)


def read_text(text: str, file: str) -> Tree:
    """Read the text of a config; `file` is its name in messages. The top must be a mapping."""
    node = compose(text, file)
    place = Origin(file, None if node is None else node.start_mark.line + 1, "file")
    if node is None or (node.tag == _PLAIN and scalar(node.value) is None):
        raise mistake(place, "the file is empty; expected keys and values, with `experiment:` or `extends:` among them")
    if isinstance(node, yaml.SequenceNode):
        raise mistake(place, "the file is a list; expected a mapping (`key: value`) at the top")
    if isinstance(node, yaml.ScalarNode):
        hint = "; a space is missing after ':'" if re.match(r"\w+:\S", node.value) else ""
        raise mistake(place, f"the file is one text, {node.value[:40]!r}; expected a mapping (`key: value`){hint}")
    builder = _Builder(file)
    try:
        values = builder.build(node, ())
    except RecursionError as error:
        raise mistake(place, "nested too deeply") from error
    return Tree(values, {(): Origin(file, None, "file")} | builder.origins)


def read_value(text: str) -> Any:
    """A value of the command line: YAML where it starts with a bracket or a quote, else one plain scalar."""
    if not text.lstrip().startswith(("[", "{", "'", '"')):
        return scalar(text.strip())
    return _Builder(COMMAND_LINE.file).build(compose(text, COMMAND_LINE.file), ())


def compose(text: str, file: str) -> yaml.Node | None:
    """The node graph of one document; plain scalars have a tag of their own. Raises `ConfigError` for bad YAML."""
    try:
        return _Loader(text).get_single_node()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        code = error.character if isinstance(error.character, int) else ord(error.character)
        raise mistake(_at(file, line), f"the character U+{code:04X} is not allowed in YAML") from error
    except yaml.MarkedYAMLError as error:
        place, problem = _explained(error, file)
        raise mistake(place, problem) from error
    except RecursionError as error:
        raise mistake(_at(file, None), "nested too deeply") from error


class _Loader(yaml.SafeLoader):
    """Composes nodes only; `scalar` above says what they mean."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        if kind is yaml.ScalarNode:
            return _PLAIN if implicit[0] else _TEXT
        return super().resolve(kind, value, implicit)


class _Builder:
    """Nodes to values, with the origin of each."""

    def __init__(self, file: str):
        self.file = file
        self.origins: dict[KeyPath, Origin] = {}
        self.open: set[int] = set()

    def build(self, node: Any, path: KeyPath) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return self.build_scalar(node)
        if not node.tag.endswith((":map", ":seq")):
            raise self.wrong(node, f"the tag {node.tag.replace('tag:yaml.org,2002:', '!!')} is not allowed; remove it")
        if id(node) in self.open:
            raise self.wrong(node, "an alias contains itself")
        self.open.add(id(node))
        built = self.build_mapping(node, path) if isinstance(node, yaml.MappingNode) else self.build_list(node, path)
        self.open.remove(id(node))
        return built

    def build_scalar(self, node: Any) -> Any:
        if node.tag == _PLAIN:
            return scalar(node.value)
        if node.tag != _TEXT:
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")
            raise self.wrong(node, f"the tag {tag} is not allowed; write the value without it")
        if any(0xD800 <= ord(c) < 0xE000 for c in node.value):
            raise self.wrong(node, "half a surrogate pair is no character; write the character itself")
        return node.value

    def build_list(self, node: Any, path: KeyPath) -> list[Any]:
        items = []
        for number, item in enumerate(node.value):
            self.place((*path, number), item)
            items.append(self.build(item, (*path, number)))
        return items

    def build_mapping(self, node: Any, path: KeyPath) -> dict[str, Any]:
        values: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self.wrong(key_node, "a key is a list or mapping; expected a name")
            key = key_node.value
            if key == "<<":
                raise self.wrong(key_node, "`<<` merges are not part of YAML 1.2; use `extends:`")
            if key in values:
                raise self.wrong(key_node, f"duplicate key {key!r}; it stands on line {lines[key]} already")
            lines[key] = key_node.start_mark.line + 1
            self.place((*path, key), key_node)
            values[key] = self.build(value_node, (*path, key))
        return values

    def place(self, path: KeyPath, node: Any) -> None:
        if len(self.origins) >= _MOST_VALUES:
            raise self.wrong(node, f"more than {_MOST_VALUES:,} values is no config")
        self.origins[path] = Origin(self.file, node.start_mark.line + 1, "file")

    def wrong(self, node: Any, text: str) -> Exception:
        return mistake(_at(self.file, node.start_mark.line + 1), text)


def _at(file: str, line: int | None) -> Origin:
    return COMMAND_LINE if file == COMMAND_LINE.file else Origin(file, line, "file")


def _decoded(data: bytes, name: str) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise mistake(Origin(name, None, "file"), "encoded as UTF-16; save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"byte 0x{data[error.start]:02x} at offset {error.start} is not UTF-8; save the file as UTF-8"
        raise mistake(Origin(name, line, "file"), what) from error


_CURES = [  # how PyYAML says it, whether the line is that of the context, and how a person says it
    (r"character '\\t'", False, "a tab where YAML wants spaces; indent with spaces"),
    (r"mapping values are not allowed", False, "a second ': ' in one value, or a wrong indentation; quote such text"),
    (r"could not find expected ':'", True, "no ': ' after the key; expected `key: value`, with a space"),
    (r"expected <block end>", False, "wrong indentation; keys of one mapping start in the same column"),
    (r"expected ',' or '[]}]'", True, "this bracket is not closed, or a comma is missing after one of its items"),
    (r"unexpected end of stream", True, "this quote is never closed"),
    (r"unknown escape character", False, "no such escape in double quotes; use single quotes for a regular expression"),
    (r"scanning an? (alias|anchor)", False, "text that starts with * or & needs quotes"),
    (r"undefined alias", False, "no anchor of this name; text that starts with * needs quotes"),
    (r"single document", False, "a second document starts (`---`); expected one"),
    (r"character '(.)' that cannot start", False, "text that starts with \\1 needs quotes"),
    (r"expected the node content", False, "a value is missing"),
]


def _explained(error: yaml.MarkedYAMLError, file: str) -> tuple[Origin, str]:
    text = " ".join(part for part in (error.context, error.problem) if part)
    mark, problem = error.problem_mark or error.context_mark, text
    for pattern, by_context, cure in _CURES:
        if found := re.search(pattern, text):
            mark = error.context_mark if by_context and error.context_mark else mark
            problem = found.expand(cure)
            break
    return _at(file, mark.line + 1 if mark else None), f"not valid YAML: {problem}"

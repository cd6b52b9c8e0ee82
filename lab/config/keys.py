"""What keys a config class has and what each expects, in words, read from its JSON Schema."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from typing import Any

from pydantic import BaseModel

from lab.config.places import did_you_mean, dotted, either
from lab.errors import nearest

Node = dict[str, Any]
_MOST_LISTED = 16


@lru_cache(maxsize=64)
def keys_of(model: type[BaseModel]) -> Keys:
    """The keys of a config class (made once a class, and not before a first look)."""
    return Keys(model.model_json_schema)


class Keys:
    """Look-ups in a JSON Schema by dotted path."""

    def __init__(self, make_schema: Callable[[], Node]):
        self._make_schema = make_schema

    @cached_property
    def schema(self) -> Node:
        """The JSON Schema of the class."""
        return self._make_schema()

    def branches(self, node: Node) -> list[Node]:
        """A node as the alternatives it allows, references followed."""
        if "$ref" in node:
            return self.branches(self.schema["$defs"][node["$ref"].rsplit("/", 1)[-1]])
        for word in ("anyOf", "oneOf", "allOf"):
            if word in node:
                return [branch for part in node[word] for branch in self.branches(part)]
        return [node]

    def children(self, node: Node) -> dict[str, Node]:
        """The keys of a mapping, those of all alternatives together."""
        return {k: child for b in self.branches(node) for k, child in b.get("properties", {}).items()}

    def find(self, path: Sequence[str | int]) -> Node | None:
        """The node at a path, or None where no such key exists."""
        node = self.schema
        for part in path:
            child = self.children(node).get(str(part)) or self._free(node, part)
            if child is None:
                return None
            node = child
        return node

    def _free(self, node: Node, part: str | int) -> Node | None:
        """The node of a list item or of a mapping whose keys are the user's own."""
        for branch in self.branches(node):
            free = branch.get("items") if isinstance(part, int) else branch.get("additionalProperties")
            if free is True or free == {} or branch == {}:
                return {}
            if isinstance(free, dict):
                return free
        return None

    def all(self, node: Node | None = None, above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
        """Every path, mappings before what they hold."""
        paths = []
        for key, child in self.children(self.schema if node is None else node).items():
            paths += [(*above, key), *(self.all(child, (*above, key)) if len(above) < 8 else [])]
        return paths

    def is_free(self, node: Node) -> bool:
        """Whether a node is a mapping whose keys are the user's own."""
        return any(branch.get("additionalProperties", False) is not False for branch in self.branches(node))

    def counts(self, path: Sequence[str]) -> bool:
        """False for keys that cannot change a number, such as `report`."""
        found = [self.find(path[:length]) or {} for length in range(1, len(path) + 1)]
        return all(node.get("identity", True) for node in found)

    def expected(self, path: Sequence[str | int]) -> str:
        """What the value at a path has to be, with the key's own description behind it."""
        node = self.find(path) or {}
        about = node.get("description", "")
        return self.phrase(node) + (f": {about}" if "(" in about else f" ({about})" if about else "")

    def phrase(self, node: Node) -> str:
        """One node in words: `a whole number of at least 1 or null`."""
        phrases = list(dict.fromkeys(_phrase(branch, self) for branch in self.branches(node)))
        return either(sorted(phrases, key=lambda phrase: phrase == "null"))

    def choices(self, path: Sequence[str | int]) -> list[Any]:
        """The values a key is restricted to (empty where it is free)."""
        found = []
        for branch in self.branches(self.find(path) or {}):
            found += branch.get("enum", []) + ([branch["const"]] if "const" in branch else [])
        return found

    def unknown(self, path: Sequence[str], more: Sequence[str] = ()) -> str:
        """What to say of a key that does not exist; `more` names keys that the schema does not know of."""
        wrong, around = path[-1], list(path[:-1])
        start = f"unknown key {dotted(path)}"
        if ":" in wrong:
            return f"{start}; a space is missing after ':'"
        if "." in wrong and self.find(wrong.split(".")):
            outer, inner = wrong.rsplit(".", 1)
            nested = outer.replace(".", ": {")
            return f"{start}; write it nested: {nested}: {{{inner}: …}}{'}' * outer.count('.')}"
        parent = self.find(around)
        if parent is None:
            return self.unknown(around) if around else start
        siblings = [*self.children(parent), *(more if not around else ())]
        if not siblings:
            kind = "a list, give it whole" if "array" in _types(self.branches(parent)) else "not a section"
            return f"{start}; {dotted(around)} is {kind}"
        near = [dotted((*around, name)) for name in nearest(wrong, siblings, 1)]
        meant = self._synonym(wrong, around) or self._same_name(wrong) or near or self._alike_elsewhere(wrong)
        cure = did_you_mean(meant)
        listed = ", ".join(siblings) if len(siblings) <= _MOST_LISTED else ""
        return f"{start}{cure}" + (f" ({dotted(around) or 'a config'} has: {listed})" if listed else "")

    def _synonym(self, wrong: str, around: Sequence[str]) -> list[str]:
        """The key that its own class says is also called so, beside the wrong one or else anywhere."""
        found = [path for path in self.all() if wrong in (self.find(path) or {}).get("synonyms", ())]
        beside = [path for path in found if list(path[:-1]) == list(around)]
        return [dotted(path) for path in beside or found][:3]

    def _same_name(self, wrong: str) -> list[str]:
        return [dotted(path) for path in self.all() if path[-1] == wrong][:3]

    def _alike_elsewhere(self, wrong: str) -> list[str]:
        names = nearest(wrong, list(dict.fromkeys(path[-1] for path in self.all())), 1, cutoff=0.7)
        return self._same_name(names[0]) if names else []


def _types(branches: Sequence[Node]) -> set[str]:
    return {str(branch.get("type")) for branch in branches}


def _phrase(node: Node, keys: Keys) -> str:
    if "const" in node:
        return repr(node["const"])
    if "enum" in node:
        return either(repr(value) for value in node["enum"])
    kind = node.get("type")
    if kind in ("integer", "number"):
        return _number(node, "a whole number" if kind == "integer" else "a number")
    if kind == "array":
        items = keys.phrase(node["items"]) if node.get("items") else "anything"
        if least := node.get("minItems"):
            return f"a list of at least {least} item{'s' * (least > 1)}, each {items}"
        return "a list of text" if items == "text" else f"a list, each item {items}"
    if kind == "object":
        names = ", ".join(node.get("properties", {}))
        return f"a mapping with keys among {names}" if names else "a mapping"
    if kind == "string":
        return f"text matching {node['pattern']}" if "pattern" in node else "text"
    return {"boolean": "true or false", "null": "null"}.get(str(kind), "another value")


def _number(node: Node, noun: str) -> str:
    limits = {"minimum": "of at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    bounds = [f"{words} {node[limit]}" for limit, words in limits.items() if limit in node]
    return f"{noun} {' and '.join(bounds)}".strip()

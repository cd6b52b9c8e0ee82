"""From a name to one merged tree of values: finding config files, `extends`, and `key.path=value` overrides."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.config.places import COMMAND_LINE, Origin, Tree, did_you_mean, display, merge, mistake, quoted
from lab.config.shipped import configs_dir, shipped_like, shipped_names
from lab.config.yaml_reader import read_file, read_value
from lab.errors import nearest

_KEY = re.compile(r"[^\W\d][\w-]*(\.[\w-]+)*")


def find_config(name: str, folder: Path, origin: Origin | None = None) -> Path:
    """The file that a name stands for: an existing path (relative to `folder`) wins, then a shipped config.

    A shipped config is called `word2vec/skipgram`, with or without `.yaml`; its last part alone is enough where that
    is unique or names a study. Raises `ConfigError`, placed at `origin`, which lists the nearest names.
    """
    path = folder / os.path.expanduser(name)
    if _exists(path) and not path.is_dir():
        return path
    if shipped := shipped_file(name):
        return shipped
    if _exists(path):
        return path  # a folder: the reader says so
    beside = [f.name for f in sorted(path.parent.glob("*.y*ml"))] if _exists(path.parent) else []
    alike = nearest(path.name, beside, 1, cutoff=0.75)
    near = [str(Path(name).with_name(alike[0]))] if alike else []
    guesses = [*near, *shipped_like(name)[:1]] if near else shipped_like(name)
    cure = did_you_mean(guesses) or "; `lab list configs` names the shipped ones"
    raise mistake(origin, f"there is no file and no shipped config {name!r}{cure}")


def shipped_file(name: str) -> Path | None:
    """The file of a shipped config by its name, or None."""
    stem = name.removesuffix(".yaml")
    names = shipped_names()
    short = [other for other in names if other.rsplit("/", 1)[-1] == stem]
    for full in (stem, f"studies/{stem}", *(short if len(short) == 1 else ())):
        if full in names:
            return configs_dir() / f"{full}.yaml"
    return None


def read_chain(path: Path) -> Tree:
    """Read a config with everything it extends."""
    return extended(read_file(path), path.parent, [path])


def extended(tree: Tree, folder: Path, chain: Sequence[Path] = ()) -> Tree:
    """Lay a config over the one it `extends`, and so on; a `name` is never inherited. Circles are errors."""
    if "extends" not in tree.values:
        return tree
    name, origin = tree.values["extends"], tree.origin(("extends",))
    if not isinstance(name, str) or not name:
        raise mistake(origin, f"extends is {quoted(name)}; expected the path or name of one config")
    path = find_config(name, folder, origin)
    if any(path.resolve() == other.resolve() for other in chain):
        circle = " → ".join(display(p) for p in (*chain, path))
        raise mistake(origin, f"extends runs in a circle: {circle}")
    base = extended(read_file(path), path.parent, [*chain, path])
    return merge(base.without("name"), tree.without("extends"))


@dataclass(frozen=True)
class Override:
    """One `key.path=value` of the command line. `target` is "" or the part of the file it goes to: sweep, choose."""

    target: str
    path: tuple[str, ...]
    value: Any
    text: str

    @property
    def key(self) -> str:
        """The dotted key."""
        return ".".join(self.path)


def parse_override(text: str) -> Override:
    """Read `train.epochs=10`, `report.words=[king, queen]` or `sweep.seed=[0, 1]`. Raises `ConfigError`."""
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals:
        raise mistake(COMMAND_LINE, f"{text!r} is no override; expected key=value, such as train.epochs=10")
    if not _KEY.fullmatch(key):
        bare = key.lstrip("+~-").replace("/", ".")
        cure = f"; did you mean {bare}={value}?" if _KEY.fullmatch(bare) else ""
        raise mistake(COMMAND_LINE, f"{key!r} is no key; expected dotted names, such as train.epochs{cure}")
    first, *rest = key.split(".")
    if first in ("extends", "study", "config") or (first in ("sweep", "choose") and not rest):
        such = f", such as {first}.seed=[0, 1]" if first == "sweep" else ""
        raise mistake(COMMAND_LINE, f"{first} cannot be given here; expected a key of the experiment{such}")
    target = first if first in ("sweep", "choose") else ""
    return Override(target, tuple(rest) if target else (first, *rest), read_value(value), text)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long, a NUL character
        return False

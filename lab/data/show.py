"""`lab show SOURCE`: the data check of labelled data. Imports nothing heavy until a source is shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lab.data.sources import table_kind

PACKAGED = ("digits", "mnist-5k", "wikipedia-topics")


def is_source(target: str) -> bool:
    """Whether a name is that of labelled data: packaged, `hf:NAME`, a table, or a folder not of a run or weights."""
    if target in PACKAGED or target.startswith("hf:"):
        return True
    path = Path(target).expanduser()
    if path.is_file():
        return table_kind(path) is not None
    return path.is_dir() and not any((path / name).is_file() for name in ("run.json", "study.json", "config.json"))


def shown_source(target: str, overrides: Sequence[str]) -> str:
    """The data check of a source as text; overrides such as `data.label=kind`. Raises `UserError` as reading does."""
    from lab.data.labelled.check import shown_source as shown

    return shown(target, overrides)

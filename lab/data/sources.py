"""From `data.source` to the files it names."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lab.data.config import CorpusConfig
from lab.data.decoding import COMPRESSED
from lab.data.packaged import packaged, packaged_path
from lab.errors import UserError, nearest

TABLES = {".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".jsonl": "json"}
_TEXTS = (".txt", ".text")


@dataclass(frozen=True)
class Source:
    """What a source name stands for. `files` are sorted by `names`, their names within the source (unique)."""

    kind: Literal["wikipedia", "text", "table", "hub"]
    name: str
    files: tuple[Path, ...] = ()
    names: tuple[str, ...] = ()
    hub: str = ""


def find_source(config: CorpusConfig) -> Source:
    """Resolve `config.source`: a packaged name first, then `hf:NAME`, then a path (`~` and patterns allowed).

    Raises `UserError` for a name or path that is not there (with the nearest), a packaged name that is no text, a
    folder without text or tables, a folder that holds both, and a column of plain text.
    """
    source = _resolve(config.source)
    if config.column is not None and source.kind in ("text", "wikipedia"):
        raise UserError(f"data.column: {config.source} is plain text and has no column {config.column!r}; leave it out")
    return source


def _resolve(name: str) -> Source:
    if name.startswith("hf:"):
        if not name[3:].strip("/"):
            raise UserError("data.source: hf: needs the name of a hub data set after it, such as hf:owner/name")
        return Source("hub", name, hub=name[3:])
    records = {record.name: record for record in packaged()}
    if name in records:
        if records[name].kind != "text":
            texts = ", ".join(record.name for record in packaged("text"))
            raise UserError(f"data.source: {name} is packaged {records[name].kind}, not running text; there is {texts}")
        path = packaged_path(name)
        return Source("wikipedia" if name == "wikipedia-sample" else "text", name, (path,), (name,))
    return _local(name)


def _local(name: str) -> Source:
    path = Path(name).expanduser()
    if path.is_dir():
        return _of_files(name, path, _visible_files(path), needs_ending=True)
    if path.exists():
        return _of_files(name, path.parent, [path], needs_ending=False)
    if glob.has_magic(name):
        found = [Path(match) for match in glob.glob(str(path), recursive=True) if Path(match).is_file()]
        if not found:
            raise UserError(f"data.source: no file matches {name} (looked from {Path.cwd()})")
        folder = Path(os.path.commonpath([file.parent.absolute() for file in found]))
        return _of_files(name, folder, [file.absolute() for file in found], needs_ending=False)
    raise UserError(f"data.source: {missing(name, path, [record.name for record in packaged('text')])}")


def missing(name: str, path: Path, packaged: Sequence[str]) -> str:
    """What is wrong with a source whose path does not exist, and what lies nearest to it, `packaged` names first."""
    near = nearest(name, list(packaged), n=1)
    if not near and path.parent.is_dir():
        neighbours = [entry.name for entry in path.parent.iterdir() if not entry.name.startswith(".")]
        near = [str(path.parent / match) for match in nearest(path.name, neighbours)]
    hint = (
        f"; did you mean {' or '.join(near)}?" if near else f"; packaged are {', '.join(packaged)}; hub names begin hf:"
    )
    where = "" if path.is_absolute() else f" (looked from {Path.cwd()})"
    return f"{name}: no such file or folder{where}{hint}"


def _visible_files(folder: Path) -> list[Path]:
    """Every file below a folder, hidden files and folders left out."""
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent) / name for name in files if not name.startswith(".")]
    return found


def _of_files(name: str, folder: Path, files: list[Path], *, needs_ending: bool) -> Source:
    named = sorted((file.relative_to(folder).as_posix(), file) for file in files)
    tables = [(key, file) for key, file in named if table_kind(file)]
    texts = [(key, file) for key, file in named if not table_kind(file) and (not needs_ending or _is_text(file))]
    if tables and texts:
        raise UserError(
            f"{name}: holds text ({texts[0][0]}) and tables ({tables[0][0]}); name one kind with a pattern, such as "
            f"{folder / '*.txt'}"
        )
    chosen = tables or texts
    if not chosen:
        seen = f"only {named[0][0]} and the like" if named else "it is empty"
        endings = ", ".join([*_TEXTS, *COMPRESSED, *TABLES])
        raise UserError(f"{name}: no text in this folder, {seen}; looked for {endings}")
    keys, paths = zip(*chosen, strict=True)
    return Source("table" if tables else "text", name, paths, keys)


def table_kind(path: Path) -> str | None:
    """`csv`, `parquet` or `json` for a table (by its ending, compression left out), else None."""
    endings = [ending.lower() for ending in path.suffixes]
    if endings and endings[-1] in COMPRESSED:
        endings.pop()
    return TABLES.get(endings[-1]) if endings else None


def _is_text(path: Path) -> bool:
    return path.suffix.lower() in (*_TEXTS, *COMPRESSED)

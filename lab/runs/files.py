"""Files and folders that are written whole or not at all, and the one line that a full disk ends in."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.atomic import replacing
from lab.errors import LabError, UserError

if TYPE_CHECKING:
    import pyarrow

FORMAT_VERSION = 1
"""Of everything in a run directory and a study; raised when an older `lab` could not read it."""

_TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.tmp\.")
_STORAGE = {
    errno.ENOSPC: "no space left on the disk; free some and start again",
    errno.EDQUOT: "the disk quota is used up; free some and start again",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EFBIG: "the file would be larger than this file system or user limit allows",
}
_FULL = {errno.ENOSPC, errno.EDQUOT}


class NewerFormat(UserError):  # noqa: N818
    """A file that only a newer `lab` can read."""


def storage_error(error: BaseException, path: str | Path | None = None) -> LabError | None:
    """The clear line for an error of the disk (full, read-only, forbidden); None for any other error.

    `path`: what was being written. Where that is not known, only a full disk is surely an error of writing.
    """
    code = error.errno if isinstance(error, OSError) else None
    if code is None and (found := re.search(r"\(os error (\d+)\)", str(error))):  # how safetensors tells it
        code = int(found[1])
    if code is None or code not in (_STORAGE if path else _FULL):
        return None
    where = path or getattr(error, "filename", None) or "to the disk"
    return LabError(f"cannot write {where}: {_STORAGE[code]}")


@contextmanager
def clearly(path: str | Path) -> Iterator[None]:
    """Turn an error of the disk while `path` is written into one clear `LabError`."""
    try:
        yield
    except Exception as error:
        if clear := storage_error(error, path):
            raise clear from error
        raise


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """Give a temporary name to write to; it becomes `path` once all of it is on the disk.

    Raises:
        LabError: the disk is full or forbids writing. Nothing is left, and what stood at `path` still stands.
    """
    with clearly(path):
        with replacing(path) as temporary:
            yield temporary
        _sync(Path(path).parent)


def write_atomic(path: str | Path, data: bytes | str) -> None:
    """Write bytes, or text as UTF-8, whole or not at all. Raises `LabError` as `whole` does."""
    # A lone surrogate (an undecodable file name) becomes \udcXX, which JSON reads back as the same character.
    content = data.encode("utf-8", "backslashreplace") if isinstance(data, str) else data
    with whole(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: str | Path, obj: Mapping[str, Any]) -> None:
    """Write a mapping as JSON with a `format_version`, whole or not at all. Raises `LabError` as `whole` does.

    numpy numbers and arrays, paths and sets become JSON; NaN and infinities come back from `read_json` as they were.
    """
    content = {"format_version": FORMAT_VERSION, **obj}
    write_atomic(path, json.dumps(content, indent=1, ensure_ascii=False, default=to_json) + "\n")


def read_json(path: str | Path) -> dict[str, Any]:
    """Read what `write_json` wrote.

    Raises:
        UserError: there is no such file, or a newer `lab` wrote it.
        LabError: it is not a JSON mapping.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path} does not exist") from None
    except ValueError as error:
        raise LabError(f"{path} is damaged: {error}") from None
    if not isinstance(content, dict):
        raise LabError(f"{path} is damaged: a mapping is expected")
    check_format(content.get("format_version", 1), path)
    return content


def check_format(version: int | str, path: str | Path) -> None:
    """Raise `NewerFormat` for a `format_version` that only a newer `lab` can read."""
    if int(version) > FORMAT_VERSION:
        raise NewerFormat(
            f"{path} was written by a newer lab (format_version {version}, this one reads up to {FORMAT_VERSION}): "
            "update lab"
        )


def write_parquet(path: str | Path, table: pyarrow.Table) -> None:
    """Write an Arrow table with a `format_version` in its metadata. Raises `LabError` as `whole` does."""
    import pyarrow.parquet

    metadata = {b"format_version": str(FORMAT_VERSION).encode(), **(table.schema.metadata or {})}
    with whole(path) as temporary:
        pyarrow.parquet.write_table(table.replace_schema_metadata(metadata), temporary, compression="zstd")


def read_parquet(path: str | Path) -> pyarrow.Table:
    """Read what `write_parquet` wrote. Raises `UserError` where a newer `lab` wrote it."""
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        check_format((file.schema_arrow.metadata or {}).get(b"format_version", b"1").decode(), path)
        return file.read()


def temporary_beside(path: str | Path) -> Path:
    """A name in the same folder that `is_temporary` knows as one, for a folder to be made or thrown away."""
    path = Path(path)
    return path.with_name(f".{uuid.uuid4().hex}.tmp.{path.name[-80:]}")


def is_temporary(path: Path) -> bool:
    """Whether a name is one of an unfinished file or folder, which nobody reads."""
    return bool(_TEMPORARY.match(path.name))


def replace_folder(temporary: Path, final: Path) -> None:
    """Put a finished folder in its place, all of it on the disk first; an older one there goes.

    Raises `LabError` as `whole` does. Between the two renames of a replacement there is no `final`; both are whole.
    """
    with clearly(final):
        for path in [*temporary.rglob("*"), temporary]:
            _sync(path)
        older = temporary_beside(final) if final.exists() else None
        if older:
            os.replace(final, older)
        os.replace(temporary, final)
        _sync(final.parent)
        if older:
            remove(older)


def remove(path: Path) -> None:
    """Delete a file or folder; a folder is renamed first, so that no half of it is ever taken for the whole."""
    if path.is_dir() and not path.is_symlink():
        doomed = path if is_temporary(path) else temporary_beside(path)
        if doomed != path:
            os.replace(path, doomed)
        shutil.rmtree(doomed, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def leftovers(folder: Path) -> list[Path]:
    """Unfinished files and folders that killed writers left anywhere below a folder."""
    found = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if is_temporary(path):
            found.append(path)
        elif path.is_dir() and not path.is_symlink():
            found += leftovers(path)
    return found


def remove_leftovers(folder: Path) -> None:
    """Delete what killed writers left below a folder, which nobody writes to now."""
    for path in leftovers(folder):
        remove(path)


def to_json(value: Any) -> Any:
    """What `json` should write for a value that it does not know: numpy numbers and arrays, paths, sets."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

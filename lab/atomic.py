"""Files are written whole or not at all: under a temporary name, flushed to disk, then renamed."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.errors import UserError


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary name beside `path` to write to; it takes the place of `path` when the block ends well.

    The folder is made where it is missing. Where the block raises, the temporary file goes and what stood at
    `path` before is untouched. The temporary name starts with a dot and ends as `path` does, for writers
    that go by the ending.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp.{path.name[-80:]}")
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """See that a file can be written at `path`, before the work whose result it will hold. Makes its folder.

    Raises `UserError` where it is a folder, or its folder cannot be made or written to.
    """
    if path.is_dir():
        raise UserError(f"{path}: is a folder; give the name of a file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path}: cannot make its folder: {error.strerror or error}") from None
    if not os.access(path.parent, os.W_OK):
        raise UserError(f"{path}: cannot write to the folder {path.parent}")

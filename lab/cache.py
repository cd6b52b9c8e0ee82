"""The cache: things that can be made again, each made once however many processes ask for it.

Nothing in it changes a number: the folder can be deleted at any time. `LAB_CACHE` moves it.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from lab.errors import LabError

_MANIFEST = "complete.json"


def cache_dir() -> Path:
    """The folder of the cache: `$LAB_CACHE`, else `~/.cache/lab`. It need not exist yet."""
    given = os.environ.get("LAB_CACHE")
    return Path(given).expanduser().absolute() if given else Path.home() / ".cache" / "lab"


def cached_folder(kind: str, key: str, make: Callable[[Path], None]) -> Path:
    """The folder `cache_dir()/kind/key`, which `make(folder)` fills the first time it is asked for.

    `key` must name everything that can change what `make` writes. One process makes it while the others wait (the
    kernel frees the lock of a killed one); it appears whole or not at all, and is made anew where a file has gone
    missing or lost bytes. Raises `LabError` where the cache cannot be written, and whatever `make` raises.
    """
    from filelock import FileLock

    final = cache_dir() / kind / key
    if _is_complete(final):
        return final
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(final.with_name(f".{key}.lock"))
        lock.acquire()
    except OSError as error:
        reason = error.strerror or error
        raise LabError(f"{cache_dir()}: cannot write the cache ({reason}); set LAB_CACHE to another folder") from None
    try:
        if not _is_complete(final):
            _make(final, make)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise LabError(
            f"{cache_dir()}: cannot write the cache (no space left); free some, or set LAB_CACHE to another folder"
        ) from None
    finally:
        lock.release()
    return final


def _make(final: Path, make: Callable[[Path], None]) -> None:
    """Fill a folder of temporary name, flush it to disk, and rename it (the lock is held)."""
    temporary = final.with_name(f".{final.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)  # what a killed process left
    shutil.rmtree(final, ignore_errors=True)
    temporary.mkdir()
    try:
        make(temporary)
        sizes = {str(file.relative_to(temporary)): file.stat().st_size for file in _files(temporary)}
        (temporary / _MANIFEST).write_text(json.dumps(sizes), encoding="utf-8")
        for file in _files(temporary):
            with open(file, "rb") as stream:
                os.fsync(stream.fileno())
        os.replace(temporary, final)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _is_complete(folder: Path) -> bool:
    """Whether every file that was written is there at its full length."""
    try:
        sizes = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError):
        return False

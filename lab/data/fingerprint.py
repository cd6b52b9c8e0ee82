"""Fingerprints of files: what a run's identity and the cache are keyed by.

A file is read once: what was found is kept in the cache under its path, size and time of change.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.atomic import replacing
from lab.cache import cache_dir

# A file changed again within the clock's resolution keeps its time of change, so a fresh one is not trusted.
_SETTLED_SECONDS = 2.0


def digest(*parts: str) -> str:
    """Hex digest (32 characters, blake2b) of strings, each kept apart from the next."""
    hasher = hashlib.blake2b(digest_size=16)
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        hasher.update(len(encoded).to_bytes(8, "little") + encoded)
    return hasher.hexdigest()


def file_fingerprint(path: str | Path) -> str:
    """Hex digest (32 characters, blake2b) of a file's bytes. Raises `OSError` where it cannot be read."""
    return remembered(Path(path), "fingerprint", _hash_file)


def source_stamp(source: str) -> str:
    """Names, sizes and times of the files of a source; the same where none has changed."""
    path = Path(source).expanduser().absolute()
    files = sorted(path.rglob("*")) if path.is_dir() else [path] if path.is_file() else []
    stats = [(str(file), file.stat()) for file in files]
    return digest(*(f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats))


def remembered(path: Path, question: str, answer: Callable[[Path], Any]) -> Any:
    """`answer(path)`, JSON-like, asked again only when the file's size or time of change is another.

    `question` names what is asked, its settings included. Raises what `answer` raises, and `OSError`.
    """
    path = path.absolute()
    status = path.stat()
    stamp = [str(path), status.st_size, status.st_mtime_ns]
    note = cache_dir() / "files" / f"{digest(str(path), question)}.json"
    try:
        known = json.loads(note.read_text(encoding="utf-8"))
        if known["stamp"] == stamp:
            return known["answer"]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    found = answer(path)
    if time.time() - status.st_mtime > _SETTLED_SECONDS:
        _keep(note, {"stamp": stamp, "answer": found})
    return found


def _keep(note: Path, content: dict[str, Any]) -> None:
    try:
        with replacing(note) as temporary:
            temporary.write_text(json.dumps(content), encoding="utf-8")
    except OSError:
        pass  # a cache that cannot be written costs time, never an answer


def _hash_file(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()

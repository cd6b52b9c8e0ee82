"""A store: all items that are cached at one cut of one network, a folder of shards; and the budget of all stores."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lab.training.cache.shards import Shard, read_shard

if TYPE_CHECKING:
    from filelock import BaseFileLock

_ENDING = ".safetensors"


class Store:
    """The shards of one cut, found by item key. `folder` None: in memory, gone with the process."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.shards: list[Shard] = []
        self._rows: dict[bytes, tuple[int, int]] = {}
        self._known: set[str] = set()

    def refresh(self) -> None:
        """Open the shards that have come since; damaged ones are deleted, so that their items are computed again."""
        if self.folder is None:
            return
        for path in sorted(self.folder.glob(f"[!.]*{_ENDING}")):
            if path.name in self._known:
                continue
            shard = read_shard(path)
            if shard is None:
                path.unlink(missing_ok=True)
            else:
                self.add(shard)

    def add(self, shard: Shard) -> None:
        """Take in a finished shard."""
        number = len(self.shards)
        self.shards.append(shard)
        if shard.path is not None:
            self._known.add(shard.path.name)
        self._rows.update((key.tobytes(), (number, row)) for row, key in enumerate(shard.keys))

    def find(self, keys: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """The shard (m,) and the row (m,) of each key; -1 where it is missing."""
        nowhere = (-1, -1)
        found = np.array([self._rows.get(key, nowhere) for key in keys], dtype=np.int64).reshape(-1, 2)
        return found[:, 0].copy(), found[:, 1].copy()

    def lengths(self, keys: Sequence[bytes]) -> np.ndarray:
        """Positions (m,) int32 of each key's item; 0 where it is missing."""
        shard_of, rows = self.find(keys)
        lengths = np.zeros(len(keys), dtype=np.int32)
        for number in np.unique(shard_of[shard_of >= 0]):
            chosen = shard_of == number
            lengths[chosen] = self.shards[number].lengths[rows[chosen]]
        return lengths

    def new_path(self) -> Path | None:
        """Where the next shard goes."""
        return None if self.folder is None else self.folder / f"{uuid.uuid4().hex}{_ENDING}"

    def touch(self) -> None:
        """Note that it is used now: the least recently used store is the first to go."""
        if self.folder is not None:
            with suppress(OSError):  # nothing in it yet, or deleted by another process: what is mapped stays
                os.utime(self.folder)

    @property
    def nbytes(self) -> int:
        """Bytes of all its activations."""
        return sum(shard.nbytes for shard in self.shards)

    @property
    def seconds(self) -> float:
        """What computing one item cost, from its raw input on, when it was filled."""
        items = sum(len(shard.keys) for shard in self.shards)
        return sum(shard.seconds * len(shard.keys) for shard in self.shards) / items if items else 0.0


def store_lock(folder: Path) -> BaseFileLock:
    """The lock of whoever fills or deletes a store; the kernel frees it when its owner dies."""
    from filelock import FileLock

    return FileLock(folder.with_name(f".{folder.name}.lock"), thread_local=False)


@contextmanager
def filling(stores: Iterable[Store]) -> Iterator[None]:
    """Hold the locks of stores while they are filled, with what other processes added meanwhile read in.

    Locks are taken in one order everywhere, so that two processes never wait for each other.
    """
    with ExitStack() as stack:
        for store in sorted(
            (store for store in stores if store.folder is not None), key=lambda store: str(store.folder)
        ):
            assert store.folder is not None
            store.folder.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(store_lock(store.folder))
            store.folder.mkdir(exist_ok=True)
            for leftover in store.folder.glob(f".*{_ENDING}"):  # of a killed process: the lock is ours
                leftover.unlink(missing_ok=True)
            store.refresh()
        yield


def make_room(root: Path, needed: int, budget: int, keep: Iterable[Path | None]) -> str | None:
    """Delete the least recently used stores until `needed` more bytes fit the budget; why they do not, else None.

    Stores in `keep` and those that another process is filling stay. Processes that have a deleted one mapped into
    memory go on reading it.
    """
    from filelock import Timeout

    kept = set(keep)
    sizes = {folder: _size(folder) for folder in _stores(root)}
    total = sum(sizes.values())
    own = sum(size for folder, size in sizes.items() if folder in kept)
    if own + needed > budget:
        return f"{spoken_bytes(own + needed)} are more than the budget of {spoken_bytes(budget)}"
    for folder in sorted(sizes.keys() - kept, key=_last_used):
        if total + needed <= budget and needed * 1.02 <= shutil.disk_usage(root).free:
            break
        try:
            with store_lock(folder).acquire(timeout=0):
                shutil.rmtree(folder, ignore_errors=True)
                total -= sizes[folder]
        except Timeout:
            continue
    if total + needed > budget:
        return f"other processes hold {spoken_bytes(total - own)} of the budget of {spoken_bytes(budget)}"
    if needed * 1.02 > shutil.disk_usage(root).free:
        return f"{spoken_bytes(needed)} do not fit on the disk"
    return None


def spoken_bytes(size: float) -> str:
    """A size as people say it: 63 kB, 1.2 GB."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _stores(root: Path) -> list[Path]:
    return [folder for folder in root.iterdir() if folder.is_dir()] if root.is_dir() else []


def _size(folder: Path) -> int:
    size = 0
    for path in folder.glob("*"):
        try:
            size += path.stat().st_size
        except FileNotFoundError:  # another process has deleted it
            continue
    return size


def _last_used(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:
        return 0.0

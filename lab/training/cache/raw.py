"""The raw inputs, cut 0: decoded uint8 images and token ids, made once and kept in the cache or in memory."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from lab.training.cache.shards import KEY_BYTES, Layout, ShardWriter
from lab.training.cache.store import Store, filling, make_room
from lab.training.inputs import ItemInputs

CHUNK_BYTES = 1 << 28
"""A shard holds about so much: what an interruption loses at most."""


class Augmentation(Protocol):
    """Changes images at random, as its seeds say: the same seed, the same change."""

    key: str

    def __call__(self, images: torch.Tensor, seeds: np.ndarray) -> torch.Tensor:
        """(m, 3, H, W) uint8 and (m,) uint64 to (m, 3, H, W) uint8."""
        ...


class RawInputs:
    """Cut 0 of all items. `augment` makes the views from 1 on, each a function of item and view alone."""

    def __init__(self, inputs: ItemInputs, augment: Augmentation | None) -> None:
        self.inputs, self.augment = inputs, augment
        self.store: Store | None = None
        self.refused: str | None = None
        self.lengths = np.full(len(inputs), int(inputs.kind == "image"), dtype=np.int32)
        self._keys: dict[int, list[bytes]] = {}

    def keys(self, view: int) -> list[bytes]:
        """The name of every item's view in a store."""
        if view not in self._keys:
            suffix = f"|{view}|{self.augment.key}" if view and self.augment else ""
            self._keys[view] = [item_key(fingerprint + suffix) for fingerprint in self.inputs.fingerprints]
        return self._keys[view]

    def fill(self, index: np.ndarray, root: Path | None, budget: int, keep: Sequence[Path | None]) -> str | None:
        """Load the items of `index` that are not there yet; why they could not be kept, else None.

        On disk below `root`; in memory where `root` is None or its budget too small; nowhere where that is too.
        """
        why_not, size = None, self._size(index)
        if root is not None:
            try:
                why_not = self._fill_disk(index, size, root, budget, keep)
            except OSError as error:
                why_not = f"{root} cannot be written ({error.strerror or error})"
            self.refused = why_not
        if root is None or why_not:
            if self.store is None or self.store.folder is not None:
                self.store = Store(None) if len(index) * size <= _memory() // 4 else None
            if self.store is not None:
                self._load(self._missing(index), max(1, CHUNK_BYTES // size))
        if self.store is not None and self.inputs.kind == "text":
            np.maximum(self.lengths, self.store.lengths(self.keys(0)), out=self.lengths)
        return why_not

    def _fill_disk(
        self, index: np.ndarray, size: int, root: Path, budget: int, keep: Sequence[Path | None]
    ) -> str | None:
        store = Store(root / f"raw-{self._digest()}") if self.store is None else self.store
        if store.folder is None:
            return self.refused
        store.refresh()
        self.store = store
        if missing := len(self._missing(index)):
            root.mkdir(parents=True, exist_ok=True)
            if why_not := make_room(root, missing * size, budget, [*keep, store.folder]):
                return why_not
            with filling([store]):
                self._load(self._missing(index), max(1, CHUNK_BYTES // size))
        store.touch()
        return None

    def batch(self, index: np.ndarray, view: int) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Items as loaded now, and augmented where `view` is not 0."""
        loaded = self.inputs.load(index)
        if self.inputs.kind == "image":
            return self.augmented(torch.from_numpy(np.asarray(loaded)), index, view), None
        x, mask = _padded(loaded, self.inputs.pad_id)
        return x.long(), mask

    def augmented(self, images: torch.Tensor, index: np.ndarray, view: int) -> torch.Tensor:
        """The view of images (m, 3, H, W) uint8."""
        if not view or self.augment is None:
            return images
        seeds = np.array([int.from_bytes(self.keys(view)[i][:8], "little") for i in index], dtype=np.uint64)
        return self.augment(images, seeds)

    def _digest(self) -> str:
        name = f"{self.inputs.kind}|{self.inputs.preprocessing_key}|{self.inputs.pad_id}"
        return hashlib.blake2b(name.encode(), digest_size=8).hexdigest()

    def _missing(self, index: np.ndarray) -> np.ndarray:
        if self.store is None or not len(index):
            return index
        keys = self.keys(0)
        return index[self.store.find([keys[i] for i in index])[0] < 0]

    def _size(self, index: np.ndarray) -> int:
        """Bytes of an image, at most; a guess of those of a text."""
        if self.inputs.kind == "text" or not len(index):
            return 256
        return int(np.asarray(self.inputs.load(index[:1])).nbytes)

    def _load(self, missing: np.ndarray, chunk: int) -> None:
        """Load items in chunks, one shard each."""
        assert self.store is not None
        keys = self.keys(0)
        _, first = np.unique(np.array([keys[i] for i in missing], dtype=object), return_index=True)
        missing = missing[np.sort(first)]  # equal items once
        for start in range(0, len(missing), chunk):
            index = missing[start : start + chunk]
            started = time.perf_counter()
            loaded = self.inputs.load(index)
            seconds = (time.perf_counter() - started) / len(index)
            if self.inputs.kind == "image":
                x, mask, lengths = torch.from_numpy(np.asarray(loaded)), None, np.ones(len(index), dtype=np.int32)
            else:
                x, mask = _padded(loaded, self.inputs.pad_id)
                lengths = np.array([len(ids) for ids in loaded], dtype=np.int32)
                x = x.short() if int(x.max()) < 1 << 15 else x
            layout = Layout.of(x, mask, padding=self.inputs.pad_id)
            writer = ShardWriter(self.store.new_path(), layout, key_array([keys[i] for i in index]), lengths)
            try:
                writer.put(x, mask)
                self.store.add(writer.finish(seconds))
            except BaseException:
                writer.abort()
                raise


def item_key(name: str) -> bytes:
    """The name of an item's view in a store."""
    return hashlib.blake2b(name.encode(), digest_size=KEY_BYTES).digest()


def key_array(keys: Sequence[bytes]) -> np.ndarray:
    """Keys as (m, 16) uint8."""
    return np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, KEY_BYTES)


def _padded(texts: Sequence[np.ndarray] | np.ndarray, pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    lengths = np.array([len(ids) for ids in texts])
    mask = np.arange(lengths.max()) < lengths[:, None]
    x = np.full(mask.shape, pad_id, dtype=np.int32)
    x[mask] = np.concatenate(list(texts))
    return torch.from_numpy(x), torch.from_numpy(mask)


def _memory() -> int:
    """Bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 1 << 32

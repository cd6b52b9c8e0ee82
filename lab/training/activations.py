"""Batches at one cut: gathered from the cache, or computed on the fly by the same function."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from lab.training.cache.shards import gather
from lab.training.cache.store import Store

Batch = tuple[torch.Tensor, torch.Tensor | None]


@dataclass(eq=False)
class Usage:
    """How many items a store has served, and the seconds that took."""

    items: int = 0
    seconds: float = 0.0


class Activations:
    """What stands at one cut, item by item.

    Attributes:
        cut: number of blocks already applied; 0: the raw inputs; all of them: pooled features.
        lengths: (n,) int32 tokens of every item of the data (0: not loaded yet), ones for images.
        views: number of fixed augmented views.
        cached: whether filled items come from the cache; `why_not` says why not.
        nbytes: size of what is cached.
    """

    def __init__(
        self,
        cut: int,
        lengths: np.ndarray,
        views: int,
        store: Store | None,
        keys: Callable[[int], Sequence[bytes]],
        compute: Callable[[np.ndarray, int], Batch],
        usage: Usage,
        why_not: str | None = None,
    ) -> None:
        self.cut, self.lengths, self.views, self.why_not = cut, lengths, views, why_not
        self.store, self._keys, self._compute, self.usage = store, keys, compute, usage
        self._places: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}

    @property
    def cached(self) -> bool:
        """Whether filled items come from the cache."""
        return self.store is not None and bool(self.store.shards)

    @property
    def nbytes(self) -> int:
        """Bytes of what is cached at this cut."""
        return self.store.nbytes if self.store else 0

    def batch(self, index: np.ndarray, view: int = 0) -> Batch:
        """The items `index` (m,), positions in the data, as a batch.

        Texts: x (m, T, …) padded to the longest of the batch, and the mask (m, T) bool of its tokens; images and
        pooled features: x (m, …) and None. `view` 0 is the item itself; from 1 on the augmented views.
        """
        index = np.asarray(index)
        started = time.perf_counter()
        if self.store is not None:
            shard_of, rows = self._place(self.store, view)
            shard_of = shard_of[index]
            if len(index) and shard_of.min() >= 0:
                x, mask = gather(self.store.shards, shard_of, rows[index])
                self.usage.items += len(index)
                self.usage.seconds += time.perf_counter() - started
                return (x.long() if self.cut == 0 and mask is not None else x), mask
        return self._compute(index, view)

    def _place(self, store: Store, view: int) -> tuple[np.ndarray, np.ndarray]:
        """Shard and row of every item's view, looked up again where shards have come since."""
        which = (view, len(store.shards))
        if which not in self._places:
            self._places[which] = store.find(self._keys(view))
        return self._places[which]

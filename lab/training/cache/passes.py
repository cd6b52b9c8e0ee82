"""One pass of items through the frozen blocks, which fills every cut that is asked for on its way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from lab.training.cache.raw import CHUNK_BYTES, key_array
from lab.training.cache.shards import Layout, ShardWriter
from lab.training.cache.store import Store

IMAGES_PER_BATCH = 16
TOKENS_PER_BATCH = 1024

Segment = Callable[[torch.Tensor, torch.Tensor | None], torch.Tensor]


@dataclass(frozen=True, order=True)
class Target:
    """What is kept: the activations after `block` blocks, or the pooled features there."""

    block: int
    pooled: bool = False


@dataclass(frozen=True)
class Work:
    """Views of items that lack the same targets: `index`, `views`, `lengths` (m,) and their keys."""

    index: np.ndarray
    views: np.ndarray
    lengths: np.ndarray
    keys: list[bytes]

    def take(self, chosen: np.ndarray) -> Work:
        """A part of it."""
        return Work(self.index[chosen], self.views[chosen], self.lengths[chosen], [self.keys[i] for i in chosen])

    def batches(self) -> Iterator[Work]:
        """Parts of about equal cost; each of items of one view, next to each other in length."""
        start = 0
        while start < len(self.index):
            longest = max(1, int(self.lengths[start]))
            stop = start + (IMAGES_PER_BATCH if longest == 1 else max(1, TOKENS_PER_BATCH // longest))
            same = np.flatnonzero(self.views[start:stop] != self.views[start])
            stop = min(start + int(same[0]) if len(same) else stop, len(self.index))
            yield self.take(np.arange(start, stop))
            start = stop


class Pass:
    """Runs items from one cut through the blocks behind it.

    `source(index, view)`: a batch at cut `start`; `segment(a, b)`: the function from cut a to cut b; `seconds`: what
    an item at `start` has cost already.
    """

    def __init__(
        self,
        backbone: Any,
        source: Callable[[np.ndarray, int], tuple[torch.Tensor, torch.Tensor | None]],
        segment: Callable[[int, int], Segment],
        start: int,
        seconds: float,
    ) -> None:
        self.backbone, self.source, self.segment, self.start, self.seconds = backbone, source, segment, start, seconds

    def run(
        self, work: Work, targets: Sequence[Target], note: Callable[[int], None]
    ) -> Iterator[tuple[Work, dict[Target, tuple[torch.Tensor, torch.Tensor | None]], dict[Target, float]]]:
        """Batch by batch: its items, what stands at each target, and the seconds up to there."""
        for batch in work.batches():
            x, mask = self.source(batch.index, int(batch.views[0]))
            found: dict[Target, tuple[torch.Tensor, torch.Tensor | None]] = {}
            seconds: dict[Target, float] = {}
            at, started = self.start, time.perf_counter()
            for target in sorted(targets):
                if target.block > at:
                    x, at = self.segment(at, target.block)(x, mask), target.block
                if target.pooled:
                    found[target] = (pooled(self.backbone, x, mask, at), None)
                else:
                    found[target] = (x, mask)
                seconds[target] = time.perf_counter() - started
            yield batch, found, seconds
            note(len(batch.index))

    def layouts(self, work: Work, targets: Sequence[Target]) -> dict[Target, Layout]:
        """What one item looks like at each target."""
        _, found, _ = next(self.run(work.take(np.arange(1)), targets, lambda _: None))
        return {target: Layout.of(x, mask) for target, (x, mask) in found.items()}

    def fill(
        self, work: Work, stores: dict[Target, Store], layouts: dict[Target, Layout], note: Callable[[int], None]
    ) -> None:
        """Compute all targets of `stores` for all items, and keep them, one shard a target and chunk."""
        order = np.lexsort((work.index, -work.lengths, work.views))
        per_position = sum(layouts[target].bytes_per_position for target in stores)
        for chunk in _chunks(work.take(order), per_position):
            self._fill_chunk(chunk, stores, layouts, note)

    def _fill_chunk(
        self, chunk: Work, stores: dict[Target, Store], layouts: dict[Target, Layout], note: Callable[[int], None]
    ) -> None:
        keys = key_array(chunk.keys)
        writers = {
            target: ShardWriter(store.new_path(), layouts[target], keys, chunk.lengths)
            for target, store in stores.items()
        }
        seconds = dict.fromkeys(stores, 0.0)
        try:
            for _, found, taken in self.run(chunk, list(stores), note):
                for target, (x, mask) in found.items():
                    writers[target].put(x, mask)
                    seconds[target] += taken[target]
            for target, store in stores.items():
                store.add(writers[target].finish(self.seconds + seconds[target] / len(keys)))
        except BaseException:
            for writer in writers.values():
                writer.abort()
            raise


def pooled(backbone: Any, x: torch.Tensor, mask: torch.Tensor | None, cut: int) -> torch.Tensor:
    """The pooled features (m, d) float32 of activations at a cut."""
    with torch.inference_mode():
        last = cut == len(backbone.block_names)
        features: torch.Tensor = backbone.pool(x, mask, None if last else cut - 1)
        return features.float()


def _chunks(work: Work, bytes_per_position: int) -> Iterator[Work]:
    """Parts of about `CHUNK_BYTES` each."""
    part = np.cumsum(work.lengths, dtype=np.int64) * bytes_per_position // CHUNK_BYTES
    for number in np.unique(part):
        yield work.take(np.flatnonzero(part == number))

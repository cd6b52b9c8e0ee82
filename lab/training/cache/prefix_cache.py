"""The prefix cache: what stands at a cut is computed once per item and reused by every epoch, seed and deeper cut.

A store is named by the weights of the prefix, the preprocessing and the precision, an item in it by its content:
never by the split. Nothing in the cache changes a number: what is missing is computed by the same function.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lab.cache import cache_dir
from lab.errors import LabError
from lab.training.activations import Activations, Batch, Usage
from lab.training.cache.passes import Pass, Segment, Target, Work, pooled
from lab.training.cache.raw import Augmentation, RawInputs
from lab.training.cache.shards import FORMAT, Layout
from lab.training.cache.store import Store, filling, make_room, spoken_bytes
from lab.training.inputs import ItemInputs
from lab.training.memory import kept_memory

Say = Callable[[str], None]
_NEWS_SECONDS = 10.0


@dataclass(frozen=True)
class FillReport:
    """What filling did: items computed, bytes written, seconds taken; cuts that were not filled and why."""

    items: int
    bytes: int
    seconds: float
    why_not: dict[int, str]


class PrefixCache:
    """The activations of the items `inputs` at the cuts of `backbone`.

    Arguments:
        precision: `float32` or `bf16`, of the frozen part.
        budget_bytes: what the cache folder may hold, all networks and data together; least recently used ones go.
        folder: of the cache; by default below `lab.cache.cache_dir()`.
        enabled: without, everything is computed on the fly.
        augment: makes the views from 1 on. `views`: how many fixed ones are cached; 0: fresh ones, never cached.
    """

    def __init__(
        self,
        backbone: Any,
        inputs: ItemInputs,
        *,
        precision: str = "float32",
        budget_bytes: int = 20_000_000_000,
        folder: Path | None = None,
        enabled: bool = True,
        augment: Augmentation | None = None,
        views: int = 0,
    ) -> None:
        self.backbone, self.inputs, self.precision, self.views = backbone, inputs, precision, views
        self.budget_bytes, self.enabled = budget_bytes, enabled
        self.root = folder or cache_dir() / "activations"
        self.raw = RawInputs(inputs, augment)
        self.why_not: dict[int, str] = {}
        self._stores: dict[str, Store] = {}
        self._usage: dict[str, Usage] = {}
        self._digests: dict[int, tuple[Any, str]] = {}
        self._fill_seconds, self._items = 0.0, 0
        self._wanted: dict[int, Store] = {}
        self._passes: dict[int, int] = {}
        self._read: dict[int, Activations] = {}
        self._raw_reader: Activations | None = None

    def estimate(self, cuts: Iterable[int], n: int) -> dict[int, int]:
        """Bytes that `n` items would take at each cut (nothing is written)."""
        index = np.arange(min(len(self.inputs), 64 if self.inputs.kind == "text" else 1))
        length = 1.0
        if self.inputs.kind == "text":
            length = float(np.mean([len(ids) for ids in self.inputs.load(index)]))
        targets = {cut: self._target(cut) for cut in cuts}
        lengths = np.ones(1, dtype=np.int32)
        layouts = self._pass(0, {}).layouts(Work(index[:1], index[:1] * 0, lengths, [b""]), list(targets.values()))
        positions = {cut: n if target.pooled else n * length for cut, target in targets.items()}
        return {cut: int(positions[cut] * layouts[target].bytes_per_position) for cut, target in targets.items()}

    @kept_memory()
    def fill(
        self,
        cuts: Iterable[int],
        index: np.ndarray,
        pooled: Sequence[int | None] = (),
        progress: Say | None = None,
        views: Iterable[int] = (0,),
    ) -> FillReport:
        """Compute what is missing at `cuts` for the items `index` in one pass, and keep it.

        Arguments:
            pooled: blocks (from 0; None: the last) whose pooled features are kept too.
            progress: takes lines to print: the size before filling, the state every ten seconds, and why not.
            views: 0 is the item itself; fixed augmented views count from 1.

        Two processes may fill at once: the second waits, and computes only what the first has not.
        """
        started = time.perf_counter()
        say = progress or (lambda _: None)
        index = np.unique(np.asarray(index, dtype=np.int64))
        before = {name: store.nbytes for name, store in self._stores.items()}
        targets = {self._target(cut) for cut in cuts if cut > 0}
        targets |= {Target(len(self.backbone.block_names) if block is None else block + 1, True) for block in pooled}
        items = 0
        self._passes |= {view: max(len(index), self._passes.get(view, 0)) for view in views}
        try:
            why_not = self.raw.fill(index, self.root if self.enabled else None, self.budget_bytes, self._kept())
            if why_not:
                self._refuse(Target(0), why_not, say)
            if self.enabled and targets:
                self._wanted |= {cut: self._store(self._target(cut)) for cut in cuts if cut > 0}
                items = self._fill(sorted(targets), index, sorted(set(views)), say)
        except OSError as error:
            for target in targets:
                self._refuse(target, f"{self.root} cannot be written ({error.strerror or error})", say)
        seconds = time.perf_counter() - started
        self._fill_seconds += seconds
        self._items = max(self._items, len(index))
        written = sum(store.nbytes - before.get(name, 0) for name, store in self._stores.items())
        return FillReport(items, written, seconds, dict(self.why_not))

    def activations(self, cut: int) -> Activations:
        """Batches at a cut: what is cached from the cache, the rest on the fly by the same function."""
        target = self._target(cut)
        store, why_not = self.raw.store, None
        if cut > 0:
            store, why_not = None, "the cache is off"
            if self.enabled:
                store, why_not = self._store(target), self.why_not.get(cut)
                store.touch()
        usage = self._usage.setdefault(self._name(target), Usage())
        known = self._read.get(cut)
        if known is None or (known.store, known.usage, known.why_not) != (store, usage, why_not):
            self._read[cut] = known = self._reader(target, store, usage, why_not)
        return known

    def pooled(self, block: int | None = None, index: np.ndarray | None = None) -> np.ndarray:
        """Pooled features (n, d) float32 after a block (from 0; None: the network's own) of items; None: of all."""
        wanted = np.arange(len(self.inputs)) if index is None else np.asarray(index, dtype=np.int64)
        target = Target(len(self.backbone.block_names) if block is None else block + 1, True)
        self.fill((), wanted, pooled=[block])
        store = self._store(target) if self.enabled else None
        found = self._reader(target, store)
        step = len(wanted) if found.cached else 32
        parts = [found.batch(wanted[i : i + step])[0] for i in range(0, len(wanted), max(1, step))]
        return torch.cat(parts).numpy() if parts else np.empty((0, self.backbone.feature_dim), dtype=np.float32)

    def report(self) -> dict[str, Any]:
        """What the cache did for this run, as plain data.

        `prefix_seconds`: what the items (and their views) cost at the deepest cut that was to be filled, measured by
        whoever filled it. `saved_seconds`: what the items served would have cost, without that and without reading.
        """
        read = {cut: found.store for cut, found in self._read.items() if cut > 0 and found.store is not None}
        stores = {cut: store for cut, store in (self._wanted | read).items() if store.shards}
        cuts = sorted(stores)
        deep = [cut for cut in self._read if cut > 0]
        # What was read stands here with its store: by now training may have changed the weights that named it.
        served = [
            (found.store, found.usage) for cut, found in self._read.items() if cut > 0 and found.store is not None
        ]
        prefix = sum(self._passes.values()) * max((store.seconds for store in self._wanted.values()), default=0.0)
        saved = sum(usage.items * store.seconds - usage.seconds for store, usage in served) - prefix
        reasons = [reason for cut in deep if (reason := self._read[cut].why_not)]
        no_prefix = None if deep else "no block is frozen: there is nothing to keep"
        return {
            "used": bool(cuts),
            "why_not": None if cuts else reasons[0] if reasons else no_prefix,
            "cuts": cuts,
            "bytes": sum(store.nbytes for store in stores.values()),
            "items": self._items,
            "fill_seconds": self._fill_seconds,
            "prefix_seconds": prefix,
            "saved_seconds": saved if cuts else 0.0,
        }

    def _fill(self, targets: list[Target], index: np.ndarray, views: list[int], say: Say) -> int:
        """Fill the targets that fit the budget; the number of items that were computed."""
        stores = {target: self._store(target) for target in targets}
        for store in stores.values():
            store.refresh()
            store.touch()
        work = self._work(index, views)
        lacking = {target: _missing(store, work) for target, store in stores.items()}
        stores = {target: store for target, store in stores.items() if lacking[target].any()}
        if not stores:
            return 0
        segments: dict[tuple[int, int], Segment] = {}
        layouts = self._pass(0, segments).layouts(work, list(stores))
        stores = self._fitting(stores, layouts, lacking, work, say)
        for target in layouts.keys() & stores.keys():
            layouts[target] = replace(layouts[target], padding=0)
        with filling(stores.values()):
            return self._run(stores, layouts, work, segments, say)

    def _run(
        self,
        stores: dict[Target, Store],
        layouts: dict[Target, Layout],
        work: Work,
        segments: dict[tuple[int, int], Segment],
        say: Say,
    ) -> int:
        """Compute, with the stores locked, what is missing: one pass for all items that lack the same targets."""
        lacking = np.stack([_missing(store, work) for store in stores.values()]) if stores else np.zeros((0, 0), bool)
        note = _Progress(int(lacking.any(axis=0).sum()) if stores else 0, say)
        done = 0
        for pattern in np.unique(lacking, axis=1).T if stores else ():
            if not pattern.any():
                continue
            part = work.take(np.flatnonzero((lacking == pattern[:, None]).all(axis=0)))
            wanted = {target: store for (target, store), lacks in zip(stores.items(), pattern, strict=True) if lacks}
            start = self._start(min(wanted).block, part)
            self._pass(start, segments).fill(part, wanted, layouts, note)
            done += len(part.index)
        return done

    def _fitting(
        self,
        stores: dict[Target, Store],
        layouts: dict[Target, Layout],
        lacking: dict[Target, np.ndarray],
        work: Work,
        say: Say,
    ) -> dict[Target, Store]:
        """The targets that fit the budget, the small ones first; says how much they take, and which do not fit."""
        sizes = {}
        for target in stores:
            positions = work.lengths[lacking[target]].sum() if layouts[target].ragged else lacking[target].sum()
            sizes[target] = int(positions) * layouts[target].bytes_per_position
        self.root.mkdir(parents=True, exist_ok=True)
        fitting: dict[Target, Store] = {}
        needed = 0
        for target in sorted(stores, key=lambda target: sizes[target]):
            why_not = make_room(self.root, needed + sizes[target], self.budget_bytes, self._kept())
            if why_not:
                self._refuse(target, why_not, say)
            else:
                fitting[target] = stores[target]
                needed += sizes[target]
                self.why_not.pop(target.block, None)
        if fitting:
            items = int(np.logical_or.reduce([lacking[target] for target in fitting]).sum())
            listed = [self._spoken(target) for target in sorted(fitting)]
            names = ", ".join(listed if len(listed) <= 3 else [*listed[:1], f"{len(listed) - 1} more"])
            say(f"Cache: {names} of {items} items, {spoken_bytes(needed)} of {spoken_bytes(self.budget_bytes)}")
        return fitting

    def _spoken(self, target: Target) -> str:
        what = "features" if target.pooled else "activations"
        return f"{what} after {self.backbone.block_names[target.block - 1]}"

    def _refuse(self, target: Target, why_not: str, say: Say) -> None:
        if self.why_not.get(target.block) != why_not:
            if target.block:
                say(f"No cache of {self._spoken(target)}: {why_not}; computed on the fly")
            else:
                say(f"No cache of raw inputs: {why_not}; {'kept in memory' if self.raw.store else 'loaded again'}")
        self.why_not[target.block] = why_not

    def _start(self, block: int, part: Work) -> int:
        """The deepest cut up to `block` at which all these items are cached already; 0 where there is none."""
        for cut in range(block, 0, -1):
            if cut < len(self.backbone.block_names) and not _missing(self._store(Target(cut)), part).any():
                return cut
        return 0

    def _pass(self, start: int, segments: dict[tuple[int, int], Segment]) -> Pass:
        """A pass from a cached cut, or from the raw inputs; `segments` are shared between passes."""

        def segment(first: int, last: int) -> Segment:
            from lab.models.prefix import prefix_function

            if (first, last) not in segments:
                segments[first, last] = prefix_function(self.backbone, last, self.precision, start=first)
            return segments[first, last]

        store = self._store(Target(start)) if start else None
        source = self._source(Target(start), store) if store else self._raw_batch
        return Pass(self.backbone, source, segment, start, store.seconds if store else 0.0)

    def _source(self, target: Target, store: Store) -> Callable[[np.ndarray, int], Batch]:
        return self._reader(target, store).batch

    def _raw_batch(self, index: np.ndarray, view: int) -> Batch:
        """Raw inputs, from the store where they are, and augmented."""
        store = self.raw.store
        if store is None:
            return self.raw.batch(index, view)
        if self._raw_reader is None or self._raw_reader.store is not store:
            self._raw_reader = Activations(0, self.raw.lengths, 0, store, self.raw.keys, self.raw.batch, Usage())
        x, mask = self._raw_reader.batch(index)
        return self.raw.augmented(x, index, view), mask

    def _reader(
        self, target: Target, store: Store | None, usage: Usage | None = None, why_not: str | None = None
    ) -> Activations:
        lengths, keys, compute = self.raw.lengths, self.raw.keys, self._on_the_fly(target)
        return Activations(target.block, lengths, self.views, store, keys, compute, usage or Usage(), why_not)

    def _on_the_fly(self, target: Target) -> Callable[[np.ndarray, int], Batch]:
        """Batches at a target without a cache: raw inputs through the same prefix function."""
        segments: dict[tuple[int, int], Segment] = {}

        def compute(index: np.ndarray, view: int) -> Batch:
            x, mask = self._raw_batch(index, view)
            if target.block:
                x = self._pass(0, segments).segment(0, target.block)(x, mask)
            if target.pooled:
                return pooled(self.backbone, x, mask, target.block).clone(), None
            return x, mask

        return compute

    def _work(self, index: np.ndarray, views: list[int]) -> Work:
        """Every view of every item, equal ones once."""
        if any(view > self.views for view in views):
            raise LabError(f"views {views} are to be cached, of {self.views} fixed ones")
        keys = [self.raw.keys(view)[i] for view in views for i in index]
        first = np.array(list({key: place for place, key in reversed(list(enumerate(keys)))}.values()), dtype=np.int64)
        everything = Work(
            np.tile(index, len(views)), np.repeat(views, len(index)), np.tile(self.raw.lengths[index], len(views)), keys
        )
        return everything.take(np.sort(first))

    def _target(self, cut: int) -> Target:
        return Target(cut, cut == len(self.backbone.block_names))

    def _name(self, target: Target) -> str:
        """The store's name: everything that can change its numbers but the items."""
        if target.block == 0:
            return "raw"
        parts = [FORMAT, self.inputs.preprocessing_key, self.precision, target, self._fingerprint(target.block)]
        digest = hashlib.blake2b(repr(parts).encode(), digest_size=12).hexdigest()
        return f"{'pooled' if target.pooled else 'cut'}{target.block}-{digest}"

    def _fingerprint(self, block: int) -> str:
        """Of the first blocks as they are now, computed again only after a weight has changed."""
        tensors = self.backbone.blocks[:block].state_dict(keep_vars=True).values()
        versions = [(tensor.data_ptr(), tensor._version) for tensor in tensors]
        known = self._digests.get(block)
        if known is None or known[0] != versions:
            self._digests[block] = known = (versions, self.backbone.fingerprint(block))
        return known[1]

    def _store(self, target: Target) -> Store:
        if target.block == 0:
            assert self.raw.store is not None
            return self.raw.store
        name = self._name(target)
        if name not in self._stores:
            self._stores[name] = Store(self.root / name)
            self._stores[name].refresh()
        return self._stores[name]

    def _kept(self) -> list[Path | None]:
        """Stores in use by this process."""
        stores = [*self._stores.values(), *([self.raw.store] if self.raw.store else [])]
        return [store.folder for store in stores]


class _Progress:
    """Says now and then how far a pass is."""

    def __init__(self, total: int, say: Say) -> None:
        self.total, self.say, self.done = total, say, 0
        self.started = self.said = time.perf_counter()

    def __call__(self, items: int) -> None:
        self.done += items
        now = time.perf_counter()
        if now - self.said >= _NEWS_SECONDS and self.done < self.total:
            self.said = now
            left = (now - self.started) / self.done * (self.total - self.done)
            self.say(f"Cache: {self.done} of {self.total} items, about {left:.0f} s left")


def _missing(store: Store, work: Work) -> np.ndarray:
    return store.find(work.keys)[0] < 0

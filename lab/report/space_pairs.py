"""`compare_spaces`: how alike embedding spaces of the same items are, between chance and another seed's agreement.

Everything is measured in the original spaces, centred first, on the items they share. Three numbers stand on one axis:
what random pairing of items gives (the floor), what another seed of the same config gives (the ceiling), and the pair.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.errors import UserError
from lab.evaluation import space_comparison as whole
from lab.evaluation import space_neighbors as near
from lab.report.space_changes import Changed, changes

if TYPE_CHECKING:
    from lab.embeddings.space import EmbeddingSpace
    from lab.evaluation.intervals import Estimate
    from lab.runs.run import Run

KS = (10, 50, 100)
FEWEST_SHARED = 20
MOST_JUDGED = 10_000  # items whose neighbourhoods are compared; neighbours are looked for among all
MOST_IN_PAIRS = 2_000  # items whose pairwise distances are compared
UNCHANGING = "the same from every seed"
MOST_FOR_ALL_PAIRS = 4  # of more spaces, each is compared with the next, and the first with the last


@dataclass(frozen=True)
class NamedSpace:
    """A space under the name it goes by; `again`: the same made with another seed, where there is one.

    `why`: in words, which seed `again` is of, or why there is none. `run`: whose space it is, None for a file's.
    """

    name: str
    space: EmbeddingSpace
    again: EmbeddingSpace | None = None
    why: str = ""
    run: Run | None = None


def with_seed(
    name: str, space: EmbeddingSpace, again: EmbeddingSpace | None, seeds: str, run: Run | None = None
) -> NamedSpace:
    """A run's space with `again`, the same of another seed (None where there is none); `seeds`: which these are."""
    if again is None:
        return NamedSpace(name, space, None, "no ceiling known: no other seed left such a space", run)
    if len(again) == len(space) and (again.ids == space.ids).all() and (again.vectors == space.vectors).all():
        return NamedSpace(name, space, None, UNCHANGING, run)
    return NamedSpace(name, space, again, seeds, run)


@dataclass(frozen=True)
class Limits:
    """How many items are looked at: `judged` for neighbourhoods of each of `ks` items, `in_pairs` for distances."""

    judged: int = MOST_JUDGED
    in_pairs: int = MOST_IN_PAIRS
    ks: tuple[int, ...] = KS


@dataclass(frozen=True)
class Mark:
    """One measure of a pair: `value` with its interval, by chance, and of each space against another seed of it.

    `name` as in tables; `key` as in files; `n`: the items it stands on.
    """

    key: str
    name: str
    n: int
    value: float
    low: float
    high: float
    chance: float
    again: tuple[float | None, float | None]


@dataclass(frozen=True)
class SpacePair:
    """Two spaces, by number, what was measured, and whose neighbourhoods differ most and least."""

    first: int
    second: int
    marks: list[Mark]
    changed: Changed

    def mark(self, key: str) -> Mark:
        """The mark of one measure."""
        return next(mark for mark in self.marks if mark.key == key)


@dataclass(frozen=True)
class SpaceComparison:
    """Spaces, the ids they share, and the pairs that were compared. `lost[i]`: ids of space i that not all have."""

    spaces: list[NamedSpace]
    ids: np.ndarray
    lost: list[np.ndarray]
    pairs: list[SpacePair]
    limits: Limits = field(default_factory=Limits)

    @property
    def names(self) -> list[str]:
        """What the spaces are called."""
        return [named.name for named in self.spaces]


def compare_spaces(
    spaces: Sequence[NamedSpace], pairs: Sequence[tuple[int, int]] | None = None, limits: Limits | None = None
) -> SpaceComparison:
    """Compare spaces of the same items in pairs; the same spaces give the same numbers, bit for bit.

    `pairs`: which, by number; by default all of up to four spaces, of more each with the next, and first with last.
    Raises `UserError` for fewer than two spaces, fewer than 20 ids in common, and a space whose vectors are all one.
    """
    limits = limits or Limits()
    if len(spaces) < 2:
        raise UserError("name at least two spaces to compare")
    ids = shared_ids(spaces)
    common = set(ids)
    lost = [np.array([i for i in named.space.ids if i not in common], dtype=object) for named in spaces]
    seen = [_Seen(named, ids, number, limits) for number, named in enumerate(spaces)]
    chosen = list(pairs) if pairs is not None else _pairs(len(spaces))
    found = [SpacePair(a, b, *_compared(seen[a], seen[b])) for a, b in chosen]
    return SpaceComparison(list(spaces), ids, lost, found, limits)


def shared_ids(spaces: Sequence[NamedSpace]) -> np.ndarray:
    """The ids that all spaces have, in the order of the first, (n,) object. Raises `UserError` for fewer than 20."""
    common = set(spaces[0].space.ids).intersection(*(named.space.ids for named in spaces[1:]))
    if len(common) < FEWEST_SHARED:
        few = f"only {len(common)} ids are" if common else "no id is"
        shown = "; ".join(f"{named.name} has {_examples(named.space.ids, common)}" for named in spaces)
        raise UserError(
            f"{few} in all {len(spaces)} spaces, and a comparison needs {FEWEST_SHARED}: {shown}. "
            "Give spaces of the same items, under the same ids"
        )
    return np.array([item for item in spaces[0].space.ids if item in common], dtype=object)


def _examples(ids: np.ndarray, common: set[str]) -> str:
    return ", ".join(repr(str(item)[:40]) for item in [item for item in ids if item not in common][:3]) or "no other"


def _pairs(count: int) -> list[tuple[int, int]]:
    if count <= MOST_FOR_ALL_PAIRS:
        return [(a, b) for a in range(count) for b in range(a + 1, count)]
    return [*((a, a + 1) for a in range(count - 1)), (0, count - 1)]


class _Seen:
    """One space on the shared ids, and what is computed of it once: its neighbour lists and its centred vectors."""

    def __init__(self, named: NamedSpace, ids: np.ndarray, number: int, limits: Limits) -> None:
        self.named, self.ids, self.number, self.limits = named, ids, number, limits
        self.space = named.space.subset(ids)
        if not np.ptp(self.space.vectors, axis=0).any():
            raise UserError(f"{named.name}: all {len(ids):,} shared items have one vector; nothing can be compared")
        n = len(ids)
        self.generator = np.random.default_rng([number, n])
        sampled = np.random.default_rng(n)  # the same items in every space
        self.judged = np.sort(sampled.choice(n, min(n, limits.judged), replace=False))
        self.paired = np.sort(sampled.choice(n, min(n, limits.in_pairs), replace=False))

    @cached_property
    def points(self) -> np.ndarray:
        """Its vectors, centred, (n, d) float64."""
        return whole.centred(self.space.vectors)

    @cached_property
    def pair_ranks(self) -> whole.PairRanks:
        """The ranks of the distances of all pairs of the items that were drawn for it."""
        return whole.pair_ranks(self.points[self.paired])

    @cached_property
    def lists(self) -> near.Lists:
        """The neighbours of the judged items."""
        depth = near.depth_for(self.limits.ks, len(self.ids))
        order = self.generator.permutation(len(self.ids))
        return near.neighbor_lists(self.space.vectors, depth, self.judged, order)

    @cached_property
    def again(self) -> _Seen | None:
        """The same of another seed, where it holds all these ids."""
        other = self.named.again
        if other is None or any(item not in other for item in self.ids):
            return None
        named = NamedSpace(f"another seed of {self.named.name}", other)
        return _Seen(named, self.ids, 1000 + self.number, self.limits)

    @cached_property
    def kept(self) -> near.Overlap | None:
        """What its neighbour lists have in common with another seed's."""
        return near.overlap(self.lists, self.again.lists) if self.again else None

    @cached_property
    def against_again(self) -> dict[str, Estimate]:
        """Every measure between it and another seed of it."""
        return _measures(self, self.again, self.kept) if self.again and self.kept else {}


def _compared(first: _Seen, second: _Seen) -> tuple[list[Mark], Changed]:
    overlap = near.overlap(first.lists, second.lists)
    chance = _by_chance(first, second)
    marks = []
    for key, estimate in _measures(first, second, overlap).items():
        low, high = estimate.interval()
        others = [seen.against_again.get(key) for seen in (first, second)]
        again = tuple(None if one is None else one.value for one in others)
        n = estimate.components[0].count
        marks.append(Mark(key, NAMES[key], n, estimate.value, low, high, chance[key], (again[0], again[1])))
    return marks, changes(first.space, second.space, overlap, [first.kept, second.kept])


NAMES = {
    "shared@10": "share of the 10 nearest",
    **{f"jaccard@{k}": f"neighbour Jaccard at {k}" for k in KS},
    "rbo": f"rank-biased overlap, p = {near.PERSISTENCE:g}",
    "cka": "linear CKA",
    "cka_debiased": "linear CKA, debiased",
    "procrustes": "Procrustes similarity",
    "rsa": "representational similarity",
}


def _measures(first: _Seen, second: _Seen, overlap: near.Overlap) -> dict[str, Estimate]:
    x, y = first.points, second.points
    found = {"shared@10": overlap.share(KS[0])}
    found |= {f"jaccard@{k}": overlap.jaccard(k) for k in first.limits.ks if k <= overlap.depth}
    found["rbo"] = overlap.rank_biased()
    found["cka"], found["cka_debiased"] = whole.linear_cka(x, y), whole.linear_cka(x, y, debiased=True)
    found["procrustes"] = whole.procrustes(x, y)
    found["rsa"] = whole.representational_similarity(first.pair_ranks, second.pair_ranks)
    return found


def _by_chance(first: _Seen, second: _Seen) -> dict[str, float]:
    """What random pairing of the items gives: its mean, exact but for Procrustes, where a few are drawn."""
    n, depth = len(first.ids), first.lists.neighbors.shape[1] - 1
    found = {"shared@10": KS[0] / (n - 1), "rbo": near.rank_biased_by_chance(depth, n)}
    found |= {f"jaccard@{k}": near.jaccard_by_chance(k, n) for k in KS}
    generator = np.random.default_rng([first.number, second.number])
    drawn = whole.procrustes_by_chance(first.points, second.points, generator)
    by_chance: Callable[..., Any] = whole.cka_by_chance
    return {
        **found,
        "cka": by_chance(first.points, second.points),
        "cka_debiased": 0.0,
        "procrustes": drawn,
        "rsa": 0.0,
    }

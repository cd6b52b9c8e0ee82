"""Items that are the same, or nearly: exact copies by digest, near ones by how they look or read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lab.atomic import replacing
from lab.cache import cache_dir
from lab.data.fingerprint import digest

if TYPE_CHECKING:
    from lab.data.labelled.items import Items

# Raised whenever other pairs would be found.
_VERSION = 2


@dataclass(frozen=True)
class Duplicates:
    """Copies among n items.

    `cluster`: `(n,) int64`, the same number for items that are copies of each other, directly or by way of others.
    `pairs`: `(p, 2) int64`, pairs that link them, the smaller position first. `exact`: `(p,) bool`, the same bytes
    (or text) rather than nearly.
    """

    cluster: np.ndarray
    pairs: np.ndarray
    exact: np.ndarray

    def clusters(self) -> list[np.ndarray]:
        """The positions of every cluster of two or more, in the order of their first."""
        order = np.argsort(self.cluster, kind="stable")
        edges = np.flatnonzero(np.diff(self.cluster[order])) + 1
        return sorted((block for block in np.split(order, edges) if len(block) > 1), key=lambda block: int(block[0]))


def find_duplicates(items: Items) -> Duplicates:
    """The copies among items; found once, then read from the cache.

    Exact ones have the same digest. Near ones: see `similar_pictures` and `similar_texts`.
    """
    representatives, exact = _exact(items.fingerprints)
    note = cache_dir() / "labelled" / f"copies-{digest(str(_VERSION), items.kind, *items.fingerprints)}.json"
    try:
        near = np.array(json.loads(note.read_text(encoding="utf-8")), dtype=np.int64).reshape(-1, 2)
    except (OSError, ValueError):
        near = _near(items, representatives)
        try:
            with replacing(note) as temporary:
                temporary.write_text(json.dumps(near.tolist()), encoding="utf-8")
        except OSError:
            pass  # a cache that cannot be written costs time, never an answer
    pairs = np.concatenate([exact, near])
    is_exact = np.arange(len(pairs)) < len(exact)
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    return Duplicates(_components(len(items), pairs), pairs[order], is_exact[order])


def _exact(fingerprints: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The first item of each content, and the pairs of it with every other of the same content."""
    first: dict[str, int] = {}
    pairs = []
    for at, mark in enumerate(fingerprints):
        original = first.setdefault(mark, at)
        if original != at:
            pairs.append((original, at))
    return np.array(list(first.values()), dtype=np.int64), np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _near(items: Items, index: np.ndarray) -> np.ndarray:
    if len(index) < 2:
        return np.empty((0, 2), dtype=np.int64)
    if items.kind == "text":
        from lab.data.labelled.similar_texts import similar_texts

        assert items.texts is not None
        found = similar_texts([items.texts[i] for i in index])
    else:
        from lab.data.labelled.similar_pictures import similar_pictures

        assert items.images is not None
        found = similar_pictures(items.images.subset(index))
    return np.sort(index[found], axis=1)


def _components(n: int, pairs: np.ndarray) -> np.ndarray:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    links = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    return connected_components(links, directed=False)[1].astype(np.int64)

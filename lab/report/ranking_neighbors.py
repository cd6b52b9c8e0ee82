"""What lies near what in the space of two towers: the most popular items and their neighbours, by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.report.words import neighbor_tables

if TYPE_CHECKING:
    from lab.embeddings.space import EmbeddingSpace
    from lab.report.map_data import MapSource

SECTION = "rankings"
SIDE = "side"
POPULAR = 6


def pair_neighbors(sources: Sequence[MapSource], asked: Sequence[str]) -> list[dict[str, Any]]:
    """A table for each of the items asked for that a space holds, else for the most popular ones: their nearest items.

    `sources`: spaces of both sides. Users are left out, as their names say little.
    """
    own = [replace(source, space=items_of(source.space)) for source in sources]
    if not own:
        return []
    names = [name for name in asked if any(name in source.space for source in own)] or popular(own[0].space)
    section = neighbor_tables(own, names, [])
    return section.words if section else []


def items_of(space: EmbeddingSpace) -> EmbeddingSpace:
    """The items of a space of both sides."""
    here = np.flatnonzero((space.metadata[SIDE] == "item").to_numpy())
    return space.subset([space.ids[at] for at in here])


def popular(space: EmbeddingSpace) -> list[str]:
    """The items that most users had in training, by name."""
    counts = space.metadata["interactions"].to_numpy(dtype=np.float64)
    return [str(space.ids[at]) for at in np.argsort(-counts, kind="stable")[:POPULAR]]

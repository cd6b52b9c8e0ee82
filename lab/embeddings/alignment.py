"""Maps of several spaces of the same items that belong together: a point stays where it can be followed.

Each map starts from the one before it and moves slowly, so that items leave their place only where their neighbours
ask for it. Of the three ways tried on the spaces of the quickstart this one follows well and costs least
(`docs/spaces.md` has the figures): maps made apart and turned onto each other lose most points, AlignedUMAP (Dadu et
al. 2023) follows best but takes ten times as long and keeps a little less of each neighbourhood.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lab.embeddings.projection import (
    FEWEST_FOR_UMAP,
    MapSettings,
    principal_components,
    project,
    umap_coordinates,
    unit_rows,
)
from lab.embeddings.space import EmbeddingSpace
from lab.errors import UserError

LEARNING_RATE = 0.1  # of UMAP from the second map on; 1 is its own default, which throws points about
EPOCHS = 200  # of UMAP from the second map on, which has not far to go


def align_maps(spaces: Sequence[EmbeddingSpace], settings: MapSettings | None = None) -> list[np.ndarray]:
    """Map spaces of the same items, in the order given, so that each map is near the one before: (n, 2) float32 each.

    The ids are the same in the same order in all spaces, which may have any width: stages of a training, blocks of a
    network, seeds, models. The first is what `project` makes of it; each other is UMAP that starts from the map
    before it, then turned, mirrored, scaled and moved onto it, which no map's content depends on. Deterministic by
    `settings.seed`. Raises `UserError` where ids differ.
    """
    settings = settings or MapSettings()
    for space in spaces:
        if len(space) != len(spaces[0]) or (space.ids != spaces[0].ids).any():
            raise UserError("maps are aligned over the same items in the same order; use subset() with the shared ids")
    slow = replace(settings, epochs=settings.epochs or EPOCHS)
    maps = [project(space, settings).coordinates for space in spaces[:1]]
    for space in spaces[1:]:
        points = unit_rows(space.vectors) if settings.metric == "cosine" else space.vectors
        made = None
        if settings.method == "umap" and len(space) >= FEWEST_FOR_UMAP:
            made = umap_coordinates(points, slow, maps[-1], LEARNING_RATE)
        maps.append(superimposed(principal_components(points, 2) if made is None else made, maps[-1]))
    return maps


def superimposed(points: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """`points` (n, d) turned or mirrored, scaled and moved to lie nearest to `onto` (n, d), float32 (Gower 1975)."""
    a, b = (np.asarray(one, dtype=np.float64) for one in (points, onto))
    middle = a.mean(axis=0), b.mean(axis=0)
    a, b = a - middle[0], b - middle[1]
    left, values, right = np.linalg.svd(a.T @ b)
    spread = float((a**2).sum())
    scale = float(values.sum()) / spread if spread else 1.0
    return (scale * a @ (left @ right) + middle[1]).astype(np.float32)

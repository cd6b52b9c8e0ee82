"""Maps of compared spaces beside each other, aligned, so that an item is found in the same place on all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from lab.config.base import MapConfig
from lab.report.map_data import Layout, MapSource
from lab.report.maps import FEWEST_ITEMS, MapSection, build_maps, ordered_ids
from lab.report.text import number
from lab.runs.study import Row

if TYPE_CHECKING:
    import pandas as pd

    from lab.report.space_pairs import SpaceComparison
    from lab.runs.run import Run


def aligned_maps(comparison: SpaceComparison, settings: MapConfig | None = None) -> MapSection | None:
    """A map a space, of the same items, each started from the one before; None for fewer than fifty shared items."""
    from lab.embeddings.alignment import align_maps
    from lab.embeddings.projection import MapSettings
    from lab.evaluation.geometry import trustworthiness

    settings = settings or MapConfig()
    if len(comparison.ids) < FEWEST_ITEMS:
        return None
    shared = [named.space.subset(comparison.ids) for named in comparison.spaces]
    ids = ordered_ids(shared[0])[: settings.items]
    spaces = [space.subset(ids) for space in shared]
    how = MapSettings(settings.method, settings.metric, settings.neighbors, settings.min_dist, settings.seed)
    column = next((name for name in ("label", "kind") if name in shared[0].metadata.columns), None)
    named = len(max(ids, key=len)) <= 20 and column is None
    sources = []
    for one, space, points in zip(comparison.spaces, shared, align_maps(spaces, how), strict=True):
        run = cast("Run", one.run or _NoRun())
        judged = np.random.default_rng(0).permutation(len(ids))[: how.judged]
        kept = trustworthiness(space.subset(ids).vectors, points, how.neighbors, how.metric, judged)
        note = f"Trustworthiness {number(kept)} · "
        stages = [Layout("", points)]
        sources.append(MapSource(_row(one.name), run, space, named=named, color=column, note=note, stages=stages))
    return build_maps(sources, settings)


class _NoRun:
    """Stands for the run of a space that is no run's: nothing is known of its items but what the space says."""

    def __init__(self) -> None:
        self.config: dict[str, Any] = {}
        self.info: dict[str, Any] = {}

    def scores(self) -> pd.DataFrame:
        """No scores."""
        import pandas as pd

        return pd.DataFrame(columns=["id", "evaluation", "metric", "value"])


def _row(name: str) -> Row:
    return Row(name, {}, "", [], 1, [])

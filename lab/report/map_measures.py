"""What is known of each item on a map as a number of its own: scores of its run, and what the map kept of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lab.report.numbers import spoken

if TYPE_CHECKING:
    from lab.report.map_data import MapSource

MOST_SCORES = 6  # measures of a run by which its map can be coloured
KEPT = "neighbours kept on the map"


def measure(source: MapSource) -> None:
    """Set `measured`: the share of each item's nearest neighbours that the map keeps, and its scores in the run."""
    if source.neighbors is not None:
        source.measured[KEPT] = neighbors_kept(source)
    for name, scores in run_scores(source).items():
        source.measured[name] = scores


def neighbors_kept(source: MapSource) -> np.ndarray:
    """Of each item's k nearest in the original space that are on the map, the share among its k nearest there, (n,).

    NaN where none of them is on the map.
    """
    from scipy.spatial import cKDTree

    assert source.neighbors is not None
    points, own = source.coordinates, source.space.index(source.ids)
    place = np.full(len(source.space) + 1, -1)  # the last stands for the row number -1
    place[own] = np.arange(len(own))
    wanted = place[source.neighbors]
    k = min(wanted.shape[1], len(own) - 1)
    if k < 1:
        return np.full(len(own), np.nan)
    near = np.atleast_2d(cKDTree(points).query(points, k + 1)[1])
    found = (near[:, :, None] == wanted[:, None, :]).any(axis=1) & (wanted >= 0)
    known = (wanted >= 0).sum(axis=1)
    return np.divide(found.sum(axis=1), known, out=np.full(len(own), np.nan), where=known > 0)


def run_scores(source: MapSource) -> dict[str, np.ndarray]:
    """By spoken name, the scores (n,) that the run recorded of the items on its map, NaN where it has none."""
    found: dict[str, np.ndarray] = {}
    place = {item: i for i, item in enumerate(source.ids)}
    scores = source.run.scores()
    scores = scores[scores["id"].isin(place)]
    for names, table in scores.groupby(["evaluation", "metric"], sort=False):
        values = np.full(len(place), np.nan)
        values[[place[item] for item in table["id"]]] = table["value"]
        found[": ".join(spoken(str(name)) for name in names)] = values
    return dict(list(found.items())[:MOST_SCORES])

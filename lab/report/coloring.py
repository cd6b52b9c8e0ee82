"""Which colour an item has on the maps: its cluster in the first map's space, or a column of the metadata."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.report.style import CLASS_COLORS, COLORS, FAINT
from lab.report.text import number, short

if TYPE_CHECKING:
    import pandas as pd

    from lab.config.base import MapConfig
    from lab.embeddings.space import EmbeddingSpace

CLUSTERS = len(COLORS)
STEPS = 64  # of a colour scale


@dataclass(frozen=True)
class Coloring:
    """`codes`: id → colour number; `unknown`: the number of every other item, which is also how many colours there are.

    `palette`: hexadecimal colours of a scale, or None where the page's own colours (`--c0` …) are meant. `what` says
    in a sentence what colours show, `name` in a word or two.
    """

    codes: dict[str, int]
    unknown: int
    palette: list[str] | None
    legend: list[dict[str, Any]]
    what: str
    name: str

    def hexadecimal(self, ids: list[str]) -> list[str]:
        """The colour of each item for matplotlib."""
        names = self.palette or [*CLASS_COLORS[: self.unknown], FAINT]
        return [names[self.codes.get(item, self.unknown)] for item in ids]


def joined(colorings: Sequence[Coloring]) -> Coloring:
    """One colouring for maps with different items; words and legend are the first one's where there are several."""
    first, *others = colorings
    codes = dict(first.codes)
    alike = [first, *(other for other in others if other.palette == first.palette)]
    for other in alike[1:]:
        codes = {**other.codes, **codes}
    unknown = max(coloring.unknown for coloring in alike)
    name = first.name if all(other.name == first.name for other in others) else "as each map has it"
    return Coloring(codes, unknown, first.palette, [] if others else first.legend, first.what, name)


@cache
def scale_colors() -> list[str]:
    """The colours of a scale, from low to high: cividis (Nuñez, Anderton and Renslow 2018), hexadecimal."""
    import matplotlib
    from matplotlib.colors import to_hex

    scale = matplotlib.colormaps["cividis"]
    return [to_hex(scale(step / (STEPS - 1))) for step in range(STEPS)]


def color_items(space: EmbeddingSpace, settings: MapConfig, several: bool) -> Coloring:
    """Colour the items of the first map (`space` holds exactly these); the other maps take the colours over.

    A column that the metadata lacks is said so in `what`, and clusters are shown.
    """
    if settings.color != "cluster" and settings.color in space.metadata.columns:
        return _by_column(space, settings.color)
    coloring = _by_cluster(space, settings, several)
    if settings.color != "cluster":
        missing = f"There is no metadata column “{settings.color}”. {coloring.what}"
        return replace(coloring, what=missing)
    return coloring


def _by_cluster(space: EmbeddingSpace, settings: MapConfig, several: bool) -> Coloring:
    """k-means (Lloyd 1982) of the vectors, of unit length for the cosine; clusters are numbered by size."""
    from sklearn.cluster import KMeans

    vectors = space.vectors.astype(np.float64)
    if settings.metric == "cosine":
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    k = min(CLUSTERS, max(1, len(space) // 4))
    model = KMeans(n_clusters=k, n_init=3, random_state=settings.seed).fit(vectors)
    order = [int(cluster) for cluster, _ in Counter(model.labels_.tolist()).most_common()]
    rank = {cluster: place for place, cluster in enumerate(order)}
    legend = []
    for cluster in order:
        members = np.flatnonzero(model.labels_ == cluster)
        off = np.linalg.norm(vectors[members] - model.cluster_centers_[cluster], axis=1)
        middle = members[np.argsort(off, kind="stable")[:3]]
        legend.append(_entry(rank[cluster], ", ".join(short(str(item), 24) for item in space.ids[middle])))
    codes = {str(item): rank[int(label)] for item, label in zip(space.ids, model.labels_, strict=True)}
    where = (
        "in the first space; the other maps keep these colours, so that you see where each group goes"
        if several
        else ""
    )
    what = f"Colours are {k} clusters (k-means) {where}".strip() + ". Each is named by its three most central items."
    return Coloring(codes, k, None, legend, what, "clusters")


def _by_column(space: EmbeddingSpace, name: str) -> Coloring:
    column = space.metadata[name]
    if column.dtype.kind in "fiu" and column.nunique() > len(CLASS_COLORS):
        return _by_number(space, column, name)
    texts = [value if known else None for value, known in zip(column, column.notna(), strict=True)]
    common = [value for value, _ in Counter(v for v in texts if v is not None).most_common(len(CLASS_COLORS))]
    rank = {value: place for place, value in enumerate(sorted(common, key=natural))}
    codes = {str(item): rank[value] for item, value in zip(space.ids, texts, strict=True) if value in rank}
    legend = [_entry(place, short(str(value), 60)) for value, place in rank.items()]
    if len(codes) < len(space):
        legend.append({"color": "var(--faint)", "label": "other or unknown", "code": len(common)})
    return Coloring(codes, len(common), None, legend, f"Colours show “{short(name, 40)}”.", short(name, 40))


def natural(value: Any) -> tuple[int, float, str]:
    """Numbers by size, then texts by letter."""
    text = str(value)
    return (0, float(text), "") if re.fullmatch(r"-?\d+(\.\d+)?", text) else (1, 0.0, text)


def _by_number(space: EmbeddingSpace, column: pd.Series, name: str) -> Coloring:
    """Steps of the scale by rank, so that outliers do not use them up."""
    values = column.to_numpy(dtype=np.float64)
    known = np.isfinite(values)
    ranks = np.searchsorted(np.sort(values[known]), values[known], side="left") / max(1, known.sum() - 1)
    palette = scale_colors()
    steps = np.minimum((ranks * STEPS).astype(int), STEPS - 1)
    codes = {str(item): int(step) for item, step in zip(space.ids[known], steps, strict=True)}
    low, middle, high = (number(v) for v in np.quantile(values[known], [0, 0.5, 1]))
    legend = [
        {"color": palette[0], "label": f"{low} (lowest)"},
        {"color": palette[STEPS // 2], "label": f"{middle} (median)"},
        {"color": palette[-1], "label": f"{high} (highest)"},
    ]
    what = f"Colours show “{short(name, 40)}”, by rank."
    return Coloring(codes, STEPS, [*palette, FAINT], legend, what, short(name, 40))


def _entry(place: int, label: str) -> dict[str, Any]:
    return {"color": f"var(--c{place})", "label": label, "code": place}

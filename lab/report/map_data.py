"""The maps as data for the viewer: labels once, coordinates as base64, all of it within a budget."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.report.coloring import Coloring, scale_colors
from lab.report.map_columns import MISSING, column_of
from lab.report.text import json_for_script, short

if TYPE_CHECKING:
    from lab.embeddings.projection import Projection
    from lab.embeddings.space import EmbeddingSpace
    from lab.report.thumbnails import Thumbnails
    from lab.runs.run import Run
    from lab.runs.study import Row

MOST_BYTES = 28 * 2**20  # of map data in the page, so that all of it stays under 30 MB
TEXT_LENGTHS = (300, 80, 0)  # characters kept of a text in the metadata, until everything fits
MOST_COLUMNS = 6
EDGE = 0.94  # of the map's half width: how far out its outermost point lies
_GRID = 65535  # steps of a coordinate from edge to edge: a hundredth of a pixel


@dataclass(frozen=True)
class Layout:
    """Where the items of a map lie at one stage: `name`, e.g. `block 3` or `epoch 2`, and `coordinates` (n, 2)."""

    name: str
    coordinates: np.ndarray


@dataclass
class MapSource:
    """One space to be drawn: `ids` are the items on its map, most frequent first.

    `neighbors` (n, k) row numbers of the space by `metric`, `scores` (n, k) how near each is. `section`: which part of
    the page its map stands in; `color`: a metadata column that is shown instead of the one of the settings; `named`:
    whether the names of items say something, so that they are written on the map; `note`: how its caption begins.
    `stages`: layouts of the same items, aligned to each other, shown by a slider instead of a projection of the space,
    the last first. `again`: the projection from another seed. `measured`: by name, a number for each item (n,), NaN
    where it is unknown.
    """

    row: Row
    run: Run
    space: EmbeddingSpace
    ids: list[str] = field(default_factory=list)
    projection: Projection | None = None
    neighbors: np.ndarray | None = None
    section: str = ""
    color: str | None = None
    named: bool = True
    note: str = ""
    embedding: str | None = None
    scores: np.ndarray | None = None
    metric: str = "cosine"
    stages: Sequence[Layout] = ()
    again: Projection | None = None
    measured: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def layouts(self) -> list[Layout]:
        """Coordinates within [-1, 1], float32; each layout fills the frame, axes on one scale. The last is the map."""
        n = len(self.ids)
        if self.stages:
            return [Layout(stage.name, in_frame(stage.coordinates[:n])) for stage in self.stages]
        assert self.projection is not None
        return [Layout(f"seed {self.projection.settings.seed}", in_frame(self.projection.coordinates[:n]))]

    @property
    def coordinates(self) -> np.ndarray:
        """(n, 2) float32 of the layout that is shown first."""
        return self.layouts[-1].coordinates

    @property
    def second(self) -> Layout | None:
        """The layout from another seed, turned and mirrored onto the first, so that what still moves is accident."""
        if self.again is None:
            return None
        points = in_frame(self.again.coordinates[: len(self.ids)])
        turned = points.astype(np.float64) @ rotation(points, self.coordinates)
        return Layout(f"seed {self.again.settings.seed}", in_frame(turned))

    def cut(self, share: float) -> None:
        """Keep only the first items, this share of them."""
        self.ids = self.ids[: max(1, int(share * len(self.ids)))]
        n = len(self.ids)
        self.neighbors, self.scores = (None if a is None else a[:n] for a in (self.neighbors, self.scores))
        self.measured = {name: values[:n] for name, values in self.measured.items()}


def in_frame(layout: np.ndarray) -> np.ndarray:
    """A layout (n, 2) moved and scaled, both axes alike, into the frame of a map: float32 within ±`EDGE`."""
    points = np.asarray(layout, dtype=np.float64)
    middle = (points.max(axis=0) + points.min(axis=0)) / 2
    half = float((points.max(axis=0) - points.min(axis=0)).max()) / 2 or 1.0
    return (EDGE * (points - middle) / half).astype(np.float32)


def rotation(points: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """The rotation or reflection (2, 2) float64 that brings `points` (n, 2) nearest to `onto` (Schönemann 1966)."""
    a, b = (x.astype(np.float64) - x.mean(axis=0, dtype=np.float64) for x in (points, onto))
    left, _, right = np.linalg.svd(a.T @ b)
    return np.asarray(left @ right)


def fit(
    sources: Sequence[MapSource],
    coloring: Coloring,
    thumbnails: Thumbnails | None = None,
    most_bytes: int = MOST_BYTES,
) -> tuple[str, list[str]]:
    """The maps as JSON of at most `most_bytes`, and in words what had to be left out for that."""
    before = [len(source.ids) for source in sources]
    while True:
        for length in TEXT_LENGTHS:
            text = json_for_script(encode(sources, coloring, length, thumbnails))
            if len(text.encode("utf-8", "replace")) <= most_bytes or all(len(source.ids) == 1 for source in sources):
                break
        else:
            for source in sources:
                source.cut(0.6)
            continue
        cut = []
        if length != TEXT_LENGTHS[0]:
            cut.append(f"texts in the metadata are {f'cut at {length} characters' if length else 'left out'}")
        if (kept := [len(source.ids) for source in sources]) != before:
            cut.append(f"only the first {max(kept):,} of {max(before):,} items are on a map")
        return text, cut


def encode(
    sources: Sequence[MapSource], coloring: Coloring, text_length: int, thumbnails: Thumbnails | None = None
) -> dict[str, Any]:
    """What the viewer reads (viewer/types.d.ts says it): labels, metadata and pictures once for all maps."""
    number_of: dict[str, int] = {}
    for source in sources:
        for item in source.ids:
            number_of.setdefault(item, len(number_of))
    on_a_map = len(number_of)
    for source in sources:
        if source.neighbors is not None:
            for item in source.space.ids[np.unique(source.neighbors[source.neighbors >= 0])]:
                number_of.setdefault(item, len(number_of))
    items = list(number_of)
    kind = "<u2" if len(items) < MISSING else "<u4"
    return {
        "labels": [short(item, max(text_length, 80)) for item in items],
        "wide": kind == "<u4",
        "columns": _columns(sources, items[:on_a_map], text_length),
        "colors": _base64([coloring.codes.get(item, coloring.unknown) for item in items], "u1"),
        "colorCount": coloring.unknown,
        "palette": coloring.palette,
        "what": coloring.name,
        "scale": scale_colors(),
        "pictures": thumbnails.in_page(number_of) if thumbnails else None,
        "panes": [_pane(source, number_of, kind) for source in sources],
    }


def _pane(source: MapSource, number_of: Mapping[str, int], kind: str) -> dict[str, Any]:
    names, second, neighbors = source.space.ids, source.second, source.neighbors
    none = MISSING if kind == "<u2" else 2**32 - 1
    return {
        "items": _base64([number_of[item] for item in source.ids], kind),
        "layouts": [_layout(layout) for layout in source.layouts],
        "second": _layout(second) if second else None,
        "neighbors": None
        if neighbors is None
        else _base64([number_of[names[j]] if j >= 0 else none for j in neighbors.ravel()], kind),
        "scores": None if source.scores is None else _steps(source.scores.ravel()),
        "k": 0 if neighbors is None else neighbors.shape[1],
        "score": "similarity" if source.metric == "cosine" else "distance",
        "named": source.named,
        "measured": [
            {"name": short(name, 60), "kind": "number", "values": _base64(values, "<f4")}
            for name, values in source.measured.items()
        ],
    }


def _layout(layout: Layout) -> dict[str, str]:
    places = np.rint((layout.coordinates.astype(np.float64) + 1) / 2 * _GRID)
    return {"name": short(layout.name, 60), "x": _base64(places[:, 0], "<u2"), "y": _base64(places[:, 1], "<u2")}


def _steps(values: np.ndarray) -> dict[str, Any]:
    """Numbers as steps between the least and the greatest: two bytes each, three digits and more."""
    known = np.isfinite(values)
    low, high = (float(values[known].min()), float(values[known].max())) if known.any() else (0.0, 0.0)
    steps = np.where(known, np.rint((np.nan_to_num(values) - low) / ((high - low) or 1.0) * _GRID), 0)
    return {"low": low, "high": high, "steps": _base64(steps, "<u2")}


def _columns(sources: Sequence[MapSource], items: Sequence[str], length: int) -> list[dict[str, Any]]:
    """Metadata of the items on the maps, from the first space that knows it."""
    columns: dict[str, dict[str, Any]] = {}
    for source in sources:
        table = source.space.metadata
        rows = source.space.index(source.ids)
        for name in table.columns[:MOST_COLUMNS]:
            values = columns.setdefault(name, {})
            column = table[name].iloc[rows]
            for item, value, known in zip(source.ids, column, column.notna(), strict=True):
                if known:
                    values.setdefault(item, value)
    found = [
        column_of(short(name, 40), [values.get(item) for item in items], length) for name, values in columns.items()
    ]
    return [column for column in found if column]


def _base64(values: Any, kind: str) -> str:
    return base64.b64encode(np.asarray(values, dtype=kind).tobytes()).decode()

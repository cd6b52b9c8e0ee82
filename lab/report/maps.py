"""Maps side by side: one projection per row of the study, as data for the viewer and as still pictures."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.report.coloring import Coloring, color_items
from lab.report.still_map import still_map
from lab.report.text import count, data_uri, json_for_script, listing, number, short

if TYPE_CHECKING:
    from lab.config.base import MapConfig
    from lab.embeddings.projection import Projection
    from lab.embeddings.space import EmbeddingSpace
    from lab.runs.run import Run
    from lab.runs.study import Row

MOST_POINTS = 50_000  # on one map
MOST_MAPS = 12
MOST_BYTES = 28 * 2**20  # of map data in the page, so that all of it stays under 30 MB
NEIGHBORS = 6  # listed with an item
MOST_PAIRS = 4 * 10**8  # map items × items of the space: beyond it neighbours would take minutes
TEXT_LENGTHS = (300, 80, 0)  # characters kept of a text in the metadata, until everything fits
MOST_COLUMNS = 6


@dataclass
class MapSource:
    """One space to be drawn: `ids` are the items on its map, most frequent first, `neighbors` (n, k) row numbers."""

    row: Row
    run: Run
    space: EmbeddingSpace
    ids: list[str] = field(default_factory=list)
    projection: Projection | None = None
    neighbors: np.ndarray | None = None

    @property
    def coordinates(self) -> np.ndarray:
        """(n, 2) float32 within [-1, 1], both axes on one scale."""
        assert self.projection is not None
        points = np.asarray(self.projection.coordinates[: len(self.ids)], dtype=np.float64)
        middle = (points.max(axis=0) + points.min(axis=0)) / 2
        half = float((points.max(axis=0) - points.min(axis=0)).max()) / 2 or 1.0
        return (0.94 * (points - middle) / half).astype(np.float32)

    def cut(self, share: float) -> None:
        """Keep only the first items, this share of them."""
        self.ids = self.ids[: max(1, int(share * len(self.ids)))]
        self.neighbors = None if self.neighbors is None else self.neighbors[: len(self.ids)]


@dataclass
class MapPane:
    """One map in the page: its still picture, and what is said under it."""

    name: str
    title: str
    png: bytes
    source: str
    alt: str
    caption: str


@dataclass
class MapSection:
    """Everything the template shows of the maps; `data` is JSON, safe inside a script element."""

    introduction: list[str]
    example: str
    legend: list[dict[str, str]]
    panes: list[MapPane]
    notes: list[str]
    data: str


def build_maps(rows: Sequence[Row], settings: MapConfig, examples: Sequence[str] = ()) -> MapSection | None:
    """Project the default space of each row's first finished run; None where no run left one."""
    sources = _sources(rows)
    if not sources:
        return None
    left_out = len(sources) - MOST_MAPS
    sources = sources[:MOST_MAPS]
    choose_items(sources, min(settings.items, MOST_POINTS))
    for source in sources:
        source.projection = _project(source, settings)
        source.neighbors = _neighbors(source, settings)
    coloring = color_items(sources[0].space.subset(sources[0].ids), settings, len(sources) > 1)
    data, cut = fit(sources, coloring)
    panes = [_pane(source, coloring, settings) for source in sources]
    return MapSection(
        introduction=_introduction(sources, coloring),
        example=next((word for word in examples if word in sources[0].ids), sources[0].ids[0])[:40],
        legend=coloring.legend,
        panes=panes,
        notes=_notes(sources, settings, left_out, cut),
        data=data,
    )


def _sources(rows: Sequence[Row]) -> list[MapSource]:
    """The rows whose first finished run has a default space that is large enough for a map."""
    sources = []
    for row in rows:
        run = next((run for run in row.runs if run.default_embedding), None)
        space = run.space() if run else None
        if run and space is not None and len(space) >= 10:
            sources.append(MapSource(row, run, space))
    return sources


def choose_items(sources: Sequence[MapSource], most: int) -> None:
    """Put the same items on every map where the spaces share them: the most frequent of the first space.

    A space without at least half of these shows items of its own.
    """
    first = ordered_ids(sources[0].space)[:most]
    for source in sources:
        shared = [item for item in first if item in source.space]
        source.ids = shared if 2 * len(shared) >= len(first) else ordered_ids(source.space)[:most]


def ordered_ids(space: EmbeddingSpace) -> list[str]:
    """All ids, the most frequent first where the metadata has a `count`, else as they stand."""
    if "count" not in space.metadata.columns:
        return list(space.ids)
    counts = space.metadata["count"].fillna(0).to_numpy()
    return list(space.ids[np.argsort(-counts, kind="stable")])


def _neighbors(source: MapSource, settings: MapConfig) -> np.ndarray | None:
    if len(source.ids) * len(source.space) > MOST_PAIRS:
        return None
    from lab.embeddings.neighbors import top_k

    own = source.space.index(source.ids)
    vectors = source.space.vectors
    indices, _ = top_k(vectors[own], vectors, NEIGHBORS, settings.metric, exclude=own[:, None])
    return indices


# --- data for the viewer


def fit(sources: Sequence[MapSource], coloring: Coloring, most_bytes: int = MOST_BYTES) -> tuple[str, list[str]]:
    """The maps as JSON of at most `most_bytes`, and in words what had to be left out for that."""
    before = [len(source.ids) for source in sources]
    while True:
        for length in TEXT_LENGTHS:
            text = json_for_script(encode(sources, coloring, length))
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


def encode(sources: Sequence[MapSource], coloring: Coloring, text_length: int) -> dict[str, Any]:
    """What viewer.js reads: labels and metadata once for all maps, coordinates as base64 of little-endian float32."""
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
    panes = []
    for source in sources:
        points = source.coordinates
        names = source.space.ids
        panes.append(
            {
                "items": _base64([number_of[item] for item in source.ids], "<u4"),
                "x": _base64(points[:, 0], "<f4"),
                "y": _base64(points[:, 1], "<f4"),
                "neighbors": None
                if source.neighbors is None
                else _base64([number_of[names[j]] if j >= 0 else 2**32 - 1 for j in source.neighbors.ravel()], "<u4"),
                "k": 0 if source.neighbors is None else source.neighbors.shape[1],
            }
        )
    return {
        "labels": [short(item, max(text_length, 80)) for item in items],
        "columns": _columns(sources, items, on_a_map, text_length),
        "colors": _base64([coloring.codes.get(item, coloring.unknown) for item in items], "u1"),
        "colorCount": coloring.unknown,
        "palette": coloring.palette,
        "panes": panes,
    }


def _columns(sources: Sequence[MapSource], items: list[str], on_a_map: int, length: int) -> list[dict[str, Any]]:
    """Metadata of the items on the maps, from the first space that knows it."""
    columns: dict[str, dict[str, Any]] = {}
    for source in sources:
        table = source.space.metadata
        rows = source.space.index(source.ids)
        for name in table.columns[:MOST_COLUMNS]:
            values = columns.setdefault(name, {})
            for item, value in zip(source.ids, table[name].iloc[rows], strict=True):
                if item not in values and (shown := _shown(value, length)) is not None:
                    values[item] = shown
    return [
        {"name": short(name, 40), "values": [values.get(item) for item in items[:on_a_map]]}
        for name, values in columns.items()
        if values
    ]


def _shown(value: Any, length: int) -> str | int | None:
    """A value of the metadata as the viewer prints it; None where there is nothing to print."""
    import pandas as pd

    if not np.isscalar(value) or pd.isna(value) or value == "":
        return None
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer) and abs(int(value)) < 2**53:
        return int(value)
    if isinstance(value, float | np.floating):
        return f"{value:.4g}"
    return short(str(value), length) if length else None


def _base64(values: Any, kind: str) -> str:
    return base64.b64encode(np.asarray(values, dtype=kind).tobytes()).decode()


# --- words around the maps


def _pane(source: MapSource, coloring: Coloring, settings: MapConfig) -> MapPane:
    assert source.projection is not None
    png = still_map(source.coordinates, source.ids, coloring.hexadecimal(source.ids), settings.labels)
    title = source.row.label
    shown = count(len(source.ids), "item") if len(source.ids) == len(source.space) else (
        f"{len(source.ids):,} of {count(len(source.space), 'item')}"
    )  # fmt: skip
    seeds = f"seed {source.run.seed}, " if source.row.planned > 1 else ""
    scores = (
        f"Trustworthiness {number(source.projection.trustworthiness)}, continuity {number(source.projection.continuity)}"
    )
    return MapPane(
        name=f"map {title}",
        title=title,
        png=png,
        source=data_uri(png),
        alt=f"Map of {shown} of {title}; each point is an item, near points are alike.",
        caption=f"{scores} · {seeds}{shown}, {source.space.dim} dimensions, {method_of(settings)}.",
    )


def method_of(settings: MapConfig) -> str:
    """The projection and its settings, short."""
    if settings.method == "pca":
        return "PCA"
    return f"UMAP ({settings.metric}, {settings.neighbors} neighbours, min_dist {settings.min_dist:g}, seed {settings.seed})"


def _introduction(sources: Sequence[MapSource], coloring: Coloring) -> list[str]:
    frequent = "count" in sources[0].space.metadata.columns and len(sources[0].ids) < len(sources[0].space)
    which = f"the {len(sources[0].ids):,} most frequent items" if frequent else f"{count(len(sources[0].ids), 'item')}"
    text = f"Each point is one of {which}; near points have similar vectors."
    others = [source for source in sources[1:] if source.ids != sources[0].ids]
    if len(sources) > 1:
        same = "All maps show the same items." if not others else (
            f"The other maps show the same items as far as they have them: {listing([f'{len(s.ids):,} in {s.row.label}' for s in others])}."
        )  # fmt: skip
        text = f"{text} {same}"
    how = (
        "Point at an item to see it, and its nearest neighbours in the original space, on every map; click it to see where "
        "these neighbours lie. Drag to move; zoom with the buttons, a pinch, or the wheel with Ctrl or ⌘ held."
    )
    return [f"{text} {coloring.what}", how]


def _notes(sources: Sequence[MapSource], settings: MapConfig, left_out: int, cut: list[str]) -> list[str]:
    notes = [
        "How to read it: who is whose neighbour is mostly kept, as the two numbers under each map say (1 is perfect: "
        "trustworthiness falls when strangers become neighbours, continuity when neighbours are torn apart). Distances "
        "between clusters, their sizes and their places mean little."
    ]
    if any(source.neighbors is None for source in sources):
        notes.append("The spaces are too large to list nearest neighbours here; `lab neighbors` does it.")
    if left_out > 0:
        notes.append(f"Maps of the first {MOST_MAPS} rows are shown; {left_out} more are left out.")
    if settings.items > MOST_POINTS:
        notes.append(f"A map shows at most {MOST_POINTS:,} items; the config asks for {settings.items:,}.")
    if cut:
        notes.append(f"To keep the page below 30 MB, {listing(cut)}.")
    return notes

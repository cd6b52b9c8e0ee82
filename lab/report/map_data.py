"""The maps as data for viewer.js: labels once, coordinates as base64, all of it within a budget."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.report.coloring import Coloring
from lab.report.text import json_for_script, short

if TYPE_CHECKING:
    from lab.embeddings.projection import Projection
    from lab.embeddings.space import EmbeddingSpace
    from lab.runs.run import Run
    from lab.runs.study import Row

MOST_BYTES = 28 * 2**20  # of map data in the page, so that all of it stays under 30 MB
TEXT_LENGTHS = (300, 80, 0)  # characters kept of a text in the metadata, until everything fits
MOST_COLUMNS = 6


@dataclass
class MapSource:
    """One space to be drawn: `ids` are the items on its map, most frequent first, `neighbors` (n, k) row numbers.

    `section`: which part of the page its map stands in; `color`: a metadata column that is shown instead of the one of
    the settings; `named`: whether the names of items say something, so that they are written on the map; `note`: how
    its caption begins.
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
                "named": source.named,
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
            column = table[name].iloc[rows]
            for item, value, known in zip(source.ids, column, column.notna(), strict=True):
                if known and item not in values and (shown := _shown(value, length)) is not None:
                    values[item] = shown
    return [
        {"name": short(name, 40), "values": [values.get(item) for item in items[:on_a_map]]}
        for name, values in columns.items()
        if values
    ]


def _shown(value: Any, length: int) -> str | int | None:
    """A value of the metadata as the viewer prints it; None where there is nothing to print."""
    if not np.isscalar(value) or value == "":
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

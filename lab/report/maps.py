"""Maps side by side: one projection per row of the study, as data for the viewer and as still pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.report.coloring import Coloring, color_items, joined
from lab.report.map_data import MapSource, fit
from lab.report.map_measures import measure
from lab.report.ranking_neighbors import SECTION as RANKINGS
from lab.report.ranking_neighbors import SIDE
from lab.report.still_map import still_map
from lab.report.text import count, data_uri, listing, number
from lab.report.thumbnails import thumbnails

if TYPE_CHECKING:
    from lab.config.base import MapConfig
    from lab.embeddings.projection import Projection
    from lab.embeddings.space import EmbeddingSpace
    from lab.runs.study import Row

MOST_POINTS = 200_000  # on one map
MOST_MAPS = 12
NEIGHBORS = 6  # listed with an item
MOST_PAIRS = 4 * 10**8  # map items × items of the space: beyond it neighbours would take minutes
FEWEST_ITEMS = 50  # fewer make no map
MOST_AGAIN = 5_000  # items of a map that is also drawn from a second seed
MOST_AGAIN_IN_ALL = 9_000  # items of all such maps of a page: about five seconds
EPOCHS_AGAIN = 200  # of the second drawing; UMAP's own number for large maps


@dataclass
class MapPane:
    """One map in the page: its still picture, and what is said under it."""

    name: str
    title: str
    png: bytes
    source: str
    alt: str
    caption: str
    number: int = 0
    stages: list[str] = field(default_factory=list)


@dataclass
class MapPart:
    """The maps of one section of the page; `number` of a pane counts over all parts, as the viewer does."""

    section: str
    introduction: list[str]
    legend: list[dict[str, Any]]
    panes: list[MapPane]


@dataclass
class MapSection:
    """Everything the template shows of the maps; `data` is JSON, safe inside a script element.

    `again`: whether there is a map that can be drawn from a second seed.
    """

    parts: list[MapPart]
    example: str
    notes: list[str]
    data: str
    again: bool

    @property
    def panes(self) -> list[MapPane]:
        """The maps of all parts."""
        return [pane for part in self.parts for pane in part.panes]

    def part(self, section: str) -> MapPart | None:
        """The maps of one section of the page."""
        return next((part for part in self.parts if part.section == section), None)


def map_sources(rows: Sequence[Row], color: str = "cluster") -> list[MapSource]:
    """The rows whose first finished run left a default space that is large enough for a map.

    A space of both sides of two towers has its map beside the lists, in colours that tell users from items unless it
    has the column `color`.
    """
    sources = []
    for row in rows:
        run = next((run for run in row.runs if run.default_embedding), None)
        space = run.space() if run else None
        if run and space is not None and len(space) >= FEWEST_ITEMS:
            source = MapSource(row, run, space)
            if SIDE in space.metadata.columns:
                source = replace(source, section=RANKINGS, color=color if color in space.metadata.columns else SIDE)
            sources.append(source)
    return sources


def build_maps(sources: Sequence[MapSource], settings: MapConfig, examples: Sequence[str] = ()) -> MapSection | None:
    """Project the spaces, with the same items and colours on each as far as they share them; None without any.

    `examples`: words of which the first that is on the map is suggested in the search box.
    """
    if not sources:
        return None
    left_out = len(sources) - MOST_MAPS
    sources = list(sources[:MOST_MAPS])
    groups = {section: _grouped(sources, section, settings) for section in dict.fromkeys(s.section for s in sources)}
    _place(sources, settings)
    colorings = {section: [_colored(group, settings) for group in found] for section, found in groups.items()}
    coloring = joined([one for found in colorings.values() for one in found])
    data, cut = fit(sources, coloring, thumbnails(sources))
    parts = []
    for section, found in groups.items():
        own = joined(colorings[section])
        panes = [_pane(s, coloring, settings, k) for k, s in enumerate(sources) if s.section == section]
        parts.append(MapPart(section, _introduction(found, own), own.legend, panes))
    example = next((word for source in sources for word in examples if word in source.ids), sources[0].ids[0])[:40]
    again = any(source.again for source in sources)
    return MapSection(parts, example, _notes(sources, settings, left_out, cut), data, again)


def _place(sources: Sequence[MapSource], settings: MapConfig) -> None:
    """Give every map its coordinates, neighbours and measures, and the first of them a second drawing."""
    left = MOST_AGAIN_IN_ALL
    for source in sources:
        source.metric = settings.metric
        _find_neighbors(source)
        if not source.stages:
            source.projection = project(source, settings)
            if source.projection.method == "umap" and len(source.ids) <= min(MOST_AGAIN, left):
                left -= len(source.ids)
                source.again = project(source, settings, again=True)
        measure(source)


def _grouped(sources: Sequence[MapSource], section: str, settings: MapConfig) -> list[list[MapSource]]:
    here = [source for source in sources if source.section == section]
    return choose_items(here, min(settings.items, MOST_POINTS))


def _colored(group: Sequence[MapSource], settings: MapConfig) -> Coloring:
    first = group[0]
    column = first.color if first.color in first.space.metadata.columns else None
    shown = settings.model_copy(update={"color": column}) if column else settings
    return color_items(first.space.subset(first.ids), shown, len(group) > 1)


def choose_items(sources: Sequence[MapSource], most: int) -> list[list[MapSource]]:
    """Put the same items on the maps of spaces that share them, and return these groups of maps.

    A group shows the most frequent items of its first space; a space without at least half of them starts a group.
    """
    groups: list[list[MapSource]] = []
    for source in sources:
        for group in groups:
            shared = [item for item in group[0].ids if item in source.space]
            if 2 * len(shared) >= len(group[0].ids):
                source.ids = shared
                group.append(source)
                break
        else:
            source.ids = ordered_ids(source.space)[:most]
            groups.append([source])
    return groups


def ordered_ids(space: EmbeddingSpace) -> list[str]:
    """All ids, the most frequent first where the metadata has a `count`, else as they stand.

    Of a space of both sides the most active users and items in turn.
    """
    if SIDE in space.metadata.columns:
        places = space.metadata.groupby(SIDE)["interactions"].rank(method="first", ascending=False)
        return list(space.ids[np.argsort(places.to_numpy(), kind="stable")])
    if "count" not in space.metadata.columns:
        return list(space.ids)
    counts = space.metadata["count"].fillna(0).to_numpy()
    return list(space.ids[np.argsort(-counts, kind="stable")])


def _find_neighbors(source: MapSource) -> None:
    if len(source.ids) * len(source.space) > MOST_PAIRS:
        return
    from lab.embeddings.neighbors import METRICS, top_k

    assert source.metric in METRICS
    own = source.space.index(source.ids)
    vectors = source.space.vectors
    found = top_k(vectors[own], vectors, NEIGHBORS, source.metric, exclude=own[:, None])
    source.neighbors, source.scores = found


# --- words around the maps


def project(source: MapSource, settings: MapConfig, again: bool = False) -> Projection:
    """The projection of the items on one map, kept in the run's folder and made again only for other settings.

    `again`: another one, from the next seed, in fewer epochs and without being judged.
    """
    from lab.embeddings.projection import MapSettings, cached

    how = MapSettings(settings.method, settings.metric, settings.neighbors, settings.min_dist, settings.seed)
    if again:
        how = replace(how, seed=settings.seed + 1, epochs=EPOCHS_AGAIN, judged=0)
    return cached(source.space.subset(source.ids), how, source.run.path / "maps")


def _pane(source: MapSource, coloring: Coloring, settings: MapConfig, place: int) -> MapPane:
    labels = settings.labels if source.named else 0
    png = still_map(source.coordinates, source.ids, coloring.hexadecimal(source.ids), labels)
    title = source.row.label
    shown = count(len(source.ids), "item") if len(source.ids) == len(source.space) else (
        f"{len(source.ids):,} of {count(len(source.space), 'item')}"
    )  # fmt: skip
    seeds = f"seed {source.run.seed}, " if source.row.planned > 1 else ""
    size = count(source.space.dim, "dimension")
    about = f"{seeds}{shown}, {size}, {_drawn_by(source, settings)}"
    kept = source.projection
    scores = f"Trustworthiness {number(kept.trustworthiness)}, continuity {number(kept.continuity)} · " if kept else ""
    return MapPane(
        name=f"map {source.section} {title}".replace("  ", " "),
        title=title,
        png=png,
        source=data_uri(png),
        alt=f"Map of {shown} of {title}; each point is an item, near points are alike.",
        caption=f"{source.note}{scores}{about}.",
        number=place,
        stages=[stage.name for stage in source.stages],
    )


def _drawn_by(source: MapSource, settings: MapConfig) -> str:
    """The projection and its settings, short."""
    if source.stages:
        return (
            f"{count(len(source.stages), 'stage')} aligned to each other" if len(source.stages) > 1 else "aligned maps"
        )
    if source.projection is not None and source.projection.method == "pca":
        return "PCA"
    how = f"{settings.metric}, {settings.neighbors} neighbours, min_dist {settings.min_dist:g}, seed {settings.seed}"
    return f"UMAP ({how})"


def _introduction(groups: Sequence[Sequence[MapSource]], coloring: Coloring) -> list[str]:
    first, *others = groups[0]
    shown = len(first.ids)
    frequent = "count" in first.space.metadata.columns and shown < len(first.space)
    which = f"the {shown:,} {'most frequent items' if frequent else 'items'}"
    text = f"Each point is one of {which}; near points have similar vectors."
    fewer = [f"{len(source.ids):,} of them in {source.row.label}" for source in others if len(source.ids) < shown]
    if others:
        text += f" The maps show the same items: {listing(fewer)}." if fewer else " All maps show the same items."
    if len(groups) > 1:
        text += " A map whose space holds other items has items and colours of its own."
    how = (
        "Point at an item to see it on every map; click it to see where its nearest neighbours in the original space "
        "lie. Draw around items (“Lasso”, or drag with Shift held) to see the same ones on every map. Drag to move; "
        "zoom with the buttons, a pinch, or the wheel with Ctrl or ⌘ held."
    )
    return [f"{text} {coloring.what}", how]


def _notes(sources: Sequence[MapSource], settings: MapConfig, left_out: int, cut: list[str]) -> list[str]:
    notes = [
        "How to read it: who is whose neighbour is mostly kept, as the two numbers under each map say (1 is perfect: "
        "trustworthiness falls when strangers become neighbours, continuity when neighbours are torn apart). Distances "
        "between clusters, their sizes and their places mean little."
    ]
    if any(source.neighbors is None for source in sources):
        notes.append("The spaces are too large to list nearest neighbours here; “lab neighbors” does it.")
    if left_out > 0:
        notes.append(f"Maps of the first {MOST_MAPS} rows are shown; {left_out} more are left out.")
    if settings.items > MOST_POINTS:
        notes.append(f"A map shows at most {MOST_POINTS:,} items; the config asks for {settings.items:,}.")
    if cut:
        notes.append(f"To keep the page below 30 MB, {listing(cut)}.")
    return notes

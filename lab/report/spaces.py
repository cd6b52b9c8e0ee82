"""How embedding spaces of the same items differ: a section of a study's page, and a page of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.report.figures import PageFigure, page_figure
from lab.report.map_data import MapSource
from lab.report.numbers import plain
from lab.report.space_pairs import (
    FEWEST_SHARED,
    Limits,
    Mark,
    NamedSpace,
    SpaceComparison,
    SpacePair,
    compare_spaces,
    with_seed,
)
from lab.report.space_views import answer, kept_words, protocol, spaces_lines, table_of
from lab.report.style import COLORS, GRID, INK, MUTED, drawable, figure_of
from lab.report.text import count, typeset

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_ITEMS = 1000  # of a study's spaces, the most frequent; `lab compare --spaces` takes all
LIMITS = Limits(in_pairs=500, ks=(10, 50))
MOST_PAIRS = 6
MOST_OF_A_GROUP = 3
LINEAR = "PCA"  # what the others of a group are held against, where it is among them


@dataclass
class SpacesSection:
    """What the template shows: sentences, a figure and a table a pair, the items that changed most."""

    introduction: list[str]
    figures: list[PageFigure]
    pairs: list[dict[str, Any]]
    notes: list[str]


@dataclass
class SpacesPage:
    """A page about spaces alone; the names are the template's."""

    version: str
    title: str
    facts: str
    spaces: SpacesSection
    maps: Any
    colophon: str
    pngs: dict[str, bytes] = field(default_factory=dict)


def spaces_section(sources: Sequence[MapSource]) -> SpacesSection | None:
    """The section for the spaces that have a map; None where no two of them hold the same items.

    Compared are, of each group of spaces over the same items, all pairs of three; of more the last stages each with
    the next, or with PCA where it is among them. At most six pairs in all, on the 1,000 most frequent items.
    """
    comparisons: list[SpaceComparison] = []
    left = MOST_PAIRS
    for group in _groups(sources):
        pairs = _pairs(group)[: min(left, MOST_OF_A_GROUP)]
        used = sorted({place for pair in pairs for place in pair})
        if pairs:
            named = [_named(group[place]) for place in used]
            numbered = [(used.index(a), used.index(b)) for a, b in pairs]
            comparisons.append(compare_spaces(_cut(named), numbered, LIMITS))
            left -= len(pairs)
    return section_of(comparisons) if comparisons else None


def section_of(comparisons: Sequence[SpaceComparison]) -> SpacesSection:
    """The section for comparisons that are made."""
    lines = [typeset(answer(comparison, pair)) for comparison in comparisons for pair in comparison.pairs]
    how = (
        "A space is what its neighbourhoods are: the map is a picture of them, these numbers are measured in the "
        "original spaces. Each stands between chance (items paired at random) and what another seed of the same config "
        "leaves unchanged."
    )
    figures = [_figure(comparison, pair) for comparison in comparisons for pair in comparison.pairs]
    pairs = [_shown(comparison, pair) for comparison in comparisons for pair in comparison.pairs]
    notes = [f"{'. '.join(spaces_lines(one))}. {protocol(one)}" for one in comparisons]
    return SpacesSection([how, *lines], figures, pairs, [typeset(note) for note in notes])


def build_spaces(comparison: SpaceComparison, out: str | Path) -> Path:
    """Write the page of a comparison of spaces, with maps aligned to each other, and return its path."""
    from datetime import datetime

    import lab
    from lab.report.build import render
    from lab.report.space_maps import aligned_maps
    from lab.report.text import file_names
    from lab.runs.files import write_atomic

    path = Path(out)
    section = section_of([comparison])
    maps = aligned_maps(comparison)
    page = SpacesPage(
        version=lab.__version__,
        title=" · ".join(comparison.names),
        facts=f"{count(len(comparison.spaces), 'space')} · {count(len(comparison.ids), 'shared item')}",
        spaces=section,
        maps=maps,
        colophon=f"Made by lab {lab.__version__} on {datetime.now():%-d %B %Y, %H:%M}. This file needs no network.",
    )
    pngs = {figure.name: figure.png for figure in section.figures}
    pngs |= {pane.name: pane.png for pane in (maps.panes if maps else [])}
    for name, file in file_names(pngs).items():
        write_atomic(path.parent / f"{path.stem}-figures" / f"{file}.png", pngs[name])
    write_atomic(path, render(page, "spaces_page.html").encode("utf-8", "replace"))
    return path


# --- which spaces


def _groups(sources: Sequence[MapSource]) -> list[list[MapSource]]:
    """Sources of one section that share at least half of the first one's items."""
    groups: list[list[MapSource]] = []
    for source in sources:
        if len(source.stages) > 1:  # its last stage has a map of its own
            continue
        for group in groups:
            if group[0].section == source.section and _shared(group[0], source) >= max(
                FEWEST_SHARED, len(group[0].space) / 2
            ):
                group.append(source)
                break
        else:
            groups.append([source])
    return groups


def _shared(first: MapSource, second: MapSource) -> int:
    return sum(item in second.space for item in first.space.ids)


def _pairs(group: Sequence[MapSource]) -> list[tuple[int, int]]:
    """The pairs that matter most, most telling first."""
    n = len(group)
    anchor = next((place for place, source in enumerate(group) if source.row.label == LINEAR), None)
    if anchor is not None:
        return [(anchor, place) for place in range(n) if place != anchor]
    if n <= MOST_OF_A_GROUP:
        return [(a, b) for a in range(n) for b in range(a + 1, n)]
    return [(a, a + 1) for a in range(n - 1)][-MOST_OF_A_GROUP:]


def _named(source: MapSource) -> NamedSpace:
    """A source with the same space of the next seed of its row, where that run has one."""
    embedding = source.embedding or source.run.default_embedding
    others = [run for run in source.row.runs if run.seed != source.run.seed and embedding in run.embedding_names]
    again = others[0].space(embedding) if others else None
    if again is not None:
        again = again.subset([item for item in source.space.ids if item in again])
    seeds = f"seed {source.run.seed}; the other is seed {others[0].seed}" if others else ""
    return with_seed(source.row.label, source.space, again, seeds)


def _cut(spaces: Sequence[NamedSpace]) -> list[NamedSpace]:
    """The spaces on the most frequent of the items that they share."""
    from dataclasses import replace

    from lab.report.maps import ordered_ids
    from lab.report.space_pairs import shared_ids

    common = set(shared_ids(spaces))
    kept = [item for item in ordered_ids(spaces[0].space) if item in common][:MOST_ITEMS]
    found = []
    for named in spaces:
        whole = f"of {len(named.space):,} in the whole space; " if len(kept) < len(named.space) else ""
        found.append(replace(named, space=named.space.subset(kept), why=f"{whole}{named.why}"))
    return found


# --- how they are shown


def _figure(comparison: SpaceComparison, pair: SpacePair) -> PageFigure:
    first, second = (comparison.names[i] for i in (pair.first, pair.second))
    text = answer(comparison, pair)
    return page_figure(
        f"spaces {first} and {second}",
        lambda width: _drawn(pair.marks, min(width, 4.9)),
        f"{first} and {second}",
        _legend((first, second), pair),
        f"{text} All measures: {'; '.join(_spoken(mark) for mark in pair.marks)}.",
        narrow=False,
    )


def _spoken(mark: Mark) -> str:
    seeds = [plain(value, 2) for value in mark.again if value is not None]
    ceiling = f", seeds {' and '.join(seeds)}" if seeds else ""
    return f"{mark.name} {plain(mark.value, 2)}, chance {plain(mark.chance, 2)}{ceiling}"


def _drawn(marks: Sequence[Mark], width: float) -> Figure:
    figure, axis = figure_of(width, 0.55 + 0.27 * len(marks))
    places = list(range(len(marks)))
    axis.vlines([mark.chance for mark in marks], [y - 0.28 for y in places], [y + 0.28 for y in places], MUTED, lw=2)
    for side, fill in ((0, "none"), (1, INK)):
        seeds = [float("nan") if mark.again[side] is None else float(mark.again[side] or 0) for mark in marks]
        axis.plot(seeds, places, "D", ms=5.5, mfc=fill, mec=INK, mew=1.2)
    axis.hlines(places, [mark.low for mark in marks], [mark.high for mark in marks], COLORS[0], lw=5, alpha=0.35)
    axis.plot([mark.value for mark in marks], places, "o", ms=5.5, color=COLORS[0])
    axis.set_yticks(places, [drawable(mark.name) for mark in marks])
    axis.set_ylim(len(marks) - 0.4, -0.6)
    axis.set_xlim(min(-0.02, *(mark.low - 0.02 for mark in marks if mark.low == mark.low)), 1.02)
    axis.grid(axis="x", color=GRID, lw=0.8)
    axis.spines[["left"]].set_visible(False)
    axis.tick_params(axis="y", length=0)
    return figure


def _legend(names: tuple[str, str], pair: SpacePair) -> str:
    """What the signs in a pair's figure are."""
    known = [any(mark.again[side] is not None for mark in pair.marks) for side in (0, 1)]
    seeds = [
        f"{sign} diamond: two seeds of {name}"
        for sign, name, is_known in zip(("open", "full"), names, known, strict=True)
        if is_known
    ]
    return "; ".join(["Bar: chance", "dot with its 95 % interval over items: the pair", *seeds]) + "."


def _shown(comparison: SpaceComparison, pair: SpacePair) -> dict[str, Any]:
    """The table of all measures of a pair, and of the items that changed most and least."""
    first, second = (comparison.names[i] for i in (pair.first, pair.second))
    head, rows = table_of(comparison, pair)
    changed = pair.changed
    rare = f" {count(changed.left_out, 'item')} seen fewer than 20 times are left out." if changed.left_out else ""
    beyond = " beyond what another seed changes" if changed.beyond_seeds else ""
    groups = [[group.name, f"{group.n:,}", plain(group.kept, 2)] for group in changed.groups]
    return {
        "title": f"{first} (A) and {second} (B)",
        "names": (first, second),
        "numbers": _table(f"All numbers of {first} and {second}", head, [[typeset(c) for c in row] for row in rows]),
        "note": f"Of {count(changed.considered, 'item')}, those whose neighbourhoods changed most{beyond}; in bold who "
        f"is among the nearest in both.{rare}",
        "most": [_item(item) for item in changed.most],
        "least": ", ".join(f"{item.name} ({plain(item.kept, 2)})" for item in changed.least),
        "groups": _table(f"Kept by {changed.column}", [changed.column, "items", "kept"], groups) if groups else None,
    }


def _item(item: Any) -> dict[str, Any]:
    lists = [
        [{"name": name, "both": both} for name, both in zip(names, common, strict=True)]
        for names, common in ((item.first, item.in_both[0]), (item.second, item.in_both[1]))
    ]
    return {"name": item.name, "kept": kept_words(item), "lists": lists}


def _table(label: str, head: list[str], rows: list[list[str]]) -> dict[str, Any]:
    return {"label": label, "caption": "", "head": head, "rows": rows}

"""The part of a page that is about embeddings of pictures: everything that template `autoencoder.html` shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.report.autoencoder_answer import answers, certainty
from lab.report.autoencoder_figures import labels_figure, size_figure
from lab.report.autoencoder_rows import Group, groups_of
from lab.report.autoencoder_tables import best_for, geometry_table, labels_table, tables_of
from lab.report.figures import WIDE
from lab.report.scoreboard import dots_of
from lab.report.text import count, listing

if TYPE_CHECKING:
    from lab.report.dots import Dots
    from lab.report.figures import PageFigure
    from lab.report.finetune_answer import Answer
    from lab.runs.study import Row

HALF = 4.6  # inches: of two figures beside each other


@dataclass
class Part:
    """What is shown of one task, under its title where there are several.

    `main`: the first purpose by size; `sizes`: the other purposes; `labels`, `probes`: by labels a class, at the size
    in focus.
    """

    title: str
    main: PageFigure | None
    best: dict[str, Any] | None
    sizes: list[PageFigure]
    labels: PageFigure | None
    probes: dict[str, Any] | None
    geometry: dict[str, Any] | None


@dataclass
class AutoencoderPage:
    """Everything about embeddings of pictures."""

    answers: list[Answer]
    certainty: list[str]
    parts: list[Part]
    groups: list[Group]
    tables: list[dict[str, Any]]
    rows: list[Row]

    @property
    def main(self) -> list[PageFigure]:
        """The figures that stand with the answer."""
        return [part.main for part in self.parts if part.main]

    @property
    def figures(self) -> list[PageFigure]:
        """All figures, for the folder beside the page."""
        more = [figure for part in self.parts for figure in [*part.sizes, part.labels]]
        return [*self.main, *(figure for figure in more if figure)]

    @property
    def folded(self) -> list[Row]:
        """Rows of sizes of which the answer does not speak: their curves and own figures are in their own reports."""
        return [entry.row for group in self.groups for entry in group.entries if entry not in group.at(group.focus)]

    @property
    def shown(self) -> str:
        """The sizes of the rows that are not folded: `32 dimensions`."""
        return listing([count(focus, "dimension") for focus in dict.fromkeys(group.focus for group in self.groups)])

    def dots(self, colors: Mapping[str, int]) -> Dots | None:
        """The first purpose at the size in focus as dots, of the first task; `colors` by label."""
        group = self.groups[0]
        table = group.table(group.focus, group.purposes[0]) if group.purposes else None
        return dots_of(table, colors, {}) if table else None

    def has(self, name: str) -> bool:
        """Whether any part has this."""
        return any(getattr(part, name) for part in self.parts)


def autoencoder_page(rows: Sequence[Row]) -> AutoencoderPage | None:
    """The page about these rows; None where none of them is finished or about embeddings of pictures."""
    groups = groups_of(rows)
    if not groups:
        return None
    return AutoencoderPage(
        answers=answers(groups),
        certainty=certainty(groups),
        parts=[_part(group) for group in groups],
        groups=groups,
        tables=[table for group in groups for table in tables_of(group)],
        rows=list(rows),
    )


def _part(group: Group) -> Part:
    def named(name: str) -> str:
        return f"{name} {group.title}".strip()

    by_size = [
        size_figure(group, purpose, named(f"{purpose.evaluation} by size"), HALF if place else WIDE)
        for place, purpose in enumerate(group.purposes)
    ]
    return Part(
        title=group.title,
        main=by_size[0] if by_size else None,
        best=best_for(group),
        sizes=[figure for figure in by_size[1:] if figure],
        labels=labels_figure(group, group.focus, named("labels")),
        probes=labels_table(group, group.focus),
        geometry=geometry_table(group),
    )

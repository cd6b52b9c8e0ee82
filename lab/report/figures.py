"""Figures: learning curves of all runs in one picture a metric, and the runs' own figures, grouped."""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lab.report.figure_data import Rows, csv_uri, drawn_rows, recorded_rows
from lab.report.style import COLORS, drawable, figure_of, png_of, svg_of
from lab.report.text import count, data_uri, listing, number, slug, typeset

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from lab.runs.run import Run
    from lab.runs.study import Row

WIDE, NARROW = 7.4, 4.0  # inches
MOST_CURVES = 12
MOST_ENDS = 4  # rows, if there are no more, whose last values are said in words
_NOT_CURVES = {"step", "time", "epoch", "seconds", "learning_rate"}


@dataclass
class PageFigure:
    """A picture in the page. `paper`: on a white sheet, as it has a white ground of its own.

    `png` is what goes into the figures folder as `name`; `narrow` is another `source` for phones, "" where one will do;
    `data`: the numbers behind it, as a table whose head comes first.
    """

    name: str
    png: bytes
    title: str
    caption: str
    alt: str
    source: str
    paper: bool = True
    narrow: str = ""
    data: Rows = ()

    @property
    def csv(self) -> str:
        """The data as an address that a browser saves; "" where there is none."""
        return csv_uri(self.data)

    @property
    def file(self) -> str:
        """What the data are saved as, without the ending."""
        return slug(self.name)

    @property
    def wide(self) -> bool:
        """Whether it is much wider than high: on a phone it then scrolls in its box instead of shrinking."""
        width, height = struct.unpack(">II", self.png[16:24])
        return self.paper and width > 1.7 * height


def page_figure(
    name: str,
    draw: Callable[[float], Figure],
    title: str,
    caption: str,
    alt: str,
    *,
    narrow: bool = True,
    wide: float = WIDE,
) -> PageFigure:
    """A figure for the page from `draw(width in inches)`: SVG for both widths, and a PNG for the folder."""
    figure = draw(wide)
    return PageFigure(
        name=name,
        png=png_of(figure),
        title=title,
        caption=typeset(caption),
        alt=typeset(alt),
        source=data_uri(svg_of(figure), "image/svg+xml"),
        paper=False,
        narrow=data_uri(svg_of(draw(NARROW)), "image/svg+xml") if narrow else "",
        data=drawn_rows(figure),
    )


@dataclass
class FigureGroup:
    """Figures that go by one name in several runs: the first seed of each row, and the rest folded away.

    `caption`: what the captions of all of them have in common, so that it is said once.
    """

    title: str
    figures: list[PageFigure]
    more: list[PageFigure] = field(default_factory=list)
    caption: str = ""

    def say_once(self) -> None:
        """Move a caption that all figures have in front of them."""
        captions = {figure.caption for figure in [*self.figures, *self.more]}
        if len(self.figures) > 1 and len(captions) == 1:
            (self.caption,) = captions
            for figure in [*self.figures, *self.more]:
                figure.caption = ""


@dataclass(frozen=True)
class Line:
    """What one run recorded of one metric while it trained; `row` is its row's place."""

    row: int
    run: str
    steps: pd.Series
    values: pd.Series


def learning_curves(rows: Sequence[Row]) -> dict[str, PageFigure]:
    """By metric, one figure of what runs recorded while they trained: a line a run, in its row's colour.

    A metric that went the same way in all of several runs, as a schedule does, is left out.
    """
    lines: dict[str, list[Line]] = {}
    for place, row in enumerate(rows):
        for run in row.runs:
            table = run.metrics
            for name in table.columns:
                known = table[name].notna()
                if name not in _NOT_CURVES and table[name].dtype.kind in "fiu" and known.sum() > 1:
                    lines.setdefault(name, []).append(Line(place, run.id, table["step"][known], table[name][known]))
    telling = {name: found for name, found in lines.items() if len(found) == 1 or not _all_same(found)}
    titles = {figure.name: figure.title for row in rows for run in row.runs for figure in run.figures}
    return {name: _curve(name, titles.get(name), telling[name], rows) for name in list(telling)[:MOST_CURVES]}


def _all_same(lines: Sequence[Line]) -> bool:
    return all(line.values.tolist() == lines[0].values.tolist() for line in lines)


def _curve(name: str, title: str | None, lines: Sequence[Line], rows: Sequence[Row]) -> PageFigure:
    from matplotlib.ticker import MaxNLocator

    figure, axis = figure_of(4.6, 3.1)
    for line in lines:
        color, mark = COLORS[line.row % len(COLORS)], "o" if len(line.steps) <= 30 else ""
        axis.plot(line.steps, line.values, color=color, lw=1.5, alpha=0.85, marker=mark, ms=3)
    if all((line.steps % 1 == 0).all() for line in lines):
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_xlabel("step", fontsize=9)
    axis.set_ylabel(drawable(name.replace("_", " ")), fontsize=9)
    shown = list(dict.fromkeys(line.row for line in lines))
    title = title or name.replace("_", " ")
    ends = "; ".join(_end_of(rows[place].label, [line for line in lines if line.row == place]) for place in shown)
    said = f" {ends}." if len(shown) <= MOST_ENDS else ""
    svg = data_uri(svg_of(figure), "image/svg+xml")
    for place in shown[:10] if len(rows) > 1 else []:  # the PNG stands alone: it carries the legend that the page has
        axis.plot([], [], color=COLORS[place % len(COLORS)], label=drawable(rows[place].label))
    if len(rows) > 1:
        figure.legend(loc="outside upper left", fontsize=8, frameon=False)
    return PageFigure(
        name=f"curve {name}",
        png=png_of(figure),
        title=title[:1].upper() + title[1:],
        caption=f"{count(len(lines), 'run')}, one line each.{said}",
        alt=f"Learning curves: {title} by step.{said}",
        source=svg,
        paper=False,
        data=[
            ["row", "run", "step", name],
            *(point for line in lines for point in _points(rows[line.row].label, line)),
        ],
    )


def _points(label: str, line: Line) -> list[list[Any]]:
    return [[label, line.run, f"{s:g}", f"{v:.6g}"] for s, v in zip(line.steps, line.values, strict=True)]


def _end_of(label: str, lines: Sequence[Line]) -> str:
    last = sorted(float(line.values.iloc[-1]) for line in lines)
    between = number(last[0]) if last[0] == last[-1] else f"{number(last[0])} to {number(last[-1])}"
    return f"{label} ends at {between}"


def run_figures(rows: Sequence[Row], in_curves: Collection[str] = ()) -> list[FigureGroup]:
    """The figures that recipes drew, grouped by name; pictures that are the same in every byte come once.

    Those named as a metric that has a learning curve of all runs (`in_curves`) are folded away whole.
    """
    seen: dict[str, list[tuple[Row, Run, Any]]] = {}
    for row in rows:
        for run in row.runs:
            for figure in run.figures:
                seen.setdefault(figure.name, []).append((row, run, figure))
    groups = []
    for name, entries in seen.items():
        group = FigureGroup(entries[0][2].title or name, [])
        taken: set[bytes] = set()
        started: set[str] = set()
        for row, run, figure in entries:
            png = figure.path.read_bytes()
            if png in taken:
                continue
            taken.add(png)
            folded = name in in_curves or row.label in started
            (group.more if folded else group.figures).append(_page_figure(row, run, figure, png, rows))
            started.add(row.label)
        group.say_once()
        groups.append(group)
    return sorted(groups, key=lambda group: bool(group.figures))  # folded ones first, beside the curves


def _page_figure(row: Row, run: Run, figure: Any, png: bytes, rows: Sequence[Row]) -> PageFigure:
    which = [row.label] if len(rows) > 1 else []
    which += [f"seed {run.seed}"] if row.planned > 1 else []
    title = ", ".join(which)
    return PageFigure(
        name=" ".join([figure.name, *which]),
        png=png,
        title=title,
        caption=figure.caption or "",
        alt=figure.alt or listing([figure.title or figure.name, *which]),
        source=data_uri(png),
        data=recorded_rows(figure.data),
    )

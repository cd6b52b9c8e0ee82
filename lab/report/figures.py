"""Figures: learning curves of all runs in one picture a metric, and the runs' own figures, grouped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lab.report.style import COLORS, drawable, figure_of, png_of, svg_of
from lab.report.text import count, data_uri, listing

if TYPE_CHECKING:
    from lab.runs.run import Run
    from lab.runs.study import Row

MOST_CURVES = 12
_NOT_CURVES = {"step", "time", "epoch"}


@dataclass
class PageFigure:
    """A picture in the page. `paper`: on a white sheet, as it has a white ground of its own.

    `png` is what goes into the figures folder as `name`.
    """

    name: str
    png: bytes
    title: str
    caption: str
    alt: str
    source: str
    paper: bool = True


@dataclass
class FigureGroup:
    """Figures that go by one name in several runs: the first seed of each row, and the rest folded away."""

    title: str
    figures: list[PageFigure]
    more: list[PageFigure] = field(default_factory=list)


def learning_curves(rows: Sequence[Row]) -> list[PageFigure]:
    """One figure for each metric that runs recorded while they trained: a line a run, its row's colour."""
    lines: dict[str, list[tuple[int, Run, Any, Any]]] = {}
    for index, row in enumerate(rows):
        for run in row.runs:
            table = run.metrics
            for name in table.columns if len(table) > 1 else []:
                known = table[name].notna() if name not in _NOT_CURVES and table[name].dtype.kind in "fiu" else []
                if sum(known) > 1:
                    lines.setdefault(name, []).append((index, run, table["step"][known], table[name][known]))
    return [_curve(name, lines[name], rows) for name in list(lines)[:MOST_CURVES]]


def _curve(name: str, lines: Sequence[tuple[int, Run, Any, Any]], rows: Sequence[Row]) -> PageFigure:
    figure, axis = figure_of(4.6, 3.1)
    for index, _, steps, values in lines:
        color = COLORS[index % len(COLORS)]
        axis.plot(steps, values, color=color, lw=1.5, alpha=0.85, marker="o" if len(steps) <= 30 else "", ms=3)
    axis.set_xlabel("step", fontsize=9)
    axis.set_ylabel(drawable(name), fontsize=9)
    if all((steps == steps.astype(int)).all() for _, _, steps, _ in lines):
        axis.xaxis.get_major_locator().set_params(integer=True)
    shown = list(dict.fromkeys(index for index, *_ in lines))
    caption = f"{count(len(lines), 'run')} of {count(len(shown), 'row')}, one line a run."
    ends = "; ".join(
        f"{rows[i].label} ends at {', '.join(f'{values.iloc[-1]:.3g}' for j, _, _, values in lines if j == i)}"
        for i in shown[:6]
    )
    title = name.replace("_", " ")
    svg = data_uri(svg_of(figure), "image/svg+xml")
    if len(shown) > 1 or len(rows) > 1:  # the PNG stands alone, so it carries the legend that the page has above it
        for index in shown[:10]:
            axis.plot([], [], color=COLORS[index % len(COLORS)], label=drawable(rows[index].label))
        axis.figure.legend(loc="outside upper left", fontsize=8, frameon=False)
    return PageFigure(
        f"curve {name}", png_of(figure), title, caption, f"Learning curves of {title}: {ends}.", svg, paper=False
    )


def run_figures(rows: Sequence[Row]) -> list[FigureGroup]:
    """The figures that recipes drew, grouped by name; pictures that are the same in every byte come once."""
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
            (group.more if row.label in started else group.figures).append(_page_figure(row, run, figure, png, rows))
            started.add(row.label)
        groups.append(group)
    return groups


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
    )

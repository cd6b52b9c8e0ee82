"""Figures of a page about embeddings: how good they are by size, and by how many labels there are to learn from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.report.autoencoder_rows import LINEAR, RECONSTRUCTION, Purpose, few_labels
from lab.report.figures import WIDE, PageFigure, page_figure
from lab.report.numbers import plain, spoken, with_interval
from lab.report.style import COLORS, GRID, INK, MUTED, drawable, dress
from lab.report.text import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lab.report.autoencoder_rows import Entry, Group

Point = tuple[float, float, float | None, float | None]
"""x, value, low and high."""

_STYLES: dict[str, tuple[str, Any, float]] = {"pca": (INK, "-", 2.0), "untrained": (COLORS[7], (0, (1, 1.6)), 1.3)}
_LEVELS: dict[str, tuple[str, Any]] = {"pixels": (MUTED, (0, (5, 2.5))), "backbone": (INK, (0, (5, 1.5, 1, 1.5)))}
_LEADER: dict[str, Any] = {"arrowstyle": "-", "lw": 0.6, "alpha": 0.6, "relpos": (0, 0.5), "shrinkA": 1, "shrinkB": 0}
_TICKS = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998)


@dataclass(frozen=True)
class Series:
    """One line of a figure, or, with one point and `level`, a horizontal one."""

    name: str
    color: str
    style: Any
    width: float
    points: list[Point]
    level: bool = False

    @property
    def last(self) -> float:
        """Its value at the right end."""
        return self.points[-1][1]

    @property
    def spoken(self) -> str:
        """For who cannot see it: `denoising .45 at 2, .91 at 32`."""
        if self.level:
            return f"{self.name} {with_interval(*self.points[0][1:])}"
        told = [f"{with_interval(value, low, high)} at {x:g}" for x, value, low, high in self.points]
        return f"{self.name} {', '.join(told)}"


def size_figure(group: Group, purpose: Purpose, name: str, wide: float = WIDE) -> PageFigure | None:
    """A purpose by size: a line a kind, PCA as a line, raw pixels and networks as levels; None for a single size."""
    if len(group.sizes) < 2:
        return None
    found = [one for one in _by_size(group, purpose) if one.level or len(one.points) > 1]
    if not any(not one.level for one in found):
        return None
    what = _what(purpose)
    title = f"{what} by size{f', {group.title}' if group.title else ''}"
    levels = " Dashed: raw pixels and pretrained networks, whatever their size." if any(o.level for o in found) else ""
    caption = f"A point is the mean of a row, the bar its 95 % interval over seeds and test items.{levels}"
    better = " Lower is better." if purpose is RECONSTRUCTION else ""

    def draw(width: float) -> Figure:
        return _draw(found, width, "dimensions of the embedding", what, [float(s) for s in group.sizes], purpose)

    alt = f"{title}: {'; '.join(one.spoken for one in found)}."
    return page_figure(name, draw, title, f"{caption}{better}", alt, wide=wide)


def labels_figure(group: Group, size: int, name: str) -> PageFigure | None:
    """The linear probe at one size by labels a class, the last being all; None where it was asked at none."""
    if not group.label_counts:
        return None
    whole = _labels_in_all(group)
    counts = [*group.label_counts, *([whole] if whole else [])]
    found = []
    for entry in group.at(size):
        points = []
        for labels in counts:
            line = group.line(entry, LINEAR if labels == whole else few_labels(labels), size)
            if line is not None and line.value is not None:
                points.append((float(labels), line.value, line.low, line.high))
        if len(points) > 1:
            found.append(_series(group, entry, points, level=False))
    if not found:
        return None
    title = f"Linear probe by labels a class, {count(size, 'dimension')}{f', {group.title}' if group.title else ''}"
    caption = "Labels are drawn several times and each point is the mean; bars are 95 % intervals over seeds and test "
    caption += "items. The right end is all labels there are." if whole else "items."

    def draw(width: float) -> Figure:
        return _draw(found, width, "labels a class", _what(LINEAR), [float(c) for c in counts], LINEAR, bool(whole))

    return page_figure(name, draw, title, caption, f"{title}: {'; '.join(one.spoken for one in found)}.")


def _labels_in_all(group: Group) -> int:
    """All training labels a class, on average; 0 where that is not known."""
    run = group.entries[0].run
    trained, classes = len(run.splits.get("train", [])), (run.info.get("data") or {}).get("counts", {}).get("classes")
    return round(trained / classes) if trained and classes else 0


def _what(purpose: Purpose) -> str:
    if purpose is RECONSTRUCTION:
        return "Reconstruction error (mean squared)"
    return f"{purpose.evaluation[:1].upper()}{purpose.evaluation[1:]} {spoken(purpose.metric)}"


def _by_size(group: Group, purpose: Purpose) -> list[Series]:
    lines: dict[tuple[str, str], list[tuple[Entry, Point]]] = {}
    for entry in group.entries:
        line = group.line(entry, purpose)
        if line is not None and line.value is not None:
            x = float(entry.size if entry.sized else group.sizes[-1])
            lines.setdefault((entry.kind, entry.name), []).append((entry, (x, line.value, line.low, line.high)))
    return [
        _series(group, own[0][0], sorted(point for _, point in own), level=not own[0][0].sized)
        for own in lines.values()
    ]


def _series(group: Group, entry: Entry, points: list[Point], level: bool) -> Series:
    if entry.kind in _LEVELS:
        return Series(entry.name, *_LEVELS[entry.kind], 1.3, points, level)
    if entry.kind in _STYLES:
        return Series(entry.name.removesuffix(" encoder"), *_STYLES[entry.kind], points)
    return Series(entry.name, COLORS[place_of(group, entry) % len(COLORS)], "-", 1.6, points)


def place_of(group: Group, entry: Entry) -> int:
    """The place of an autoencoder's kind in the palette, the same at every size."""
    names = list(dict.fromkeys(e.name for e in group.entries if e.kind == "autoencoder"))
    return names.index(entry.name) if entry.name in names else len(names)


def _draw(
    found: Sequence[Series], width: float, x_label: str, y_label: str, ticks: list[float], purpose: Purpose,
    whole: bool = False,
) -> Figure:  # fmt: skip
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator

    narrow = width < 4.5
    figure = Figure(figsize=(width, 4.3 if narrow else 4.1))
    room = 0.35 + 0.072 * max(len(_end_of(one, narrow)) for one in found)  # inches, for the names at the right
    axis = figure.add_axes((0.6 / width, 0.12, 1 - (0.6 + room) / width, 0.84))
    dress(axis)
    axis.grid(axis="y", color=GRID, lw=0.8)
    axis.set_xscale("log")
    axis.set_xlim(ticks[0] / 1.18, ticks[-1] * 1.18)
    axis.xaxis.set_minor_locator(NullLocator())
    names = [f"{tick:g}" if tick < 0.75 * ticks[-1] else "" for tick in ticks[:-1]]  # no two over each other
    names += [f"all ({ticks[-1]:g})" if whole else f"{ticks[-1]:g}"]
    axis.set_xticks(ticks, names)
    lines = [one for one in found if not one.level]
    for place, one in enumerate(lines):
        shift = 1 + 0.022 * (place - (len(lines) - 1) / 2)  # so that bars at one size stand beside each other
        _draw_line(axis, one, shift)
    for one in found:
        if one.level:
            axis.axhline(one.last, color=one.color, lw=one.width, ls=one.style, zorder=1)
    _scale(axis, found, purpose)
    axis.set_xlabel(x_label, fontsize=9)
    axis.set_ylabel(drawable(y_label, 60), fontsize=9)
    _name_ends(axis, found, narrow)
    return figure


def _draw_line(axis: Axes, one: Series, shift: float) -> None:
    xs, values = [x * shift for x, *_ in one.points], [value for _, value, *_ in one.points]
    axis.plot(xs, values, color=one.color, lw=one.width, ls=one.style, marker="o", ms=4, zorder=3)
    for x, (_, _, low, high) in zip(xs, one.points, strict=True):
        if low is not None and high is not None:
            axis.plot([x, x], [low, high], color=one.color, lw=4, alpha=0.25, solid_capstyle="butt", zorder=2)


def _scale(axis: Axes, found: Sequence[Series], purpose: Purpose) -> None:
    """Errors on a logarithmic axis; accuracies of which some are near 1 on one that is stretched towards 1."""
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullFormatter, NullLocator

    values = [value for one in found for _, value, *_ in one.points]
    low = min([*values, *(low for one in found for _, _, low, _ in one.points if low is not None)])
    high = max([*values, *(high for one in found for _, _, _, high in one.points if high is not None)])
    if purpose is RECONSTRUCTION:
        axis.set_yscale("log")
        axis.yaxis.set_minor_formatter(NullFormatter())
        ticks = [m * 10.0**e for e in range(-6, 2) for m in (1, 2, 5) if 0.8 * low <= m * 10.0**e <= 1.25 * high]
    elif 0 < low < 0.8 and high > 0.9:
        top = min(max(values) + 0.5 * (1 - max(values)), 0.999)  # a bar that goes on to 1 is cut there
        axis.set_yscale("logit", nonpositive="clip")
        ticks = [tick for tick in _TICKS if low - 0.1 <= tick <= top]
        axis.set_ylim(max(min(low - 0.03, ticks[0] if ticks else low), 0.01), top)
    else:
        ticks = [tick for tick in axis.get_yticks() if axis.get_ylim()[0] <= tick <= min(axis.get_ylim()[1], 1.0)]
    axis.yaxis.set_major_locator(FixedLocator(ticks))
    axis.yaxis.set_major_formatter(FixedFormatter([re.sub(r"^0\.", ".", f"{tick:g}") for tick in ticks]))
    axis.yaxis.set_minor_locator(NullLocator())


def _name_ends(axis: Axes, found: Sequence[Series], narrow: bool) -> None:
    """Names and last values right of the axis, clear of each other, each joined to its line's end."""
    figure = axis.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    bottom, top = axis.bbox.y0, axis.bbox.y1
    step = min(12.5 * figure.dpi / 72, (top - bottom) / max(1, len(found)))
    ordered = sorted(found, key=lambda one: one.last)
    wanted = [axis.transData.transform((1, one.last))[1] for one in ordered]
    for (one, y), end in zip(zip(ordered, spread(wanted, step, bottom, top), strict=True), wanted, strict=True):
        place, own = (y - bottom) / (top - bottom), (end - bottom) / (top - bottom)
        axis.annotate(
            _end_of(one, narrow), (1, own), (1.06, place), xycoords="axes fraction",
            textcoords="axes fraction", fontsize=8, color=one.color, va="center", annotation_clip=False,
            arrowprops={**_LEADER, "color": one.color},
        )  # fmt: skip


def _end_of(one: Series, narrow: bool) -> str:
    """Name and last value; the name alone where there is little room."""
    name = drawable(one.name, 26)
    return name if narrow else f"{name} {plain(one.last, 3 if one.last >= 0.02 else 4)}"


def spread(wanted: Sequence[float], step: float, low: float, high: float) -> list[float]:
    """Ascending places moved apart to at least `step`, as near to where they want to be as that allows."""
    groups: list[list[float]] = []  # of places that touch
    for place in wanted:
        groups.append([place])
        while len(groups) > 1 and _gap(groups[-2], groups[-1]) < step * (len(groups[-2]) + len(groups[-1])) / 2:
            groups[-2:] = [groups[-2] + groups[-1]]
    found = [sum(g) / len(g) + step * (k - (len(g) - 1) / 2) for g in groups for k in range(len(g))]
    for k in range(len(found)):
        found[k] = max(found[k], low + step * k)
    for k in reversed(range(len(found))):
        found[k] = min(found[k], high - step * (len(found) - 1 - k))
    return found


def _gap(lower: Sequence[float], upper: Sequence[float]) -> float:
    return sum(upper) / len(upper) - sum(lower) / len(lower)

"""The numbers behind a figure as a table: what it draws, or what its run recorded with it."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

Rows = Sequence[Sequence[Any]]

MOST_ROWS = 5000  # of a table in the page; of more, every second, third … is kept
DRAWN = ["panel", "series", "mark", "x", "y", "to x", "to y"]


def csv_uri(rows: Rows) -> str:
    """A table, its head first, as an address that a browser saves without a network; "" for a table without rows."""
    if len(rows) < 2:
        return ""
    text = io.StringIO()
    csv.writer(text).writerows([rows[0], *rows[1 :: -(-(len(rows) - 1) // MOST_ROWS)]])
    return f"data:text/csv;charset=utf-8;base64,{base64.b64encode(text.getvalue().encode('utf-8', 'replace')).decode()}"


def drawn_rows(figure: Figure) -> Rows:
    """Every mark of a figure with its place on the axes: points of lines, dots, bars, intervals, bands, cells.

    `to x` and `to y` are where an interval, band or bar ends; the series of a cell is its value. A place that has a
    name on its axis is given by it.
    """
    rows: list[list[Any]] = []
    for number, axis in enumerate(figure.axes):
        panel = axis.get_title() or axis.get_title(loc="left") or (str(number + 1) if len(figure.axes) > 1 else "")
        rows += [[panel, *mark] for mark in _marks(axis)]
    return [DRAWN, *rows]


def _marks(axis: Axes) -> list[list[Any]]:
    from matplotlib.collections import LineCollection, PathCollection, PolyCollection, QuadMesh

    x_of, y_of = _names(axis, "x"), _names(axis, "y")
    found = [mark for line in axis.get_lines() for mark in _line(axis, line, x_of, y_of)]
    for drawn in axis.collections:
        name = _series(drawn)
        if isinstance(drawn, LineCollection):
            for (x, y), *_, (to_x, to_y) in drawn.get_segments():
                found.append([name, "interval", x_of(x), y_of(y), x_of(to_x), y_of(to_y)])
        elif isinstance(drawn, PathCollection):
            found += [[name, "dot", x_of(x), y_of(y), "", ""] for x, y in np.asarray(drawn.get_offsets(), dtype=float)]
        elif isinstance(drawn, QuadMesh):
            values: Any = np.ma.filled(np.ma.asarray(drawn.get_array(), dtype=float), np.nan)
            cells = np.ndindex(*values.shape) if values.ndim == 2 else ()
            found += [[_round(values[i, j]), "cell", x_of(j + 0.5), y_of(i + 0.5), "", ""] for i, j in cells]
        elif isinstance(drawn, PolyCollection):
            outline = np.concatenate([path.vertices for path in drawn.get_paths()] or [np.empty((0, 2))])
            for x in np.unique(outline[:, 0]):
                ys = outline[outline[:, 0] == x, 1]
                found.append([name, "band", x_of(x), _round(ys.min()), x_of(x), _round(ys.max())])
    for patch in axis.patches:
        corners = patch.get_path().get_extents(patch.get_patch_transform())
        low, high = (corners.x0, corners.y0), (corners.x1, corners.y1)
        found.append([_series(patch), "bar", *map(_round, (*low, *high))])
    return found


def _line(axis: Axes, line: Line2D, x_of: Callable[[float], str], y_of: Callable[[float], str]) -> list[list[Any]]:
    """The points of a line; of one from edge to edge of the picture, where it lies; none of a decoration."""
    name, transform = _series(line), line.get_transform()
    points = np.asarray(line.get_xydata(), dtype=float)
    if transform == axis.transAxes or not len(points):
        return []
    if transform == axis.get_yaxis_transform():
        return [[name, "level", "", y_of(points[0, 1]), "", ""]]
    if transform == axis.get_xaxis_transform():
        return [[name, "level", x_of(points[0, 0]), "", "", ""]]
    return [[name, "point", x_of(x), y_of(y), "", ""] for x, y in points]


def _names(axis: Axes, which: str) -> Callable[[float], str]:
    """From a place on an axis to its name there, or to the number itself."""
    from matplotlib.ticker import FixedLocator

    own = axis.xaxis if which == "x" else axis.yaxis
    places = list(own.get_ticklocs()) if isinstance(own.get_major_locator(), FixedLocator) else []
    texts = own.get_major_formatter().format_ticks(places)
    named = any(re.search("[A-Za-z]", text) for text in texts)
    names = {round(float(place), 6): text for place, text in zip(places, texts, strict=True) if named and text}
    return lambda value: names.get(round(float(value), 6), _round(value)).replace("\n", " ")


def _series(mark: Any) -> str:
    label = str(mark.get_label() or "")
    return "" if label.startswith("_") else label


def _round(value: Any) -> str:
    return f"{float(value):.6g}"


def recorded_rows(data: Mapping[str, Any]) -> Rows:
    """What a run kept beside a figure: lists of one length are columns; anything else is a line a value."""
    lists = {name: value for name, value in data.items() if isinstance(value, list) and value}
    plain = all(not isinstance(one, list | dict) for value in lists.values() for one in value)
    if lists and len(lists) == len(data) and plain and len({len(value) for value in lists.values()}) == 1:
        return [list(lists), *map(list, zip(*lists.values(), strict=True))]
    return [["what", "value"], *_flat("", data)]


def _flat(name: str, value: Any) -> list[list[Any]]:
    if isinstance(value, Mapping):
        return [row for key, inner in value.items() for row in _flat(f"{name}.{key}".lstrip("."), inner)]
    if isinstance(value, list) and all(isinstance(one, Mapping | list) for one in value):
        return [row for place, inner in enumerate(value) for row in _flat(f"{name}.{place}", inner)]
    return [[name, json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value]]

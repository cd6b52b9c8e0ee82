"""A map as a still picture: all points, and as many labels as stand clear of each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.report.style import drawable, missing_glyphs_are_boxes, png_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_TRIED = 1500  # labels measured until enough have a place


def still_map(points: np.ndarray, ids: Sequence[str], colors: Sequence[str], labels: int) -> bytes:
    """PNG of `points` (n, 2) within [-1, 1]; the first ids get labels, at most `labels`, none over another."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 6))
    canvas = FigureCanvasAgg(figure)
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(-1.02, 1.02), ylim=(-1.02, 1.02))
    axis.axis("off")
    size = float(np.clip(9000 / len(points), 1.5, 22))
    axis.scatter(points[:, 0], points[:, 1], s=size, c=list(colors), alpha=0.7, linewidths=0, rasterized=True)
    with missing_glyphs_are_boxes():
        _label(axis, points, ids, labels, canvas.get_renderer())
    return png_of(figure, dpi=150)


def _label(axis: Axes, points: np.ndarray, ids: Sequence[str], most: int, renderer: Any) -> np.ndarray:
    """Place labels greedily in the order of the ids, each where it touches neither another nor the edge.

    Returns the boxes they take, (labels, 4) in pixels: left, bottom, right, top.
    """
    import matplotlib.patheffects as effects

    frame = axis.get_window_extent(renderer)
    placed = np.empty((0, 4))
    halo: list[effects.AbstractPathEffect] = [effects.withStroke(linewidth=2.2, foreground="white")]
    for item, (x, y) in list(zip(ids, points, strict=True))[:MOST_TRIED]:
        if len(placed) >= most:
            break
        text = axis.annotate(
            drawable(item, 22), (x, y), (3, 0), textcoords="offset points", fontsize=8, va="center", color="#1c2126"
        )
        box = text.get_window_extent(renderer)
        edges = np.array([box.x0 - 1, box.y0, box.x1 + 1, box.y1])
        apart = (
            (edges[0] > placed[:, 2])
            | (edges[2] < placed[:, 0])
            | (edges[1] > placed[:, 3])
            | (edges[3] < placed[:, 1])
        )
        inside = frame.x0 < edges[0] and edges[2] < frame.x1 and frame.y0 < edges[1] and edges[3] < frame.y1
        if inside and apart.all():
            placed = np.vstack([placed, edges])
            text.set_path_effects(halo)
        else:
            text.remove()
    return placed
